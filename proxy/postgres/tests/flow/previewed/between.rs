//! A preview while somebody stands between the proxy and its server, who holds the messages of one of its steps: what was defined or
//! told meanwhile, and who ends what.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use exhibit_postgres::config::{ChannelBinding, ServerTls};
use exhibit_postgres::message::encode;
use exhibit_schemas::event::approval::{Terms, Verdict};
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};

use super::{HELD, hurried, last, met, query, runs, send, tables};
use crate::cancelled::session;
use crate::server::Server;
use crate::stand::{Encrypted, Stand, read_rest, read_until_ready, sqlstate};

/// Where it is held: at the messages up to a `Sync` among which one begins with that tag and has all of these words.
type Step = (u8, &'static [&'static str]);

/// The definitions are asked for before a preview is thought of.
const DEFINITIONS: Step = (b'P', &["exhibit.own", "pg_policy"]);
const BIND: Step = (b'B', &["exhibit.preview"]);
const RUN: Step = (b'E', &["exhibit.preview"]);
const BACK: Step = (b'C', &["exhibit.plan"]);

/// Somebody between the proxy and its server.
struct Between {
    stand: Stand,
    stopped: mpsc::UnboundedReceiver<()>,
    goes_on: mpsc::UnboundedSender<Vec<u8>>,
    closed: mpsc::UnboundedReceiver<&'static str>,
}

/// What all of its connections share.
struct Steps {
    awaited: Mutex<(VecDeque<Step>, mpsc::UnboundedReceiver<Vec<u8>>)>,
    stopped: mpsc::UnboundedSender<()>,
    closed: mpsc::UnboundedSender<&'static str>,
    /// Whether the server is not heard, either, while it is held.
    silent: bool,
}

impl Between {
    /// Holds at these steps, one after the other.
    async fn start(policy: &str, steps: &[Step], silent: bool) -> Self {
        let server = tables(Server::start());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, server_port) = (listener.local_addr().unwrap().port(), server.port());
        let (stopped, was_stopped) = mpsc::unbounded_channel();
        let (goes_on, going_on) = mpsc::unbounded_channel();
        let (closed, was_closed) = mpsc::unbounded_channel();
        let steps = Arc::new(Steps {
            awaited: Mutex::new((steps.iter().copied().collect(), going_on)),
            stopped,
            closed,
            silent,
        });
        tokio::spawn(async move {
            loop {
                let (proxy, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(("127.0.0.1", server_port)).await.unwrap();
                // Either side may hang up at any point.
                tokio::spawn(relay(proxy, server, Arc::clone(&steps)));
            }
        });
        let stand = Stand::start_with(server, policy, |config| {
            config.server.port = port;
            config.server.tls = ServerTls::Off;
            config.server.ca = None;
            config.server.channel_binding = ChannelBinding::Disable;
        })
        .await;
        Self {
            stand,
            stopped: was_stopped,
            goes_on,
            closed: was_closed,
        }
    }

    async fn stopped(&mut self) {
        self.stopped.recv().await.unwrap();
    }

    /// Lets it go on, after these bytes that come as the server's.
    fn go_on(&self, says: &[u8]) {
        self.goes_on.send(says.to_vec()).unwrap();
    }

    /// Who has hung up first of those who were held.
    async fn closed(&mut self) -> &'static str {
        self.closed.recv().await.unwrap()
    }
}

async fn relay(proxy: TcpStream, server: TcpStream, steps: Arc<Steps>) {
    let (from_proxy, to_proxy) = proxy.into_split();
    let (from_server, to_server) = server.into_split();
    let to_proxy = Mutex::new(to_proxy);
    let was_held = AtomicBool::new(false);
    let who = tokio::select! {
        biased;
        _ = forward(from_proxy, to_server, &to_proxy, &steps, &was_held) => "proxy",
        _ = backward(from_server, &to_proxy) => "server",
    };
    // Cancellations have connections of their own.
    if was_held.into_inner() {
        let _ = steps.closed.send(who);
    }
}

async fn forward(
    mut proxy: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    to_proxy: &Mutex<OwnedWriteHalf>,
    steps: &Steps,
    was_held: &AtomicBool,
) -> Option<()> {
    // What begins a connection has no tag.
    let mut begins = vec![0; 4];
    read(&mut proxy, &mut begins).await?;
    let length = u32::from_be_bytes(begins[..4].try_into().unwrap());
    begins.resize(usize::try_from(length).unwrap(), 0);
    read(&mut proxy, &mut begins[4..]).await?;
    server.write_all(&begins).await.ok()?;
    let mut held = Vec::new();
    loop {
        held.push(message(&mut proxy).await?);
        if !matches!(held.last()?[0], b'S' | b'H' | b'Q' | b'p' | b'X') {
            continue;
        }
        let mut awaited = steps.awaited.lock().await;
        let (awaited, goes_on) = &mut *awaited;
        if awaited
            .front()
            .is_some_and(|step| held.iter().any(|message| is(message, *step)))
        {
            awaited.pop_front();
            was_held.store(true, Ordering::SeqCst);
            let unheard = if steps.silent {
                Some(to_proxy.lock().await)
            } else {
                None
            };
            steps.stopped.send(()).ok()?;
            let mut next = [0];
            let says = tokio::select! {
                says = goes_on.recv() => says?,
                // After a `Sync` it says nothing until it is answered.
                _ = proxy.peek(&mut next) => return None,
            };
            drop(unheard);
            to_proxy.lock().await.write_all(&says).await.ok()?;
        }
        server.write_all(&held.concat()).await.ok()?;
        held.clear();
    }
}

