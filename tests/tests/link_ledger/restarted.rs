//! A ledger that stops under a request which waits for people: on the same store it goes on, and on another one nothing passes.

use std::io;
use std::sync::Mutex;

use exhibit_gate::GateError;
use exhibit_gate::approval::Asked;
use exhibit_schemas::wire::RefusalCode;
use tokio::io::DuplexStream;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::*;

type Serve = Box<dyn Fn(DuplexStream) + Send>;

/// The address of a ledger that stops and starts.
#[derive(Clone, Default)]
struct Address(Arc<Mutex<Option<Serve>>>);

impl Address {
    fn connect(&self) -> Arc<dyn Connect> {
        let address = self.clone();
        Arc::new(PipeConnect::new(move || {
            let serve = address.0.lock().unwrap();
            let serve = serve.as_ref().ok_or(io::ErrorKind::ConnectionRefused)?;
            let (near, far) = tokio::io::duplex(1 << 16);
            serve(far);
            Ok(near)
        }))
    }
}

/// A ledger at an address.
struct Running {
    ledger: Ledger,
    address: Address,
    stop: CancellationToken,
    streams: TaskTracker,
}

impl Running {
    fn start(config: &Config, address: &Address) -> Self {
        let ledger = Ledger::open(config).unwrap();
        let (stop, streams) = (CancellationToken::new(), TaskTracker::new());
        let router = api::router(ledger.clone(), None, Readings::nobody(ledger.clone()));
        let (stopped, tasks) = (stop.clone(), streams.clone());
        let serve: Serve = Box::new(move |far| {
            tasks.spawn(serve::serve_stream(router.clone(), far, stopped.clone()));
        });
        *address.0.lock().unwrap() = Some(serve);
        let address = address.clone();
        Self {
            ledger,
            address,
            stop,
            streams,
        }
    }

    /// Ends it, with everything that has its store open.
    async fn stop(self) {
        *self.address.0.lock().unwrap() = None;
        self.stop.cancel();
        self.streams.close();
        self.streams.wait().await;
        let ledger = self.ledger;
        tokio::task::spawn_blocking(move || ledger.shutdown()).await.unwrap();
    }
}

async fn ask(session: &mut Session) -> Asked {
    let Ruling::Pending(pending) = session.decide(request(Action::Define)) else {
        panic!("asked")
    };
    session.ask(pending).await.unwrap()
}

const FIRST: Chain = Chain {
    boot: 1,
    sequence: 0,
    previous: None,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_while_its_ledger_restarts_passes_once_it_is_approved() {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    let address = Address::default();
    let running = Running::start(&config, &address);
    let link = link_by(address.connect(), directory.path().join("link.state")).await;
    let gate = gate(&link).await;
    let mut session = gate.open(opening()).await.unwrap();
    let asked = ask(&mut session).await;
    let restarted = async {
        running.stop().await;
        let running = Running::start(&config, &address);
        approve(&running.ledger, FIRST).await;
        running
    };
    let (waited, running) = tokio::join!(session.wait(asked, std::future::pending()), restarted);
    let reply = session.record(vec![waited.unwrap().unwrap()]).await.unwrap()[0].reply();
    end(&mut session, reply).await;
    session.close("agent").await.unwrap();
    assert!(running.ledger.approvals().unwrap().is_empty(), "nothing waits any more");
    check_export(&running.ledger, &directory.path().join("export"));
    link.shutdown().await;
    running.stop().await;
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_passes_by_a_ledger_that_comes_back_without_what_it_took() {
    let directory = tempfile::tempdir().unwrap();
    let (own, older) = (directory.path().join("own"), directory.path().join("older"));
    std::fs::create_dir(&own).unwrap();
    let config = begin(&own);
    // A copy from before the proxy came, which is the same log as far as it goes.
    copy(&own, &older);
    let address = Address::default();
    let running = Running::start(&config, &address);
    let link = link_by(address.connect(), directory.path().join("link.state")).await;
    let gate = gate(&link).await;
    let mut session = gate.open(opening()).await.unwrap();
    let asked = ask(&mut session).await;
    let (leaf, waiting) = running.ledger.approvals().unwrap().remove(0);
    let event = Event::decode(&running.ledger.entry(Index(waiting.index)).unwrap().unwrap()).unwrap();
    let Body::ApprovalRequested(body) = event.body else {
        panic!("a request")
    };
    let decided = ApprovalDecided {
        request: leaf,
        command: body.command,
        session: waiting.session,
        target: body.target,
        policy: body.decision.policy,
        expires: body.expires,
        verdict: Verdict::Approve,
        reason: "looked at it".into(),
        terms: None,
    };
    let (leave, gone) = oneshot::channel::<()>();
    let restarted = async {
        running.stop().await;
        let config = Config {
            directory: older,
            ..config
        };
        let running = Running::start(&config, &address);
        // Her own word, about the very request, finds nothing that it is about.
        let sealed = seal(&key(4), FIRST, vec![decided.into()]);
        let append = Append {
            events: sealed.events().to_vec(),
            seal: sealed.seal_bytes().clone(),
        };
        let refused = running.ledger.submit(append).await.await.unwrap().unwrap_err();
        assert_eq!(refused.code, RefusalCode::Request);
        let body = Fault {
            place: "gate".into(),
            text: "is anybody there".into(),
        };
        let draft = Draft {
            session: None,
            body: body.into(),
        };
        let told = match link.submit(vec![draft]) {
            Ok(ticket) => ticket.await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert!(matches!(told, Err(GateError::LedgerDistrusted { .. })), "{told:?}");
        // Only now does the agent give up.
        leave.send(()).unwrap();
        running
    };
    let gone = async {
        let _ = gone.await;
    };
    let (waited, running) = tokio::join!(session.wait(asked, gone), restarted);
    let error = waited.map(|answer| answer.is_ok()).unwrap_err();
    assert!(matches!(error, GateError::LedgerDistrusted { .. }), "{error}");
    // Nor does anything else, in that session or another one.
    let Ruling::Permit(permit) = session.decide(request(Action::Read)) else {
        panic!("allowed")
    };
    assert!(session.record(vec![permit]).await.is_err());
    assert!(gate.open(opening()).await.is_err());
    link.shutdown().await;
    running.stop().await;
}
