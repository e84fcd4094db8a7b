//! The queries that load a catalog. Each names every object with its schema, so that no search path changes its meaning.
//!
//! Objects that initdb made have numbers below 16384 (`FirstNormalObjectId` of the server's `transam.h`). There are thousands
//! of them, they hardly ever change, and sessions share what is known of them. So a query about relations has two halves, on
//! either side of that number.
//!
//! [`STATE`] tells whether anything is another than when it was loaded. A row of the server's catalogs never changes but by a
//! new version with another place (`ctid`) or transaction (`xmin`), so those two of every row that the queries read stand for
//! all that they could answer. Only statistics, and hints that rules or triggers are gone, are written in place: what is known
//! then names too much code, never too little.
//!
//! They hold for PostgreSQL 12 to 18. Not here: TOAST relations and other sessions' temporary ones: what is not loaded is
//! unknown.

use std::sync::LazyLock;

use super::by_text;

/// What the rows of a query tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Relations.
    Relations,
    /// Their columns.
    Columns,
    /// Inheritance and partitions.
    Parents,
    /// What rules name.
    Dependencies,
    /// Relations whose rules call code that is not the server's own, or that reads by a text.
    Callers,
    /// Generated columns.
    Generated,
    /// Trees of the queries of views.
    Views,
    /// The versions of all rules.
    Rules,
    /// What relations are partitioned by.
    Keys,
    /// What row security goes by.
    Policies,
    /// Code that hangs on relations.
    Code,
    /// Code that every statement could run.
    AnyCode,
    /// Functions that are not the server's own.
    Functions,
    /// Operators of such functions.
    Operators,
    /// Types that are not the server's own.
    Types,
    /// Foreign keys, column by column.
    References,
}

impl Table {
    /// What is asked about the objects that initdb made.
    pub(crate) const SYSTEM: [Self; 7] = [
        Self::Relations,
        Self::Columns,
        Self::Parents,
        Self::Dependencies,
        Self::Callers,
        Self::Generated,
        Self::Code,
    ];

    /// What is asked about all others.
    pub(crate) const OWN: [Self; 16] = [
        Self::Relations,
        Self::Columns,
        Self::Parents,
        Self::Dependencies,
        Self::Callers,
        Self::Generated,
        Self::Code,
        Self::AnyCode,
        Self::Functions,
        Self::Operators,
        Self::Types,
        Self::Views,
        Self::Rules,
        Self::Keys,
        Self::Policies,
        Self::References,
    ];

    const fn query(self) -> &'static str {
        match self {
            Self::Relations => RELATIONS,
            Self::Columns => COLUMNS,
            Self::Parents => PARENTS,
            Self::Dependencies => DEPENDENCIES,
            Self::Callers => CALLERS,
            Self::Generated => GENERATED,
            Self::Code => CODE,
            Self::AnyCode => ANY_CODE,
            Self::Functions => FUNCTIONS,
            Self::Operators => OPERATORS,
            Self::Types => TYPES,
            Self::Views => VIEWS,
            Self::Rules => RULES,
            Self::Keys => KEYS,
            Self::Policies => POLICIES,
            Self::References => REFERENCES,
        }
    }

    /// The query about the objects that initdb made.
    fn system(self) -> String {
        self.side("OPERATOR(pg_catalog.<) 16384::pg_catalog.oid")
    }

    /// The query about all others.
    fn own(self) -> String {
        self.side("OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid")
    }

    fn side(self, side: &str) -> String {
        let query = self.query().replace(SIDE, side);
        query.replace(CALL, &by_text::call())
    }
}

/// Stands in a query for the comparison that picks its half.
const SIDE: &str = "{side}";

/// Stands in a query for the regular expression that finds calls in trees ([`by_text`]).
const CALL: &str = "{call}";

/// What a session asks first: [`STATE`], [`SEARCH_PATH`].
pub(crate) static SESSION: LazyLock<Vec<String>> = LazyLock::new(|| vec![STATE.clone(), SEARCH_PATH.to_owned()]);

