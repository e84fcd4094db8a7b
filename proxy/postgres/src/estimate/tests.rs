//! What a plan says, and what may be asked about which statement.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Question, estimate};
use crate::analysis::Extent;
use crate::message::encode::parse;

fn of(plan: &Value) -> Option<u64> {
    estimate(&json!([{ "Plan": plan }]))
}

#[test]
fn what_reads_gives_the_rows_of_its_first_node() {
    let scan = json!({"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Plan Rows": 500});
    assert_eq!(of(&scan), Some(500));
    let limited = json!({"Node Type": "Limit", "Plan Rows": 10, "Plans": [scan]});
    assert_eq!(of(&limited), Some(10));
    assert_eq!(of(&json!({"Node Type": "Result", "Plan Rows": 1e30})), Some(u64::MAX));
    assert_eq!(
        estimate(&json!([{"Plan": {"Node Type": "A", "Plan Rows": 1}}, {"Plan": {"Node Type": "A", "Plan Rows": 2}}])),
        Some(3)
    );
}

#[test]
fn what_changes_gives_the_rows_that_come_to_each_change() {
    let source = |rows: u64, of: &str| json!({"Node Type": "Seq Scan", "Parent Relationship": of, "Plan Rows": rows});
    let change = |rows: u64, of: &str, plans: &[Value]| json!({"Node Type": "ModifyTable", "Parent Relationship": of, "Plan Rows": rows, "Plans": plans});
    assert_eq!(of(&change(0, "", &[source(40, "Outer")])), Some(40));
    assert_eq!(
        of(&change(0, "", &[source(40, "Member"), source(2, "Member")])),
        Some(42)
    );
    // What is computed beside is not changed.
    assert_eq!(
        of(&change(
            0,
            "",
            &[source(40, "Outer"), source(9, "InitPlan"), source(9, "SubPlan")]
        )),
        Some(40)
    );
    let within = change(40, "InitPlan", &[source(40, "Outer")]);
    let counted = json!({"Node Type": "Aggregate", "Plan Rows": 1, "Plans": [within, source(40, "Outer")]});
    assert_eq!(of(&counted), Some(40));
    let more = json!({"Node Type": "Nested Loop", "Plan Rows": 900, "Plans": [within]});
    assert_eq!(of(&more), Some(900));
    let two = change(
        0,
        "",
        &[source(3, "Outer"), change(5, "InitPlan", &[source(5, "Outer")])],
    );
    assert_eq!(of(&two), Some(8));
}

#[test]
fn what_is_not_understood_is_no_estimate() {
    for plan in [
        json!(null),
        json!({}),
        json!([]),
        json!({"Node Type": "Seq Scan"}),
        json!({"Plan Rows": 5}),
        json!({"Node Type": "Seq Scan", "Plan Rows": "5"}),
        json!({"Node Type": "Seq Scan", "Plan Rows": 5, "Plans": {}}),
        json!({"Node Type": "Seq Scan", "Plan Rows": 5, "Plans": [{"Node Type": "Seq Scan", "Plan Rows": 5}]}),
        json!({"Node Type": "ModifyTable", "Plan Rows": 0, "Plans": [{"Node Type": "A", "Parent Relationship": "Outer"}]}),
    ] {
        assert_eq!(of(&plan), None, "{plan}");
    }
    assert_eq!(estimate(&json!([])), None);
    assert_eq!(
        estimate(&json!([{"Plan": {"Node Type": "A", "Plan Rows": 1}}, "Utility Statement"])),
        None
    );
}

#[test]
fn a_question_is_an_explain_that_runs_nothing() {
    let about = |text: &str| Question::about(&Extent::Plan(None), text, &[], None).map(|question| question.text);
    for text in [
        "SELECT 1",
        "-- a word\nSELECT 1",
        "(SELECT 1) UNION (SELECT 2)",
        "VALUES (1)",
        "TABLE t",
        "WITH x AS (DELETE FROM t RETURNING 1) SELECT * FROM x",
        "UPDATE t SET a = 1;",
        "EXECUTE q(1)",
        "DECLARE c CURSOR FOR SELECT 1",
    ] {
        assert_eq!(about(text), Some(format!("EXPLAIN (FORMAT JSON) {text}")));
    }
    for text in [
        "",
        "SELECT 1; SELECT 2",
        "ANALYZE SELECT 1",
        "ANALYZE t",
        "(ANALYZE) SELECT 1",
        "EXPLAIN SELECT 1",
        "CREATE TABLE x AS SELECT 1",
        "COPY t TO STDOUT",
        "VACUUM t",
        "SELEC 1",
    ] {
        assert_eq!(about(text), None, "{text}");
    }
    let other = Extent::Plan(Some("TABLE t".to_owned()));
    let other = Question::about(&other, "COPY t TO STDOUT", &[], None).unwrap();
    assert_eq!(other.text, "EXPLAIN (FORMAT JSON) TABLE t");
    for extent in [Extent::Rows(1), Extent::Unknown("a cause")] {
        assert!(Question::about(&extent, "SELECT 1", &[], None).is_none());
    }
}

#[test]
fn the_agents_own_values_are_bound() {
    let values: Arc<[u8]> = [0, 1, 0, 0, 0, 1, 0, 0, 0, 1, b'7'].into();
    let question = Question::about(&Extent::Plan(None), "SELECT $1", &[23], Some(values)).unwrap();
    assert_eq!(
        question.parse("x"),
        parse("x", "EXPLAIN (FORMAT JSON) SELECT $1", &[23])
    );
    assert_eq!(question.bind("x"), b"B\0\0\0\x15x\0x\0\0\x01\0\0\0\x01\0\0\0\x017\0\0");
    let none = Question::about(&Extent::Plan(None), "SELECT 1", &[], None).unwrap();
    assert_eq!(none.bind("x"), b"B\0\0\0\x0ex\0x\0\0\0\0\0\0\0");
}
