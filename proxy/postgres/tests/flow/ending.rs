//! How sessions end: by the server, by the agent, by limits. Each is told with its SQLSTATE and closed with its reason.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use exhibit_postgres::message::backend::Backend;
use exhibit_postgres::message::encode;
use tokio::io::AsyncWriteExt as _;

use crate::server::Server;
use crate::stand::{Encrypted, POLICY, SCHEMA, Stand, enter, messages, read_rest, sqlstate, talk};

/// Longer than anything here takes; a wait that reaches it is a failure.
const PATIENCE: Duration = Duration::from_mins(1);

/// Returns when a condition holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{what} never came");
}

/// A session, and the number of its process at the server.
async fn session(stand: &Stand) -> (Encrypted, i32) {
    let mut stream = stand.raw().await;
    let answers = enter(&mut stream, 2, &[]).await;
    let key = answers.iter().find(|answer| answer.tag() == b'K').unwrap();
    match Backend::parse(key).unwrap() {
        Backend::KeyData(process, _) => (stream, process),
        _ => panic!("a session has a key"),
    }
}

/// Begins what waits for a lock.
async fn insert(stand: &Stand, stream: &mut Encrypted) {
    let insert = encode::message(b'Q', b"INSERT INTO notes VALUES (3, 'x')\0");
    stream.write_all(&insert).await.unwrap();
    stream.flush().await.unwrap();
    stand.server.wait_for_lock();
}

