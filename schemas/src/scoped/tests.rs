use super::{RecordsError, Scope, ScopeError, ScopedFile, push_record, records};
use crate::event::{SessionId, Timestamp};
use crate::merkle::Index;

#[test]
fn records_have_one_form() {
    let mut bytes = Vec::new();
    push_record(&mut bytes, 0, b"a").unwrap();
    push_record(&mut bytes, 255, b"bc").unwrap();
    let found: Vec<_> = records(&bytes, 256).unwrap().into_iter().collect();
    assert_eq!(found, [(0, &b"a"[..]), (255, &b"bc"[..])]);
    assert_eq!(
        records(&bytes, 255),
        Err(RecordsError::Position(255)),
        "outside of its tile"
    );
    assert_eq!(
        records(&[bytes.clone(), bytes.clone()].concat(), 256),
        Err(RecordsError::Position(0))
    );
    for cut in 1..bytes.len() {
        let whole = cut == 4; // the first record alone
        assert_eq!(records(&bytes[..cut], 256).is_ok(), whole, "{cut}");
    }
    assert_eq!(records(&[1, 0, 0], 256), Err(RecordsError::Form), "an empty entry");
    assert!(push_record(&mut bytes, 1, b"").is_err());
    assert!(records(&[], 256).unwrap().is_empty());
}

#[test]
fn paths_have_one_form() {
    for (file, path) in [
        (ScopedFile::Seals(0), "seals/000"),
        (ScopedFile::Seals(1_234_067), "seals/x001/x234/067"),
        (ScopedFile::Event(Index(7)), "event/7"),
        (ScopedFile::Proof(Index(7)), "event/7.tlog-proof"),
    ] {
        assert_eq!(file.path(), path);
        assert_eq!(ScopedFile::parse(path), Some(file));
    }
    for path in [
        "seals/0",
        "seals/000.p/3",
        "event/07",
        "event/+7",
        "event/-1",
        "event/",
        "event/7.tlog-proof.tlog-proof",
        "event/../checkpoint",
        "../event/7",
        "event/7/",
        "/event/7",
        "event/18446744073709551616",
        "seals/../000",
        "",
    ] {
        assert_eq!(ScopedFile::parse(path), None, "{path}");
    }
}

#[test]
fn a_scope_has_one_form_and_asks_for_something() {
    let scope = Scope::new(
        Some(SessionId([0xab; 16])),
        Some("ci \"nightly\"".into()),
        None,
        Some((Timestamp(1), Timestamp(2_000_000))),
        None,
    )
    .unwrap();
    let json = scope.to_json();
    assert_eq!(
        json,
        r#"{"session":"abababababababababababababababab","subject":"ci \"nightly\"","from":"1970-01-01T00:00:00.000001Z","to":"1970-01-01T00:00:02.000000Z"}"#
    );
    assert_eq!(Scope::parse(&json), Some(scope.clone()));
    assert_eq!(
        scope.to_string(),
        r#"the session abababababababababababababababab of the subject "ci \"nightly\"" in the period 1970-01-01T00:00:00.000001Z..1970-01-01T00:00:02.000000Z"#
    );
    for wrong in [
        "{}",
        "",
        r#"{"session":"AB"}"#,
        r#"{"session":"ABABABABABABABABABABABABABABABAB"}"#,
        r#"{"subject":""}"#,
        r#"{"subject":"a\u001bb"}"#,
        r#"{"from":"1970-01-01T00:00:00.000001Z"}"#,
        r#"{"from":"1970-01-01","to":"1970-01-02"}"#,
        r#"{"from":"1970-01-01T00:00:01.000000Z","to":"1970-01-01T00:00:01.000000Z"}"#,
        r#"{"target":"a","subject":"b"}"#,
        r#"{"target":"a","more":"b"}"#,
        r#"{"target": "a"}"#,
    ] {
        assert_eq!(Scope::parse(wrong), None, "{wrong}");
    }
    assert_eq!(Scope::new(None, None, None, None, None), Err(ScopeError::Empty));
    assert_eq!(
        Scope::new(None, Some("x".repeat(1_025)), None, None, None),
        Err(ScopeError::Name)
    );
}
