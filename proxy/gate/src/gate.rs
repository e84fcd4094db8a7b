//! The gate of one proxy: the policy in force, the keys, and the way into the ledger.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use exhibit_policy::mask::MaskKey;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Principal, SessionOpened};
use exhibit_schemas::event::trust::{CatalogSnapshot, MaskKeyAnnounced, PolicySnapshot};
use exhibit_schemas::event::{Body, SessionId, SessionPlace, Timestamp};

use crate::clock::Clock;
use crate::digest::DigestKey;
use crate::error::GateError;
use crate::logins::{Like, Logins};
use crate::probes::Probes;
use crate::recorder::{Draft, Recorder};
use crate::retries::Retries;
use crate::sealed::Sealing;
use crate::session::Session;

/// Bytes of one part of a snapshot; a part and its framing fit an event.
const PART_BYTES: usize = 60_000;

/// Bytes of a catalog at the most; some hundred thousand columns. A longer one is refused.
pub const CATALOG_BYTES_MAX: usize = 32 << 20;

/// Bytes of what a client says of itself that are recorded.
const CLAIM_BYTES_MAX: usize = 256;

/// A part of a catalog as it is recorded: one document, and its digest.
#[derive(Debug)]
pub struct CatalogDocument {
    bytes: Vec<u8>,
    digest: Digest,
}

impl CatalogDocument {
    /// Takes the document's bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        let digest = Digest::of(&bytes);
        Self { bytes, digest }
    }

    /// SHA-256 of its bytes, by which its events and other documents name it.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The document.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Who comes, and to what.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Name of the target.
    pub target: String,
    /// `postgres`, `s3`, `kubernetes`.
    pub protocol: String,
    /// Who it is.
    pub principal: Principal,
    /// When what it proved itself with expires.
    pub expires: Option<Timestamp>,
    /// Address and port.
    pub peer: String,
    /// TLS version and cipher suite.
    pub transport: String,
    /// Name that the client gives itself.
    pub client: Option<String>,
    /// What it chose for its session, by name: commands may go by it.
    pub settings: Vec<(String, String)>,
}

/// Somebody who was not let in.
#[derive(Clone, Debug)]
pub struct RefusedLogin {
    /// Name of the target.
    pub target: String,
    /// `postgres`, `s3`, `kubernetes`.
    pub protocol: &'static str,
    /// Its address.
    pub peer: IpAddr,
    /// What it came with: `api-key`, `oidc`, `client-certificate`.
    pub method: &'static str,
    /// Why: `unknown`, `expired`, `target`, `token`, `user`, `certificate`.
    pub reason: &'static str,
    /// The user name that it gave.
    pub user: String,
    /// Whether that is one that the proxy knows, so that it may be recorded.
    pub known: bool,
}

/// The gate of one proxy.
#[derive(Clone)]
pub struct Gate {
    inner: Arc<Inner>,
}

struct Inner {
    policy: Arc<Snapshot>,
    recorder: Arc<dyn Recorder>,
    clock: Arc<dyn Clock>,
    mask_key: MaskKey,
    digest_key: DigestKey,
    /// To whom exact commands are encrypted, by target.
    sealing: BTreeMap<String, Arc<Sealing>>,
    probes: Probes,
    logins: Arc<Logins>,
    retries: Retries,
    /// Digests of the documents last recorded for each target.
    catalogs: Mutex<BTreeMap<String, Vec<Digest>>>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Gate(policy {})", self.inner.policy.digest())
    }
}

