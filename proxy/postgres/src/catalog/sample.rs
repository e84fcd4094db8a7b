//! A small clinic for tests: tables with masked columns, and everything around them that could show their data.

use std::sync::Arc;

use super::{Catalog, CatalogError, Definitions, SharedDefinitions, whole};
use crate::message::{Decoder, Raw, encode};

/// Masked columns of the sample.
pub(crate) const MASKED: [&str; 7] = [
    "public.spread.secret",
    "public.patients.ssn",
    "public.patients.name",
    "public.visits.note",
    "public.family.secret",
    "public.leaf.pin",
    "public.derived.ssn",
];

/// Relations: number, schema, name, kind, columns.
const RELATIONS: [(u32, &str, &str, &str, &str); 28] = [
    (16401, "public", "patients", "r", "id name ssn city born"),
    (16402, "public", "encounters", "r", "id patient_id kind started note"),
    (16403, "public", "facilities", "r", "id name city"),
    (16404, "public", "patient_view", "v", "id ssn city"),
    (16405, "public", "view_of_view", "v", "id ssn"),
    (16406, "public", "facility_view", "v", "id name"),
    (16407, "public", "visits", "p", "id patient_id note"),
    (16408, "public", "visits_2024", "r", "id patient_id note"),
    (16409, "public", "family", "r", "id secret"),
    (16410, "public", "family_child", "r", "id secret more"),
    (16411, "public", "trunk", "p", "id pin"),
    (16412, "public", "leaf", "r", "id pin"),
    (16413, "public", "derived", "r", "id ssn last4 twice"),
    (16414, "public", "patient_totals", "m", "city total"),
    (16415, "public", "caller_view", "v", "id"),
    (16416, "public", "patients_id_seq", "S", "last_value log_cnt is_called"),
    (16417, "public", "patients_pkey", "i", ""),
    (16418, "other", "patients", "r", "id ssn name city"),
    (16419, "other", "plain", "r", "id word"),
    (16420, "pg_temp_3", "scratch", "r", "id word"),
    (16421, "public", "stats_view", "v", "attname"),
    (16422, "public", "Odd Name", "r", "id"),
    (16423, "public", "ruled", "r", "id"),
    (16424, "audit", "log", "r", "id line"),
    (16425, "audit", "named", "r", "id secret_of"),
    (16426, "public", "spread", "p", "id secret"),
    (16427, "public", "spread_1", "r", "id secret"),
    (16428, "public", "secured", "r", "id word"),
];

const SYSTEM: &str = "pg_class pg_namespace pg_attribute pg_attrdef pg_type pg_index pg_constraint pg_inherits pg_am \
     pg_collation pg_description pg_trigger pg_policy pg_statistic pg_stats pg_stats_ext pg_stats_ext_exprs \
     pg_statistic_ext pg_statistic_ext_data pg_stat_activity pg_stat_statements pg_prepared_statements pg_cursors \
     pg_largeobject pg_authid pg_shadow pg_roles pg_auth_members pg_database pg_proc pg_language pg_publication \
     pg_publication_rel pg_publication_namespace pg_publication_tables pg_user_mapping pg_subscription pg_hba_file_rules \
     pg_file_settings pg_range pg_enum pg_opclass pg_partitioned_table pg_foreign_table pg_foreign_server pg_extension \
     pg_depend pg_settings pg_tablespace pg_rewrite pg_sequence pg_tables pg_matviews pg_views pg_replication_slots \
     pg_stat_replication pg_locks pg_prepared_xacts pg_user_mappings";

/// Rows, a table for each query.
pub(crate) type Rows = Vec<Vec<Vec<Option<String>>>>;

/// The sample's catalog.
pub(crate) fn catalog() -> Catalog {
    of_rows(&SharedDefinitions::default(), &own()).expect("the sample is of the queries' shapes")
}

/// The same, with views installed for these relations, which have these columns.
pub(crate) fn with_views(views: &[(&str, &str)]) -> Catalog {
    let mut tables = own();
    for (place, (resource, columns)) in views.iter().enumerate() {
        let oid = (17_000 + place).to_string();
        tables[0].push(row(&[&oid, crate::enforce::SCHEMA, resource, "v", "f"]));
        for (number, column) in columns.split_ascii_whitespace().enumerate() {
            tables[1].push(row(&[&oid, &(number + 1).to_string(), column, "25"]));
        }
    }
    of_rows(&SharedDefinitions::default(), &tables).expect("the sample is of the queries' shapes")
}

/// The catalog of these rows, over what initdb made in the sample, in a state that nobody has seen before.
pub(crate) fn of_rows(shared: &SharedDefinitions, own: &Rows) -> Result<Catalog, CatalogError> {
    let system = shared.take_system(&raw(&within("system all", system(), "system all")))?;
    catalog_of(shared.take(system, &raw(&within("system all", own.clone(), "system all")))?)
}

/// The catalog of a session.
pub(crate) fn catalog_of(definitions: Arc<Definitions>) -> Result<Catalog, CatalogError> {
    Catalog::new(
        definitions,
        &raw(&vec![rows(&["pg_temp_3", "pg_catalog", "public"])]).remove(0),
    )
}

