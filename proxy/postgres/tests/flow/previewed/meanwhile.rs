//! What comes between the steps of a preview: its event, locks, time, definitions, cancellations and policies.

use std::sync::atomic::Ordering;

use exhibit_gate::session::Replaced;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::event::Kind;
use exhibit_schemas::event::approval::Previewed;
use tokio::io::AsyncWriteExt as _;

use super::{HELD, NOT_TAKEN_BACK, in_a_hurry, kinds, last, met, policy, query, send, stand_on};
use crate::cancelled::session;
use crate::server::Server;
use crate::stand::{read_rest, read_until_ready};

/// It takes longer than a run may.
const LONG: &str = "DELETE FROM alone WHERE id < (SELECT count(*) FROM big a, big b, big c WHERE a.n + b.n + c.n > 5)";

const TRIGGER: &str = "CREATE TRIGGER noted BEFORE UPDATE ON alone FOR EACH ROW EXECUTE FUNCTION noted()";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_run_before_its_event_is_durable() {
    let stand = stand_on(Server::start()).await;
    let mut stream = stand.raw_session().await;
    let events = stand.memory.hold();
    send(&mut stream, "UPDATE alone SET text = 'x'").await;
    stand.memory.handed_over(events + 1).await;
    assert_eq!(kinds(&stand), [Kind::PreviewRun]);
    let open = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() \
                AND (state <> 'idle' OR query LIKE '%alone%')";
    assert_eq!(stand.server.execute(open).trim(), "0");
    assert!(!met(&stand));
    stand.memory.go_on();
    let (asked, _, _) = stand.memory.asked().await;
    assert_eq!(asked.preview, Some(Previewed::Rows(10)));
    assert!(met(&stand));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_ledger_nothing_is_run() {
    let stand = stand_on(Server::start()).await;
    let mut stream = stand.raw_session().await;
    stand.memory.broken.store(true, Ordering::SeqCst);
    send(&mut stream, "UPDATE alone SET text = 'x'").await;
    read_rest(&mut stream).await;
    assert!(!met(&stand));
    assert_eq!(kinds(&stand), [Kind::PreviewRun; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_waits_for_no_lock_and_takes_no_long_time() {
    let stand = in_a_hurry(Server::start()).await;
    stand
        .server
        .execute("CREATE TABLE big AS SELECT n FROM generate_series(1, 30000) n; ANALYZE big");
    let mut stream = stand.raw_session().await;
    let lock = stand.server.lock("alone");
    query(&mut stream, "DELETE FROM alone").await;
    drop(lock);
    let too_long = |code: &str| format!("its run took too long, met a lock or was cancelled (SQLSTATE {code})");
    assert_eq!(last(&stand), too_long("55P03"));
    query(&mut stream, LONG).await;
    assert_eq!(last(&stand), too_long("57014"));
    assert_eq!(stand.server.execute(HELD).trim(), "0");
    query(&mut stream, "DELETE FROM alone WHERE id > 0").await;
    assert_eq!(last(&stand), "10");
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_was_defined_meanwhile_is_not_run() {
    let stand = in_a_hurry(Server::start()).await;
    let mut stream = stand.raw_session().await;
    query(&mut stream, "SELECT 1").await;
    stand.server.execute(TRIGGER);
    query(&mut stream, "UPDATE alone SET text = 'x' WHERE id = 1").await;
    assert!(last(&stand).starts_with(NOT_TAKEN_BACK), "{}", last(&stand));
    stand.server.execute("DROP TRIGGER noted ON alone");
    query(&mut stream, "UPDATE alone SET text = 'x' WHERE id = 2").await;
    assert_eq!(last(&stand), "1");
    assert_eq!(stand.server.execute("SELECT count(*) FROM log").trim(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_was_defined_after_the_command_was_read_is_not_run() {
    let stand = in_a_hurry(Server::start()).await;
    let mut stream = stand.raw_session().await;
    let events = stand.memory.hold();
    send(&mut stream, "UPDATE alone SET text = 'x' WHERE id = 1").await;
    stand.memory.handed_over(events + 1).await;
    stand.server.execute(TRIGGER);
    stand.memory.go_on();
    read_until_ready(&mut stream).await;
    assert_eq!(
        last(&stand),
        "the definitions of the target have changed since they were read"
    );
    assert_eq!(stand.server.execute("SELECT count(*) FROM log").trim(), "0");
    assert!(!met(&stand));
    assert_eq!(stand.server.execute(HELD).trim(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_cancels_while_it_runs_is_asked_about_no_longer() {
    let stand = stand_on(Server::start()).await;
    let (mut stream, cancel) = session(&stand).await;
    let held = stand.memory.hold();
    send(&mut stream, "DELETE FROM alone").await;
    stand.memory.handed_over(held + 1).await;
    let mut socket = stand.plain().await;
    socket.write_all(&cancel).await.unwrap();
    read_rest(&mut socket).await;
    stand.memory.go_on();
    let told = String::from_utf8_lossy(&read_until_ready(&mut stream).await).into_owned();
    assert!(told.contains("the request was withdrawn"), "{told}");
    let ended = [
        Kind::PreviewRun,
        Kind::ApprovalRequested,
        Kind::ApprovalExpired,
        Kind::Command,
    ];
    assert_eq!(kinds(&stand), ended);
    assert_eq!(stand.server.execute(HELD).trim(), "0");
    assert!(query(&mut stream, "SELECT 1").await.contains("SELECT 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tighter_limit_of_the_agents_holds_for_a_run() {
    let stand = in_a_hurry(Server::start_18()).await;
    stand
        .server
        .execute("CREATE TABLE big AS SELECT n FROM generate_series(1, 30000) n; ANALYZE big");
    let mut stream = stand.raw_session().await;
    query(&mut stream, "SET statement_timeout = 100").await;
    // It takes longer than that, and less than a run may.
    query(
        &mut stream,
        "DELETE FROM alone WHERE id < (SELECT count(*) FROM big a, big b WHERE a.n + b.n > 5 AND b.n < 200)",
    )
    .await;
    assert!(last(&stand).ends_with("(SQLSTATE 57014)"), "{}", last(&stand));
    let told = query(&mut stream, "SHOW statement_timeout").await;
    assert!(told.contains("100ms"), "{told}");
}

/// One session has the table of open requests while the ledger takes its time, another one comes to it from its run, and a third from
/// reading its command: a policy that comes then waits for none of them for ever.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_wait_for_each_other_keep_no_policy_from_coming() {
    let stand = in_a_hurry(Server::start()).await;
    stand
        .server
        .execute("CREATE TABLE big AS SELECT n FROM generate_series(1, 30000) n; ANALYZE big");
    let (mut runs, mut asks, mut reads) = (
        stand.raw_session().await,
        stand.raw_session().await,
        stand.raw_session().await,
    );
    send(&mut runs, LONG).await;
    let running =
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'DELETE FROM alone%big a%'";
    while stand.server.execute(running).trim() != "1" {
        std::thread::yield_now();
    }
    let held = stand.memory.hold();
    send(&mut asks, "DELETE FROM alone WHERE id = 1 RETURNING id").await;
    stand.memory.handed_over(held + 1).await;
    while stand.server.execute(HELD).trim() != "0" {
        std::thread::yield_now();
    }
    send(&mut reads, "DELETE FROM alone WHERE id = 2 RETURNING id").await;
    let other = policy(|asks| asks.replacen("expires_s = 900", "expires_s = 901", 1));
    let snapshot = Snapshot::parse(other.as_bytes()).unwrap();
    let gate = stand.gate.clone();
    let replaced = tokio::spawn(async move { gate.replace_policy((other.into_bytes(), snapshot)).await });
    stand.memory.go_on();
    let replaced = tokio::time::timeout(std::time::Duration::from_mins(1), replaced).await;
    assert_eq!(replaced.unwrap().unwrap(), Ok(Replaced::InForce));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_comes_while_it_runs_refuses_the_command_and_not_the_session() {
    let stand = in_a_hurry(Server::start()).await;
    stand
        .server
        .execute("CREATE TABLE big AS SELECT n FROM generate_series(1, 30000) n; ANALYZE big");
    let mut stream = stand.raw_session().await;
    let held = stand.memory.hold();
    send(&mut stream, LONG).await;
    stand.memory.handed_over(held + 1).await;
    assert_eq!(kinds(&stand), [Kind::PreviewRun]);
    stand.memory.go_on();
    let other = policy(|asks| asks.replacen("expires_s = 900", "expires_s = 901", 1));
    let snapshot = Snapshot::parse(other.as_bytes()).unwrap();
    let replaced = stand.gate.replace_policy((other.into_bytes(), snapshot)).await;
    assert_eq!(replaced, Ok(Replaced::InForce));
    let told = String::from_utf8_lossy(&read_until_ready(&mut stream).await).into_owned();
    assert!(
        told.contains("the policy has changed since it was asked, so nobody can be asked"),
        "{told}"
    );
    assert_eq!(kinds(&stand), [Kind::PreviewRun, Kind::Command]);
    assert!(query(&mut stream, "SELECT 1").await.contains("SELECT 1"));
}
