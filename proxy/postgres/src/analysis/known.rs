//! What is known to be harmless: functions, types, relations of the system, settings. Everything else is not.
//!
//! A function is on the list when it computes from its arguments, or tells about definitions, the clock or the session
//! alone. It reads no rows, no statistics of rows, no files, and no other sessions' statements.

use std::collections::HashSet;
use std::sync::LazyLock;

use pg_query::protobuf::{VariableSetKind, VariableSetStmt};

use super::AnalysisError;
use crate::encoding::Encoding;

/// Whether a function of the server's own schema computes only from its arguments or tells about definitions.
pub(super) fn harmless_function(name: &str) -> bool {
    static WORDS: LazyLock<HashSet<&str>> =
        LazyLock::new(|| HARMLESS.iter().flat_map(|line| line.split_ascii_whitespace()).collect());
    WORDS.contains(name)
}

/// Whether a harmless function makes its value from several rows.
pub(super) fn gathers(name: &str) -> bool {
    let mut words = AGGREGATES
        .split_ascii_whitespace()
        .chain(WINDOWS.split_ascii_whitespace());
    words.any(|word| word == name)
}

/// Whether a harmless function tells of the session, of the clock, of sizes or of chance: run again, it may say something else, and it could
/// tell a preview from what runs after it.
pub(super) fn tells(name: &str) -> bool {
    let words = [CLOCK, CHANCE, SESSION, SIZES, "set_config"];
    words
        .iter()
        .any(|words| words.split_ascii_whitespace().any(|word| word == name))
}

/// Words that the server reads as times of the clock.
const CLOCK_WORDS: [&str; 4] = ["now", "today", "tomorrow", "yesterday"];

/// Whether a word stands in text that the server would read as a time of the clock, also as an element of an array or a bound of a range,
/// where quotes and backslashes may stand within it.
pub(crate) fn tells_clock(text: &[u8]) -> bool {
    let bare: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'"' | b'\\'))
        .collect();
    [text, &bare].into_iter().any(|text| {
        let mut words = text.split(|byte| !byte.is_ascii_alphabetic());
        words.any(|word| {
            CLOCK_WORDS
                .iter()
                .any(|clock| word.eq_ignore_ascii_case(clock.as_bytes()))
        })
    })
}

/// Whether a type is one of time, or of arrays or ranges of one.
pub(super) fn time_type(name: &str) -> bool {
    let element = name.trim_start_matches('_');
    TIMES.split_ascii_whitespace().any(|word| word == element)
}

/// Whether a function of the server's own schema has an effect, but can hand out no content of relations.
pub(super) fn effect_function(name: &str) -> bool {
    EFFECTS.split_ascii_whitespace().any(|word| word == name)
}

/// Whether a name is that of a type of the server whose conversions run no foreign code.
pub(super) fn builtin_type(name: &str) -> bool {
    static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| TYPES.split_ascii_whitespace().collect());
    WORDS.contains(name.trim_start_matches('_'))
}

/// Whether a relation of `pg_catalog` or `information_schema` holds definitions alone.
pub(super) fn definition_relation(schema: &str, name: &str) -> bool {
    let list = match schema {
        "pg_catalog" => CATALOG,
        "information_schema" => INFORMATION_SCHEMA,
        _ => return false,
    };
    list.split_ascii_whitespace().any(|word| word == name)
}

/// Whether a node kind may stand in a query that is proven.
pub(super) fn query_node(kind: &str) -> bool {
    static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| NODES.split_ascii_whitespace().collect());
    WORDS.contains(kind)
}

/// Whether a setting, in small letters, may be changed on a target with masks.
pub(crate) fn harmless_setting(name: &str) -> bool {
    SETTINGS.split_ascii_whitespace().any(|word| word == name)
}

/// Refuses settings under which the server reads text in another way than the scanner here does.
pub(super) fn refuse_setting(set: &VariableSetStmt) -> Result<(), AnalysisError> {
    // What it was when the session began, which the proxy has chosen or taken.
    let back = matches!(set.kind(), VariableSetKind::VarReset | VariableSetKind::VarSetDefault);
    let value = word(set).filter(|_| set.kind() == VariableSetKind::VarSetValue);
    let (setting, held) = match set.name.to_ascii_lowercase().as_str() {
        "standard_conforming_strings" => (
            "standard_conforming_strings",
            value.is_some_and(|value| same(&value, "on")),
        ),
        "client_encoding" | "names" => (
            "client_encoding",
            back || value.is_some_and(|value| Encoding::asked(&value).is_some()),
        ),
        _ => return Ok(()),
    };
    if held {
        Ok(())
    } else {
        Err(AnalysisError::Setting { setting })
    }
}