/// What is asked where definitions are not shared yet, in this order: [`STATE`], each of [`Table::OWN`], and the state again:
/// both are the same, or something changed in between.
pub(crate) static OWN: LazyLock<Vec<String>> = LazyLock::new(|| between_states(Table::OWN.into_iter().map(Table::own)));

/// The same about the objects that initdb made: each of [`Table::SYSTEM`].
pub(crate) static SYSTEM: LazyLock<Vec<String>> =
    LazyLock::new(|| between_states(Table::SYSTEM.into_iter().map(Table::system)));

fn between_states(queries: impl Iterator<Item = String>) -> Vec<String> {
    let state = || std::iter::once(STATE.clone());
    state().chain(queries).chain(state()).collect()
}

/// One row: SHA-256 in hex over the versions of the rows that are about what initdb made, and over those of all rows and the
/// number of the session's temporary schema.
static STATE: LazyLock<String> = LazyLock::new(|| {
    let rows = |(catalog, system, read): &(&str, &str, &str)| {
        format!(
            "SELECT {system}, pg_catalog.xidsend(t.xmin) OPERATOR(pg_catalog.||) pg_catalog.tidsend(t.ctid) \
             FROM pg_catalog.{catalog} t WHERE {read}"
        )
        .replace(NUMBERS, "16384::pg_catalog.oid")
    };
    let rows: Vec<String> = ROWS.iter().map(rows).collect();
    let digest = |rows: &str| format!("pg_catalog.encode(pg_catalog.sha256({rows}), 'hex')");
    let system = digest("COALESCE(pg_catalog.string_agg(s.v, '') FILTER (WHERE s.system), '')");
    let all = digest(
        "COALESCE(pg_catalog.string_agg(s.v, ''), '') OPERATOR(pg_catalog.||) \
         pg_catalog.oidsend(pg_catalog.pg_my_temp_schema())",
    );
    format!(
        "SELECT {system}, {all} FROM ({}) s(system, v)",
        rows.join(" UNION ALL ")
    )
});

/// Stands for the number from which on objects are not of initdb.
const NUMBERS: &str = "{first}";

/// The catalogs that the queries read, which of their rows are about what initdb made, and which rows are read.
const ROWS: [(&str, &str, &str); 15] = [
    ("pg_namespace", "t.oid OPERATOR(pg_catalog.<) {first}", "true"),
    ("pg_class", "t.oid OPERATOR(pg_catalog.<) {first}", "true"),
    ("pg_attribute", "t.attrelid OPERATOR(pg_catalog.<) {first}", "true"),
    ("pg_inherits", "t.inhrelid OPERATOR(pg_catalog.<) {first}", "true"),
    ("pg_rewrite", "t.ev_class OPERATOR(pg_catalog.<) {first}", "true"),
    ("pg_trigger", "t.tgrelid OPERATOR(pg_catalog.<) {first}", "true"),
    ("pg_policy", "t.polrelid OPERATOR(pg_catalog.<) {first}", "true"),
    ("pg_attrdef", "t.adrelid OPERATOR(pg_catalog.<) {first}", "true"),
    ("pg_constraint", OF_INITDB, "true"),
    ("pg_depend", "t.objid OPERATOR(pg_catalog.<) {first}", "true"),
    ("pg_type", "t.oid OPERATOR(pg_catalog.<) {first}", "true"),
    ("pg_language", "t.oid OPERATOR(pg_catalog.<) {first}", "true"),
    ("pg_cast", "false", "true"),
    ("pg_operator", "false", "t.oid OPERATOR(pg_catalog.>=) {first}"),
    ("pg_proc", "false", OWN_FUNCTIONS),
];

/// Constraints of relations that initdb made, and those that point at them; zero is no relation.
const OF_INITDB: &str = "(t.conrelid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid AND t.conrelid OPERATOR(pg_catalog.<) {first}) \
     OR (t.confrelid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid AND t.confrelid OPERATOR(pg_catalog.<) {first})";

