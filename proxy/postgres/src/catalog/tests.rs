//! Tests of the catalog.

use super::sample;
use std::sync::Arc;

use super::sample::{Rows, recorded};
use super::{Catalog, CatalogError, DocumentError, Seen, SharedDefinitions, System, Table, stands_on};

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
    let mut tables = sample::own();
    let catalog = sample::catalog();
    for table in &mut tables {
        table.reverse();
    }
    let other = sample::of_rows(&SharedDefinitions::default(), &tables).expect("rows in any order");
    for (other, own) in other.snapshot().into_iter().zip(catalog.snapshot()) {
        assert_eq!(other.bytes(), own.bytes());
        assert_eq!(other.digest(), own.digest());
    }
    let [system, own] = catalog.snapshot();
    assert_eq!(stands_on(own.bytes()), Some(system.digest().to_string()));
    assert_eq!(stands_on(system.bytes()), None);
    let text = String::from_utf8(own.bytes().to_vec()).expect("JSON");
    assert!(
        text.contains("public.patients") && !text.contains("scratch"),
        "no temporary relation"
    );
    let both = |name: &str| {
        let within = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(&format!("\"{name}\":"));
        (within(system.bytes()), within(own.bytes()))
    };
    assert_eq!(both("public.patients"), (false, true));
    assert_eq!(both("pg_catalog.pg_class"), (true, false));
}

#[test]
fn sessions_that_see_the_same_state_share_it() {
    let shared = SharedDefinitions::default();
    let seen = |state: &str| Seen::of(&sample::raw(&sample::within(state, vec![], state))[0]).expect("a state");
    let system = |before: &str, after: &str| {
        let tables = sample::raw(&sample::within(before, sample::system(), after));
        shared.take_system(&tables).expect("it is of its shape")
    };
    let own = |before: &str, system: &Arc<System>, after: &str| {
        let tables = sample::raw(&sample::within(before, sample::own(), after));
        shared.take(Arc::clone(system), &tables).expect("it is of its shape")
    };
    assert!(shared.system(&seen("s1 a1")).is_none() && shared.definitions(&seen("s1 a1")).is_none());
    let first = system("s1 a1", "s1 a1");
    let known = shared
        .system(&seen("s1 a2"))
        .expect("it is about what initdb made alone");
    assert!(Arc::ptr_eq(&first, &known) && shared.system(&seen("s2 a1")).is_none());
    let definitions = own("s1 a1", &first, "s1 a1");
    let known = shared.definitions(&seen("s1 a1")).expect("it was taken");
    assert!(Arc::ptr_eq(&definitions, &known) && shared.definitions(&seen("s1 a2")).is_none());
    // What changed while it was loaded, or beside what it stands on, serves its own session alone.
    own("s1 a3", &first, "s1 a4");
    own("s2 a5", &first, "s2 a5");
    own("s1 a6", &system("s1 a6", "s2 a7"), "s1 a6");
    for state in ["s1 a3", "s1 a4", "s2 a5", "s1 a6", "s2 a7"] {
        assert!(shared.definitions(&seen(state)).is_none(), "{state}");
    }
    assert!(shared.system(&seen("s2 a7")).is_none());
    // What nobody used for long is not kept.
    for number in 0..3 {
        let state = format!("s1 b{number}");
        own(&state, &first, &state);
    }
    assert!(shared.definitions(&seen("s1 a1")).is_some());
    for number in 0..4 {
        let state = format!("s1 c{number}");
        own(&state, &first, &state);
    }
    assert!(shared.definitions(&seen("s1 a1")).is_none());
}

#[test]
fn refuses_states_of_another_shape() {
    let shared = SharedDefinitions::default();
    for (before, after) in [("s", "s a"), ("s a", "s a more"), ("", "s a")] {
        let tables = sample::raw(&sample::within(before, sample::system(), after));
        assert_eq!(
            shared.take_system(&tables).err(),
            Some(CatalogError::State),
            "{before} {after}"
        );
    }
    for tables in [vec![], vec![vec![]], sample::raw(&sample::system())] {
        assert!(shared.take_system(&tables).is_err());
    }
}

#[test]
fn refuses_rows_of_another_shape() {
    let broken = |change: &dyn Fn(&mut Rows)| {
        let mut tables = sample::own();
        change(&mut tables);
        sample::of_rows(&SharedDefinitions::default(), &tables).expect_err("it is broken")
    };
    assert_eq!(
        broken(&|tables| drop(tables.pop())),
        CatalogError::Tables { found: 15, wanted: 16 }
    );
    let row = |table| CatalogError::Row { table, row: 0 };
    for (query, table) in Table::OWN.into_iter().enumerate() {
        let wide = |tables: &mut Rows| {
            tables[query].insert(0, vec![Some("1".to_owned()); 9]);
        };
        assert_eq!(broken(&wide), row(table), "more cells");
        assert_eq!(
            broken(&|tables| tables[query].insert(0, vec![])),
            row(table),
            "no cells"
        );
    }
    assert_eq!(
        broken(&|tables| tables[0][0][3] = Some("x".to_owned())),
        row(Table::Relations),
        "a kind that is not known"
    );
    assert_eq!(
        broken(&|tables| tables[1][0][1] = Some("40000".to_owned())),
        row(Table::Columns),
        "a number out of range"
    );
}

#[test]
fn a_recorded_catalog_is_read_back_whole() {
    let written = recorded(&sample::catalog());
    let read = Catalog::from_snapshot(&written).expect("what was recorded is read");
    assert_eq!(recorded(&read), written);
    assert!(read.search_path().is_empty() && read.named("pg_temp", "scratch").is_none());
    let kin = |schema, name| read.named(schema, name).expect("it is there");
    let (parent, child) = (kin("public", "visits"), kin("public", "visits_2024"));
    assert!(read.children(parent).any(|oid| oid == child.oid));
    assert_eq!(kin("public", "Odd Name").columns.len(), 1);
    assert!(read.resolve("pg_class", &[]).is_some());
    let [_, own] = read.snapshot();
    assert_eq!(Catalog::from_snapshot(own.bytes()).err(), Some(DocumentError::Part));
}

#[test]
fn names_that_need_quotes_are_read_back() {
    for (schema, name) in [("a.b", "c"), ("a", "b\"c.d"), ("", "?"), ("*", "\"\""), ("\u{1}", "\"")] {
        let mut tables = sample::own();
        tables[0][0][1] = Some(schema.to_owned());
        tables[0][0][2] = Some(name.to_owned());
        let catalog = sample::of_rows(&SharedDefinitions::default(), &tables).expect("any name is taken");
        let read = Catalog::from_snapshot(&recorded(&catalog)).expect("what was recorded is read");
        assert!(read.named(schema, name).is_some(), "{schema} {name}");
        assert_eq!(recorded(&read), recorded(&catalog));
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
