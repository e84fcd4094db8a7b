//! A command with its sealed copy, as the ledger shows and proves them; and the copy opened.
//!
//! Opening takes a [`Recorded`] reading, so nothing is decrypted before that it is read stands in the ledger.

use std::io::{BufReader, Read as _};
use std::path::Path;

use exhibit_gate::digest::DigestKey;
use exhibit_policy::decide::UNPROVEN;
use exhibit_policy::sealed::{COMMAND_BYTES_MAX, TOO_LONG};
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Attribute, Command, SEALED_PART_BYTES_MAX};
use exhibit_schemas::event::trust::{CopyPlace, EvidenceRead};
use exhibit_schemas::event::{Body, Event, SessionId, SessionPlace};
use exhibit_schemas::key::PublicKey;
use exhibit_schemas::merkle::Index;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::client::Client;
use crate::error::CliError;
use crate::files;
use crate::proven;

/// Parts of a copy at the most: of the longest command, with what encryption adds.
const PARTS_MAX: u64 = 300;
const _: () = assert!((COMMAND_BYTES_MAX + COMMAND_BYTES_MAX / 1_000) / SEALED_PART_BYTES_MAX < 300);

/// Why a command has no copy, where something else of its session follows it.
const UNASKED: &str = "its policy names no recipients for its target";

/// Why a copy is none.
const CUT: &str = "its parts are not all in the log";

/// Why a copy was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// Not the index of a command.
    #[error("entry {0} is no command; `exhibit search` and `exhibit replay` show the indexes of commands")]
    NoCommand(u64),
    /// There is none.
    #[error("command {index} has no sealed copy: {reason}")]
    None {
        /// Its index.
        index: u64,
        /// Why not.
        reason: &'static str,
    },
    /// The identity file is refused.
    #[error("the identity file is refused: {0}")]
    Identity(std::io::Error),
    /// No identity in the file.
    #[error("the identity file holds no identity: `AGE-SECRET-KEY-1…` is wanted")]
    NoIdentity,
    /// Encrypted to others.
    #[error(
        "the copy is encrypted to other recipients than those of the identity file; that you tried is recorded as entry {0}"
    )]
    Stranger(u64),
    /// Not what a proxy of ours writes.
    #[error("the copy cannot be opened ({error}); that you tried is recorded as entry {reveal}")]
    Damaged {
        /// What is wrong with it.
        error: String,
        /// Index of the reading.
        reveal: u64,
    },
    /// The bytes are not those of the digest.
    #[error(
        "the copy does not hold the bytes that its command's digest covers, or the digest key is another one; nothing is shown"
    )]
    Differs,
}

/// A command with the copy that follows it, proven to be a proxy's.
pub(crate) struct Copied {
    // Invariant: the events of one proxy that the ledger's head proves; the parts are all of the copy, in order.
    pub(crate) index: u64,
    pub(crate) place: SessionPlace,
    pub(crate) command: Command,
    pub(crate) copy: CopyPlace,
    sealed: Vec<u8>,
}

/// That a copy is read, as it stands in the ledger.
pub(crate) struct Recorded {
    // Invariant: the event at `index` names the copy, and the ledger's head proves it under the reader's own key.
    pub(crate) index: u64,
    copy: CopyPlace,
}

impl Copied {
    /// Fetches a command and its copy.
    ///
    /// # Errors
    /// [`CopyError`], and [`CliError::Untrusted`] for what is not proven.
    pub(crate) async fn fetch(client: &mut Client, trust: &TrustAnchors, index: u64) -> Result<Self, CliError> {
        let event = decode(&proven::of_proxy(client, trust, index).await?, index)?;
        let (Some(place), emitter, Body::Command(command)) = (event.session, event.emitter, event.body) else {
            return Err(CopyError::NoCommand(index).into());
        };
        let none = |reason| CopyError::None { index, reason };
        let cause = command.facts.attributes.get(UNPROVEN);
        if matches!(cause, Some(Attribute::Text(cause)) if cause == TOO_LONG) {
            return Err(none("it was denied for being too long for one").into());
        }
        let (mut sealed, mut copy) = (Vec::new(), None);
        let mut following = following(client, place.0, index).await?.into_iter();
        for part in 0..PARTS_MAX {
            let next = SessionPlace(place.0, place.1.saturating_add(1).saturating_add(part));
            let cut = || none(if part == 0 { UNASKED } else { CUT });
            let at = following.next().ok_or_else(cut)?;
            let bytes = client.fetch(&format!("/v1/entries/{at}")).await?;
            let event = decode(&bytes, at)?;
            let body = match event.body {
                Body::CommandSealed(body) if event.emitter == emitter && event.session == Some(next) => body,
                _ => return Err(cut().into()),
            };
            if proven::of_proxy(client, trust, at).await? != bytes || (body.command, body.part) != (place.1, part) {
                let reason = format!("entry {at} is not part {part} of the copy of command {index}");
                return Err(CliError::Untrusted(reason));
            }
            let leaf = Digest::leaf(&bytes);
            let copy = copy.get_or_insert(CopyPlace { index: Index(at), leaf });
            sealed.extend(body.bytes.0);
            if part.saturating_add(1) == body.parts {
                return Ok(Self {
                    index,
                    place,
                    copy: copy.clone(),
                    command,
                    sealed,
                });
            }
        }
        Err(none("it has more parts than a copy can have").into())
    }