/// Functions outside of `pg_catalog`, whose number is 11 (`PG_CATALOG_NAMESPACE`), or made later.
const OWN_FUNCTIONS: &str = "t.oid OPERATOR(pg_catalog.>=) {first} \
     OR t.pronamespace OPERATOR(pg_catalog.<>) 11::pg_catalog.oid";

/// Number, schema, name, kind, and whether it lies in the session's own temporary schema.
const RELATIONS: &str = "SELECT c.oid, n.nspname, c.relname, c.relkind, \
     c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema() \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
     WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r','p','v','m','f','S','i','I']::pg_catalog.\"char\"[]) \
     AND n.nspname OPERATOR(pg_catalog.!~) '^pg_toast' \
     AND (n.nspname OPERATOR(pg_catalog.!~) '^pg_temp_' \
     OR c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()) AND c.oid {side}";

/// Relation, number, name, number of the type.
const COLUMNS: &str = "SELECT a.attrelid, a.attnum, a.attname, a.atttypid FROM pg_catalog.pg_attribute a \
     JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid \
     WHERE a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped \
     AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r','p','v','m','f','S']::pg_catalog.\"char\"[]) AND a.attrelid {side}";

/// Child, parent: inheritance and partitions.
const PARENTS: &str = "SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits WHERE inhrelid {side}";

/// Relation, and a relation that one of its rules names (a view is a rule).
const DEPENDENCIES: &str = "SELECT DISTINCT r.ev_class, d.refobjid FROM pg_catalog.pg_rewrite r \
     JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) r.oid \
     WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass \
     AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass \
     AND d.refobjid OPERATOR(pg_catalog.<>) r.ev_class AND r.ev_class {side}";

/// Relation whose rules call functions or operators that initdb did not make (numbers from 16384 up), or functions of the
/// server that read by a text. Nothing depends on the server's own functions, so the trees of all rules are searched.
const CALLERS: &str = "SELECT DISTINCT r.ev_class FROM pg_catalog.pg_rewrite r \
     JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) r.oid \
     WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass \
     AND d.refclassid OPERATOR(pg_catalog.=) ANY (ARRAY['pg_catalog.pg_proc'::pg_catalog.regclass, \
     'pg_catalog.pg_operator'::pg_catalog.regclass]::pg_catalog.oid[]) \
     AND d.refobjid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid AND r.ev_class {side} \
     UNION SELECT r.ev_class FROM pg_catalog.pg_rewrite r WHERE r.ev_class {side} \
     AND (r.ev_action::pg_catalog.text OPERATOR(pg_catalog.~) '{call}' \
     OR r.ev_qual::pg_catalog.text OPERATOR(pg_catalog.~) '{call}')";

/// Relation, generated column, a column that it is computed from. Since version 15 the dependency hangs at the default,
/// before at the column.
const GENERATED: &str = "SELECT a.attrelid, a.attnum, d.refobjsubid FROM pg_catalog.pg_attribute a \
     JOIN pg_catalog.pg_attrdef f ON f.adrelid OPERATOR(pg_catalog.=) a.attrelid \
     AND f.adnum OPERATOR(pg_catalog.=) a.attnum \
     JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass \
     AND d.refobjid OPERATOR(pg_catalog.=) a.attrelid AND d.refobjsubid OPERATOR(pg_catalog.<>) 0 \
     AND d.refobjsubid OPERATOR(pg_catalog.<>) a.attnum \
     AND ((d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass \
     AND d.objid OPERATOR(pg_catalog.=) f.oid) \
     OR (d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass \
     AND d.objid OPERATOR(pg_catalog.=) a.attrelid AND d.objsubid OPERATOR(pg_catalog.=) a.attnum)) \
     WHERE a.attgenerated OPERATOR(pg_catalog.<>) ''::pg_catalog.\"char\" AND a.attrelid {side}";

