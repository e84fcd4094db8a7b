//! What names of a statement mean where the database itself masks: the installed view in the place of its relation.
//!
//! The text of a message keeps every byte but the names that are replaced, so the server reads what the agent wrote. A
//! relation is replaced where the statement could read a masked column of it: a star, a whole row, a name that a masked
//! column has. Otherwise the name stays, and the agents' role reads the relation by its own right on the other columns. A
//! wrong guess shows nothing: the server then says that permission is denied.
//!
//! | in the text | becomes |
//! | --- | --- |
//! | `FROM patients` | `FROM exhibit."public.patients" AS "patients"` |
//! | `FROM patients p`, `INSERT INTO patients AS p` | `FROM exhibit."public.patients" p`, … |
//! | `public.patients.ssn` | `"patients".ssn` |
//! | `LOCK TABLE patients IN ACCESS SHARE MODE` | `LOCK TABLE exhibit."public.patients" IN ACCESS SHARE MODE` |
//! | `FROM ONLY patients` | `FROM exhibit."public.patients"() AS "patients"` |
//! | `COPY patients (id, ssn) TO …` | `COPY (SELECT id, ssn FROM exhibit."public.patients"()) TO …` |
//!
//! Names inside of strings (bodies of functions, `DO`, `query_to_xml`) are not replaced. They mean the relation, and the
//! server denies its masked columns.
//!
//! Not here: which columns are masked (policy), and who may read what (the server).

use std::collections::BTreeSet;

use pg_query::NodeEnum;
use pg_query::protobuf::Node;

use super::edits::{Edit, Mapped, Tokens, splice};
use super::tree::{Place, Range, Tree};
use super::writing::{self, Writing};
use super::{AnalysisError, Form, Names, StatementClass, access, foreign, kind_name, parse, setting};
use crate::catalog::{Catalog, Relation, RelationKind};
use crate::enforce::{SCHEMA, identifier, view_name};

/// Relations that are walked from one to the next at the most.
const WALK_MAX: usize = 10_000;

/// `AccessShareLock` of the server (`lockdefs.h`).
const ACCESS_SHARE: i32 = 1;

/// Replaces names in a message. `masked` says whether `schema.relation.column` has a mask.
///
/// After a statement that changes what names mean, or that calls code of which nothing is known, nothing is replaced any more:
/// the analysis refuses what follows, or knows no relation in it.
///
/// # Errors
/// [`AnalysisError`] when the message is not understood.
pub(crate) fn map(
    sql: &str,
    catalog: &Catalog,
    search_path: &[String],
    masked: &dyn Fn(&str) -> bool,
) -> Result<Mapped, AnalysisError> {
    let mut names = Names::new(catalog, Some(search_path));
    let tokens = Tokens::of(sql)?;
    let mut edits = Vec::new();
    for parsed in parse(sql)? {
        let serialized = serde_json::to_value(&parsed.node).unwrap_or_default();
        let mut form = Form::of(&parsed.node, kind_name(&serialized), &parsed.text)?;
        setting::only_of_server(&mut form, &serialized, &names);
        let tree = Tree::of(&serialized, &form);
        if shares(&parsed.node) {
            locks(&tree, &names, &tokens, &mut edits);
        }
        let writing = writing::writing(&parsed.node, &tree, &names, masked).and_then(Result::ok);
        let of = Of {
            tree: &tree,
            names: &names,
            masked,
        };
        statement(&of, form.class, writing.as_ref(), &tokens, &mut edits);
        let accesses = access::accesses(&form, &parsed.node, &tree, &names);
        names.after(&form, foreign::foreign(&form, &tree, &names, &accesses));
        if names.search_path.is_none() && !names.alone {
            break;
        }
    }
    edits.sort_unstable();
    edits.dedup();
    Ok(splice(sql, &edits))
}

