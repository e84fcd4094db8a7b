//! Policies that come into force while sessions are open.

use std::sync::Arc;

use exhibit_gate::session::Replaced;
use exhibit_policy::snapshot::Snapshot;
use exhibit_postgres::message::encode;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Body;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::server::Server;
use crate::stand::{POLICY, SCHEMA, Stand, read_message, read_rest, read_until_ready, sqlstate, talk};

const MASK: &str = r#"
[[masks]]
name = "names"
targets = ["clinic"]
resources = ["public.patients.name"]
technique = "redact"
"#;

/// Messages of an agent: tags and bodies.
type Messages<'a> = &'a [(u8, &'a [u8])];

/// Puts that policy in force.
async fn move_to(stand: &Stand, policy: &str) -> Digest {
    let snapshot = Snapshot::parse(policy.as_bytes()).unwrap();
    let digest = snapshot.digest();
    let policy = (policy.as_bytes().to_vec(), snapshot);
    assert_eq!(stand.gate.replace_policy(policy).await, Ok(Replaced::InForce));
    digest
}

fn masking() -> String {
    format!("{POLICY}{MASK}")
}

/// Digests of the policies that commands were decided by, each once where several follow.
fn decided_by(stand: &Stand) -> Vec<Digest> {
    let mut policies = stand.memory.each(|body| match body {
        Body::Command(command) => Some(command.decision.policy),
        _ => None,
    });
    policies.dedup();
    policies
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_that_comes_holds_for_what_was_prepared_before() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    let text = b"SELECT id, name FROM patients ORDER BY id\0";
    let parse = [b"s\0".as_slice(), text, b"\0\0"].concat();
    let parsed = talk(stream, &[(b'P', &parse), (b'S', b"")]).await;
    assert!(parsed.starts_with('1'), "{parsed}");
    let execute: [(u8, &[u8]); 3] = [(b'B', b"\0s\0\0\0\0\0\0\0"), (b'E', b"\0\0\0\0\0"), (b'S', b"")];
    talk(
        stream,
        &[(b'Q', b"PREPARE q AS SELECT name FROM patients ORDER BY id\0")],
    )
    .await;
    let questions: [&[(u8, &[u8])]; 3] = [&[(b'Q', text)], &[(b'Q', b"EXECUTE q\0")], &execute];
    for question in questions {
        let rows = talk(stream, question).await;
        assert!(rows.contains("Ann") && rows.contains("Bob"), "{rows}");
    }
    let first = Digest::of(POLICY.as_bytes());
    assert_eq!(decided_by(&stand), [first]);
    let second = move_to(&stand, &masking()).await;
    for question in questions {
        let rows = talk(stream, question).await;
        assert!(!rows.contains("Ann") && !rows.contains("Bob"), "{rows}");
        assert!(rows.contains("[redacted]"), "{rows}");
    }
    assert_eq!(decided_by(&stand), [first, second]);
    // And back: what was proven under the mask is not kept either.
    move_to(&stand, POLICY).await;
    for question in questions {
        let rows = talk(stream, question).await;
        assert!(rows.contains("Ann") && rows.contains("Bob"), "{rows}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_and_a_portal_run_no_more_where_other_masks_hold() {
    let stand = Stand::start().await;
    let cursor: [(u8, &[u8]); 1] = [(b'Q', b"FETCH 1 FROM c\0")];
    // What is left of a portal that was read in part.
    let portal: [(u8, &[u8]); 2] = [(b'E', b"p\0\0\0\0\x01"), (b'S', b"")];
    let declare: [(u8, &[u8]); 1] = [(b'Q', b"DECLARE c CURSOR FOR SELECT name FROM patients ORDER BY id\0")];
    let bind: [(u8, &[u8]); 3] = [
        (b'P', b"\0SELECT name FROM patients ORDER BY id\0\0\0"),
        (b'B', b"p\0\0\0\0\0\0\0\0"),
        (b'S', b""),
    ];
    let both: [[Messages<'_>; 2]; 2] = [[&declare, &cursor], [&bind, &portal]];
    for [open, read] in both {
        let mut stream = stand.raw_session().await;
        talk(&mut stream, &[(b'Q', b"BEGIN\0")]).await;
        talk(&mut stream, open).await;
        let rows = talk(&mut stream, read).await;
        assert!(rows.contains("Ann"), "{rows}");
        move_to(&stand, &masking()).await;
        let refused = talk(&mut stream, read).await;
        assert!(refused.contains("C24000") && !refused.contains("Bob"), "{refused}");
        assert!(refused.contains("open it again"), "{refused}");
        talk(&mut stream, &[(b'Q', b"ROLLBACK\0")]).await;
        talk(&mut stream, &[(b'Q', b"BEGIN\0")]).await;
        talk(&mut stream, open).await;
        let rows = talk(&mut stream, read).await;
        assert!(rows.contains("[redacted]") && !rows.contains("Ann"), "{rows}");
        move_to(&stand, POLICY).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_goes_on_where_only_rules_changed_and_is_decided_by_them() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    talk(stream, &[(b'Q', b"BEGIN\0")]).await;
    talk(
        stream,
        &[(b'Q', b"DECLARE c CURSOR FOR SELECT name FROM patients ORDER BY id\0")],
    )
    .await;
    let reworded = POLICY.replace("is not for pipelines", "is for nobody");
    let second = move_to(&stand, &reworded).await;
    let rows = talk(stream, &[(b'Q', b"FETCH 1 FROM c\0")]).await;
    assert!(rows.contains("Ann"), "{rows}");
    assert_eq!(decided_by(&stand).last(), Some(&second));
    let none = POLICY.replace(
        r#""read", "write", "delete", "session""#,
        r#""write", "delete", "session""#,
    );
    move_to(&stand, &none).await;
    let refused = talk(stream, &[(b'Q', b"FETCH 1 FROM c\0")]).await;
    assert!(refused.contains("C42501"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_where_its_target_begins_to_be_masked_or_is_gone() {
    let unmasked = POLICY.split("[[masks]]").next().unwrap();
    let masked = format!("{unmasked}{MASK}");
    let gone = masked
        .replace(r#"name = "clinic""#, r#"name = "other""#)
        .replace(r#"["clinic"]"#, r#"["other"]"#);
    for (from, to) in [
        (unmasked, masked.as_str()),
        (masked.as_str(), unmasked),
        (unmasked, &gone),
    ] {
        let server = Server::start();
        server.execute(SCHEMA);
        let stand = Stand::start_with(Arc::new(server), from, |_| {}).await;
        let mut idle = stand.raw_session().await;
        move_to(&stand, to).await;
        // It does not wait for a command.
        let said = read_rest(&mut idle).await;
        assert_eq!(sqlstate(&said).as_deref(), Some("57P01"));
        assert!(String::from_utf8_lossy(&said).contains("connect again"));
        assert_eq!(stand.memory.closed().await, "policy");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_for_sessions_that_are_open() {
    for (limit, code, reason) in [("idle_s = 1", "57P05", "idle"), ("session_s = 1", "57P01", "limit")] {
        let stand = Stand::start().await;
        let mut idle = stand.raw_session().await;
        move_to(&stand, &format!("{POLICY}[limits]\n{limit}\n")).await;
        let said = read_rest(&mut idle).await;
        assert_eq!(sqlstate(&said).as_deref(), Some(code), "{limit}");
        assert_eq!(stand.memory.closed().await, reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_for_sessions_that_are_at_something() {
    let asks = r#"
[[approvals]]
name = "dba"
groups = ["dba"]
people = 1
expires_s = 900
[[rules]]
name = "schema"
roles = ["ci"]
targets = ["clinic"]
actions = ["define"]
effect = "ask"
approval = "dba"
"#;
    let policy = format!("{POLICY}{asks}");
    for (limit, code, reason) in [("idle_s = 1", "57P05", "idle"), ("session_s = 1", "57P01", "limit")] {
        // It copies in, and sends nothing.
        let stand = Stand::start().await;
        let mut copies = stand.raw_session().await;
        say(&mut copies, b"COPY notes FROM STDIN\0").await;
        let mut tag = [0];
        copies.read_exact(&mut tag).await.unwrap();
        assert_eq!(tag, *b"G", "the server waits for what is copied");
        move_to(&stand, &format!("{POLICY}[limits]\n{limit}\n")).await;
        copies.read_exact(&mut [0; 11]).await.unwrap();
        assert_eq!(
            sqlstate(&read_rest(&mut copies).await).as_deref(),
            Some(code),
            "{limit}"
        );
        assert_eq!(stand.memory.closed().await, reason);
    }
    for (statement, locked) in [
        ("SELECT id FROM notes\0", true),
        ("ALTER TABLE notes ADD COLUMN more text\0", false),
    ] {
        // The server is at work, or people are asked.
        let server = Arc::new(Server::start());
        server.execute(SCHEMA);
        let stand = Stand::start_with(Arc::clone(&server), &policy, |_| {}).await;
        let mut waits = stand.raw_session().await;
        let lock = locked.then(|| server.lock("notes"));
        say(&mut waits, statement.as_bytes()).await;
        if locked {
            server.wait_for_lock();
        } else {
            stand.memory.asked().await;
        }
        move_to(&stand, &format!("{policy}[limits]\nsession_s = 1\n")).await;
        let said = read_rest(&mut waits).await;
        assert_eq!(sqlstate(&said).as_deref(), Some("57P01"), "{statement}");
        assert_eq!(stand.memory.closed().await, "limit");
        drop(lock);
    }
}

/// Sends a query and waits for nothing.
async fn say(stream: &mut (impl tokio::io::AsyncWrite + Unpin), query: &[u8]) {
    stream.write_all(&encode::message(b'Q', query)).await.unwrap();
    stream.flush().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_net_that_comes_holds_for_sessions_that_are_open() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let question: [(u8, &[u8]); 1] = [(b'Q', b"SELECT '123-45-6789' AS ssn\0")];
    let rows = talk(&mut stream, &question).await;
    assert!(rows.contains("123-45-6789"), "{rows}");
    let net = "[[nets]]\nname = \"phi\"\ntargets = [\"clinic\"]\ncategories = [\"ssn\"]\n";
    move_to(&stand, &format!("{POLICY}{net}")).await;
    let rows = talk(&mut stream, &question).await;
    assert!(!rows.contains("123-45-6789") && rows.contains("[ssn]"), "{rows}");
    assert_eq!(stand.memory.detections().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_in_a_reply_that_goes_by_an_earlier_policy_comes_after_it() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    talk(&mut stream, &[(b'Q', b"LISTEN news\0")]).await;
    let lock = stand.server.lock("patients");
    let select = encode::message(b'Q', b"SELECT name FROM patients ORDER BY id\0");
    stream.write_all(&select).await.unwrap();
    stream.flush().await.unwrap();
    stand.server.wait_for_lock();
    let first = Digest::of(POLICY.as_bytes());
    let second = move_to(&stand, &POLICY.replace("is not for pipelines", "is for nobody")).await;
    stand.server.execute("NOTIFY news");
    drop(lock);
    let told = String::from_utf8_lossy(&read_until_ready(&mut stream).await).into_owned();
    assert!(told.contains("Ann") && !told.contains("news"), "{told}");
    let told = read_message(&mut stream).await;
    assert!(String::from_utf8_lossy(&told).contains("news\0\0"), "{told:?}");
    assert_eq!(decided_by(&stand), [first, second]);
    // The next one comes where the server puts it, before it is ready.
    let told = talk(&mut stream, &[(b'Q', b"NOTIFY news\0")]).await;
    assert!(told.contains("news\0\0"), "{told}");
}