/// View or materialized view without other rules, and the tree of its query. Trees of more than a megabyte are not read: a
/// thousand columns of a dozen joins have half of that.
const VIEWS: &str = "SELECT r.ev_class, r.ev_action::pg_catalog.text FROM pg_catalog.pg_rewrite r \
     JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) r.ev_class \
     WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['v','m']::pg_catalog.\"char\"[]) \
     AND r.ev_type OPERATOR(pg_catalog.=) '1'::pg_catalog.\"char\" \
     AND pg_catalog.octet_length(r.ev_action::pg_catalog.text) OPERATOR(pg_catalog.<=) 1048576 \
     AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite o WHERE o.ev_class OPERATOR(pg_catalog.=) r.ev_class \
     AND o.oid OPERATOR(pg_catalog.<>) r.oid) AND r.ev_class {side}";

/// Partitioned relation, and number of a column that its partitions go by; zero for an expression.
const KEYS: &str = "SELECT p.partrelid, k.number FROM pg_catalog.pg_partitioned_table p \
     CROSS JOIN LATERAL pg_catalog.unnest(p.partattrs::pg_catalog.int2[]) k(number) WHERE p.partrelid {side}";

/// Relation with row security, and relation and number of a column that one of its policies names; zero is any column, where a
/// policy names a whole row.
const POLICIES: &str = "SELECT DISTINCT p.polrelid, d.refobjid, d.refobjsubid FROM pg_catalog.pg_policy p \
     JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) p.polrelid AND c.relrowsecurity \
     JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) p.oid \
     WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_policy'::pg_catalog.regclass \
     AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass \
     AND (d.refobjsubid OPERATOR(pg_catalog.<>) 0 OR p.polqual::pg_catalog.text OPERATOR(pg_catalog.~) ':varattno 0 ' \
     OR p.polwithcheck::pg_catalog.text OPERATOR(pg_catalog.~) ':varattno 0 ') AND p.polrelid {side}";

/// Relation with a foreign key, number of a column of the key, the relation that it references, and number of the column there.
const REFERENCES: &str = "SELECT k.conrelid, k.conkey[n.n], k.confrelid, k.confkey[n.n] FROM pg_catalog.pg_constraint k \
     CROSS JOIN LATERAL pg_catalog.generate_subscripts(k.conkey, 1) n(n) \
     WHERE k.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog.\"char\" AND k.conrelid {side}";

/// One row: SHA-256 in hex over the versions of all rules that initdb did not make, and how transactions are isolated. It is
/// asked before a statement that reads views: what they show hangs on their rules.
pub(super) const RULES: &str = "SELECT pg_catalog.encode(pg_catalog.sha256(COALESCE(pg_catalog.string_agg( \
     pg_catalog.xidsend(r.xmin) OPERATOR(pg_catalog.||) pg_catalog.tidsend(r.ctid), '' ORDER BY r.oid), '')), 'hex'), \
     pg_catalog.current_setting('transaction_isolation') FROM pg_catalog.pg_rewrite r \
     WHERE r.ev_class OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid";

/// Schema and name of a function that is not the server's own, and its language; of an aggregate that one of those that it is made of is
/// written in, where it is neither internal nor compiled.
const FUNCTIONS: &str = "SELECT DISTINCT n.nspname, p.proname, COALESCE((SELECT pg_catalog.min(fl.lanname::pg_catalog.text) \
     FROM pg_catalog.pg_aggregate a JOIN pg_catalog.pg_proc f ON f.oid OPERATOR(pg_catalog.=) ANY (ARRAY[a.aggtransfn, \
     a.aggfinalfn,a.aggcombinefn,a.aggserialfn,a.aggdeserialfn,a.aggmtransfn,a.aggminvtransfn,a.aggmfinalfn]::pg_catalog.oid[]) \
     JOIN pg_catalog.pg_language fl ON fl.oid OPERATOR(pg_catalog.=) f.prolang \
     WHERE a.aggfnoid::pg_catalog.oid OPERATOR(pg_catalog.=) p.oid \
     AND fl.lanname OPERATOR(pg_catalog.<>) ALL (ARRAY['internal','c']::pg_catalog.name[])), l.lanname::pg_catalog.text) \
     FROM pg_catalog.pg_proc p \
     JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang \
     JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace \
     WHERE p.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid \
     OR n.nspname OPERATOR(pg_catalog.<>) 'pg_catalog'";