async fn backward(mut server: OwnedReadHalf, to_proxy: &Mutex<OwnedWriteHalf>) -> Option<()> {
    loop {
        let message = message(&mut server).await?;
        to_proxy.lock().await.write_all(&message).await.ok()?;
    }
}

async fn read(from: &mut OwnedReadHalf, bytes: &mut [u8]) -> Option<()> {
    use tokio::io::AsyncReadExt as _;
    from.read_exact(bytes).await.ok().map(drop)
}

async fn message(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut message = vec![0; 5];
    read(from, &mut message).await?;
    let length = u32::from_be_bytes(message[1..].try_into().unwrap());
    message.resize(usize::try_from(length).unwrap() + 1, 0);
    read(from, &mut message[5..]).await?;
    Some(message)
}

fn is(message: &[u8], (tag, words): Step) -> bool {
    let has = |word: &&str| message.windows(word.len()).any(|window| window == word.as_bytes());
    message[0] == tag && words.iter().all(has)
}

async fn run_until(between: &mut Between, sql: &str) -> Encrypted {
    let mut stream = between.stand.raw_session().await;
    send(&mut stream, sql).await;
    between.stopped().await;
    stream
}

const DELETE: &str = "DELETE FROM alone WHERE id <= 3";

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_was_defined_before_the_plan_is_made_keeps_it_from_running() {
    let mut between = Between::start(&hurried(), &[BIND], false).await;
    let mut stream = run_until(&mut between, DELETE).await;
    let stand = &between.stand;
    stand
        .server
        .execute("CREATE OPERATOR ~~~~ (LEFTARG = text, RIGHTARG = text, FUNCTION = near)");
    between.go_on(&[]);
    read_until_ready(&mut stream).await;
    let why = "the definitions of the target have changed since they were read";
    assert_eq!(last(stand), why);
    assert!(!met(stand));
    assert_eq!(stand.server.execute(HELD).trim(), "0");
}

