//! The gate of one proxy: the policy in force, the keys, and the way into the ledger.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use exhibit_policy::mask::MaskKey;
use exhibit_policy::readable::readable;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Principal, SessionOpened};
use exhibit_schemas::event::trust::{CatalogSnapshot, Fault, MaskKeyAnnounced};
use exhibit_schemas::event::{Body, SessionId, SessionPlace, Timestamp};

use crate::clock::Clock;
use crate::digest::DigestKey;
use crate::error::GateError;
use crate::grants::Grants;
use crate::hearing::Hearing;
pub use crate::in_force::{Changes, Replaced};
use crate::in_force::{Deciding, InForce, parts};
use crate::logins::{Like, Logins};
use crate::probes::Probes;
use crate::recorder::{Draft, Recorder, has_room, submit};
use crate::retries::Retries;
use crate::seen::Seen;
use crate::session::Session;
use crate::waits::{Runs, Waits};

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
    /// Whether its commands know nothing of each other, so that the same one is the same in every session.
    pub stateless: bool,
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
    /// What it came with: `api-key`, `oidc`, `client-certificate`, `aws-iam`.
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
    in_force: InForce,
    recorder: Arc<dyn Recorder>,
    clock: Arc<dyn Clock>,
    mask_key: MaskKey,
    digest_key: DigestKey,
    probes: Probes,
    logins: Arc<Logins>,
    retries: Retries,
    waits: Waits,
    runs: Runs,
    seen: Seen,
    grants: Grants,
    hearing: Arc<Hearing>,
    /// Digests of the documents last recorded for each target.
    catalogs: Mutex<BTreeMap<String, Vec<Digest>>>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Gate(policy {})", self.policy().digest())
    }
}

impl Gate {
    /// A gate with a policy and a key of masks in force; both are recorded before it returns. Where the trust anchors ask for
    /// signatures under policies, it waits until enough people have signed this one.
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
        let in_force = InForce::begin(policy, recorder.as_ref(), clock.as_ref()).await?;
        let announced = MaskKeyAnnounced {
            key: mask_key.id(),
            replaces: mask_key.replaced().to_vec(),
        };
        // A flush of its own: streams publish the batch that holds it.
        let draft = Draft {
            session: None,
            body: announced.into(),
        };
        submit(recorder.as_ref(), vec![draft]).await?.await?;
        let probes = Probes::starting(clock.now(), recorder.recorded_before());
        Ok(Self {
            inner: Arc::new(Inner {
                probes,
                logins: Logins::new(Arc::clone(&recorder), Arc::clone(&clock)),
                retries: Retries::default(),
                waits: Waits::default(),
                runs: Runs::default(),
                seen: Seen::begin(recorder.keeping()),
                grants: Grants::default(),
                hearing: Hearing::begin(recorder.as_ref()),
                in_force,
                recorder,
                clock,
                mask_key,
                digest_key: DigestKey::new(digest_key),
                catalogs: Mutex::new(BTreeMap::new()),
            }),
        })
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Snapshot> {
        self.inner.in_force.policy()
    }

    /// Is told when another policy comes into force.
    pub fn policy_changes(&self) -> Changes {
        self.inner.in_force.changes()
    }

    /// Records another policy and puts it in force. What was decided before goes on as it was decided, and each session
    /// decides its next command by the new one.
    ///
    /// # Errors
    /// [`GateError`] when it cannot be recorded, and [`GateError::Unsigned`]; then the policy before stays in force.
    pub async fn replace_policy(&self, policy: (Vec<u8>, Snapshot)) -> Result<Replaced, GateError> {
        self.inner.in_force.replace(policy, self.recorder(), self.clock()).await
    }

    /// Records that something went wrong beside all sessions; the text is ours and holds no value.
    ///
    /// # Errors
    /// [`GateError`].
    pub async fn record_fault(&self, place: &str, text: String) -> Result<(), GateError> {
        let place = place.to_owned();
        let body = Fault { place, text }.into();
        submit(self.recorder(), vec![Draft { session: None, body }])
            .await?
            .await?;
        Ok(())
    }

    /// The term of the policy in force.
    pub(crate) fn policy_term(&self) -> u64 {
        self.inner.in_force.term()
    }

    /// The policy in force, which stays in force while this is held.
    pub(crate) async fn deciding(&self) -> Deciding {
        self.inner.in_force.deciding().await
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

    pub(crate) fn waits(&self) -> &Waits {
        &self.inner.waits
    }

    pub(crate) fn runs(&self) -> &Runs {
        &self.inner.runs
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.inner.seen
    }

    pub(crate) fn grants(&self) -> &Grants {
        &self.inner.grants
    }

    pub(crate) fn hearing(&self) -> &Arc<Hearing> {
        &self.inner.hearing
    }

    pub(crate) fn digest_key(&self) -> &DigestKey {
        &self.inner.digest_key
    }

    pub(crate) fn recorder(&self) -> &dyn Recorder {
        self.inner.recorder.as_ref()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.inner.clock.as_ref()
    }

    /// A name that is data as evidence may show it: the words of a schema in it stay, identifiers do not
    /// ([`exhibit_policy::readable`]).
    pub fn readable(&self, name: &str) -> String {
        // Bytes that no command has, so that its digest says nothing of a command.
        let keyed = |found: &str| {
            self.digest_key()
                .digest(&[b"\0exhibit name\0", found.as_bytes()].concat())
        };
        readable(name, keyed)
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
            submit(self.recorder(), parts).await?.await?;
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
            stateless,
        } = opening;
        self.inner.in_force.said(self.recorder(), self.clock()).await?;
        has_room(self.recorder()).await?;
        let deciding = self.deciding().await;
        let policy = Arc::clone(&deciding.policy);
        let body = SessionOpened {
            target: target.clone(),
            protocol,
            principal: principal.clone(),
            peer,
            transport,
            policy: policy.snapshot().digest(),
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
        drop(deciding);
        // The session stands before its event does: when the caller goes away in between, its drop records the end.
        let session = Session::begin(
            self.clone(),
            id,
            (principal, expires),
            target,
            (&settings, stateless),
            policy,
        );
        match ticket.await {
            Ok(_) => Ok(session),
            Err(error) => Err(session.failed(error)),
        }
    }
}
