//! The append stream: one WebSocket to an emitter, as `exhibit_schemas::wire` says.
//!
//! Receipts go out in the order of the appends, each after every published batch that stands before its own: who has a receipt
//! has heard what was published before. After a refusal the stream ends.

use std::collections::VecDeque;
use std::time::Duration;

use axum::extract::ws::{Message as Frame, WebSocket};
use exhibit_schemas::event::Kind;
use exhibit_schemas::key::{KeyId, PublicKey};
use exhibit_schemas::merkle::Index;
use exhibit_schemas::wire::{Challenge, Hello, Message, Nonce, Refusal, RefusalCode, Welcome};
use tokio::sync::{broadcast, oneshot};

use crate::admission::refusal;
use crate::committer::Answer;
use crate::error::LedgerError;
use crate::ledger::{Ledger, PublishedBatch};

/// Batches of one stream that may be under way; past it, nothing more is read from the emitter.
const UNDER_WAY_MAX: usize = 64;

/// How long an emitter may take to say who it is.
const HELLO_WAIT: Duration = Duration::from_secs(10);

/// Why a stream ends.
#[derive(Debug, thiserror::Error)]
enum StreamEnd {
    /// The peer closed it, or it broke.
    #[error("the peer is gone")]
    Gone,
    /// The store failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The emitter is no proxy, or not any more.
    #[error("the emitter may not follow the log: {}", .0.text)]
    Refused(Refusal),
    /// Nothing random is to be had.
    #[error("the system gives no random bytes")]
    Random,
    /// The ledger stops.
    #[error("the committer is gone")]
    Stopped,
}

/// Batches of a stream that are not answered, oldest first.
type UnderWay = VecDeque<oneshot::Receiver<Answer>>;

/// Serves one stream until it ends.
pub async fn serve(ledger: Ledger, mut socket: WebSocket) {
    if let Err(end) = run(&ledger, &mut socket).await {
        if let StreamEnd::Refused(refusal) = &end {
            let _ = send(&mut socket, &Message::Refusal(refusal.clone())).await;
        }
        tracing::debug!(%end, "an append stream ended");
    }
    let _ = socket.send(Frame::Close(None)).await;
}

async fn run(ledger: &Ledger, socket: &mut WebSocket) -> Result<(), StreamEnd> {
    let greeted = tokio::time::timeout(HELLO_WAIT, greet(ledger, socket)).await;
    let Some(hello) = greeted.map_err(|_| StreamEnd::Gone)?? else {
        return Ok(());
    };
    let _turn = ledger.shared().turns.take(hello.emitter).await;
    let mut under_way = UnderWay::new();
    let end = serve_emitter(ledger, socket, &hello, &mut under_way).await;
    for answer in under_way {
        // Nobody is told, but the emitter's next stream begins where these leave its chain.
        let _ = answer.await;
    }
    end
}

