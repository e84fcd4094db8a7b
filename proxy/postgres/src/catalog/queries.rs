//! The queries that load a catalog. Each names every object with its schema, so that no search path changes its meaning.
//!
//! They hold for PostgreSQL 12 to 18. Not here: TOAST relations and other sessions' temporary ones: what is not loaded is
//! unknown.

/// All, in the order that the loader takes their rows.
pub(super) const ALL: [&str; 11] = [
    RELATIONS,
    COLUMNS,
    PARENTS,
    DEPENDENCIES,
    CALLERS,
    GENERATED,
    FUNCTIONS,
    OPERATORS,
    TYPES,
    SEARCH_PATH,
    CODE,
];

/// Number, schema, name, kind, and whether it lies in the session's own temporary schema.
const RELATIONS: &str = "SELECT c.oid, n.nspname, c.relname, c.relkind, \
     c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema() \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
     WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r','p','v','m','f','S','i','I']::pg_catalog.\"char\"[]) \
     AND n.nspname OPERATOR(pg_catalog.!~) '^pg_toast' \
     AND (n.nspname OPERATOR(pg_catalog.!~) '^pg_temp_' \
     OR c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())";

/// Relation, number, name, number of the type.
const COLUMNS: &str = "SELECT a.attrelid, a.attnum, a.attname, a.atttypid FROM pg_catalog.pg_attribute a \
     JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid \
     WHERE a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped \
     AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r','p','v','m','f','S']::pg_catalog.\"char\"[])";

/// Child, parent: inheritance and partitions.
const PARENTS: &str = "SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits";

/// Relation, and a relation that one of its rules names (a view is a rule).
const DEPENDENCIES: &str = "SELECT DISTINCT r.ev_class, d.refobjid FROM pg_catalog.pg_rewrite r \
     JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) r.oid \
     WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass \
     AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass \
     AND d.refobjid OPERATOR(pg_catalog.<>) r.ev_class";

/// Relation whose rules call functions or operators that initdb did not make (numbers from 16384 up).
const CALLERS: &str = "SELECT DISTINCT r.ev_class FROM pg_catalog.pg_rewrite r \
     JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) r.oid \
     WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass \
     AND d.refclassid OPERATOR(pg_catalog.=) ANY (ARRAY['pg_catalog.pg_proc'::pg_catalog.regclass, \
     'pg_catalog.pg_operator'::pg_catalog.regclass]::pg_catalog.oid[]) \
     AND d.refobjid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid";

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
     WHERE a.attgenerated OPERATOR(pg_catalog.<>) ''::pg_catalog.\"char\"";

/// Schema and name of a function that is not the server's own, and its language.
const FUNCTIONS: &str = "SELECT DISTINCT n.nspname, p.proname, l.lanname FROM pg_catalog.pg_proc p \
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

/// Name of an enumeration or base type that initdb did not make, and that no interpreted function casts from or to.
const TYPES: &str = "SELECT t.typname FROM pg_catalog.pg_type t \
     WHERE t.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid \
     AND t.typtype OPERATOR(pg_catalog.=) ANY (ARRAY['b','e']::pg_catalog.\"char\"[]) \
     AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_cast x \
     JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) x.castfunc \
     JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang \
     WHERE (x.castsource OPERATOR(pg_catalog.=) t.oid OR x.casttarget OPERATOR(pg_catalog.=) t.oid) \
     AND l.lanname OPERATOR(pg_catalog.<>) ALL (ARRAY['internal','c']::pg_catalog.name[]))";

/// The settings that statements are read by, in one row.
pub(super) const HELD: &str = "SELECT pg_catalog.current_setting('client_encoding'), \
     pg_catalog.current_setting('standard_conforming_strings')";

/// Names of prepared statements, and the texts that they were prepared with.
pub(super) const PREPARED: &str = "SELECT name, statement FROM pg_catalog.pg_prepared_statements";

/// The schemas of the search path in force, implicit ones too, in order.
pub(super) const SEARCH_PATH: &str = "SELECT pg_catalog.unnest(pg_catalog.current_schemas(true))";

/// Relation on which code hangs that an ordinary statement runs: `r` when reading runs it, `w` when only changing does, `s`
/// when changing moves sequences or asks the clock and nothing else.
/// Relation 0 stands for casts and operators of interpreted, volatile functions, which every statement could run.
///
/// Row security and rules; triggers; defaults and checks that call functions; identities and domains; foreign keys that
/// change other relations. A default is `s` when it names none but functions that initdb made, and of those only listed ones.
///
/// Expressions are looked at as the server keeps them, node by node: its functions that write them out fail on what another
/// session drops meanwhile, and a failure inside of the agent's transaction would end that.
const CODE: &str = "SELECT c.oid, 'r' FROM pg_catalog.pg_class c WHERE c.relrowsecurity \
     OR (c.relhasrules AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r','p']::pg_catalog.\"char\"[])) \
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
     UNION ALL SELECT k.conrelid, 'w' FROM pg_catalog.pg_constraint k \
     WHERE k.contype OPERATOR(pg_catalog.=) 'c'::pg_catalog.\"char\" \
     AND k.conbin::pg_catalog.text OPERATOR(pg_catalog.~) \
     '[{](?!VAR |CONST |RELABELTYPE |COERCEVIAIO |SQLVALUEFUNCTION |OPEXPR |SCALARARRAYOPEXPR |ARRAY |ARRAYEXPR |BOOLEXPR \
|NULLTEST |BOOLEANTEST |DISTINCTEXPR |NULLIFEXPR |CASE |CASEEXPR |WHEN |CASEWHEN |FUNCEXPR :funcid [0-9]{1,4} \
:funcresulttype [0-9]+ :funcretset false :funcvariadic false :funcformat [12] )' \
     UNION ALL SELECT k.confrelid, 'w' FROM pg_catalog.pg_constraint k \
     WHERE k.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog.\"char\" \
     AND (k.confdeltype OPERATOR(pg_catalog.<>) ALL (ARRAY['a','r']::pg_catalog.\"char\"[]) \
     OR k.confupdtype OPERATOR(pg_catalog.<>) ALL (ARRAY['a','r']::pg_catalog.\"char\"[])) \
     UNION ALL SELECT 0::pg_catalog.oid, 'r' WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_proc p \
     JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang \
     WHERE p.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid \
     AND p.provolatile OPERATOR(pg_catalog.=) 'v'::pg_catalog.\"char\" \
     AND l.lanname OPERATOR(pg_catalog.<>) ALL (ARRAY['internal','c']::pg_catalog.name[]) \
     AND (EXISTS (SELECT 1 FROM pg_catalog.pg_cast x WHERE x.castfunc OPERATOR(pg_catalog.=) p.oid) \
     OR EXISTS (SELECT 1 FROM pg_catalog.pg_operator o \
     WHERE o.oprcode::pg_catalog.oid OPERATOR(pg_catalog.=) p.oid)))";