/// The text of a query with relations replaced: each that `replaced` knows by schema and name stands under its old name as
/// alias. `None` where the text is not understood, or one of them is not found in it.
pub(crate) fn replace_relations(sql: &str, replaced: &dyn Fn(&str, &str) -> Option<String>) -> Option<String> {
    let tokens = Tokens::of(sql).ok()?;
    let parsed = parse(sql).ok()?;
    let [query] = parsed.as_slice() else {
        return None;
    };
    let serialized = serde_json::to_value(&query.node).ok()?;
    let form = Form::of(&query.node, kind_name(&serialized), &query.text).ok()?;
    let tree = Tree::of(&serialized, &form);
    let mut edits = Vec::new();
    for range in &tree.ranges {
        let Some(view) = range.schema.as_deref().and_then(|schema| replaced(schema, &range.name)) else {
            continue;
        };
        let (start, end) = tokens.name(range.location?, range.parts)?;
        let alias = if range.aliased {
            String::new()
        } else {
            format!(" AS {}", identifier(&range.name))
        };
        edits.push((start, end, format!("{view}{alias}")));
    }
    edits.sort_unstable();
    edits.dedup();
    Some(splice(sql, &edits).text)
}

/// Why a statement must not reach a database that masks: it names what stands for a relation, and so not the relation that
/// policy decides on; or it asks for what the database cannot do.
pub(super) fn unproven(node: &Node, tree: &Tree, names: &Names<'_>, masked: &dyn Fn(&str) -> bool) -> Option<String> {
    let installed = |range: &Range| {
        range.schema.as_deref() == Some(SCHEMA)
            || names.relation(range).is_some_and(|relation| relation.schema == SCHEMA)
    };
    let path = names.search_path.unwrap_or_default();
    let on_path = path.iter().any(|schema| schema == SCHEMA);
    let calls = |function: &Vec<String>| match function.as_slice() {
        [] => false,
        [name] => on_path && names.catalog.named(SCHEMA, name).is_some(),
        [qualifiers @ .., _] => qualifiers.iter().any(|qualifier| qualifier == SCHEMA),
    };
    let found = tree.ranges.iter().any(installed) || tree.functions.iter().any(calls);
    let reason = found.then(|| format!("it names what stands in the schema {SCHEMA}; name the relation itself, and leave the schema out of dumps (--exclude-schema={SCHEMA})"));
    reason.or_else(|| writing::unwritable(node, tree, names, masked))
}

/// A statement, and where its names are looked up.
struct Of<'a> {
    tree: &'a Tree,
    names: &'a Names<'a>,
    masked: &'a dyn Fn(&str) -> bool,
}