async fn rest(stream: &mut Encrypted) -> Vec<u8> {
    tokio::time::timeout(PATIENCE, read_rest(stream))
        .await
        .expect("the session ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_ends_is_told_with_the_server_s_code() {
    let stand = Stand::start().await;
    let terminate = |process: i32| stand.server.execute(&format!("SELECT pg_terminate_backend({process})"));
    let (mut idle, process) = session(&stand).await;
    terminate(process);
    assert_eq!(sqlstate(&rest(&mut idle).await).as_deref(), Some("57P01"));
    let (mut open, process) = session(&stand).await;
    talk(&mut open, &[(b'Q', b"BEGIN\0")]).await;
    terminate(process);
    assert_eq!(sqlstate(&rest(&mut open).await).as_deref(), Some("57P01"));
    let lock = stand.server.lock("notes");
    let (mut busy, process) = session(&stand).await;
    insert(&stand, &mut busy).await;
    terminate(process);
    let told = rest(&mut busy).await;
    let errors = messages(&told).iter().filter(|message| message.tag() == b'E').count();
    assert_eq!((sqlstate(&told).as_deref(), errors), (Some("57P01"), 1));
    drop(lock);
    let mut timed = stand.raw().await;
    enter(&mut timed, 0, &[("idle_in_transaction_session_timeout", "1ms")]).await;
    timed.write_all(&encode::message(b'Q', b"BEGIN\0")).await.unwrap();
    timed.flush().await.unwrap();
    let told = rest(&mut timed).await;
    assert_eq!(sqlstate(&told).as_deref(), Some("25P03"));
    assert_eq!(stand.memory.sessions(), (4, vec!["target".to_owned(); 4]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashes_or_stops_ends_its_sessions_and_comes_back() {
    let stand = Stand::start().await;
    let lock = stand.server.lock("notes");
    let (mut busy, process) = session(&stand).await;
    let (mut idle, _) = session(&stand).await;
    insert(&stand, &mut busy).await;
    assert!(
        Command::new("kill")
            .args(["-KILL", &process.to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(sqlstate(&rest(&mut busy).await).as_deref(), Some("08006"));
    // The server ends all its sessions when one crashes.
    let code = sqlstate(&rest(&mut idle).await);
    assert_eq!(code.as_deref(), Some("08006"));
    drop(lock);
    // It recovers by itself; until then agents are told that, and then they are let in.
    let again = async {
        loop {
            let mut stream = stand.raw().await;
            crate::stand::ask(&mut stream, 0, &[]).await;
            stream.write_all(&encode::message(b'X', b"")).await.unwrap();
            stream.flush().await.unwrap();
            match sqlstate(&read_rest(&mut stream).await).as_deref() {
                None => return,
                Some("57P03" | "08006") => {}
                Some(other) => panic!("{other}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
    let before = stand.memory.sessions().1.len();
    let (mut idle, _) = session(&stand).await;
    stand.server.signal("INT");
    assert_eq!(sqlstate(&rest(&mut idle).await).as_deref(), Some("57P01"));
    until("the end of the session", || {
        stand.memory.sessions().1.len() == before + 1
    })
    .await;
    let (opened, closed) = stand.memory.sessions();
    assert_eq!(opened, closed.len());
    let (agents, targets): (Vec<String>, Vec<String>) = closed.into_iter().partition(|reason| reason == "agent");
    assert_eq!(agents.len(), 1, "{targets:?}");
    assert!(targets.iter().all(|reason| reason == "target"), "{targets:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_hangs_up_stops_its_query_at_once() {
    let stand = Stand::start().await;
    let lock = stand.server.lock("notes");
    for politely in [true, false] {
        let (mut busy, _) = session(&stand).await;
        insert(&stand, &mut busy).await;
        if politely {
            // As libpq's `PQfinish` does.
            busy.write_all(&encode::message(b'X', b"")).await.unwrap();
            busy.shutdown().await.unwrap();
        }
        drop(busy);
        // The lock is still held, so only a cancellation ends the wait.
        until("the cancellation", || stand.server.locks_waited_for() == 0).await;
    }
    until("the end of the sessions", || stand.memory.sessions().1.len() == 2).await;
    assert_eq!(stand.memory.sessions(), (2, vec!["agent".to_owned(); 2]));
    drop(lock);
    assert_eq!(stand.server.execute("SELECT count(*) FROM notes").trim(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_sends_ahead_of_the_answer_is_kept() {
    let stand = Stand::start().await;
    let lock = stand.server.lock("notes");
    let (mut busy, _) = session(&stand).await;
    insert(&stand, &mut busy).await;
    busy.write_all(&encode::message(b'Q', b"SELECT 41 + 1\0"))
        .await
        .unwrap();
    busy.flush().await.unwrap();
    drop(lock);
    let first = crate::stand::read_until_ready(&mut busy).await;
    assert_eq!(sqlstate(&first), None);
    let second = crate::stand::read_until_ready(&mut busy).await;
    assert!(String::from_utf8_lossy(&second).contains("42"));
}

async fn limited(limits: &str) -> Stand {
    let server = Server::start();
    server.execute(SCHEMA);
    Stand::start_with(Arc::new(server), &format!("{POLICY}[limits]\n{limits}"), |_| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_agent_is_told_and_let_go() {
    let stand = limited("idle_s = 1").await;
    let (mut silent, _) = session(&stand).await;
    assert_eq!(sqlstate(&rest(&mut silent).await).as_deref(), Some("57P05"));
    // A part of a message is no word, and the server's own are none of the agent's.
    let (mut halting, _) = session(&stand).await;
    halting.write_all(b"Q\0\0\0\x20SELECT").await.unwrap();
    halting.flush().await.unwrap();
    assert_eq!(sqlstate(&rest(&mut halting).await).as_deref(), Some("57P05"));
    assert_eq!(stand.memory.sessions(), (2, vec!["idle".to_owned(); 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_session_is_not_idle_but_ends_at_its_limit() {
    let stand = limited("idle_s = 2\nsession_s = 5").await;
    let lock = stand.server.lock("notes");
    let begun = std::time::Instant::now();
    let (mut busy, _) = session(&stand).await;
    insert(&stand, &mut busy).await;
    let told = rest(&mut busy).await;
    assert_eq!(sqlstate(&told).as_deref(), Some("57P01"));
    assert!(String::from_utf8_lossy(&told).contains("as long as the policy lets it"));
    // Its time counts from its opening, and idle time does not count while a statement runs.
    assert!(begun.elapsed() >= Duration::from_secs(5));
    assert_eq!(stand.memory.sessions(), (1, vec!["limit".to_owned()]));
    until("the cancellation", || stand.server.locks_waited_for() == 0).await;
    drop(lock);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_credential_where_the_policy_says_so() {
    let server = Server::start();
    server.execute(SCHEMA);
    let policy = format!("{POLICY}[limits]\nexpiry_ends_session = true\n");
    let now = exhibit_gate::clock::Clock::now(&exhibit_gate::clock::SystemClock);
    let expires = Some(now.0 / 1_000_000 + 4);
    let stand = Stand::start_until(Arc::new(server), &policy, |_| {}, expires).await;
    let (mut silent, _) = session(&stand).await;
    talk(&mut silent, &[(b'Q', b"SELECT 1\0")]).await;
    let told = rest(&mut silent).await;
    assert_eq!(sqlstate(&told).as_deref(), Some("28000"));
    assert!(String::from_utf8_lossy(&told).contains("has expired"));
    assert_eq!(stand.memory.sessions(), (1, vec!["expiry".to_owned()]));
}

/// Whether the sockets of a connection to that port have a timer although nothing is under way: keepalive.
fn kept_alive(port: u16) -> Vec<bool> {
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let established = |line: &&str| line.split_whitespace().nth(3) == Some("01");
    let address = format!("0100007F:{port:04X}");
    let of = |line: &&str| line.split_whitespace().skip(1).take(2).any(|end| end == address);
    let timer = |line: &str| {
        line.split_whitespace()
            .nth(5)
            .is_some_and(|timer| timer.starts_with("02:"))
    };
    sockets.lines().filter(established).filter(of).map(timer).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_are_asked_whether_they_are_there() {
    let stand = Stand::start().await;
    let (_stream, _) = session(&stand).await;
    // Two sockets each: the test's own has no keepalive; the server's has the system's default.
    until("keepalive towards the agent", || {
        let mut sockets = kept_alive(stand.address.port());
        sockets.sort_unstable();
        sockets == [false, true]
    })
    .await;
    until("keepalive towards the server", || {
        kept_alive(stand.server.port()) == [true, true]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_keep_nobody_out() {
    let stand = Stand::start().await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(stand.plain().await);
    }
    // The oldest give their places; nobody waits until they are timed out.
    let entered = tokio::time::timeout(Duration::from_secs(20), session(&stand)).await;
    assert!(entered.is_ok());
    assert_eq!(read_rest(&mut silent[0]).await, b"");
}
