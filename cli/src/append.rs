//! One batch of a person or an administrator: where its key stands, the seal, the ledger's receipt, and the proof that it is in the log.
//!
//! Every such batch begins a new boot of its key, so the tool keeps no state between two runs.

use exhibit_gate::clock::Clock;
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::{Body, Emitter, Event, EventError};
use exhibit_schemas::key::Signer;
use exhibit_schemas::seal::{Chain, SealError, Sealed};
use exhibit_schemas::wire::{Append, Message, Receipt, RefusalCode};
use serde::Deserialize;

use crate::client::{self, Client, ClientError};
use crate::proven;

/// Where a batch is sent.
const APPEND_PATH: &str = "/v1/append";

/// Why a batch is not in the ledger.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    /// The ledger gave no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The events cannot be encoded.
    #[error("what was to be signed cannot be recorded: {0}")]
    Event(#[from] EventError),
    /// The key did not sign.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The ledger refused.
    #[error("the ledger refused it ({code}): {text}")]
    Refused {
        /// The cause, for programs.
        code: RefusalCode,
        /// The cause, for people.
        text: String,
    },
    /// An answer that is none.
    #[error("the ledger answered with something that is no receipt; whether it took the batch is unknown")]
    NoReceipt,
    /// A receipt for what the ledger does not prove to hold.
    #[error("the ledger says that it took what was signed as entry {entry}, and does not prove it: {reason}")]
    Unproven {
        /// The entry.
        entry: u64,
        /// Why not.
        reason: String,
    },
}

/// `/v1/emitters/{key}`: where a key stands.
#[derive(Debug, Deserialize)]
struct StandingAnswer {
    boot: u64,
    previous: String,
}

/// Seals events of one key as a batch and hands it to the ledger, which then has to prove that they stand in its log: a ledger that drops a
/// refusal must not have it said that it was taken.
///
/// # Errors
/// [`AppendError`].
pub(crate) async fn append(
    client: &mut Client,
    trust: &TrustAnchors,
    clock: &dyn Clock,
    signer: &impl Signer,
    bodies: Vec<Body>,
) -> Result<Receipt, AppendError> {
    let (sealed, receipt) = hand_over(client, clock, signer, bodies).await?;
    let (entry, key) = (receipt.first, signer.public_key());
    for (index, event) in (entry..).zip(sealed.events()) {
        let proven = proven::stands(client, trust, &key, index, &event.0).await;
        proven.map_err(|error| AppendError::Unproven {
            entry,
            reason: error.to_string(),
        })?;
    }
    Ok(receipt)
}

async fn hand_over(
    client: &mut Client,
    clock: &dyn Clock,
    signer: &impl Signer,
    bodies: Vec<Body>,
) -> Result<(Sealed, Receipt), AppendError> {
    let path = format!("/v1/emitters/{}", signer.public_key().id());
    let standing = match client.find(&path).await? {
        Some(body) => client::read_json::<Option<StandingAnswer>>(&path, &body)?,
        None => None,
    };
    let chain = next_boot(&path, clock, standing)?;
    let sealed = seal(clock, signer, chain, bodies)?;
    let message = Message::Append(Append {
        events: sealed.events().to_vec(),
        seal: sealed.seal_bytes().clone(),
    });
    let answer = client.post(APPEND_PATH, message.encode()).await?;
    match Message::decode(&answer.body) {
        Ok(Message::Receipt(receipt)) => Ok((sealed, receipt)),
        Ok(Message::Refusal(refusal)) => Err(AppendError::Refused {
            code: refusal.code,
            text: refusal.text,
        }),
        _ => Err(AppendError::NoReceipt),
    }
}

/// Seals events as the first batch of a boot, or the next one of `chain`.
///
/// # Errors
/// [`AppendError::Event`], [`AppendError::Seal`].
pub(crate) fn seal(
    clock: &dyn Clock,
    signer: &impl Signer,
    chain: Chain,
    bodies: Vec<Body>,
) -> Result<Sealed, AppendError> {
    let encode = |body| {
        let event = Event {
            time: clock.now(),
            emitter: Emitter(signer.public_key().id(), chain.boot),
            session: None,
            body,
        };
        event.encode()
    };
    let events = bodies.into_iter().map(encode).collect::<Result<_, _>>()?;
    Ok(Sealed::seal(events, chain, signer)?)
}

/// A new boot after everything that the key has sealed.
fn next_boot(path: &str, clock: &dyn Clock, standing: Option<StandingAnswer>) -> Result<Chain, ClientError> {
    let now = clock.now().0;
    let Some(standing) = standing else {
        return Ok(Chain {
            boot: now,
            sequence: 0,
            previous: None,
        });
    };
    let previous = Digest::from_hex(&standing.previous).ok_or_else(|| ClientError::Answer {
        path: path.to_owned(),
        reason: "`previous` is not a digest".to_owned(),
    })?;
    Ok(Chain {
        boot: now.max(standing.boot.saturating_add(1)),
        sequence: 0,
        previous: Some(previous),
    })
}
