//! What a server says of itself, as far as a plan needs it: rights of the agents' role, relations, and all that could show
//! a column to somebody without a right on it.
//!
//! [`query`] asks for everything at once, as one JSON document, so that all of it is of one snapshot. The server itself
//! says who has which right; memberships and grants to everybody are not computed here a second time.
//!
//! Not here: what follows from it ([`super::plan`]).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{OWNER, SCHEMA, literal};

/// Why the answer of a server is not taken.
#[derive(Debug, thiserror::Error)]
#[error("the server's answer about itself is not understood: {0}")]
pub struct FactsError(#[from] serde_json::Error);

/// What a plan is made from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    pub(super) server: Server,
    /// The agents' role first, then every role that it can become or acts as.
    pub(super) reach: Vec<Role>,
    pub(super) relations: Vec<Relation>,
    pub(super) reads: Vec<Reads>,
    pub(super) functions: Vec<Function>,
    pub(super) code: Vec<Code>,
    /// Extended statistics over expressions: relation and name.
    pub(super) statistics: Vec<(u32, String)>,
    /// Foreign servers on which the role has a user mapping.
    pub(super) foreign_servers: Vec<String>,
    /// Functions and relations of the system that show files, pages or statistics, and that the role may use.
    pub(super) powers: Vec<String>,
    /// Schemas that the role may create things in.
    pub(super) creatable: BTreeSet<String>,
    pub(super) schemas: BTreeSet<String>,
    /// Members of the owner, none of whom should be.
    pub(super) owner: Option<OwnerRole>,
    pub(super) installed: Option<Installed>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    pub(super) encoding: String,
    /// Whether who asks is a superuser.
    pub(super) superuser: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent fact that the server tells"
)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) superuser: bool,
    pub(super) bypasses_row_security: bool,
    pub(super) creates_roles: bool,
    pub(super) replicates: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnerRole {
    /// Whether it can log in, or has any attribute beyond an ordinary role.
    pub(super) more: bool,
    /// Whether it is a member of another role.
    pub(super) member: bool,
    pub(super) members: BTreeSet<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent fact that the server tells"
)]
pub(super) struct Relation {
    pub(super) oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) kind: String,
    /// Whether the agents' role, or one that it can become, owns it.
    pub(super) own: bool,
    pub(super) row_security: bool,
    /// Rules that do something beside, or in place of, a change of its rows.
    pub(super) rules: bool,
    /// A view that reads with the rights of who asks.
    pub(super) invoker: bool,
    /// Triggers of its own.
    pub(super) triggers: bool,
    /// The query of a view, as the server writes it.
    pub(super) definition: Option<String>,
    /// What a view checks of rows that are written through it.
    pub(super) check_option: Option<String>,
    pub(super) parents: BTreeSet<u32>,
    /// Attribute numbers of the key that it is partitioned by; 0 is an expression.
    pub(super) partition_key: BTreeSet<i16>,
    /// Rights on the whole relation that were granted to the agents' role by name.
    pub(super) granted: BTreeSet<String>,
    /// Rights on the whole relation that the role has, however.
    pub(super) held: BTreeSet<String>,
    /// Rights on the whole relation that the role has by PUBLIC or another role.
    pub(super) otherwise: BTreeSet<String>,
    pub(super) columns: Vec<Column>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Column {
    pub(super) number: i16,
    pub(super) name: String,
    /// The type below all domains.
    pub(super) base_oid: u32,
    /// The same as SQL writes it, with its length where the column has one.
    pub(super) base: String,
    /// The collation, qualified and quoted; none where the type has none.
    pub(super) collation: Option<String>,
    /// Whether the agents' role, or one that it can become, owns its domain, or one below that.
    pub(super) own_type: bool,
    /// Columns that it is computed from, where it is generated.
    pub(super) generated: BTreeSet<i16>,
    pub(super) granted: BTreeSet<String>,
    pub(super) held: BTreeSet<String>,
    /// Whether the role may read it by PUBLIC or another role.
    pub(super) otherwise: bool,
}