/// Name of an operator that runs code which is neither internal nor compiled, and that initdb did not make.
const OPERATORS: &str = "SELECT DISTINCT o.oprname FROM pg_catalog.pg_operator o \
     JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) o.oprcode::pg_catalog.oid \
     JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang \
     WHERE o.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid \
     AND l.lanname OPERATOR(pg_catalog.<>) ALL (ARRAY['internal','c']::pg_catalog.name[])";

/// Name of a type that initdb did not make, the row types of relations that last aside; and whether it is an enumeration or base type, or an array of one, that no interpreted
/// function casts from or to.
const TYPES: &str = "SELECT DISTINCT t.typname, \
     t.typtype OPERATOR(pg_catalog.=) ANY (ARRAY['b','e']::pg_catalog.\"char\"[]) \
     AND COALESCE(e.typtype, t.typtype) OPERATOR(pg_catalog.=) ANY (ARRAY['b','e']::pg_catalog.\"char\"[]) \
     AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_cast x \
     JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) x.castfunc \
     JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang \
     WHERE (x.castsource OPERATOR(pg_catalog.=) ANY (ARRAY[t.oid,t.typelem]) \
     OR x.casttarget OPERATOR(pg_catalog.=) ANY (ARRAY[t.oid,t.typelem])) \
     AND l.lanname OPERATOR(pg_catalog.<>) ALL (ARRAY['internal','c']::pg_catalog.name[])) \
     FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.oid OPERATOR(pg_catalog.=) t.typelem \
     WHERE t.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid \
     AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class c \
     WHERE c.oid OPERATOR(pg_catalog.=) ANY (ARRAY[t.typrelid,e.typrelid]) \
     AND c.relkind OPERATOR(pg_catalog.<>) 'c'::pg_catalog.\"char\" \
     AND c.relpersistence OPERATOR(pg_catalog.<>) 't'::pg_catalog.\"char\")";

/// The settings that statements are read by, in one row.
pub(super) const HELD: &str = "SELECT pg_catalog.current_setting('client_encoding'), \
     pg_catalog.current_setting('standard_conforming_strings')";

/// Names of prepared statements, and the texts that they were prepared with.
pub(super) const PREPARED: &str = "SELECT name, statement FROM pg_catalog.pg_prepared_statements";

/// The schemas of the search path in force, implicit ones too, in order.
pub(super) const SEARCH_PATH: &str = "SELECT pg_catalog.unnest(pg_catalog.current_schemas(true))";

