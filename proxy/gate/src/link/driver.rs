//! The task that owns the chain: connects, seals, sends, checks receipts, and mends a broken stream.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::checkpoint::Checkpoint;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::key::SecretKey;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::policy_signatures::PolicySignatures;
use exhibit_schemas::seal::{Chain, Sealed};
use exhibit_schemas::wire::{Append, Hello, MESSAGE_BYTES_MAX, Message, Receipt, RefusalCode, Standing, Welcome};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::{broadcast, oneshot, watch};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Packet;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_util::sync::CancellationToken;

use super::connect::{Connect, Transport};
use super::published::PublishedKeys;
use super::queue::{Due, Queue, Queued};
use super::state::{self, Acknowledged};
use super::{BATCHES_IN_FLIGHT_MAX, GIVE_UP, LinkConfig, RECEIPT_WAIT};
use crate::error::GateError;
use crate::recorder::Heard;

/// Path of the append stream.
const STREAM_PATH: &str = "/v1/append/stream";

/// How long one attempt to connect, to be welcomed, or to send may take.
const STEP_WAIT: Duration = Duration::from_secs(2);

/// Pause before the next attempt.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How long a batch waits, when none is in flight, for half of what the last receipt let go on ([`Driver::due`]): sessions that
/// were answered together come back about together, and one batch, one signature and one sync then serve many of them. Long
/// enough for a short read on a busy machine, and not much longer than the commit that whoever comes late would wait for.
const GATHER: Duration = Duration::from_millis(1);

/// Submissions that nobody waits for more of: what a batch costs is by then little against what each of them does.
const GATHERED_MAX: usize = 16;

/// Receipts between two writings of the state file: it bounds how far the file is behind.
const RECEIPTS_PER_STATE: u32 = 256;

type Socket = WebSocketStream<Box<dyn Transport>>;

/// A batch without a receipt.
struct Flight {
    sealed: Sealed,
    /// Who waits for its events; their bytes are in `sealed`.
    events: Vec<Queued>,
    sent: Instant,
}

/// Why a stream ended.
enum Break {
    /// It can be opened again.
    Lost(String),
    /// The ledger refused a batch.
    Refused(RefusalCode, String),
    /// What the ledger says does not hold; final.
    Distrusted(String),
    /// Everything is sent and acknowledged, and the link is to stop.
    Stopped,
}

pub(super) struct Driver {
    connect: Arc<dyn Connect>,
    key: SecretKey,
    trust: TrustAnchors,
    state_path: PathBuf,
    queue: Arc<Queue>,
    heard: broadcast::Sender<Arc<Heard>>,
    stop: CancellationToken,
    ready: Option<oneshot::Sender<Result<bool, GateError>>>,
    published: PublishedKeys,
    /// Where the next seal stands; `None` until the ledger has taken us in, and after everything failed.
    chain: Option<Chain>,
    acknowledged: Option<Acknowledged>,
    /// Where the ledger stands for us as far as it has said: at its welcome, and after each receipt.
    base: Option<Chain>,
    /// Root at `size`, where it was seen in this run.
    head: Option<(u64, Digest)>,
    /// The checkpoint that was verified last.
    verified: Option<Checkpoint>,
    flights: VecDeque<Flight>,
    lost_since: Option<Instant>,
    receipts: u32,
    /// Submissions that the last receipt answered.
    answered: usize,
    /// How long the next batch waits for them.
    gathers_until: Option<Instant>,
}

impl Driver {
    pub(super) fn new(
        config: LinkConfig,
        queue: Arc<Queue>,
        (heard, signatures): (broadcast::Sender<Arc<Heard>>, watch::Sender<PolicySignatures>),
        stop: CancellationToken,
        ready: oneshot::Sender<Result<bool, GateError>>,
    ) -> Result<Self, GateError> {
        let acknowledged = state::read(&config.state).map_err(|error| GateError::LedgerDistrusted {
            reason: error.to_string(),
        })?;
        Ok(Self {
            connect: config.connect,
            key: config.key,
            published: PublishedKeys::new(config.trust.clone(), signatures),
            trust: config.trust,
            state_path: config.state,
            queue,
            heard,
            stop,
            ready: Some(ready),
            chain: None,
            base: acknowledged.map(|acknowledged| acknowledged.chain),
            acknowledged,
            head: None,
            verified: None,
            flights: VecDeque::new(),
            lost_since: Some(Instant::now()),
            receipts: 0,
            answered: 0,
            gathers_until: None,
        })
    }