/// What the definition of a view, or of a rule, reads.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reads {
    pub(super) view: u32,
    pub(super) relation: u32,
    /// Attribute numbers; 0 is none in particular.
    pub(super) columns: BTreeSet<i16>,
    /// Whether a whole row of something stands in the definition.
    pub(super) whole: bool,
    /// Whether the owner of the definition may read all of these columns.
    pub(super) readable: bool,
}

/// A function that the role may call, and that acts with rights which are not the role's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Function {
    pub(super) signature: String,
    /// Written in a language that may do whatever the server's account may.
    pub(super) untrusted: bool,
    /// Relations of which its owner may read some column.
    pub(super) reads: BTreeSet<u32>,
}

/// Code of the database that a change of rows of a relation runs in the session of whoever changes them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Code {
    pub(super) relation: u32,
    /// What it hangs on.
    pub(super) what: String,
    pub(super) signature: String,
    /// Compiled: it looks no names up.
    pub(super) compiled: bool,
    /// Whether the role can replace it.
    pub(super) own: bool,
    /// Whether it acts with its owner's rights.
    pub(super) definer: bool,
    /// Relations of which its owner may read some column.
    pub(super) reads: BTreeSet<u32>,
    /// The search path that it sets for itself.
    pub(super) path: Option<String>,
}

/// What is installed already.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Installed {
    pub(super) owner: String,
    pub(super) relations: Vec<InstalledRelation>,
    pub(super) functions: Vec<InstalledFunction>,
}

/// A function of the schema.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InstalledFunction {
    pub(super) signature: String,
    /// Whether it is the owner's, so that a plan has put it there.
    pub(super) planned: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InstalledRelation {
    pub(super) name: String,
    pub(super) kind: String,
    /// Rights of the agents' role on all of it.
    pub(super) granted: BTreeSet<String>,
    /// Columns that the role may read, where not all.
    pub(super) readable: BTreeSet<String>,
    /// The relation that a view reads.
    pub(super) base: Option<u32>,
    /// The view that it stands for, where it is a twin.
    pub(super) stands_for: Option<u32>,
    /// Relations outside of the schema that it reads.
    pub(super) reads: BTreeSet<u32>,
}

impl Facts {
    /// Reads the answer to its query.
    ///
    /// # Errors
    /// [`FactsError`].
    pub fn parse(document: &str) -> Result<Self, FactsError> {
        Ok(serde_json::from_str(document)?)
    }

    /// Relations by number.
    pub(super) fn by_oid(&self) -> BTreeMap<u32, &Relation> {
        self.relations.iter().map(|relation| (relation.oid, relation)).collect()
    }

    /// The installed view of a relation.
    pub(super) fn installed_view(&self, name: &str) -> Option<&InstalledRelation> {
        let mut relations = self.installed.iter().flat_map(|installed| &installed.relations);
        relations.find(|relation| relation.name == name && relation.kind == "v")
    }

    /// The installed twin of a view.
    pub(super) fn installed_for(&self, view: u32) -> Option<&InstalledRelation> {
        let mut relations = self.installed.iter().flat_map(|installed| &installed.relations);
        relations.find(|relation| relation.stands_for == Some(view) && relation.kind == "v")
    }
}

impl Relation {
    /// `schema.relation`, as policies name it.
    pub(super) fn resource(&self) -> String {
        format!(
            "{}.{}",
            crate::catalog::part(&self.schema),
            crate::catalog::part(&self.name)
        )
    }

    /// `schema.relation.column`.
    pub(super) fn column_resource(&self, column: &str) -> String {
        format!("{}.{}", self.resource(), crate::catalog::part(column))
    }

    /// Its qualified name in SQL.
    pub(super) fn sql(&self) -> String {
        format!("{}.{}", super::identifier(&self.schema), super::identifier(&self.name))
    }
}

/// Relations of the database itself.
const USERS: &str = "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND c.relkind IN ('r','p','v','m','f')";

/// Functions of the system that PUBLIC may not call, and that show files, pages or changes to who may.
const POWERS: &str = "'pg_read_file','pg_read_binary_file','pg_ls_dir','lo_import','lo_export',\
     'pg_logical_slot_get_changes','pg_logical_slot_peek_changes','pg_logical_slot_get_binary_changes',\
     'pg_logical_slot_peek_binary_changes','pg_create_logical_replication_slot','pg_create_physical_replication_slot',\
     'dblink_connect_u','get_raw_page','pg_get_wal_records_info','pg_get_wal_block_info'";