/// Relation on which code hangs that an ordinary statement runs: `r` when reading runs it, `w` when only changing does, `s`
/// when changing moves sequences or asks the clock and nothing else.
///
/// Row security and rules; triggers; defaults and checks that call functions; checks, foreign keys and indexes that call functions or
/// operators of somebody's; identities and domains; domains with such checks and values that are made of others of somebody's types,
/// also when only reading: checks run where text is read as one of them (`ARRAY[domain] = '{…}'`); foreign keys that change other relations; tables that somebody's access method stores. A default is `s` when it names none but functions that
/// initdb made, and of those only listed ones.
///
/// Expressions are looked at as the server keeps them, node by node: its functions that write them out fail on what another
/// session drops meanwhile, and a failure inside of the agent's transaction would end that.
const CODE: &str = "SELECT x.relation, x.at FROM (SELECT c.oid, 'r' FROM pg_catalog.pg_class c WHERE c.relrowsecurity \
     OR (c.relhasrules AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r','p']::pg_catalog.\"char\"[])) \
     UNION ALL SELECT c.oid, 'w' FROM pg_catalog.pg_class c WHERE c.relam OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid \
     UNION ALL SELECT t.tgrelid, 'w' FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal \
     UNION ALL SELECT f.adrelid, CASE WHEN NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d \
     WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass \
     AND d.objid OPERATOR(pg_catalog.=) f.oid \
     AND d.refclassid OPERATOR(pg_catalog.=) ANY (ARRAY['pg_catalog.pg_proc'::pg_catalog.regclass, \
     'pg_catalog.pg_operator'::pg_catalog.regclass]::pg_catalog.oid[])) \
     AND f.adbin::pg_catalog.text OPERATOR(pg_catalog.!~) (SELECT \
     '[{](?!CONST |RELABELTYPE |SQLVALUEFUNCTION |OPEXPR |FUNCEXPR :funcid [0-9]{1,4} :funcresulttype [0-9]+ \
:funcretset false :funcvariadic false :funcformat 2 |FUNCEXPR :funcid (' \
     OPERATOR(pg_catalog.||) pg_catalog.string_agg(p.oid::pg_catalog.text, '|') OPERATOR(pg_catalog.||) ') )' \
     FROM pg_catalog.pg_proc p WHERE p.oid OPERATOR(pg_catalog.<) 10000::pg_catalog.oid \
     AND p.proname OPERATOR(pg_catalog.=) ANY (ARRAY['nextval','now','clock_timestamp','statement_timestamp', \
     'transaction_timestamp','gen_random_uuid','uuidv4','uuidv7']::pg_catalog.name[])) \
     THEN 's' ELSE 'w' END FROM pg_catalog.pg_attrdef f \
     WHERE f.adbin::pg_catalog.text OPERATOR(pg_catalog.~) \
     '[{](?!CONST |RELABELTYPE |SQLVALUEFUNCTION |FUNCEXPR :funcid [0-9]{1,4} :funcresulttype [0-9]+ \
:funcretset false :funcvariadic false :funcformat 2 )' \
     UNION ALL SELECT a.attrelid, 's' FROM pg_catalog.pg_attribute a \
     WHERE a.attnum OPERATOR(pg_catalog.>) 0 AND a.attidentity OPERATOR(pg_catalog.<>) ''::pg_catalog.\"char\" \
     UNION ALL SELECT a.attrelid, 'w' FROM pg_catalog.pg_attribute a \
     JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid \
     WHERE a.attnum OPERATOR(pg_catalog.>) 0 AND t.typtype OPERATOR(pg_catalog.=) 'd'::pg_catalog.\"char\" \
     UNION ALL SELECT a.attrelid, 'r' FROM pg_catalog.pg_attribute a \
     JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid \
     LEFT JOIN pg_catalog.pg_type e ON e.oid OPERATOR(pg_catalog.=) t.typelem \
     WHERE a.attnum OPERATOR(pg_catalog.>) 0 AND a.atttypid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid \
     AND (t.typtype OPERATOR(pg_catalog.=) ANY (ARRAY['c','r','m']::pg_catalog.\"char\"[]) \
     OR e.typtype OPERATOR(pg_catalog.=) ANY (ARRAY['c','d','r','m']::pg_catalog.\"char\"[]) \
     OR (t.typtype OPERATOR(pg_catalog.=) 'd'::pg_catalog.\"char\" \
     AND (t.typbasetype OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid OR EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k \
     JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) k.oid \
     WHERE k.contypid OPERATOR(pg_catalog.=) t.oid \
     AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass \
     AND d.refobjid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid \
     AND d.refclassid OPERATOR(pg_catalog.=) ANY (ARRAY['pg_catalog.pg_proc'::pg_catalog.regclass, \
     'pg_catalog.pg_operator'::pg_catalog.regclass]::pg_catalog.oid[]))))) \
     UNION ALL SELECT k.conrelid, 'w' FROM pg_catalog.pg_constraint k \
     WHERE k.contype OPERATOR(pg_catalog.=) 'c'::pg_catalog.\"char\" \
     AND k.conbin::pg_catalog.text OPERATOR(pg_catalog.~) \
     '[{](?!VAR |CONST |RELABELTYPE |COERCEVIAIO |SQLVALUEFUNCTION |OPEXPR |SCALARARRAYOPEXPR |ARRAY |ARRAYEXPR |BOOLEXPR \
|NULLTEST |BOOLEANTEST |DISTINCTEXPR |NULLIFEXPR |CASE |CASEEXPR |WHEN |CASEWHEN |FUNCEXPR :funcid [0-9]{1,4} \
:funcresulttype [0-9]+ :funcretset false :funcvariadic false :funcformat [12] )' \
     UNION ALL SELECT r.relation, 'w' FROM pg_catalog.pg_constraint k \
     CROSS JOIN LATERAL (VALUES (k.conrelid), (k.confrelid)) r(relation) \
     JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) k.oid \
     WHERE k.contype OPERATOR(pg_catalog.=) ANY (ARRAY['c','f']::pg_catalog.\"char\"[]) \
     AND r.relation OPERATOR(pg_catalog.<>) 0::pg_catalog.oid \
     AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass \
     AND d.refobjid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid \
     AND d.refclassid OPERATOR(pg_catalog.=) ANY (ARRAY['pg_catalog.pg_proc'::pg_catalog.regclass, \
     'pg_catalog.pg_operator'::pg_catalog.regclass]::pg_catalog.oid[]) \
     UNION ALL SELECT i.indrelid, 'w' FROM pg_catalog.pg_index i \
     JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) i.indexrelid \
     WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass \
     AND d.refobjid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid \
     AND (d.refclassid OPERATOR(pg_catalog.=) ANY (ARRAY['pg_catalog.pg_proc'::pg_catalog.regclass, \
     'pg_catalog.pg_operator'::pg_catalog.regclass]::pg_catalog.oid[]) \
     OR (d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_opclass'::pg_catalog.regclass \
     AND EXISTS (SELECT 1 FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) ANY (ARRAY( \
     SELECT m.amproc::pg_catalog.oid FROM pg_catalog.pg_amproc m WHERE m.amprocfamily OPERATOR(pg_catalog.=) o.opcfamily \
     UNION ALL SELECT q.oprcode::pg_catalog.oid FROM pg_catalog.pg_amop m \
     JOIN pg_catalog.pg_operator q ON q.oid OPERATOR(pg_catalog.=) m.amopopr \
     WHERE m.amopfamily OPERATOR(pg_catalog.=) o.opcfamily)) \
     JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang \
     WHERE o.oid OPERATOR(pg_catalog.=) d.refobjid \
     AND l.lanname OPERATOR(pg_catalog.<>) ALL (ARRAY['internal','c']::pg_catalog.name[])))) \
     UNION ALL SELECT k.confrelid, 'w' FROM pg_catalog.pg_constraint k \
     WHERE k.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog.\"char\" \
     AND (k.confdeltype OPERATOR(pg_catalog.<>) ALL (ARRAY['a','r']::pg_catalog.\"char\"[]) \
     OR k.confupdtype OPERATOR(pg_catalog.<>) ALL (ARRAY['a','r']::pg_catalog.\"char\"[]))) x(relation, at) WHERE x.relation {side}";

/// One row where a cast or an operator runs an interpreted, volatile function, so that every statement could run it; and one where a cast
/// runs any that is interpreted, which could run as something is assigned.
const ANY_CODE: &str = "SELECT 'w' WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_proc p \
     JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang \
     JOIN pg_catalog.pg_cast x ON x.castfunc OPERATOR(pg_catalog.=) p.oid \
     WHERE p.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid \
     AND l.lanname OPERATOR(pg_catalog.<>) ALL (ARRAY['internal','c']::pg_catalog.name[])) \
     UNION ALL SELECT 'r' WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_proc p \
     JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang \
     WHERE p.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid \
     AND p.provolatile OPERATOR(pg_catalog.=) 'v'::pg_catalog.\"char\" \
     AND l.lanname OPERATOR(pg_catalog.<>) ALL (ARRAY['internal','c']::pg_catalog.name[]) \
     AND (EXISTS (SELECT 1 FROM pg_catalog.pg_cast x WHERE x.castfunc OPERATOR(pg_catalog.=) p.oid) \
     OR EXISTS (SELECT 1 FROM pg_catalog.pg_operator o \
     WHERE o.oprcode::pg_catalog.oid OPERATOR(pg_catalog.=) p.oid)))";