/// Tables between states.
pub(crate) fn within(before: &str, tables: Rows, after: &str) -> Rows {
    let state = |state| std::iter::once(rows(&[state]));
    state(before).chain(tables).chain(state(after)).collect()
}

/// What is recorded of it, in one document.
pub(crate) fn recorded(catalog: &Catalog) -> Vec<u8> {
    let [system, own] = catalog.snapshot();
    whole(own.bytes(), system.bytes()).expect("they are documents")
}

/// As the server sends them.
pub(crate) fn raw(tables: &Rows) -> Vec<Vec<Raw>> {
    let raw = |cells: &Vec<Option<String>>| {
        let mut body = i16::try_from(cells.len()).unwrap().to_be_bytes().to_vec();
        for cell in cells {
            match cell {
                Some(text) => {
                    body.extend(i32::try_from(text.len()).unwrap().to_be_bytes());
                    body.extend(text.as_bytes());
                }
                None => body.extend((-1_i32).to_be_bytes()),
            }
        }
        let mut decoder = Decoder::new(1 << 20);
        decoder.buffer().extend_from_slice(&encode::message(b'D', &body));
        decoder.message().unwrap().expect("a row is a message")
    };
    let table = |rows: &Vec<Vec<Option<String>>>| rows.iter().map(raw).collect();
    tables.iter().map(table).collect()
}

/// The rows that would load what initdb made.
pub(crate) fn system() -> Rows {
    let mut relations = Vec::new();
    for (place, name) in SYSTEM.split_ascii_whitespace().enumerate() {
        relations.push(row(&[&(1_000 + place).to_string(), "pg_catalog", name, "r", "f"]));
    }
    for (place, name) in "tables columns routines".split_ascii_whitespace().enumerate() {
        let oid = (13_000 + place).to_string();
        relations.push(row(&[&oid, "information_schema", name, "v", "f"]));
    }
    vec![relations, vec![], vec![], vec![], vec![], vec![], vec![]]
}

/// The rows that would load everything else.
pub(crate) fn own() -> Rows {
    let mut relations = Vec::new();
    let mut columns = Vec::new();
    for (oid, schema, name, kind, names) in RELATIONS {
        let temporary = if schema.starts_with("pg_temp") { "t" } else { "f" };
        relations.push(row(&[&oid.to_string(), schema, name, kind, temporary]));
        for (number, column) in names.split_ascii_whitespace().enumerate() {
            columns.push(row(&[&oid.to_string(), &(number + 1).to_string(), column, "25"]));
        }
    }
    vec![
        relations,
        columns,
        rows(&["16408 16407", "16410 16409", "16412 16411", "16427 16426"]),
        rows(&[
            "16404 16401",
            "16405 16404",
            "16406 16403",
            "16414 16401",
            "16421 1014",
            "16423 16401",
        ]),
        rows(&["16415"]),
        rows(&["16413 3 2", "16413 4 1"]),
        rows(&["16402 w", "16409 r", "16408 w", "16423 r", "16419 s"]),
        rows(&[]),
        rows(&[
            "public leak plpgsql",
            "public replace sql",
            "public similarity c",
            "other leak sql",
            "public secret_of sql",
        ]),
        rows(&["@@@"]),
        rows(&["mood t", "bigint f"]),
        [
            ("16404", tree(&[(1, 16401, 1), (2, 16401, 3), (3, 16401, 4)])),
            ("16405", tree(&[(1, 16404, 1), (2, 16404, 2)])),
        ]
        .map(|(oid, tree)| row(&[oid, &tree]))
        .to_vec(),
        rows(&["versions committed"]),
        rows(&["16407 2", "16426 2"]),
        rows(&["16428 16401 3", "16403 16401 1"]),
        rows(&["16418 3 16419 1"]),
    ]
}

/// The tree of a view without conditions, as the server writes it: number of the column, and the column of a relation that it is.
fn tree(columns: &[(i16, u32, i16)]) -> String {
    let relation = columns.first().map_or(0, |(_, relation, _)| *relation);
    let target = |(number, _, attribute): &(i16, u32, i16)| {
        format!(
            "{{TARGETENTRY :expr {{VAR :varno 1 :varattno {attribute} :varlevelsup 0}} :resno {number} \
             :ressortgroupref 0 :resjunk false}}"
        )
    };
    let targets: Vec<String> = columns.iter().map(target).collect();
    format!(
        "({{QUERY :commandType 1 :utilityStmt <> :hasTargetSRFs false :hasModifyingCTE false :cteList <> \
         :rtable ({{RANGETBLENTRY :rtekind 0 :relid {relation}}}) \
         :jointree {{FROMEXPR :fromlist ({{RANGETBLREF :rtindex 1}}) :quals <>}} :targetList ({}) \
         :havingQual <> :windowClause <> :limitOffset <> :limitCount <> :setOperations <>}})",
        targets.join(" ")
    )
}

fn rows(lines: &[&str]) -> Vec<Vec<Option<String>>> {
    lines
        .iter()
        .map(|line| row(&line.split(' ').collect::<Vec<_>>()))
        .collect()
}

fn row(cells: &[&str]) -> Vec<Option<String>> {
    cells.iter().map(|cell| Some((*cell).to_owned())).collect()
}