/// The one word or string that a setting is set to.
pub(super) fn word(set: &VariableSetStmt) -> Option<String> {
    use pg_query::NodeEnum;
    use pg_query::protobuf::a_const::Val;
    let [value] = set.args.as_slice() else { return None };
    match value.node.as_ref()? {
        NodeEnum::AConst(constant) => match constant.val.as_ref()? {
            Val::Sval(text) => Some(text.sval.clone()),
            Val::Boolval(value) => Some(if value.boolval { "on" } else { "off" }.to_owned()),
            _ => None,
        },
        _ => None,
    }
}

/// Equal but for case, `-` and `_`; `true` is `on`.
fn same(value: &str, wanted: &str) -> bool {
    let value: String = value.chars().filter(|letter| !matches!(letter, '-' | '_')).collect();
    let value = value.to_ascii_lowercase();
    value == wanted || (wanted == "on" && value == "true") || (wanted == "utf8" && value == "unicode")
}

/// Aggregates, and what stands beside them.
const AGGREGATES: &str = "count sum avg min max bool_and bool_or every string_agg array_agg json_agg jsonb_agg json_object_agg \
     jsonb_object_agg stddev stddev_pop stddev_samp variance var_pop var_samp corr covar_pop covar_samp regr_slope \
     regr_intercept regr_r2 regr_count regr_avgx regr_avgy regr_sxx regr_sxy regr_syy mode percentile_cont \
     percentile_disc bit_and bit_or bit_xor any_value range_agg range_intersect_agg xmlagg grouping merge_action";

/// Functions of windows.
const WINDOWS: &str =
    "row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value";

/// What tells of the clock, also when it reads text (`now`, `today`).
const CLOCK: &str = "now current_timestamp clock_timestamp statement_timestamp transaction_timestamp timeofday age date time \
     timestamp timestamptz";

/// Types that are read from text as times.
const TIMES: &str =
    "date time timetz timestamp timestamptz tsrange tstzrange daterange tsmultirange tstzmultirange datemultirange";

/// What goes by chance.
const CHANCE: &str = "random random_normal setseed array_sample array_shuffle gen_random_uuid uuidv4 uuidv7";

/// What tells of the session.
const SESSION: &str = "version current_schema current_schemas current_database current_catalog current_user session_user user \
     current_role current_query pg_backend_pid pg_my_temp_schema pg_is_other_temp_schema pg_is_in_recovery \
     pg_is_in_backup pg_postmaster_start_time pg_conf_load_time inet_client_addr inet_client_port inet_server_addr \
     inet_server_port current_setting pg_table_is_visible pg_type_is_visible pg_function_is_visible \
     pg_operator_is_visible pg_opclass_is_visible pg_opfamily_is_visible pg_collation_is_visible \
     pg_conversion_is_visible pg_statistics_obj_is_visible pg_ts_config_is_visible pg_ts_dict_is_visible \
     pg_ts_parser_is_visible pg_ts_template_is_visible txid_current_if_assigned pg_current_xact_id_if_assigned";

/// Sizes of what is stored.
const SIZES: &str = "pg_table_size pg_total_relation_size pg_relation_size pg_indexes_size pg_database_size pg_tablespace_size \
     pg_size_pretty pg_size_bytes";