    pub(super) async fn run(mut self) {
        loop {
            match self.stream().await {
                Break::Stopped => break,
                Break::Distrusted(reason) => {
                    tracing::error!(%reason, "the ledger cannot be trusted");
                    self.fail(&GateError::LedgerDistrusted { reason });
                    return self.write_state();
                }
                Break::Refused(code, text) if code != RefusalCode::Busy => {
                    tracing::error!(%code, %text, "the ledger refused a batch");
                    self.fail(&GateError::LedgerRefused { code, text });
                }
                Break::Refused(_, reason) | Break::Lost(reason) => {
                    let since = *self.lost_since.get_or_insert_with(Instant::now);
                    tracing::warn!(%reason, "the link to the ledger broke");
                    if since.elapsed() >= GIVE_UP {
                        self.fail(&GateError::LedgerUnavailable { reason });
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY_PAUSE) => {}
                () = self.stop.cancelled() => {
                    // What is on its way gets the time that a broken link gets, and no more.
                    let over = self.lost_since.is_none_or(|since| since.elapsed() >= GIVE_UP);
                    if self.chain.is_none() || over {
                        break;
                    }
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
        self.fail(&GateError::Stopping);
        self.write_state();
    }

    /// Fails everything that waits; the chain begins anew when the ledger is back.
    fn fail(&mut self, error: &GateError) {
        for flight in std::mem::take(&mut self.flights) {
            for event in flight.events {
                event.fail(error);
            }
        }
        self.queue.shut(error);
        self.chain = None;
        if let Some(ready) = self.ready.take() {
            let _ = ready.send(Err(error.clone()));
        }
    }

    /// One stream, from its opening to its end.
    async fn stream(&mut self) -> Break {
        match self.serve().await {
            Ok(never) => never,
            Err(broken) => broken,
        }
    }

    async fn serve(&mut self) -> Result<Break, Break> {
        let mut socket = self.open().await?;
        let challenge = match within(receive(&mut socket)).await? {
            Message::Challenge(challenge) => challenge,
            Message::Refusal(refusal) => return Err(Break::Refused(refusal.code, refusal.text)),
            _ => return Err(Break::Lost("it did not ask who this proxy is".to_owned())),
        };
        let hello = Hello::sign(
            self.trust.log.origin.as_str(),
            &challenge,
            self.published.next(),
            &self.key,
        );
        let hello = hello.map_err(|_| Break::Distrusted("this proxy's key did not sign".to_owned()))?;
        send(&mut socket, &Message::Hello(hello)).await?;
        let welcome = match within(receive(&mut socket)).await? {
            Message::Welcome(welcome) => welcome,
            Message::Refusal(refusal) => return Err(Break::Refused(refusal.code, refusal.text)),
            _ => return Err(Break::Lost("it did not welcome this proxy".to_owned())),
        };
        self.welcomed(welcome)?;
        // Mended is what acknowledges: a ledger that only says welcome, again and again, is gone.
        if self.flights.is_empty() {
            self.lost_since = None;
        }
        if let Some(ready) = self.ready.take() {
            // Nothing of this run was sent yet, so what the ledger knows of this key is of earlier ones.
            let _ = ready.send(Ok(self.base.is_some()));
        }
        for flight in &mut self.flights {
            flight.sent = Instant::now();
            send(&mut socket, &append(&flight.sealed)).await?;
        }
        self.pump(&mut socket).await
    }

    async fn open(&self) -> Result<Socket, Break> {
        let stream = within(async {
            let connected = self.connect.connect().await;
            connected.map_err(|error| Break::Lost(format!("it cannot be reached: {}", error.kind())))
        });
        let stream = stream.await?;
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let url = format!("ws://{}{STREAM_PATH}", self.connect.authority());
        within(async {
            let shaken = tokio_tungstenite::client_async_with_config(url, stream, Some(limits)).await;
            let (socket, _response) =
                shaken.map_err(|_| Break::Lost("it did not open the append stream".to_owned()))?;
            Ok(socket)
        })
        .await
    }

    /// Compares where the ledger says we stand with where we know to stand.
    fn welcomed(&mut self, welcome: Welcome) -> Result<(), Break> {
        let Welcome { checkpoint, standing } = welcome;
        self.take_head(&checkpoint)?;
        let stands = standing.map(
            |Standing {
                 boot,
                 sequence,
                 previous,
             }| Chain {
                boot,
                sequence,
                previous: Some(previous),
            },
        );
        if behind(stands, self.base) {
            return Err(Break::Distrusted("it lost events that it had acknowledged".to_owned()));
        }
        let sent = |flight: &Flight| Some(flight.sealed.next()) == stands;
        if self.chain.is_some() && (stands == self.base || self.flights.iter().any(sent)) {
            return Ok(());
        }
        if self.chain.is_some() {
            // Somebody else seals with our key, or the ledger took what we gave up: what is on its way can only fail.
            self.fail(&GateError::LedgerUnavailable {
                reason: "it knows this proxy at another place than this proxy does".to_owned(),
            });
        }
        let boot = self.queue.open(stands.map(|stands| stands.boot));
        self.base = stands;
        self.chain = Some(Chain {
            boot,
            sequence: 0,
            previous: stands.and_then(|stands| stands.previous),
        });
        Ok(())
    }

    async fn pump(&mut self, socket: &mut Socket) -> Result<Break, Break> {
        loop {
            while self.flights.len() < BATCHES_IN_FLIGHT_MAX {
                let events = self.queue.take_batch(self.due());
                if events.is_empty() {
                    break;
                }
                let message = self.seal(events)?;
                send(socket, &message).await?;
            }
            if self.stop.is_cancelled() && self.flights.is_empty() && self.queue.is_empty() {
                let _ = socket.close(None).await;
                return Ok(Break::Stopped);
            }
            let late = self.flights.front().map(|flight| flight.sent + RECEIPT_WAIT);
            let wake = late.or(self.gathers_until);
            let message = tokio::select! {
                message = receive(socket) => message?,
                () = self.queue.filled.notified(), if self.flights.len() < BATCHES_IN_FLIGHT_MAX => continue,
                () = self.stop.cancelled(), if !self.stop.is_cancelled() => continue,
                () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                    if late.is_some() {
                        return Err(Break::Lost("it acknowledged nothing in time".to_owned()));
                    }
                    self.gathers_until = None;
                    continue;
                }
            };
            self.take(message)?;
        }
    }

    /// What is sent next. While a batch is in flight, what comes would wait for the same commit anyway, so it gathers. Then
    /// half of those that were answered are waited for: the others may think, or wait for what one of them holds.
    fn due(&self) -> Due {
        match self.gathers_until {
            _ if !self.flights.is_empty() => Due::Large,
            Some(_) => Due::Submissions(self.answered.div_ceil(2).min(GATHERED_MAX)),
            None => Due::Submissions(1),
        }
    }

    /// Seals events as the next batch of the chain and notes it as on its way.
    fn seal(&mut self, mut events: Vec<Queued>) -> Result<Message, Break> {
        let unsealed = |events: Vec<Queued>, reason: &str| {
            let error = GateError::LedgerUnavailable {
                reason: reason.to_owned(),
            };
            for event in events {
                event.fail(&error);
            }
            Break::Distrusted(reason.to_owned())
        };
        let Some(chain) = self.chain else {
            return Err(unsealed(events, "there is no chain to seal for"));
        };
        let bytes = events
            .iter_mut()
            .map(|event| std::mem::take(&mut event.bytes))
            .collect();
        let Ok(sealed) = Sealed::seal(bytes, chain, &self.key) else {
            return Err(unsealed(events, "this proxy's key did not sign"));
        };
        self.chain = Some(sealed.next());
        let message = append(&sealed);
        self.flights.push_back(Flight {
            sealed,
            events,
            sent: Instant::now(),
        });
        Ok(message)
    }

    fn take(&mut self, message: Message) -> Result<(), Break> {
        match message {
            Message::Receipt(receipt) => self.take_receipt(&receipt),
            Message::Refusal(refusal) => Err(Break::Refused(refusal.code, refusal.text)),
            Message::Published(batch) => {
                for heard in self.published.take(batch).map_err(Break::Distrusted)? {
                    // No receiver is no fault: nobody waits for it.
                    let _ = self.heard.send(Arc::new(heard));
                }
                Ok(())
            }
            Message::Hello(_) | Message::Welcome(_) | Message::Append(_) | Message::Challenge(_) => {
                Err(Break::Lost("it sent a message that it may not send".to_owned()))
            }
        }
    }

    fn take_receipt(&mut self, receipt: &Receipt) -> Result<(), Break> {
        let distrust = |reason: &str| Err(Break::Distrusted(reason.to_owned()));
        let Some(flight) = self.flights.front() else {
            return distrust("it acknowledged a batch that was not sent");
        };
        let payload = flight.sealed.payload();
        if (receipt.boot, receipt.sequence) != (payload.boot, payload.sequence) {
            return distrust("it acknowledged batches out of order");
        }
        // The entries are `first`.., `count` events and their seal; the checkpoint must cover the seal.
        let end = receipt.first.saturating_add(payload.count).saturating_add(1);
        let next = flight.sealed.next();
        let size = self.take_head(&receipt.checkpoint)?;
        if size < end {
            return distrust("it acknowledged a batch that its checkpoint does not cover");
        }
        let size = self.head.map_or(size, |(size, _)| size);
        self.acknowledged = Some(Acknowledged { chain: next, size });
        self.base = Some(next);
        self.lost_since = None;
        if let Some(flight) = self.flights.pop_front() {
            let leaves = flight.sealed.leaves().iter();
            let events = flight.events.into_iter().zip(leaves);
            let answered = events.zip(receipt.first..);
            let answered = answered.map(|((event, leaf), index)| event.acknowledge(Index(index), *leaf));
            self.answered = answered.filter(|answered| *answered).count();
            self.gathers_until = (self.answered > 2).then(|| Instant::now() + GATHER);
        }
        self.receipts = self.receipts.saturating_add(1);
        if self.receipts >= RECEIPTS_PER_STATE {
            self.receipts = 0;
            self.write_state();
        }
        Ok(())
    }

    /// Size and root of a checkpoint, verified; the batches of one commit come with the same one.
    fn checkpoint(&mut self, note: &str) -> Result<(u64, Digest), Break> {
        match &self.verified {
            Some(known) if known.note() == note => {}
            _ => {
                let checkpoint = Checkpoint::verify(note, &self.trust.log)
                    .map_err(|error| Break::Distrusted(format!("its checkpoint is refused: {error}")))?;
                self.verified = Some(checkpoint);
            }
        }
        let known = self.verified.as_ref().expect("it was just put there");
        Ok((known.size().0, known.root()))
    }

    /// Checks a checkpoint against the greatest one seen: sizes never shrink, and one size has one root. A receipt that
    /// is sent again carries its own, older checkpoint; the greatest one seen stays. Gives its size.
    fn take_head(&mut self, note: &str) -> Result<u64, Break> {
        let (size, root) = self.checkpoint(note)?;
        let least = self.acknowledged.map_or(0, |acknowledged| acknowledged.size);
        match self.head {
            Some((known, other)) if known == size && other != root => {
                Err(Break::Distrusted("it signed two roots for one size".to_owned()))
            }
            _ if size < least => Err(Break::Distrusted("its log has shrunk".to_owned())),
            Some((known, _)) if size < known => Ok(size),
            _ => {
                self.head = Some((size, root));
                Ok(size)
            }
        }
    }

    fn write_state(&self) {
        if let Some(acknowledged) = &self.acknowledged
            && let Err(error) = state::write(&self.state_path, acknowledged)
        {
            // The file only helps to see a rollback after a restart; the old one still does.
            tracing::error!(%error, "the link's state file was not written");
        }
    }
}

/// Whether the ledger stands before what it acknowledged, or at another seal in its place.
fn behind(stands: Option<Chain>, known: Option<Chain>) -> bool {
    match (stands, known) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(stands), Some(known)) => {
            let (there, here) = ((stands.boot, stands.sequence), (known.boot, known.sequence));
            there < here || (there == here && stands.previous != known.previous)
        }
    }
}

fn append(sealed: &Sealed) -> Message {
    Message::Append(Append {
        events: sealed.events().to_vec(),
        seal: sealed.seal_bytes().clone(),
    })
}

async fn within<T>(step: impl Future<Output = Result<T, Break>>) -> Result<T, Break> {
    let late = |_| Err(Break::Lost("it did not answer in time".to_owned()));
    tokio::time::timeout(STEP_WAIT, step).await.unwrap_or_else(late)
}

async fn send(socket: &mut Socket, message: &Message) -> Result<(), Break> {
    within(async {
        let packet = Packet::Binary(message.encode().into());
        let sent = socket.send(packet).await;
        sent.map_err(|_| Break::Lost("the stream broke while a batch was sent".to_owned()))
    })
    .await
}

/// The next message; safe to be dropped while it waits.
async fn receive(socket: &mut Socket) -> Result<Message, Break> {
    loop {
        match socket.next().await {
            Some(Ok(Packet::Binary(bytes))) => {
                return Message::decode(&bytes).map_err(|_| Break::Lost("it sent what is no message".to_owned()));
            }
            Some(Ok(Packet::Ping(_) | Packet::Pong(_))) => {}
            Some(Ok(Packet::Close(_))) | None => return Err(Break::Lost("it closed the stream".to_owned())),
            Some(Ok(_) | Err(_)) => return Err(Break::Lost("the stream broke".to_owned())),
        }
    }
}