async fn serve_emitter(
    ledger: &Ledger,
    socket: &mut WebSocket,
    hello: &Hello,
    under_way: &mut UnderWay,
) -> Result<(), StreamEnd> {
    // Subscribed before the store is read, so that no batch falls between.
    let mut news = ledger.subscribe();
    let (emitter, mut next) = (hello.emitter, hello.since);
    let shared = ledger.shared();
    let standing = shared.store.emitter(hello.emitter)?;
    let checkpoint = shared.head().note().to_owned();
    send(socket, &Message::Welcome(Welcome { checkpoint, standing })).await?;
    next = catch_up(ledger, socket, emitter, next).await?;
    loop {
        let room = under_way.len() < UNDER_WAY_MAX;
        let oldest = async {
            match under_way.front_mut() {
                Some(oldest) => oldest.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            answer = oldest => {
                under_way.pop_front();
                // The committer publishes before it answers, so this is what stands before the batch that is answered.
                next = publish_all(ledger, socket, emitter, &mut news, next).await?;
                match answer.map_err(|_| StreamEnd::Stopped)? {
                    Ok(receipt) => send(socket, &Message::Receipt(receipt)).await?,
                    Err(refusal) => return send(socket, &Message::Refusal(refusal)).await,
                }
            }
            () = ledger.stopping() => return Err(StreamEnd::Stopped),
            batch = news.recv() => match batch {
                Ok(batch) if batch.first >= next => next = publish(ledger, socket, emitter, batch).await?,
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => next = catch_up(ledger, socket, emitter, next).await?,
                Err(broadcast::error::RecvError::Closed) => return Err(StreamEnd::Stopped),
            },
            message = receive(socket), if room => match message? {
                Ok(Message::Append(append)) => under_way.push_back(ledger.submit(append).await),
                Ok(_) => return refuse(socket, "only appends follow the hello").await,
                Err(refusal) => return send(socket, &Message::Refusal(refusal)).await,
            },
        }
    }
}

/// Holds that what is published may go to this emitter: to a proxy in force.
fn may_follow(ledger: &Ledger, emitter: KeyId) -> Result<PublicKey, StreamEnd> {
    let keyring = ledger.shared().keyring();
    let proxy = keyring.may_emit(emitter, Kind::SessionOpened); // which proxies alone do
    proxy
        .map(|proxy| proxy.key)
        .map_err(|error| StreamEnd::Refused(refusal((0, 0), RefusalCode::Key, &error)))
}

/// The hello of a proxy in force that has proven its key on this stream.
async fn greet(ledger: &Ledger, socket: &mut WebSocket) -> Result<Option<Hello>, StreamEnd> {
    let mut nonce = Nonce([0; 32]);
    getrandom::fill(&mut nonce.0).map_err(|_| StreamEnd::Random)?;
    let challenge = Challenge { nonce };
    send(socket, &Message::Challenge(challenge.clone())).await?;
    let hello = match receive(socket).await? {
        Ok(Message::Hello(hello)) => hello,
        Ok(_) => return refuse(socket, "a stream begins with a hello").await.map(|()| None),
        Err(refusal) => return send(socket, &Message::Refusal(refusal)).await.map(|()| None),
    };
    let key = may_follow(ledger, hello.emitter)?;
    let proven = hello.verify(ledger.shared().keyring().origin(), &challenge, &key);
    proven.map_err(|error| StreamEnd::Refused(refusal((0, 0), RefusalCode::Forbidden, &error)))?;
    Ok(Some(hello))
}

/// Publishes what the store has from `next` on; gives the index after it.
async fn catch_up(ledger: &Ledger, socket: &mut WebSocket, emitter: KeyId, mut next: u64) -> Result<u64, StreamEnd> {
    for batch in ledger.published(next)? {
        // A commit in progress is not published before its head is; what follows it comes live, in order.
        if ledger.entry(Index(batch.first))?.is_none() {
            break;
        }
        next = publish(ledger, socket, emitter, batch).await?;
    }
    Ok(next)
}

/// Publishes what has come by now; gives the index after it.
async fn publish_all(
    ledger: &Ledger,
    socket: &mut WebSocket,
    emitter: KeyId,
    news: &mut broadcast::Receiver<PublishedBatch>,
    mut next: u64,
) -> Result<u64, StreamEnd> {
    use broadcast::error::TryRecvError;
    loop {
        match news.try_recv() {
            Ok(batch) if batch.first >= next => next = publish(ledger, socket, emitter, batch).await?,
            Ok(_) => {}
            Err(TryRecvError::Lagged(_)) => next = catch_up(ledger, socket, emitter, next).await?,
            Err(TryRecvError::Empty | TryRecvError::Closed) => return Ok(next),
        }
    }
}

async fn publish(
    ledger: &Ledger,
    socket: &mut WebSocket,
    emitter: KeyId,
    batch: PublishedBatch,
) -> Result<u64, StreamEnd> {
    may_follow(ledger, emitter)?; // it may have been revoked since
    let published = ledger.batch(batch)?;
    send(socket, &Message::Published(published)).await?;
    Ok(batch.first.saturating_add(batch.count).saturating_add(1))
}

/// The next message, or the refusal of one that cannot be read. Safe to drop while it waits.
async fn receive(socket: &mut WebSocket) -> Result<Result<Message, Refusal>, StreamEnd> {
    loop {
        return match socket.recv().await {
            Some(Ok(Frame::Binary(bytes))) => {
                Ok(Message::decode(&bytes).map_err(|error| refusal((0, 0), RefusalCode::Malformed, &error)))
            }
            Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => continue,
            Some(Ok(Frame::Text(_))) => Ok(Err(refusal((0, 0), RefusalCode::Malformed, &"messages are binary"))),
            Some(Ok(Frame::Close(_)) | Err(_)) | None => Err(StreamEnd::Gone),
        };
    }
}

async fn send(socket: &mut WebSocket, message: &Message) -> Result<(), StreamEnd> {
    let frame = Frame::Binary(message.encode().into());
    socket.send(frame).await.map_err(|_| StreamEnd::Gone)
}

async fn refuse(socket: &mut WebSocket, cause: &str) -> Result<(), StreamEnd> {
    send(
        socket,
        &Message::Refusal(refusal((0, 0), RefusalCode::Malformed, &cause)),
    )
    .await
}
