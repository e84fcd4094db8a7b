//! Which commands of a real client are known when they come again with other values, and which never are.

use std::sync::Arc;

use exhibit_policy::seen::is_claimed;
use exhibit_schemas::event::Body;
use exhibit_schemas::event::access::Outcome;

use crate::server::Server;
use crate::stand::{POLICY, SCHEMA, Stand};

const RULE: &str = r#"
[[rules]]
name = "known"
roles = ["ci"]
targets = ["clinic"]
actions = ["read", "write", "delete", "execute"]
when = { first_seen = false }
effect = "allow"
[[rules]]"#;

const CODE: &str = "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'; \
     CREATE TRIGGER noted BEFORE UPDATE ON staging.audit FOR EACH ROW EXECUTE FUNCTION noted(); \
     INSERT INTO notes SELECT id, 'old' FROM generate_series(1, 9) AS id;";

async fn stand() -> Stand {
    let server = Server::start();
    server.execute(SCHEMA);
    server.execute(CODE);
    Stand::start_with(
        Arc::new(server),
        &POLICY.replacen("[[rules]]", RULE.trim_start(), 1),
        |_| {},
    )
    .await
}

/// Of each command that passed, with its statement: whether it was said to be known.
fn passed(stand: &Stand, of: &str) -> Vec<bool> {
    stand.memory.each(|body| match body {
        Body::Command(command) if command.statement.contains(of) => {
            let by_rule = command.decision.rule.as_deref() == Some("known");
            assert_eq!(by_rule, is_claimed(&command.facts), "{}", command.statement);
            assert_eq!(command.outcome, Outcome::Allowed, "{}", command.statement);
            Some(by_rule)
        }
        _ => None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_again_with_other_values_is_known() {
    let stand = stand().await;
    for sql in [
        "SELECT text FROM notes WHERE id = 1",
        "SELECT text FROM notes WHERE id = 2",
        "UPDATE notes SET text = 'one' WHERE id = 1",
        "UPDATE notes SET text = 'two' WHERE id = 2",
        "DELETE FROM notes WHERE id IN (3, 4)",
        "DELETE FROM notes WHERE id IN (5, 6)",
        // Its alias is hidden, so its record is one of others, too.
        "SELECT n12345.text FROM notes n12345",
        "SELECT n12345.text FROM notes n12345",
        // A trigger runs code that no record shows.
        "UPDATE staging.audit SET id = 1",
        "UPDATE staging.audit SET id = 1",
    ] {
        stand.psql(sql).await;
    }
    assert_eq!(passed(&stand, "SELECT text"), [false, true]);
    assert_eq!(passed(&stand, "UPDATE notes"), [false, true]);
    assert_eq!(passed(&stand, "DELETE"), [false, true]);
    assert_eq!(passed(&stand, "FROM notes \"?\""), [false, false]);
    assert_eq!(passed(&stand, "UPDATE staging.audit"), [false, false]);
}

/// A driver prepares a statement once and runs it by that name: what runs is recorded with its text. What SQL says by a name is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_statement_is_known_by_its_text_and_not_by_its_name() {
    let stand = stand().await;
    let client = stand.driver().await;
    let by_text = client.prepare("SELECT text FROM notes WHERE id = $1").await.unwrap();
    for id in [1, 2] {
        client.query(&by_text, &[&id]).await.unwrap();
    }
    // That it was prepared does not count: it ran nothing.
    assert_eq!(passed(&stand, "id = $1"), [false, false, true]);
    for prepared in [
        "PREPARE p AS SELECT text FROM notes",
        "PREPARE p AS SELECT text FROM notes WHERE id = 1",
    ] {
        let client = stand.driver().await;
        for sql in [prepared, "EXECUTE p", "EXECUTE p"] {
            client.simple_query(sql).await.unwrap();
        }
    }
    assert_eq!(passed(&stand, "EXECUTE p"), [false; 4]);
}