/// In groups: arithmetic; text; patterns; clock, chance, time; arrays; ranges; JSON; text search; XML of values; aggregates; windows;
/// sets; bits, networks and geometry; definitions; the session; access checks; sizes.
const HARMLESS: [&str; 19] = [
    "abs ceil ceiling floor round trunc sign sqrt cbrt exp ln log log10 mod power pow pi div gcd lcm factorial degrees \
     radians sin cos tan asin acos atan atan2 sinh cosh tanh width_bucket scale min_scale trim_scale numeric \
     int2 int4 int8 float4 float8 bool text varchar bpchar erf erfc",
    "lower upper initcap length char_length character_length octet_length bit_length substring substr left right \
     btrim ltrim rtrim trim replace translate reverse repeat lpad rpad position strpos concat concat_ws format \
     split_part string_to_array string_to_table array_to_string starts_with overlay ascii chr md5 sha224 sha256 sha384 \
     sha512 encode decode convert_from convert_to to_hex to_bin to_oct quote_ident quote_literal quote_nullable \
     normalize is_normalized unistr to_ascii pg_client_encoding parse_ident crc32 crc32c casefold",
    "regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_count regexp_instr \
     regexp_like regexp_substr like notlike like_escape similar_to_escape similar_escape textlike",
    CLOCK,
    CHANCE,
    "date_trunc date_part extract date_bin make_date make_time make_timestamp make_timestamptz make_interval justify_days justify_hours \
     justify_interval to_char to_date to_timestamp to_number isfinite timezone \
     interval overlaps date_add date_subtract",
    "array_length array_upper array_lower array_ndims array_dims array_append array_prepend array_cat array_remove \
     array_replace array_position array_positions cardinality array_fill trim_array unnest \
     array_reverse array_sort",
    "isempty lower_inc upper_inc lower_inf upper_inf range_merge int4range int8range numrange tsrange tstzrange \
     daterange multirange int4multirange int8multirange datemultirange",
    "to_json to_jsonb json_build_object jsonb_build_object json_build_array jsonb_build_array json_object jsonb_object \
     array_to_json json_array_length jsonb_array_length json_array_elements jsonb_array_elements \
     json_array_elements_text jsonb_array_elements_text json_each jsonb_each json_each_text jsonb_each_text \
     json_extract_path jsonb_extract_path json_extract_path_text jsonb_extract_path_text json_object_keys \
     jsonb_object_keys json_typeof jsonb_typeof json_strip_nulls jsonb_strip_nulls jsonb_set jsonb_set_lax \
     jsonb_insert jsonb_pretty jsonb_path_exists jsonb_path_match jsonb_path_query jsonb_path_query_array \
     jsonb_path_query_first json_to_record jsonb_to_record json_to_recordset jsonb_to_recordset row_to_json",
    "to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_rank ts_rank_cd ts_headline \
     setweight strip numnode querytree tsvector_to_array array_to_tsvector",
    "xmlcomment xpath xpath_exists xml_is_well_formed",
    AGGREGATES,
    WINDOWS,
    "generate_series generate_subscripts coalesce nullif greatest least num_nulls num_nonnulls pg_typeof \
     uuid_extract_timestamp uuid_extract_version pg_collation_for",
    "bit_count get_bit set_bit get_byte set_byte host masklen netmask network set_masklen family abbrev broadcast \
     hostmask inet_merge inet_same_family area center diameter height width isclosed isopen npoints radius point box \
     circle lseg path polygon line slope",
    "format_type pg_get_expr pg_get_indexdef pg_get_constraintdef pg_get_triggerdef pg_get_viewdef pg_get_ruledef \
     pg_get_functiondef pg_get_function_arguments pg_get_function_identity_arguments pg_get_function_result \
     pg_get_function_arg_default pg_get_function_sqlbody pg_get_partkeydef pg_get_partition_constraintdef \
     pg_get_statisticsobjdef pg_get_statisticsobjdef_columns pg_get_serial_sequence pg_get_userbyid pg_get_keywords \
     pg_get_catalog_foreign_keys obj_description col_description shobj_description pg_describe_object \
     pg_identify_object pg_index_column_has_property pg_index_has_property pg_indexam_has_property \
     pg_options_to_table pg_partition_ancestors pg_partition_root pg_partition_tree pg_relation_is_publishable \
     pg_get_publication_tables pg_encoding_to_char pg_char_to_encoding getdatabaseencoding pg_tablespace_location \
     pg_relation_is_updatable pg_column_is_updatable pg_sequence_parameters aclexplode acldefault makeaclitem \
     to_regclass to_regtype to_regtypemod to_regproc to_regprocedure to_regoper to_regoperator to_regnamespace \
     to_regrole to_regcollation _pg_expandarray _pg_truetypid _pg_truetypmod _pg_char_max_length",
    SESSION,
    "has_table_privilege has_column_privilege has_any_column_privilege has_schema_privilege has_database_privilege \
     has_function_privilege has_language_privilege has_sequence_privilege has_tablespace_privilege has_type_privilege \
     has_server_privilege has_foreign_data_wrapper_privilege has_parameter_privilege pg_has_role row_security_active",
    SIZES,
];

/// Sequences, locks and waiting.
const EFFECTS: &str = "nextval setval currval lastval pg_sleep pg_advisory_lock pg_advisory_lock_shared \
     pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared pg_advisory_xact_lock \
     pg_advisory_xact_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared pg_try_advisory_xact_lock \
     pg_try_advisory_xact_lock_shared txid_current pg_current_xact_id";

