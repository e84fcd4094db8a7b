//! Tests of the catalog.

use super::sample;
use super::{Catalog, CatalogError, DocumentError};

/// Tables of rows.
type Rows = Vec<Vec<Vec<Option<String>>>>;

#[test]
fn names_the_resource_of_an_origin() {
    let catalog = sample::catalog();
    let check = |relation: u32, attribute: i16, wanted: Option<&str>| {
        assert_eq!(
            catalog.resource(relation, attribute).as_deref(),
            wanted,
            "{relation} {attribute}"
        );
    };
    check(16401, 3, Some("public.patients.ssn"));
    check(16401, 6, None);
    check(16401, 0, None);
    check(16401, -1, Some("public.patients.ctid"));
    check(16401, -6, Some("public.patients.tableoid"));
    check(16401, -7, None);
    check(99, 1, None);
    check(0, 0, None);
    check(16420, 2, Some("pg_temp.scratch.word"));
    check(16422, 1, Some("public.Odd Name.id"));
}

#[test]
fn looks_names_up_where_the_server_does() {
    let catalog = sample::catalog();
    let check = |name: &str, path: &[&str], wanted: Option<&str>| {
        let path: Vec<String> = path.iter().map(|schema| (*schema).to_owned()).collect();
        let found = catalog.resolve(name, &path).map(super::Relation::resource);
        assert_eq!(found.as_deref(), wanted, "{name} {path:?}");
    };
    check("patients", &["public"], Some("public.patients"));
    check("patients", &["other", "public"], Some("other.patients"));
    check("patients", &[], None);
    check("pg_class", &[], Some("pg_catalog.pg_class"));
    check("pg_class", &["public", "pg_catalog"], Some("pg_catalog.pg_class"));
    check("scratch", &["public"], Some("pg_temp.scratch"));
    check("scratch", &["public", "pg_temp"], Some("pg_temp.scratch"));
}

#[test]
fn snapshots_are_the_same_for_the_same_definitions() {
    let mut tables = sample::tables();
    let snapshot = sample::catalog().snapshot();
    for table in &mut tables {
        table.reverse();
    }
    let other = Catalog::from_rows(&tables).expect("rows in any order");
    assert_eq!(other.snapshot(), snapshot);
    let text = String::from_utf8(snapshot).expect("JSON");
    assert!(
        text.contains("public.patients") && !text.contains("scratch"),
        "no temporary relation"
    );
}

#[test]
fn refuses_rows_of_another_shape() {
    let broken = |change: &dyn Fn(&mut Rows)| {
        let mut tables = sample::tables();
        change(&mut tables);
        Catalog::from_rows(&tables).expect_err("it is broken")
    };
    assert_eq!(
        broken(&|tables| drop(tables.pop())),
        CatalogError::Tables { found: 10, wanted: 11 }
    );
    let row = |query| CatalogError::Row { query, row: 0 };
    for query in 0..11 {
        assert_eq!(
            broken(&|tables| tables[query][0].push(None)),
            row(query),
            "one cell more"
        );
        assert_eq!(broken(&|tables| tables[query][0].clear()), row(query), "no cells");
    }
    assert_eq!(
        broken(&|tables| tables[0][0][3] = Some("x".to_owned())),
        row(0),
        "a kind that is not known"
    );
    assert_eq!(
        broken(&|tables| tables[1][0][1] = Some("40000".to_owned())),
        row(1),
        "a number out of range"
    );
}

#[test]
fn a_recorded_catalog_is_read_back_whole() {
    let snapshot = sample::catalog().snapshot();
    let read = Catalog::from_snapshot(&snapshot).expect("what was recorded is read");
    assert_eq!(read.snapshot(), snapshot);
    assert!(read.search_path().is_empty() && read.named("pg_temp", "scratch").is_none());
    let kin = |schema, name| read.named(schema, name).expect("it is there").clone();
    let parent = kin("public", "visits");
    assert!(parent.children.contains(&kin("public", "visits_2024").oid));
    assert_eq!(kin("public", "Odd Name").columns.len(), 1);
}

#[test]
fn names_that_need_quotes_are_read_back() {
    for (schema, name) in [("a.b", "c"), ("a", "b\"c.d"), ("", "?"), ("*", "\"\""), ("\u{1}", "\"")] {
        let mut tables = sample::tables();
        tables[0][0][1] = Some(schema.to_owned());
        tables[0][0][2] = Some(name.to_owned());
        let catalog = Catalog::from_rows(&tables).expect("any name is taken");
        let read = Catalog::from_snapshot(&catalog.snapshot()).expect("what was recorded is read");
        assert!(read.named(schema, name).is_some(), "{schema} {name}");
        assert_eq!(read.snapshot(), catalog.snapshot());
    }
}

#[test]
fn refuses_what_is_no_recorded_catalog() {
    let refused = |from: &str, to: &str| {
        let text = r#"{"relations": {"public.a": {"kind": "table", "columns": [], "parents": [],
            "depends_on": [], "calls_functions": false, "generated": []}}, "functions": {}, "operators": [], "types": []}"#;
        Catalog::from_snapshot(text.as_bytes()).expect("it is one");
        assert!(text.contains(from), "{from}");
        Catalog::from_snapshot(text.replacen(from, to, 1).as_bytes()).expect_err("it is none")
    };
    let shape = |error| matches!(error, DocumentError::Shape { line: 2, .. });
    assert!(shape(refused("\"generated\"", "\"more\": 1, \"generated\"")));
    assert!(shape(refused(", \"types\": []", "")));
    assert!(shape(refused("[]}", "[]} x")));
    let kind = refused("\"table\"", "\"tables\"");
    assert_eq!(kind, DocumentError::Kind("tables".into()));
    let missing = refused("\"parents\": []", "\"parents\": [\"public.b\"]");
    assert_eq!(missing, DocumentError::Missing("public.b".into()));
    for name in ["a", "a.b.c", "a.", "a.\\\"b", "a.\\\"b\\\"c"] {
        assert!(matches!(refused("public.a", name), DocumentError::Name(_)), "{name}");
    }
}
