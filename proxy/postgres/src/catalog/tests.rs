//! Tests of the catalog.

use super::sample;
use super::{Catalog, CatalogError};

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
        CatalogError::Tables { found: 9, wanted: 10 }
    );
    let row = |query| CatalogError::Row { query, row: 0 };
    for query in 0..10 {
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