const TYPES: &str = "bool boolean char bpchar varchar text name citext int2 int4 int8 smallint integer bigint smallserial \
     serial bigserial serial2 serial4 serial8 float4 float8 real numeric decimal money bytea bit varbit date time timetz \
     timestamp timestamptz interval uuid json jsonb jsonpath xml inet cidr macaddr macaddr8 point line lseg box path \
     polygon circle tsvector tsquery oid regclass regtype regproc regprocedure regoper regoperator regnamespace regrole \
     regcollation regconfig regdictionary xid xid8 cid tid pg_lsn int2vector oidvector int4range int8range numrange \
     tsrange tstzrange daterange int4multirange int8multirange nummultirange tsmultirange tstzmultirange \
     datemultirange aclitem pg_node_tree record unknown refcursor";

const CATALOG: &str = "pg_class pg_namespace pg_attribute pg_attrdef pg_type pg_index pg_constraint pg_inherits pg_am \
     pg_collation pg_description pg_shdescription pg_trigger pg_event_trigger pg_policy pg_policies pg_statistic_ext \
     pg_publication pg_publication_rel pg_publication_namespace pg_publication_tables pg_rewrite pg_depend pg_shdepend \
     pg_roles pg_user pg_group pg_auth_members pg_database pg_tablespace pg_enum pg_range pg_operator pg_proc \
     pg_aggregate pg_language pg_opclass pg_opfamily pg_amop pg_amproc pg_foreign_table pg_foreign_server pg_foreign_data_wrapper \
     pg_extension pg_sequence pg_sequences pg_tables pg_views pg_matviews pg_indexes pg_rules pg_partitioned_table \
     pg_cast pg_conversion pg_init_privs pg_default_acl pg_seclabel pg_seclabels pg_timezone_names \
     pg_timezone_abbrevs pg_available_extensions pg_available_extension_versions pg_ts_config pg_ts_config_map \
     pg_ts_dict pg_ts_parser pg_ts_template pg_transform pg_settings pg_parameter_acl pg_largeobject_metadata";

const INFORMATION_SCHEMA: &str = "tables columns schemata views table_constraints key_column_usage \
     referential_constraints constraint_column_usage constraint_table_usage check_constraints sequences routines \
     parameters triggers table_privileges column_privileges role_table_grants domains domain_constraints element_types \
     enabled_roles applicable_roles character_sets collations view_table_usage view_column_usage sql_features \
     information_schema_catalog_name usage_privileges";

const NODES: &str = "SelectStmt InsertStmt UpdateStmt DeleteStmt MergeStmt MergeWhenClause ResTarget ColumnRef AStar AConst \
     AExpr BoolExpr NullTest BooleanTest TypeCast FuncCall SubLink CaseExpr CaseWhen CoalesceExpr MinMaxExpr RangeVar \
     JoinExpr RangeSubselect RangeFunction RangeTableSample CommonTableExpr WithClause SortBy ParamRef List String \
     Integer Float Boolean BitString AArrayExpr RowExpr AIndirection AIndices CollateClause SqlvalueFunction GroupingFunc \
     GroupingSet WindowDef NamedArgExpr SetToDefault MultiAssignRef IndexElem LockingClause ReturningOption TypeName \
     MergeSupportFunc ColumnDef CtesearchClause CtecycleClause JsonObjectConstructor JsonArrayConstructor \
     JsonArrayQueryConstructor JsonFuncExpr JsonValueExpr JsonFormat JsonOutput JsonArgument JsonReturning JsonBehavior \
     JsonKeyValue JsonTable JsonTableColumn JsonTablePathSpec JsonIsPredicate JsonParseExpr JsonScalarExpr \
     JsonSerializeExpr JsonObjectAgg JsonArrayAgg JsonAggConstructor XmlExpr XmlSerialize RangeTableFunc \
     RangeTableFuncCol";

const SETTINGS: &str = "application_name client_min_messages statement_timeout lock_timeout idle_in_transaction_session_timeout \
     idle_session_timeout transaction_timeout timezone intervalstyle extra_float_digits bytea_output search_path \
     work_mem maintenance_work_mem enable_seqscan enable_indexscan enable_bitmapscan enable_hashjoin enable_mergejoin \
     enable_nestloop enable_sort enable_hashagg enable_material enable_memoize enable_parallel_append jit \
     default_transaction_isolation default_transaction_read_only default_transaction_deferrable transaction_isolation \
     transaction_read_only transaction_deferrable synchronous_commit random_page_cost seq_page_cost \
     effective_cache_size max_parallel_workers_per_gather client_encoding names standard_conforming_strings \
     check_function_bodies default_tablespace temp_buffers from_collapse_limit join_collapse_limit geqo \
     plan_cache_mode constraint_exclusion gin_fuzzy_search_limit transaction session_characteristics lc_messages \
     lc_monetary lc_numeric lc_time xmloption default_table_access_method quote_all_identifiers restrict_nonsystem_relation_kind \
     synchronize_seqscans row_security";
