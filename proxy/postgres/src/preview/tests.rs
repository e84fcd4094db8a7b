//! Which commands are run and rolled back, and what the server gets for them.

use std::sync::Arc;

use super::{NO_VALUES, NOT_TAKEN_BACK, NOT_THE_SAME, OF_OWN_TYPE, RETURNS, SEVERAL, Trial, failed};
use crate::analysis::tells_clock;
use crate::group::tests::read_alone;
use crate::message::Decoder;

fn trial(sql: &str, types: &[u32], values: Option<&[u8]>) -> Result<Trial, &'static str> {
    Trial::of(&read_alone(sql, false).statements, sql, types, values.map(Arc::from))
}

#[test]
fn only_one_change_of_rows_that_is_taken_back_and_cannot_tell_is_run() {
    let mut wrong = Vec::new();
    let mut check = |sql: &str, wanted: Result<(), &'static str>| {
        let found = trial(sql, &[], None).map(drop);
        if found != wanted {
            wrong.push(format!("{sql}: {found:?}"));
        }
    };
    check("INSERT INTO facilities VALUES (1, 'x', 'y')", Ok(()));
    check("UPDATE facilities SET name = upper(name) WHERE id = 1", Ok(()));
    check("DELETE FROM facilities;", Ok(()));
    check(
        "MERGE INTO facilities f USING patients p ON p.id = f.id WHEN MATCHED THEN DELETE",
        Ok(()),
    );
    check("DELETE FROM facilities WHERE id IN (SELECT id FROM patients)", Ok(()));
    check("DELETE FROM facilities RETURNING id", Err(RETURNS));
    check("DELETE FROM facilities WHERE born < DATE '2020-01-01'", Ok(()));
    check("DELETE FROM encounters", Err(NOT_TAKEN_BACK));
    // One whose rows get numbers as they are inserted.
    check("DELETE FROM other.plain", Ok(()));
    check("UPDATE other.plain SET word = 'x'", Ok(()));
    check("UPDATE other.plain SET word = DEFAULT", Err(NOT_TAKEN_BACK));
    check("INSERT INTO other.plain VALUES (1, 'x')", Err(NOT_TAKEN_BACK));
    // What inherits, and what is inherited from.
    check(
        "DELETE FROM facilities WHERE id IN (SELECT id FROM family_child)",
        Err(NOT_TAKEN_BACK),
    );
    check(
        "DELETE FROM facilities WHERE id IN (SELECT id FROM visits)",
        Err(NOT_TAKEN_BACK),
    );
    check("UPDATE facilities SET name = leak(1)::text", Err(NOT_TAKEN_BACK));
    check("DELETE FROM patient_view", Err(NOT_TAKEN_BACK));
    check("DELETE FROM nowhere", Err(NOT_TAKEN_BACK));
    check(
        "WITH gone AS (DELETE FROM facilities RETURNING id) DELETE FROM facilities WHERE id IN (TABLE gone)",
        Err(NOT_TAKEN_BACK),
    );
    for several in [
        "",
        "SELECT 1",
        "TRUNCATE facilities",
        "DELETE FROM facilities; DELETE FROM facilities",
        "SET lock_timeout = 0; DELETE FROM facilities",
        "SELECT * FROM facilities FOR UPDATE",
        "EXPLAIN ANALYZE DELETE FROM facilities",
        "PREPARE q AS DELETE FROM facilities",
        "COPY facilities FROM STDIN",
    ] {
        check(several, Err(SEVERAL));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_met_without_being_named_is_known() {
    let met = |sql: &str| -> Vec<String> {
        let trial = trial(sql, &[], None).unwrap_or_else(|why| panic!("{sql}: {why}"));
        trial
            .met()
            .iter()
            .map(|met| format!("{} {}", met.relation, met.column))
            .collect()
    };
    assert!(met("DELETE FROM facilities").is_empty());
    // Both sides of a foreign key.
    assert_eq!(met("DELETE FROM other.patients"), ["other.plain other.plain.id"]);
    assert_eq!(
        met("UPDATE other.plain SET word = 'x'"),
        ["other.patients other.patients.name"]
    );
    assert_eq!(
        met("INSERT INTO facilities VALUES (1, 'x', 'y') ON CONFLICT DO NOTHING"),
        ["public.facilities public.facilities.*"]
    );
}

#[test]
fn what_could_tell_a_preview_is_not_run() {
    let mut wrong = Vec::new();
    for told in [
        "current_setting('lock_timeout') = '500ms'",
        "set_config('lock_timeout', '0', false) = '0'",
        "pg_catalog.now() > '2020-01-01'",
        "statement_timestamp() > '2020-01-01'",
        "current_timestamp > '2020-01-01'",
        "localtime > '12:00'",
        "current_user = 'x'",
        "age('2020-01-01'::timestamptz) > '1 year'",
        "'now'::timestamptz > '2020-01-01'",
        "name < 'Today'",
        "random() < 0.5",
        "gen_random_uuid() IS NULL",
        "setseed(0.5) IS NULL",
        "pg_backend_pid() = 1",
        "txid_current_if_assigned() IS NULL",
        "pg_relation_size('facilities') = 0",
        "E'n\\x6fw'::timestamptz > '2020-01-01'",
        "U&'n\\006fw'::timestamptz > '2020-01-01'",
        "('no' || 'w')::timestamptz > '2020-01-01'",
        "name::date > '2020-01-01'",
        "'12:00'::timetz > '11:00+00'",
        "id IN (SELECT id FROM facilities FOR UPDATE SKIP LOCKED)",
        "xmax = 0",
        "facilities.ctid = '(0,1)'",
        "(facilities).xmin IS NULL",
        "id IN (SELECT id FROM facilities TABLESAMPLE system (50))",
    ] {
        let sql = format!("DELETE FROM facilities WHERE {told}");
        if trial(&sql, &[], None).map(drop) != Err(NOT_THE_SAME) {
            wrong.push(told);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn words_of_the_clock_are_seen_in_text_and_values() {
    for told in [
        "now",
        "'NOW'",
        "{now}",
        "x=today,",
        "Tomorrow 12:00",
        "[yesterday,]",
        r"{n\ow}",
        "[n\"o\"w,]",
    ] {
        assert!(tells_clock(told.as_bytes()), "{told}");
    }
    for untold in ["", "knows", "nowhere", "todays", "n.o.w"] {
        assert!(!tells_clock(untold.as_bytes()), "{untold}");
    }
    let sql = "DELETE FROM facilities WHERE name = $1";
    let value = |word: &str| [b"\0\0\0\x01\0\0\0\x03", word.as_bytes()].concat();
    assert!(trial(sql, &[], Some(&value("new"))).is_ok());
    assert_eq!(trial(sql, &[], Some(&value("now"))).map(drop), Err(NOT_THE_SAME));
}

#[test]
fn parameters_of_somebodys_types_are_not_even_read() {
    let sql = "DELETE FROM facilities WHERE name = $1";
    assert!(trial(sql, &[25, 0], None).is_ok());
    assert!(trial(sql, &[9_999], None).is_ok());
    assert_eq!(trial(sql, &[25, 10_000], None).map(drop), Err(OF_OWN_TYPE));
}

#[test]
fn the_server_gets_the_command_with_its_values_under_a_name_of_its_own_and_within_limits() {
    let sql = "DELETE FROM facilities WHERE name = $1";
    let values = b"\0\0\0\x01\0\0\0\x01x";
    let parts = trial(sql, &[25], Some(values))
        .map(|trial| trial.parts())
        .unwrap_or_default();
    let tags = |part: &[u8]| {
        let mut decoder = Decoder::new(part.len());
        decoder.buffer().extend_from_slice(part);
        let messages = std::iter::from_fn(|| decoder.message().expect("whole messages"));
        messages.map(|message| char::from(message.tag())).collect::<String>()
    };
    let [prepare, bind, run] = parts.as_slice() else {
        panic!("there are three parts");
    };
    // Two queries of the proxy's own, and the command, which runs in the last part alone.
    assert_eq!(tags(prepare), "PBECCPBECCPDS");
    assert_eq!((tags(bind), tags(run)), ("BS".to_owned(), "ES".to_owned()));
    let has = |part: &[u8], text: &[u8]| part.windows(text.len()).any(|window| window == text);
    assert!(has(prepare, b"BEGIN ISOLATION LEVEL READ COMMITTED\0"));
    for limit in [
        "('statement_timeout', '2000')",
        "('lock_timeout', '500')",
        "('idle_in_transaction_session_timeout', '5000')",
    ] {
        assert!(has(prepare, limit.as_bytes()), "{limit}");
    }
    assert!(has(
        prepare,
        b"exhibit.preview\0DELETE FROM facilities WHERE name = $1\0\0\x01\0\0\0\x19"
    ));
    assert!(has(
        bind,
        b"exhibit.preview\0exhibit.preview\0\0\0\0\x01\0\0\0\x01x\0\0"
    ));
    assert!(has(run, b"exhibit.preview\0\0\0\0\0"));
    let without = trial("DELETE FROM facilities", &[], None).map(|trial| trial.values.to_vec());
    assert_eq!(without, Ok(NO_VALUES.to_vec()));
}

#[test]
fn of_errors_the_sqlstate_is_told() {
    assert_eq!(failed("23505"), "its run failed at the target (SQLSTATE 23505)");
    for code in ["57014", "55P03"] {
        let told = format!("its run took too long, met a lock or was cancelled (SQLSTATE {code})");
        assert_eq!(failed(code), told);
    }
}