fn statement(
    &Of { tree, names, masked }: &Of<'_>,
    class: StatementClass,
    writing: Option<&Writing>,
    tokens: &Tokens,
    edits: &mut Vec<Edit>,
) {
    let mut plain: Vec<&Range> = Vec::new();
    for (location, parts, new) in writing.iter().flat_map(|writing| &writing.names) {
        let place = tokens.name(*location, *parts);
        edits.extend(place.map(|(start, end)| (start, end, new.clone())));
    }
    for range in &tree.ranges {
        let copies = class == StatementClass::Copy && range.place == Place::Object && range.is_read();
        if !matches!(range.place, Place::Source | Place::Target) && !copies {
            continue;
        }
        let Some(relation) = names.relation(range) else {
            continue;
        };
        let Some(view) = view_of(relation, names.catalog) else {
            continue;
        };
        let hidden = masked_columns(relation, names.catalog, masked);
        // The twin of a view stands for all of it.
        let twin = relation.kind == RelationKind::View && hidden.is_empty();
        let below = names.catalog.children(relation).next().is_some();
        // What has no rows of its own has no function that gives them.
        let stored = !matches!(relation.kind, RelationKind::PartitionedTable | RelationKind::View);
        let own_rows = stored.then(|| format!("{view}()"));
        // `ONLY (relation)` and `COPY BINARY relation` have no place for what would have to follow the name.
        let closed = range.location.is_some_and(|location| {
            ["(", "binary"]
                .iter()
                .any(|word| tokens.follows(location, word) && (copies || range.only))
        });
        if closed {
            continue;
        }
        let Some((start, end)) = range.location.and_then(|location| tokens.name(location, range.parts)) else {
            continue;
        };
        if copies {
            if let Some(rows) = own_rows.filter(|_| copy_needs_view(tree, &hidden)) {
                let (columns, end) = tokens.columns(end);
                let columns = columns.unwrap_or_else(|| stored_columns(relation));
                edits.push((start, end, format!("(SELECT {columns} FROM {rows})")));
            }
        } else if twin || needs_view(tree, range, relation, &hidden) {
            // Rows of a function take no locks, and no changes.
            let rows = own_rows.filter(|_| range.only && range.place == Place::Source && !tree.locks);
            let alone = rows.and_then(|rows| Some((tokens.word_before(start, "only")?, rows)));
            // The view shows the rows of relations below, too.
            if range.only && below && alone.is_none() {
                continue;
            }
            let written =
                writing.filter(|writing| range.place == Place::Target && range.location == Some(writing.target));
            let view = written.map_or(view, |writing| writing.view.clone());
            let (from, stands) = alone.unwrap_or((start, view));
            let alias = if range.aliased {
                String::new()
            } else {
                plain.push(range);
                format!(" AS {}", identifier(&range.name))
            };
            edits.push((from, end, format!("{stands}{alias}")));
            // `TABLE relation` takes no alias.
            let table = tokens.table_before(start);
            edits.extend(table.map(|(from, to)| (from, to, "SELECT * FROM".to_owned())));
        }
    }
    // Columns that name a relation by its schema mean it by its alias now.
    for (location, reference) in &tree.located {
        let [.., schema, relation, _] = reference.as_slice() else {
            continue;
        };
        let same = |range: &&&Range| {
            relation.as_ref() == Some(&range.name)
                && names
                    .relation(range)
                    .is_some_and(|found| schema.as_ref() == Some(&found.schema))
        };
        if plain.iter().find(same).is_some()
            && let Some((start, end)) = tokens.name(*location, reference.len() - 1)
        {
            edits.push((start, end, identifier(relation.as_deref().unwrap_or_default())));
        }
    }
}

/// Whether it is a `LOCK` in the weakest mode, by which readers such as `pg_dump` begin. It asks for `SELECT` on the whole
/// relation, which the view has. Stronger modes ask for rights that the role has kept, and would lock what views share.
fn shares(node: &Node) -> bool {
    matches!(&node.node, Some(NodeEnum::LockStmt(lock)) if lock.mode == ACCESS_SHARE)
}

fn locks(tree: &Tree, names: &Names<'_>, tokens: &Tokens, edits: &mut Vec<Edit>) {
    for range in &tree.ranges {
        let view = names
            .relation(range)
            .and_then(|relation| view_of(relation, names.catalog));
        let place = range.location.and_then(|location| tokens.name(location, range.parts));
        if let (Some(view), Some((start, end))) = (view, place) {
            edits.push((start, end, view));
        }
    }
}

/// The view that stands for a relation, where one is installed.
pub(super) fn view_of(relation: &Relation, catalog: &Catalog) -> Option<String> {
    let name = view_name(&relation.resource());
    catalog.named(SCHEMA, &name)?;
    Some(format!("{SCHEMA}.{}", identifier(&name)))
}

/// Names of the masked columns of a relation: its own masks, and those of relations above it.
pub(super) fn masked_columns(
    relation: &Relation,
    catalog: &Catalog,
    masked: &dyn Fn(&str) -> bool,
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let (mut waiting, mut seen) = (vec![relation], BTreeSet::new());
    while let Some(one) = waiting.pop().filter(|_| seen.len() < WALK_MAX) {
        if seen.insert(one.oid) {
            let columns = one.columns.values().map(|column| &column.name);
            found.extend(columns.filter(|name| masked(&one.column_resource(name))).cloned());
            waiting.extend(one.parents.iter().filter_map(|oid| catalog.relation(*oid)));
        }
    }
    found
}