/// Relations of the system that hold values of others, and that only superusers may read.
pub(super) const HOLDERS: &str =
    "'pg_statistic','pg_statistic_ext_data','pg_largeobject','pg_user_mapping','pg_authid'";

/// Extensions that keep the texts of statements and show them to everybody of the same role, as all agents are. A utility
/// statement is kept with its literals.
const STATEMENTS: &str = "'pg_stat_statements','pg_stat_monitor'";

/// Roles of the system that read data, files or what other sessions do.
pub(super) const READERS: [&str; 6] = [
    "pg_read_all_data",
    "pg_read_server_files",
    "pg_write_server_files",
    "pg_execute_server_program",
    "pg_read_all_stats",
    "pg_monitor",
];

/// The question for [`Facts`] about a role, under `search_path = pg_catalog`.
#[allow(clippy::too_many_lines, reason = "it is one question, in the order of `Facts`")]
pub(super) fn query(role: &str) -> String {
    let (role, owner, schema) = (literal(role), literal(OWNER), literal(SCHEMA));
    format!(
        "WITH RECURSIVE me AS (SELECT oid FROM pg_roles WHERE rolname = {role}), \
reach AS (SELECT r.* FROM pg_roles r, me WHERE pg_has_role(me.oid, r.oid, 'MEMBER')), \
others AS (SELECT 0::oid AS oid UNION ALL SELECT oid FROM reach WHERE rolname <> {role}), \
base AS (SELECT oid, oid AS base FROM pg_type WHERE typtype <> 'd' \
  UNION ALL SELECT t.oid, b.base FROM pg_type t JOIN base b ON t.typbasetype = b.oid WHERE t.typtype = 'd'), \
chain AS (SELECT oid, oid AS part, typbasetype FROM pg_type WHERE typtype = 'd' \
  UNION ALL SELECT c.oid, t.oid, t.typbasetype FROM chain c JOIN pg_type t ON t.oid = c.typbasetype WHERE t.typtype = 'd'), \
relation AS (SELECT c.*, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
  WHERE {USERS} AND n.nspname <> {schema}), \
holding AS (SELECT r.ev_class AS oid FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE c.oid >= 16384 \
    AND c.relowner NOT IN (SELECT oid FROM reach) AND r.ev_action::text ~ (SELECT ':relid (' || string_agg(h.oid::text, '|') \
    || ') ' FROM pg_class h WHERE h.relnamespace = 'pg_catalog'::regnamespace AND h.relname IN ({HOLDERS})) \
  UNION SELECT r.ev_class FROM holding h JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = h.oid \
    AND d.classid = 'pg_rewrite'::regclass JOIN pg_rewrite r ON r.oid = d.objid), \
called AS (SELECT d.classid, d.objid, p.oid AS function FROM pg_depend d JOIN pg_proc p ON p.oid = d.refobjid \
  WHERE d.refclassid = 'pg_proc'::regclass AND p.oid >= 16384 \
  UNION SELECT d.classid, d.objid, o.oprcode FROM pg_depend d JOIN pg_operator o ON o.oid = d.refobjid \
  WHERE d.refclassid = 'pg_operator'::regclass AND o.oid >= 16384), \
code AS (SELECT t.tgrelid AS relation, 'trigger ' || t.tgname AS what, t.tgfoid AS function FROM pg_trigger t \
    WHERE NOT t.tgisinternal \
  UNION SELECT k.conrelid, 'constraint ' || k.conname, c.function FROM called c JOIN pg_constraint k ON k.oid = c.objid \
    WHERE c.classid = 'pg_constraint'::regclass AND k.conrelid <> 0 \
  UNION SELECT a.attrelid, 'domain ' || k.contypid::regtype, c.function FROM called c \
    JOIN pg_constraint k ON k.oid = c.objid JOIN chain h ON h.part = k.contypid JOIN pg_attribute a ON a.atttypid = h.oid \
    WHERE c.classid = 'pg_constraint'::regclass AND k.contypid <> 0 \
  UNION SELECT f.adrelid, 'default of column ' || f.adnum, c.function FROM called c JOIN pg_attrdef f ON f.oid = c.objid \
    WHERE c.classid = 'pg_attrdef'::regclass \
  UNION SELECT i.indrelid, 'index ' || i.indexrelid::regclass, c.function FROM called c \
    JOIN pg_index i ON i.indexrelid = c.objid WHERE c.classid = 'pg_class'::regclass) \
SELECT json_build_object( \
'server', (SELECT json_build_object('encoding', getdatabaseencoding(), \
  'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))), \
'reach', (SELECT coalesce(json_agg(json_build_object('name', rolname, 'superuser', rolsuper, \
  'bypasses_row_security', rolbypassrls, 'creates_roles', rolcreaterole, 'replicates', rolreplication) \
  ORDER BY rolname <> {role}, rolname), '[]') FROM reach), \
'relations', (SELECT coalesce(json_agg(json_build_object('oid', c.oid::int8, 'schema', c.nspname, 'name', c.relname, \
  'kind', c.relkind, 'own', c.relowner IN (SELECT oid FROM reach), 'row_security', c.relrowsecurity, \
  'rules', EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type <> '1'), \
  'invoker', coalesce((SELECT option_value::bool FROM pg_options_to_table(c.reloptions) \
    WHERE option_name = 'security_invoker'), false), \
  'check_option', (SELECT option_value FROM pg_options_to_table(c.reloptions) WHERE option_name = 'check_option'), \
  'triggers', EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal), \
  'definition', CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END, \
  'parents', ARRAY(SELECT inhparent::int8 FROM pg_inherits WHERE inhrelid = c.oid), \
  'partition_key', ARRAY(SELECT unnest(partattrs::int2[]) FROM pg_partitioned_table WHERE partrelid = c.oid), \
  'granted', ARRAY(SELECT x.privilege_type FROM aclexplode(c.relacl) x, me WHERE x.grantee = me.oid), \
  'held', ARRAY(SELECT p FROM unnest(ARRAY['SELECT','INSERT','UPDATE','DELETE']) p, me \
    WHERE has_table_privilege(me.oid, c.oid, p)), \
  'otherwise', ARRAY(SELECT p FROM unnest(ARRAY['SELECT','TRIGGER']) p WHERE EXISTS (SELECT FROM others o \
    WHERE CASE WHEN o.oid = 0 THEN has_table_privilege('public', c.oid, p) ELSE has_table_privilege(o.oid, c.oid, p) END)), \
  'columns', (SELECT coalesce(json_agg(json_build_object('number', a.attnum, 'name', a.attname, 'base_oid', b.base::int8, \
    'base', format_type(b.base, CASE WHEN b.base = a.atttypid THEN a.atttypmod ELSE -1 END), \
    'collation', (SELECT quote_ident(s.nspname) || '.' || quote_ident(l.collname) FROM pg_collation l \
      JOIN pg_namespace s ON s.oid = l.collnamespace WHERE l.oid = a.attcollation), \
    'own_type', EXISTS (SELECT FROM chain h JOIN pg_type t ON t.oid = h.part WHERE h.oid = a.atttypid \
      AND t.typowner IN (SELECT oid FROM reach)), \
    'generated', ARRAY(SELECT x.refobjsubid FROM pg_attrdef f JOIN pg_depend x ON x.classid = 'pg_attrdef'::regclass \
      AND x.objid = f.oid AND x.refclassid = 'pg_class'::regclass AND x.refobjid = f.adrelid AND x.refobjsubid <> f.adnum \
      AND x.refobjsubid > 0 WHERE f.adrelid = c.oid AND f.adnum = a.attnum AND a.attgenerated <> ''), \
    'granted', ARRAY(SELECT x.privilege_type FROM aclexplode(a.attacl) x, me WHERE x.grantee = me.oid), \
    'held', ARRAY(SELECT p FROM unnest(ARRAY['SELECT','INSERT','UPDATE']) p, me \
      WHERE has_column_privilege(me.oid, c.oid, a.attnum, p)), \
    'otherwise', EXISTS (SELECT FROM others o WHERE CASE WHEN o.oid = 0 \
      THEN has_column_privilege('public', c.oid, a.attnum, 'SELECT') \
      ELSE has_column_privilege(o.oid, c.oid, a.attnum, 'SELECT') END)) \
    ORDER BY a.attnum), '[]') FROM pg_attribute a JOIN base b ON b.oid = a.atttypid \
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)) ORDER BY c.nspname, c.relname), '[]') FROM relation c), \
'reads', (SELECT coalesce(json_agg(json_build_object('view', v.oid::int8, 'relation', x.refobjid::int8, \
  'columns', x.columns, 'whole', x.whole, 'readable', x.readable) ORDER BY v.oid, x.refobjid), '[]') \
  FROM relation v JOIN LATERAL (SELECT d.refobjid, \
    array_agg(DISTINCT d.refobjsubid) AS columns, bool_or(r.ev_action::text ~ ':varattno 0 ') AS whole, \
    bool_and(CASE WHEN d.refobjsubid > 0 THEN coalesce(has_column_privilege(v.relowner, d.refobjid, d.refobjsubid::int2, 'SELECT'), \
      false) ELSE coalesce(has_any_column_privilege(v.relowner, d.refobjid, 'SELECT'), false) END) AS readable \
    FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid \
    WHERE r.ev_class = v.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid GROUP BY d.refobjid) x ON true), \
'functions', (SELECT coalesce(json_agg(json_build_object('signature', p.oid::regprocedure::text, \
  'untrusted', NOT l.lanpltrusted AND l.lanname NOT IN ('internal','c'), \
  'reads', ARRAY(SELECT c.oid::int8 FROM relation c WHERE has_any_column_privilege(p.proowner, c.oid, 'SELECT'))) \
  ORDER BY p.oid), '[]') FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.oid >= 16384 \
  AND (p.prosecdef OR (NOT l.lanpltrusted AND l.lanname NOT IN ('internal','c'))) \
  AND NOT (p.pronamespace = coalesce(to_regnamespace({schema}), 0) AND p.proowner = coalesce(to_regrole({owner}), 0)) \
  AND p.prorettype <> 'trigger'::regtype AND p.prorettype <> 'event_trigger'::regtype \
  AND EXISTS (SELECT FROM reach r WHERE has_function_privilege(r.oid, p.oid, 'EXECUTE'))), \
'code', (SELECT coalesce(json_agg(json_build_object('relation', c.relation::int8, 'what', c.what, \
  'signature', p.oid::regprocedure::text, 'compiled', l.lanname IN ('internal','c'), \
  'own', p.proowner IN (SELECT oid FROM reach), 'definer', p.prosecdef, \
  'reads', ARRAY(SELECT c.oid::int8 FROM relation c WHERE p.prosecdef \
    AND has_any_column_privilege(p.proowner, c.oid, 'SELECT')), \
  'path', (SELECT substring(s, '^search_path=(.*)$') FROM unnest(p.proconfig) s WHERE s LIKE 'search_path=%')) \
  ORDER BY c.relation, c.what), '[]') FROM code c JOIN pg_proc p ON p.oid = c.function JOIN pg_language l ON l.oid = p.prolang), \
'statistics', (SELECT coalesce(json_agg(json_build_array(s.stxrelid::int8, s.stxname)), '[]') FROM pg_statistic_ext s \
  WHERE to_jsonb(s) ->> 'stxexprs' IS NOT NULL), \
'foreign_servers', (SELECT coalesce(json_agg(DISTINCT m.srvname), '[]') FROM pg_user_mappings m \
  WHERE m.umuser = 0 OR m.umuser IN (SELECT oid FROM reach)), \
'powers', (SELECT coalesce(json_agg(DISTINCT what), '[]') FROM (SELECT 'function ' || p.oid::regprocedure AS what \
    FROM pg_proc p WHERE p.proname IN ({POWERS}) AND NOT has_function_privilege('public', p.oid, 'EXECUTE') \
    AND EXISTS (SELECT FROM reach r WHERE NOT r.rolsuper AND has_function_privilege(r.oid, p.oid, 'EXECUTE')) \
  UNION ALL SELECT 'relation ' || c.relname FROM pg_class c WHERE c.relnamespace = 'pg_catalog'::regnamespace \
    AND c.relname IN ({HOLDERS}) AND EXISTS (SELECT FROM reach r \
    WHERE NOT r.rolsuper AND has_any_column_privilege(r.oid, c.oid, 'SELECT') \
    AND NOT has_any_column_privilege('public', c.oid, 'SELECT')) \
  UNION ALL SELECT 'relation ' || c.oid::regclass FROM holding h JOIN pg_class c ON c.oid = h.oid \
    WHERE EXISTS (SELECT FROM reach r WHERE NOT r.rolsuper AND has_any_column_privilege(r.oid, c.oid, 'SELECT')) \
  UNION ALL SELECT 'function ' || p.oid::regprocedure FROM pg_extension x \
    JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = x.oid AND d.classid = 'pg_proc'::regclass \
    JOIN pg_proc p ON p.oid = d.objid WHERE x.extname IN ({STATEMENTS}) AND p.proretset \
    AND EXISTS (SELECT FROM reach r WHERE NOT r.rolsuper AND has_function_privilege(r.oid, p.oid, 'EXECUTE')) \
  UNION ALL SELECT 'relation ' || c.oid::regclass FROM pg_extension x \
    JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = x.oid AND d.classid = 'pg_class'::regclass \
    JOIN pg_class c ON c.oid = d.objid WHERE x.extname IN ({STATEMENTS}) \
    AND EXISTS (SELECT FROM reach r WHERE NOT r.rolsuper AND has_any_column_privilege(r.oid, c.oid, 'SELECT'))) power), \
'creatable', (SELECT coalesce(json_agg(n.nspname), '[]') FROM pg_namespace n WHERE n.nspname !~ '^pg_(toast_)?temp_' \
  AND EXISTS (SELECT FROM reach r WHERE has_schema_privilege(r.oid, n.oid, 'CREATE'))), \
'schemas', (SELECT json_agg(nspname) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'), \
'owner', (SELECT json_build_object('more', rolsuper OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolreplication \
  OR rolbypassrls, 'member', EXISTS (SELECT FROM pg_auth_members m WHERE m.member = o.oid), \
  'members', ARRAY(SELECT r.rolname::text FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE m.roleid = o.oid)) \
  FROM pg_roles o WHERE o.rolname = {owner}), \
'installed', (SELECT json_build_object('owner', pg_get_userbyid(n.nspowner), \
  'functions', (SELECT coalesce(json_agg(json_build_object('signature', p.oid::regprocedure::text, \
    'planned', p.proowner = coalesce(to_regrole({owner}), 0)) ORDER BY p.oid), '[]') \
    FROM pg_proc p WHERE p.pronamespace = n.oid), \
  'relations', \
  (SELECT coalesce(json_agg(json_build_object('name', c.relname, 'kind', c.relkind, \
    'granted', ARRAY(SELECT x.privilege_type FROM aclexplode(c.relacl) x, me WHERE x.grantee = me.oid), \
    'readable', ARRAY(SELECT a.attname::text FROM pg_attribute a, aclexplode(a.attacl) x, me \
      WHERE a.attrelid = c.oid AND x.grantee = me.oid AND x.privilege_type = 'SELECT'), \
    'stands_for', CASE WHEN obj_description(c.oid, 'pg_class') ~ '^[0-9]{{1,10}}$' \
      THEN obj_description(c.oid, 'pg_class')::int8 END, \
    'reads', ARRAY(SELECT DISTINCT d.refobjid::int8 FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass \
      AND d.objid = r.oid WHERE r.ev_class = c.oid AND d.refclassid = 'pg_class'::regclass \
      AND d.refobjid NOT IN (SELECT oid FROM pg_class WHERE relnamespace = n.oid)), \
    'base', (SELECT min(d.refobjid::int8) FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass \
      AND d.objid = r.oid WHERE r.ev_class = c.oid AND c.relkind = 'v' AND d.refclassid = 'pg_class'::regclass \
      AND d.refobjid <> c.oid AND d.refobjid NOT IN (SELECT oid FROM pg_class WHERE relnamespace = n.oid)))), '[]') \
    FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind NOT IN ('i','I','t','c'))) \
  FROM pg_namespace n WHERE n.nspname = {schema}))::text"
    )
}