/// That the server tells of a setting.
fn setting(value: &str) -> Vec<u8> {
    encode::message(b'S', format!("application_name\0{value}\0").as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_told_as_they_are_once_all_is_rolled_back() {
    let mut between = Between::start(&hurried(), &[RUN, BACK], false).await;
    let mut stream = run_until(&mut between, DELETE).await;
    between.go_on(&[setting("planted-in-a-row"), setting("planted-again")].concat());
    between.stopped().await;
    between.go_on(&setting("as-it-was-before"));
    let mut told = String::from_utf8_lossy(&read_until_ready(&mut stream).await).into_owned();
    assert_eq!(last(&between.stand), "3");
    told += &query(&mut stream, "SELECT 1").await;
    assert!(told.contains("as-it-was-before") && !told.contains("planted"), "{told}");
    // Later it tells the agent as ever.
    let told = query(&mut stream, "SET application_name = 'of its own'").await;
    assert!(told.contains("of its own"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_the_proxy_leaves_open_is_ended_by_the_target() {
    let mut between = Between::start(&hurried(), &[RUN], false).await;
    let mut stream = run_until(&mut between, DELETE).await;
    // A session that was idle in a transaction for too long.
    let told = read_rest(&mut stream).await;
    assert_eq!(sqlstate(&told).as_deref(), Some("25P03"));
    assert_eq!(between.closed().await, "server");
    assert_eq!(between.stand.server.execute(HELD).trim(), "0");
    assert!(!met(&between.stand));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_which_nothing_is_heard_ends_its_session() {
    let mut between = Between::start(&hurried(), &[RUN], true).await;
    let mut stream = run_until(&mut between, DELETE).await;
    let told = read_rest(&mut stream).await;
    assert_eq!(sqlstate(&told).as_deref(), Some("XX000"));
    let text = String::from_utf8_lossy(&told).into_owned();
    assert!(text.contains("the target took too long"), "{text}");
    assert_eq!(between.closed().await, "proxy");
    assert_eq!(between.stand.memory.closed().await, "target");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_goes_away_takes_its_run_with_it_whatever_the_ledger_does() {
    let mut between = Between::start(&hurried(), &[RUN], false).await;
    let stream = run_until(&mut between, DELETE).await;
    assert_ne!(between.stand.server.execute(HELD).trim(), "0");
    between.stand.memory.hold();
    drop(stream);
    // Otherwise it were the server, which waits for 5 s.
    assert_eq!(between.closed().await, "proxy");
    while between.stand.server.execute(HELD).trim() != "0" {
        std::thread::yield_now();
    }
    between.stand.memory.go_on();
    assert_eq!(between.stand.memory.closed().await, "agent");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_cancels_while_definitions_are_asked_for_is_asked_about_no_longer() {
    let mut between = Between::start(&hurried(), &[DEFINITIONS], false).await;
    let (mut stream, cancel) = session(&between.stand).await;
    send(&mut stream, DELETE).await;
    between.stopped().await;
    let mut socket = between.stand.plain().await;
    socket.write_all(&cancel).await.unwrap();
    read_rest(&mut socket).await;
    between.go_on(&[]);
    let told = String::from_utf8_lossy(&read_until_ready(&mut stream).await).into_owned();
    assert!(told.contains("the request was withdrawn"), "{told}");
    assert_eq!(last(&between.stand), "its agent had cancelled it");
    assert_eq!(runs(&between.stand), 0);
}

/// A change of rows that commits by itself, and is counted before.
const CHANGE: Step = (b'Q', &[DELETE]);
const EXECUTE: Step = (b'E', &[]);
const COMMIT: Step = (b'Q', &["COMMIT"]);

/// Somebody who holds the messages of a change that is approved for so many rows, without a preview.
async fn limited(step: Step, messages: &[(u8, &[u8])]) -> (Between, Encrypted) {
    let policy = super::policy(|asks| asks.replacen("preview = \"rolled-back\"\n", "", 1));
    let mut between = Between::start(&policy, &[step], false).await;
    let mut stream = between.stand.raw_session().await;
    for (tag, body) in messages {
        stream.write_all(&encode::message(*tag, body)).await.unwrap();
    }
    stream.flush().await.unwrap();
    let terms = Terms {
        rows: Some(3),
        grant: None,
    };
    let memory = &between.stand.memory;
    memory.decide_for("ann", "dba", Verdict::Approve, Some(terms)).await;
    between.stopped().await;
    (between, stream)
}

fn left(stand: &Stand) -> String {
    stand.server.execute("SELECT count(*) FROM alone").trim().to_owned()
}

/// Messages with their tags.
type Sent = Vec<(u8, Vec<u8>)>;

/// Both ways to send it, and where it is held before it runs.
fn ways() -> [(Step, Sent); 3] {
    let sql = |name: &str| [name.as_bytes(), DELETE.as_bytes(), b"\0"].concat();
    let parse = [sql("\0"), vec![0, 0]].concat();
    let extended = [
        (b'P', parse),
        (b'B', vec![0; 8]),
        (b'E', vec![0; 5]),
        (b'S', Vec::new()),
    ];
    // What follows it in its pipeline would commit it, too.
    let commit = [&b"\0COMMIT\0"[..], &[0, 0]].concat();
    let behind = [
        (b'P', commit),
        (b'B', vec![0; 8]),
        (b'E', vec![0; 5]),
        (b'S', Vec::new()),
    ];
    let followed = [&extended[..3], &behind].concat();
    [
        (CHANGE, vec![(b'Q', sql(""))]),
        (EXECUTE, extended.to_vec()),
        (EXECUTE, followed),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_back_while_it_ran_is_not_committed() {
    for (step, messages) in ways() {
        let messages: Vec<(u8, &[u8])> = messages.iter().map(|(tag, body)| (*tag, body.as_slice())).collect();
        let (between, mut stream) = limited(step, &messages).await;
        between.stand.memory.take_back("ann", "dba").await;
        between.go_on(&[]);
        let told = String::from_utf8_lossy(&read_rest(&mut stream).await).into_owned();
        assert!(
            told.contains("C42501") && told.contains("took its approval back"),
            "{told}"
        );
        assert_eq!(between.stand.memory.closed().await, "approval");
        assert_eq!(left(&between.stand), "10");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_goes_away_before_the_commit_takes_its_change_with_it() {
    for (step, messages) in ways() {
        let messages: Vec<(u8, &[u8])> = messages.iter().map(|(tag, body)| (*tag, body.as_slice())).collect();
        let (mut between, stream) = limited(step, &messages).await;
        drop(stream);
        assert_eq!(between.closed().await, "proxy");
        assert_eq!(between.stand.memory.closed().await, "agent");
        assert_eq!(left(&between.stand), "10");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_agent_is_told_that_its_change_is_complete_before_it_is_committed() {
    let change = [DELETE.as_bytes(), b"\0"].concat();
    let (between, mut stream) = limited(COMMIT, &[(b'Q', &change)]).await;
    assert_eq!(left(&between.stand), "10");
    let complete = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("DELETE 3");
    assert!(!complete(&between.stand.memory.released()));
    between.go_on(&[]);
    assert!(complete(&read_until_ready(&mut stream).await));
    assert_eq!(left(&between.stand), "7");
}