    /// Opens the copy: the exact bytes of the command.
    ///
    /// # Errors
    /// [`CopyError::Stranger`], [`CopyError::Damaged`]; [`CopyError::Differs`] where a key of digests says that they are others.
    pub(crate) fn open(
        &self,
        recorded: &Recorded,
        identities: &Identities,
        digest_key: Option<&DigestKey>,
    ) -> Result<Zeroizing<Vec<u8>>, CopyError> {
        let reveal = recorded.index;
        let damaged = |error: String| CopyError::Damaged { error, reveal };
        if recorded.copy != self.copy {
            return Err(damaged("another copy was recorded as read".to_owned()));
        }
        let failed = |error: age::DecryptError| match error {
            age::DecryptError::NoMatchingKeys => CopyError::Stranger(reveal),
            error => damaged(error.to_string()),
        };
        let decryptor = age::Decryptor::new_buffered(self.sealed.as_slice()).map_err(failed)?;
        let identities = identities.0.iter().map(AsRef::as_ref);
        let reader = decryptor.decrypt(identities).map_err(failed)?;
        let mut exact = Zeroizing::new(Vec::with_capacity(self.sealed.len()));
        let limit = u64::try_from(self.sealed.len()).unwrap_or(u64::MAX);
        let read = reader.take(limit).read_to_end(&mut exact);
        read.map_err(|error| damaged(error.to_string()))?;
        match digest_key {
            Some(key) if key.digest(&exact) != self.command.digest => Err(CopyError::Differs),
            _ => Ok(exact),
        }
    }
}

impl Recorded {
    /// Takes the index that the ledger gave a reading, and has it prove that it holds exactly that reading under that key.
    ///
    /// # Errors
    /// [`CliError::Untrusted`].
    pub(crate) async fn prove(
        client: &mut Client,
        trust: &TrustAnchors,
        key: &PublicKey,
        index: u64,
        read: &EvidenceRead,
    ) -> Result<Self, CliError> {
        let event = decode(&proven::of_key(client, trust, key, index).await?, index)?;
        match (event.emitter.0 == key.id(), &event.body, &read.copy) {
            (true, Body::EvidenceRead(found), Some(copy)) if found == read => Ok(Self {
                index,
                copy: copy.clone(),
            }),
            _ => Err(CliError::Untrusted(format!(
                "entry {index} does not say what was signed"
            ))),
        }
    }
}

/// What opens copies.
pub(crate) struct Identities(Vec<Box<dyn age::Identity>>);

impl Identities {
    /// Reads an identity file that only its owner may read, as `age-keygen` makes it.
    ///
    /// # Errors
    /// [`files::FileError`], [`CopyError::Identity`], [`CopyError::NoIdentity`].
    pub(crate) fn read(path: &Path) -> Result<Self, CliError> {
        let text = files::read_secret_text(path)?;
        let file = age::IdentityFile::from_buffer(BufReader::new(text.as_bytes())).map_err(CopyError::Identity)?;
        let identities = file.into_identities().map_err(|_| CopyError::NoIdentity)?;
        if identities.is_empty() {
            return Err(CopyError::NoIdentity.into());
        }
        Ok(Self(identities))
    }
}

/// Where the ledger says that the events of a session stand which come after one of it.
async fn following(client: &mut Client, session: SessionId, after: u64) -> Result<Vec<u64>, CliError> {
    #[derive(Deserialize)]
    struct Listed {
        events: Vec<u64>,
    }
    let path = format!("/v1/sessions/{session}?from={}", after.saturating_add(1));
    Ok(client.fetch_json::<Listed>(&path).await?.events)
}

fn decode(bytes: &[u8], index: u64) -> Result<Event, CliError> {
    Event::decode(bytes).map_err(|error| CliError::Untrusted(format!("entry {index} is no event: {error}")))
}