/// Whether the statement could read a masked column of the relation: by its name, a star, a whole row or a join that merges
/// columns. A relation whose columns are all masked has no other that it could be read by.
pub(super) fn needs_view(tree: &Tree, range: &Range, relation: &Relation, hidden: &BTreeSet<String>) -> bool {
    let names = |reference: &Vec<Option<String>>| {
        reference.iter().any(|part| match part {
            None => true,
            Some(name) => hidden.contains(name) || (reference.len() == 1 && *name == range.alias),
        })
    };
    let writes = range.place == Place::Target;
    let merged = tree.merged.iter().any(|name| hidden.contains(name));
    let fields = tree.fields.iter().any(|name| hidden.contains(name));
    let all = relation.columns.values().all(|column| hidden.contains(&column.name));
    tree.references.iter().any(names)
        || (!writes && (tree.opaque_join || merged || range.renames_columns || all || fields))
}

fn copy_needs_view(tree: &Tree, hidden: &BTreeSet<String>) -> bool {
    // The names of a statement that copies are those of its columns, and of its options.
    let columns = &tree.copied_columns;
    columns.is_empty() || columns.iter().any(|name| hidden.contains(name))
}

/// What `COPY` of a whole relation copies: every column that is not generated.
fn stored_columns(relation: &Relation) -> String {
    let stored = relation
        .columns
        .iter()
        .filter(|(number, _)| !relation.generated.contains_key(number));
    let names: Vec<String> = stored.map(|(_, column)| identifier(&column.name)).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::tests::attempts;
    use super::{AnalysisError, Form, Mapped, Names, Tree, kind_name, map, parse, unproven};
    use crate::catalog::Catalog;
    use crate::catalog::sample;

    /// The clinic of the other tests, with views for three of its relations.
    fn catalog() -> Catalog {
        sample::with_views(&[
            ("public.patients", "id name ssn city born"),
            ("public.visits", "id patient_id note"),
            ("public.family", "id secret"),
            (".public.patients", "id raw:2 raw:3 city born name ssn"),
        ])
    }

    fn mapped_or_refused(sql: &str, path: &[&str]) -> Result<Mapped, AnalysisError> {
        let path: Vec<String> = path.iter().map(|schema| (*schema).to_owned()).collect();
        let masked = |resource: &str| sample::MASKED.contains(&resource);
        map(sql, &catalog(), &path, &masked)
    }

    fn mapped(sql: &str, path: &[&str]) -> Mapped {
        mapped_or_refused(sql, path).unwrap()
    }

    const P: &str = "exhibit.\"public.patients\"";

    fn check(sql: &str, wanted: &str) {
        let wanted = wanted
            .replace("{p}", P)
            .replace("{rows}", &format!("{P}()"))
            .replace("{as}", &format!("{P} AS \"patients\""));
        let wanted = wanted.replace("{v}", "exhibit.\"public.visits\" AS \"visits\"");
        assert_eq!(mapped(sql, &["public"]).text, wanted, "{sql}");
    }

    #[test]
    fn a_name_that_could_show_a_masked_column_means_the_view() {
        for (sql, wanted) in [
            ("SELECT * FROM patients", "SELECT * FROM {as}"),
            ("SELECT ssn FROM public.patients", "SELECT ssn FROM {as}"),
            ("SELECT ssn FROM postgres . public . patients", "SELECT ssn FROM {as}"),
            ("SELECT ssn FROM \"public\".\"patients\" x", "SELECT ssn FROM {p} x"),
            (
                "SELECT p.ssn FROM patients AS p (a, b)",
                "SELECT p.ssn FROM {p} AS p (a, b)",
            ),
            (
                "LOCK TABLE public.patients, notes IN ACCESS SHARE MODE",
                "LOCK TABLE {p}, notes IN ACCESS SHARE MODE",
            ),
            ("TABLE patients", "SELECT * FROM {as}"),
            ("SELECT patients FROM patients", "SELECT patients FROM {as}"),
            (
                "SELECT row_to_json(p) FROM patients p",
                "SELECT row_to_json(p) FROM {p} p",
            ),
            ("SELECT p.* FROM /* c */ patients p", "SELECT p.* FROM /* c */ {p} p"),
            (
                "SELECT public.patients.ssn FROM public.patients",
                "SELECT \"patients\".ssn FROM {as}",
            ),
            (
                "SELECT public.patients.* FROM patients",
                "SELECT \"patients\".* FROM {as}",
            ),
            (
                "SELECT 1 FROM facilities NATURAL JOIN patients",
                "SELECT 1 FROM facilities NATURAL JOIN {as}",
            ),
            (
                "SELECT 1 FROM facilities f JOIN patients USING (name)",
                "SELECT 1 FROM facilities f JOIN {as} USING (name)",
            ),
            (
                "SELECT (SELECT max(ssn) FROM patients)",
                "SELECT (SELECT max(ssn) FROM {as})",
            ),
            (
                "SELECT name FROM patients UNION SELECT note FROM visits",
                "SELECT name FROM {as} UNION SELECT note FROM {v}",
            ),
            (
                "WITH q AS (SELECT ssn FROM patients) SELECT * FROM q",
                "WITH q AS (SELECT ssn FROM {as}) SELECT * FROM q",
            ),
            ("SELECT 'é', ssn FROM patients -- x", "SELECT 'é', ssn FROM {as} -- x"),
            (
                "SELECT ssn FROM patients FOR UPDATE OF patients",
                "SELECT ssn FROM {as} FOR UPDATE OF patients",
            ),
            (
                "SELECT ssn FROM patients; SELECT note FROM visits",
                "SELECT ssn FROM {as}; SELECT note FROM {v}",
            ),
            ("EXPLAIN SELECT ssn FROM patients", "EXPLAIN SELECT ssn FROM {as}"),
            (
                "PREPARE q AS SELECT ssn FROM patients",
                "PREPARE q AS SELECT ssn FROM {as}",
            ),
            (
                "DECLARE c CURSOR FOR SELECT ssn FROM patients",
                "DECLARE c CURSOR FOR SELECT ssn FROM {as}",
            ),
            (
                "CREATE VIEW w AS SELECT ssn FROM patients",
                "CREATE VIEW w AS SELECT ssn FROM {as}",
            ),
            (
                "CREATE TABLE w AS TABLE patients",
                "CREATE TABLE w AS SELECT * FROM {as}",
            ),
            ("SELECT ssn INTO w FROM patients", "SELECT ssn INTO w FROM {as}"),
            (
                "INSERT INTO notes SELECT ssn FROM patients",
                "INSERT INTO notes SELECT ssn FROM {as}",
            ),
            (
                "COPY (SELECT ssn FROM patients) TO STDOUT",
                "COPY (SELECT ssn FROM {as}) TO STDOUT",
            ),
        ] {
            check(sql, wanted);
        }
    }

    #[test]
    fn copies_and_only_mean_the_function_of_the_relation_s_own_rows() {
        for (sql, wanted) in [
            ("table ONLY public.patients", "SELECT * FROM {rows} AS \"patients\""),
            ("SELECT ssn FROM only patients p", "SELECT ssn FROM {rows} p"),
            (
                "SELECT ssn FROM ONLY patients FOR UPDATE",
                "SELECT ssn FROM ONLY {as} FOR UPDATE",
            ),
            (
                "DECLARE c CURSOR FOR SELECT id, ssn FROM ONLY public.patients",
                "DECLARE c CURSOR FOR SELECT id, ssn FROM {rows} AS \"patients\"",
            ),
            (
                "SELECT secret FROM ONLY family",
                "SELECT secret FROM exhibit.\"public.family\"() AS \"family\"",
            ),
            (
                "COPY family TO STDOUT",
                "COPY (SELECT \"id\", \"secret\" FROM exhibit.\"public.family\"()) TO STDOUT",
            ),
            (
                "COPY patients TO STDOUT",
                "COPY (SELECT \"id\", \"name\", \"ssn\", \"city\", \"born\" FROM {rows}) TO STDOUT",
            ),
            (
                "COPY public.patients (id, ssn) TO STDOUT CSV",
                "COPY (SELECT id, ssn FROM {rows}) TO STDOUT CSV",
            ),
        ] {
            check(sql, wanted);
        }
    }

    #[test]
    fn changes_of_rows_mean_the_view_where_they_read_a_masked_column() {
        for (sql, wanted) in [
            (
                "UPDATE patients SET city = 'x' RETURNING *",
                "UPDATE {as} SET city = 'x' RETURNING *",
            ),
            (
                "UPDATE patients p SET city = 'x' WHERE ssn = 'y'",
                "UPDATE {p} p SET city = 'x' WHERE ssn = 'y'",
            ),
            ("DELETE FROM patients RETURNING ssn", "DELETE FROM {as} RETURNING ssn"),
            (
                "INSERT INTO patients (city) VALUES ('x') RETURNING ssn",
                "INSERT INTO {as} (city) VALUES ('x') RETURNING ssn",
            ),
            (
                "INSERT INTO patients AS p (city) VALUES ('x') RETURNING p",
                "INSERT INTO {p} AS p (city) VALUES ('x') RETURNING p",
            ),
        ] {
            check(sql, wanted);
        }
    }

    #[test]
    fn changes_of_masked_columns_that_read_such_mean_the_view_that_takes_them() {
        let all = r#""patients"."id", "patients"."name", "patients"."ssn", "patients"."city", "patients"."born""#;
        for (sql, wanted) in [
            (
                "UPDATE patients SET ssn = 'x', city = 'y' WHERE name = 'z' RETURNING ssn",
                r#"UPDATE {w} AS "patients" SET "raw:3" = 'x', city = 'y' WHERE name = 'z' RETURNING ssn"#,
            ),
            (
                "UPDATE patients p SET (city, name) = ('x', 'y') RETURNING p.*, old.ssn",
                r#"UPDATE {w} p SET (city, "raw:2") = ('x', 'y') RETURNING {all p}, old.ssn"#,
            ),
            (
                "INSERT INTO patients (id, ssn) VALUES (1, 'x') RETURNING *",
                r#"INSERT INTO {w} AS "patients" (id, "raw:3") VALUES (1, 'x') RETURNING {all}"#,
            ),
            (
                "INSERT INTO public.patients VALUES (1, 'é', 'x') RETURNING 'ü', public.patients.ssn",
                r#"INSERT INTO {w} AS "patients" VALUES (1, 'é', 'x') RETURNING 'ü', "patients".ssn"#,
            ),
            (
                "INSERT INTO patients (id, ssn) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'y' RETURNING ssn",
                r#"INSERT INTO {w} AS "patients" (id, "raw:3") VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET "raw:2" = 'y' RETURNING ssn"#,
            ),
            (
                "PREPARE q AS UPDATE patients SET ssn = $1 RETURNING ssn",
                r#"PREPARE q AS UPDATE {w} AS "patients" SET "raw:3" = $1 RETURNING ssn"#,
            ),
            (
                "MERGE INTO patients p USING facilities f ON p.id = f.id WHEN MATCHED THEN UPDATE SET ssn = f.city RETURNING p.ssn",
                r#"MERGE INTO {w} p USING facilities f ON p.id = f.id WHEN MATCHED THEN UPDATE SET "raw:3" = f.city RETURNING p.ssn"#,
            ),
        ] {
            let wanted = wanted.replace("{w}", "exhibit.\".public.patients\"");
            let wanted = wanted
                .replace("{all p}", &all.replace("patients", "p"))
                .replace("{all}", all);
            assert_eq!(mapped(sql, &["public"]).text, wanted, "{sql}");
        }
    }

    #[test]
    fn what_would_write_masked_forms_is_told_so() {
        for (sql, wanted) in [
            (
                "UPDATE patients SET ssn = ssn || '' RETURNING id",
                "what is set comes from ssn",
            ),
            (
                "UPDATE patients SET ssn = (SELECT max(q.ssn) FROM patients q)",
                "what is set comes from ssn",
            ),
            (
                "UPDATE patients p SET (city, ssn) = (SELECT p.name, 'x')",
                "what is set comes from name",
            ),
            ("UPDATE patients p SET ssn = p::text", "what is set comes from p"),
            (
                "UPDATE patients SET ssn = v.note FROM visits v RETURNING ssn",
                "what is set comes from note",
            ),
            (
                "INSERT INTO patients (id, ssn) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET ssn = excluded.ssn",
                "what is set comes from ssn",
            ),
            (
                "INSERT INTO patients SELECT * FROM patients",
                "what is set comes from a star",
            ),
            (
                "INSERT INTO patients SELECT id, 'x', city FROM facilities RETURNING patients",
                "a whole row",
            ),
            (
                "UPDATE patients SET ssn = 'x' FROM facilities f RETURNING *",
                "a star over several relations",
            ),
            (
                "UPDATE patients SET ssn = 'x' RETURNING public.patients.*",
                "a star behind a schema",
            ),
            (
                "UPDATE visits SET note = 'x' RETURNING note",
                "nothing is installed that takes it",
            ),
        ] {
            let (catalog, path) = (catalog(), ["public".to_owned()]);
            let names = Names::new(&catalog, Some(&path));
            let parsed = parse(sql).unwrap().remove(0);
            let serialized = serde_json::to_value(&parsed.node).unwrap();
            let form = Form::of(&parsed.node, kind_name(&serialized), &parsed.text).unwrap();
            let tree = Tree::of(&serialized, &form);
            let masked = |resource: &str| sample::MASKED.contains(&resource);
            let told = unproven(&parsed.node, &tree, &names, &masked).unwrap_or_default();
            assert!(told.contains(wanted), "{sql}: {told}");
        }
    }

    #[test]
    fn every_other_name_stays() {
        for sql in [
            "SELECT id, city FROM patients",
            "SELECT count(*) FROM patients",
            "SELECT * FROM facilities",
            "SELECT * FROM other.patients",
            "WITH patients AS (SELECT 1 AS ssn) SELECT ssn FROM patients",
            "SELECT 'SELECT ssn FROM patients'",
            "UPDATE patients SET ssn = 'x' WHERE id = 1",
            "INSERT INTO patients (id, ssn) VALUES (1, 'x') RETURNING id",
            "DELETE FROM patients WHERE id = 1",
            "COPY patients FROM STDIN",
            "COPY patients (id, city) TO STDOUT",
            "SELECT note FROM ONLY visits",
            "SELECT ssn FROM ONLY (patients)",
            "COPY BINARY patients TO STDOUT",
            "TRUNCATE patients",
            "LOCK TABLE patients IN EXCLUSIVE MODE",
            "DROP TABLE patients",
            "COMMENT ON COLUMN patients.ssn IS 'x'",
            "DO $$ BEGIN PERFORM ssn FROM patients; END $$",
            "SET search_path = other; SELECT ssn FROM patients",
            "SELECT leak(1); SELECT ssn FROM patients",
        ] {
            check(sql, sql);
        }
        assert_eq!(
            mapped("SELECT ssn FROM patients", &["other"]).text,
            "SELECT ssn FROM patients"
        );
    }

    #[test]
    fn every_text_stays_one_and_is_mapped_once() {
        let mut replaced = 0;
        for sql in attempts::statements() {
            let Ok(before) = parse(sql) else { continue };
            // What is refused anyway is mapped to nothing.
            let Ok(once) = mapped_or_refused(sql, &["public"]) else {
                continue;
            };
            let once = once.text;
            let after = parse(&once).unwrap_or_else(|error| panic!("{sql}: {once}: {error}"));
            assert_eq!(before.len(), after.len(), "{once}");
            assert_eq!(mapped(&once, &["public"]).text, once, "{sql}");
            replaced += usize::from(once != *sql);
        }
        assert!(replaced > 200, "{replaced}");
    }

    #[test]
    fn places_are_shifted_back() {
        let sql = "SELECT é, ssn, nothing FROM patients, visits WHERE nothing = note";
        let mapped = mapped(sql, &["public"]);
        let place = |text: &str, word: &str| {
            let byte = text.rfind(word).unwrap();
            u32::try_from(text[..byte].chars().count() + 1).unwrap()
        };
        for word in ["ssn", "visits", "nothing", "note"] {
            let there = match word {
                "visits" => place(&mapped.text, "exhibit.\"public.visits\""),
                word => place(&mapped.text, word),
            };
            assert_eq!(mapped.back(there), place(sql, word), "{word}");
        }
        assert_eq!(
            mapped.back(place(&mapped.text, "public.patients")),
            place(sql, "patients")
        );
    }
}