impl Gate {
    /// A gate with a policy and a key of masks in force; both are recorded before it returns.
    ///
    /// # Errors
    /// [`GateError`] when they cannot be recorded: the ledger refuses a key of masks that does not follow the last one. And
    /// where nothing can be encrypted to a recipient of the policy.
    pub async fn start(
        policy: (Vec<u8>, Snapshot),
        recorder: Arc<dyn Recorder>,
        clock: Arc<dyn Clock>,
        mask_key: MaskKey,
        digest_key: [u8; 32],
    ) -> Result<Self, GateError> {
        let (bytes, snapshot) = policy;
        let sealing = sealing(&snapshot)?;
        let digest = snapshot.digest();
        let parts = parts(&bytes, |part, parts, bytes| {
            Body::PolicySnapshot(PolicySnapshot {
                policy: digest,
                part,
                parts,
                bytes,
            })
        });
        recorder.submit(parts)?.await?;
        let announced = MaskKeyAnnounced {
            key: mask_key.id(),
            replaces: mask_key.replaced().to_vec(),
        };
        // A flush of its own: streams publish the batch that holds it.
        let draft = Draft {
            session: None,
            body: announced.into(),
        };
        recorder.submit(vec![draft])?.await?;
        let probes = Probes::starting(clock.now(), recorder.recorded_before());
        Ok(Self {
            inner: Arc::new(Inner {
                probes,
                logins: Logins::new(Arc::clone(&recorder), Arc::clone(&clock)),
                retries: Retries::default(),
                policy: Arc::new(snapshot),
                recorder,
                clock,
                mask_key,
                digest_key: DigestKey::new(digest_key),
                sealing,
                catalogs: Mutex::new(BTreeMap::new()),
            }),
        })
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Snapshot> {
        Arc::clone(&self.inner.policy)
    }

    /// The key of tokens.
    pub fn mask_key(&self) -> &MaskKey {
        &self.inner.mask_key
    }

    pub(crate) fn probes(&self) -> &Probes {
        &self.inner.probes
    }

    pub(crate) fn retries(&self) -> &Retries {
        &self.inner.retries
    }

    pub(crate) fn digest_key(&self) -> &DigestKey {
        &self.inner.digest_key
    }

    /// To whom exact commands to a target are encrypted; `None` where they are not to be kept.
    pub(crate) fn sealing(&self, target: &str) -> Option<Arc<Sealing>> {
        self.inner.sealing.get(target).map(Arc::clone)
    }

    pub(crate) fn recorder(&self) -> &dyn Recorder {
        self.inner.recorder.as_ref()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.inner.clock.as_ref()
    }

    /// The time, by the clock that events have theirs from.
    pub fn now(&self) -> Timestamp {
        self.clock().now()
    }

    /// Takes it that somebody was not let in; recorded at once or, if it is like others, within a minute.
    pub fn login_refused(&self, refused: RefusedLogin) {
        let RefusedLogin {
            target,
            protocol,
            peer,
            method,
            reason,
            user,
            known,
        } = refused;
        // Bytes that no command has, so that its digest says nothing of a command.
        let named = [b"\0exhibit login\0", user.as_bytes()].concat();
        self.inner.logins.refused(Like {
            target,
            protocol: protocol.to_owned(),
            peer: peer.to_string(),
            method: method.to_owned(),
            reason: reason.to_owned(),
            named: self.digest_key().digest(&named),
            user: known.then_some(user),
        });
    }

    /// Records what is counted of those who were not let in and not recorded yet; for the end of a listener.
    pub async fn settle_logins(&self) {
        self.inner.logins.settle().await;
    }

    /// Records a target's catalog: documents of which each stands on the one before it. Those that were recorded last are
    /// not recorded again.
    ///
    /// # Errors
    /// [`GateError`].
    pub async fn record_catalog(&self, target: &str, documents: &[&CatalogDocument]) -> Result<(), GateError> {
        if let Some(long) = documents
            .iter()
            .find(|document| document.bytes.len() > CATALOG_BYTES_MAX)
        {
            let bytes = long.bytes.len();
            return Err(GateError::Event(exhibit_schemas::event::EventError::TooLong { bytes }));
        }
        let digests: Vec<Digest> = documents.iter().map(|document| document.digest).collect();
        let same = {
            let catalogs = self.inner.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
            let known = catalogs.get(target).map_or(&[][..], Vec::as_slice);
            known
                .iter()
                .zip(&digests)
                .take_while(|(known, new)| known == new)
                .count()
        };
        let new = documents.get(same..).unwrap_or_default();
        if new.is_empty() {
            return Ok(());
        }
        for document in new {
            let parts = parts(&document.bytes, |part, parts, bytes| {
                Body::CatalogSnapshot(CatalogSnapshot {
                    target: target.to_owned(),
                    catalog: document.digest,
                    part,
                    parts,
                    bytes,
                })
            });
            self.recorder().submit(parts)?.await?;
        }
        let mut catalogs = self.inner.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
        catalogs.insert(target.to_owned(), digests);
        Ok(())
    }

    /// Opens a session: its first event is durable when this returns.
    ///
    /// # Errors
    /// [`GateError`].
    pub async fn open(&self, opening: Opening) -> Result<Session, GateError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| GateError::Random)?;
        let id = SessionId(id);
        let Opening {
            target,
            protocol,
            principal,
            expires,
            peer,
            transport,
            client,
            settings,
        } = opening;
        let body = SessionOpened {
            target: target.clone(),
            protocol,
            principal: principal.clone(),
            peer,
            transport,
            policy: self.inner.policy.digest(),
            client: client.map(|mut client| {
                client.truncate(client.floor_char_boundary(CLAIM_BYTES_MAX));
                client
            }),
            expires,
            mask_key: Some(self.inner.mask_key.id()),
        };
        let draft = Draft {
            session: Some(SessionPlace(id, 0)),
            body: body.into(),
        };
        let ticket = self.recorder().submit(vec![draft])?;
        // The session stands before its event does: when the caller goes away in between, its drop records the end.
        let session = Session::begin(self.clone(), id, principal, expires, target, &settings);
        match ticket.await {
            Ok(_) => Ok(session),
            Err(error) => Err(session.failed(error)),
        }
    }
}

/// To whom exact commands to each target of a policy are encrypted.
fn sealing(policy: &Snapshot) -> Result<BTreeMap<String, Arc<Sealing>>, GateError> {
    let mut sealing = BTreeMap::new();
    for target in policy.targets() {
        if let Some(to) = Sealing::new(policy.recipients(&target.name))? {
            sealing.insert(target.name.clone(), Arc::new(to));
        }
    }
    Ok(sealing)
}

/// Cuts bytes into the parts of a snapshot; no bytes are one empty part.
fn parts(bytes: &[u8], body: impl Fn(u64, u64, Bytes) -> Body) -> Vec<Draft> {
    let count = u64::try_from(bytes.len().div_ceil(PART_BYTES).max(1)).unwrap_or(u64::MAX);
    let draft = |(part, bytes): (u64, &[u8])| Draft {
        session: None,
        body: body(part, count, Bytes(bytes.to_vec())),
    };
    if bytes.is_empty() {
        return vec![draft((0, bytes))];
    }
    (0..).zip(bytes.chunks(PART_BYTES)).map(draft).collect()
}
