//! An issuer's keys: fetched when they are needed, kept, and fetched again when they age or when a token names one that is not
//! among them.
//!
//! ```text
//! age of what is kept      0 ─────────── an hour ─────────────────────── a day ──────────▶
//! a key that is there      used          fetched again; if that fails,    refused until a
//!                                        used all the same                fetch succeeds
//! a key that is not there  fetched again, at most every ten seconds; then refused
//! ```
//!
//! **Invariant:** whoever makes up names of keys causes one fetch in [`AGAIN`], and nobody with a key that is there waits for it.
//!
//! Not here: what a token says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use serde::Deserialize;
use tokio::time::Instant;

use super::config::{Algorithm, fetchable};
use crate::fetch::{Fetch, FetchError};

/// How long keys are used without asking again. Issuers publish a key a day or more before they sign with it.
const FRESH: Duration = Duration::from_hours(1);

/// How long keys are used when the issuer does not answer. A key that it withdrew meanwhile is believed for as long.
const STALE: Duration = Duration::from_hours(24);

/// Time between two attempts at the least.
const AGAIN: Duration = Duration::from_secs(10);

/// Keys of one set that are looked at, at the most.
const KEYS_MAX: usize = 256;

/// Where discovery documents are, below the issuer (OpenID Connect Discovery 1.0, section 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Why there is no key.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum KeysError {
    /// The issuer has no such key, as far as is known.
    #[error("the issuer has no key of this name that signs with this algorithm")]
    Unknown,
    /// The issuer's documents could not be fetched, and nothing recent is kept.
    #[error("the issuer's keys are not known: {0}")]
    Fetch(#[from] FetchError),
    /// A document is not what it has to be.
    #[error("the issuer's keys are not known: {0}")]
    Document(&'static str),
}

/// A set of public keys, by name.
#[derive(Default)]
pub(crate) struct KeySet(BTreeMap<String, Vec<(Jwk, DecodingKey)>>);

impl KeySet {
    /// Reads a JWK set (RFC 7517, section 5). Keys of other kinds and for other uses are passed over, as it says.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, KeysError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let set: Set = serde_json::from_slice(bytes).map_err(|_| KeysError::Document("it is no JWK set"))?;
        if set.keys.len() > KEYS_MAX {
            return Err(KeysError::Document("the set has more than 256 keys"));
        }
        let mut keys: BTreeMap<String, Vec<(Jwk, DecodingKey)>> = BTreeMap::new();
        for key in set.keys {
            let Ok(key) = serde_json::from_value::<Jwk>(key) else {
                continue;
            };
            let (Some(name), true) = (key.common.key_id.clone(), for_signatures(&key)) else {
                continue;
            };
            if let Ok(public) = DecodingKey::from_jwk(&key) {
                keys.entry(name).or_default().push((key, public));
            }
        }
        if keys.is_empty() {
            return Err(KeysError::Document(
                "the set has no public key with a name that is for signatures",
            ));
        }
        Ok(Self(keys))
    }

    fn get(&self, name: &str, algorithm: Algorithm) -> Option<DecodingKey> {
        let named = self.0.get(name)?;
        let fits = named.iter().find(|(key, _)| signs_with(key, algorithm));
        fits.map(|(_, public)| public.clone())
    }
}

fn for_signatures(key: &Jwk) -> bool {
    // A secret that is published is none; nothing symmetric is ever taken.
    if matches!(
        key.algorithm,
        AlgorithmParameters::OctetKey(_) | AlgorithmParameters::Other(_)
    ) {
        return false;
    }
    let purpose = key.common.public_key_use.as_ref();
    let operations = key.common.key_operations.as_ref();
    purpose.is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
        && operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify))
}

/// Whether a key is of the kind that an algorithm takes, and is not set aside for another one.
fn signs_with(key: &Jwk, algorithm: Algorithm) -> bool {
    let kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::Rs256 | Algorithm::Ps256) => true,
        (AlgorithmParameters::EllipticCurve(point), Algorithm::Es256) => point.curve == EllipticCurve::P256,
        (AlgorithmParameters::EllipticCurve(point), Algorithm::Es384) => point.curve == EllipticCurve::P384,
        (AlgorithmParameters::OctetKeyPair(point), Algorithm::EdDsa) => point.curve == EllipticCurve::Ed25519,
        _ => false,
    };
    let alone = key.common.key_algorithm.as_ref();
    kind && alone.is_none_or(|alone| alone.to_string() == algorithm.name())
}

/// Where keys come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// They are these, until the process ends.
    File,
    /// The issuer publishes them.
    Issuer {
        issuer: String,
        loopback: bool,
        fetch: Fetch,
    },
}

/// The keys of one issuer.
pub(crate) struct Keys {
    source: Source,
    state: Mutex<State>,
    /// Held while the issuer is asked, so that it is asked once.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    set: Arc<KeySet>,
    /// When `set` was fetched; `None` before the first time.
    fetched: Option<Instant>,
    attempted: Option<Instant>,
    failure: Option<KeysError>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Keys({:?})", self.source)
    }
}

impl Keys {
    pub(crate) fn new(source: Source, set: KeySet) -> Self {
        let state = State {
            set: Arc::new(set),
            ..State::default()
        };
        Self {
            source,
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// The key of this name that signs with this algorithm.
    pub(crate) async fn get(&self, name: &str, algorithm: Algorithm) -> Result<DecodingKey, KeysError> {
        let Source::Issuer {
            issuer,
            loopback,
            fetch,
        } = &self.source
        else {
            return self.kept(Duration::MAX).get(name, algorithm).ok_or(KeysError::Unknown);
        };
        if let Some(key) = self.kept(FRESH).get(name, algorithm) {
            return Ok(key);
        }
        let _turn = self.turn.lock().await;
        // Somebody else may have had the turn just before.
        if let Some(key) = self.kept(FRESH).get(name, algorithm) {
            return Ok(key);
        }
        if self.may_ask() {
            let outcome = ask(issuer, *loopback, fetch).await;
            self.note(outcome);
        }
        let key = self.kept(STALE).get(name, algorithm);
        key.ok_or_else(|| self.with(|state| state.failure.clone()).unwrap_or(KeysError::Unknown))
    }

    /// What is kept, unless it is older than this.
    fn kept(&self, at_most: Duration) -> Arc<KeySet> {
        self.with(|state| match state.fetched {
            Some(fetched) if fetched.elapsed() >= at_most => Arc::default(),
            _ => Arc::clone(&state.set),
        })
    }

    fn may_ask(&self) -> bool {
        self.with(|state| {
            let may = state.attempted.is_none_or(|attempted| attempted.elapsed() >= AGAIN);
            if may {
                // Noted before the issuer is asked: a caller that goes away in the middle has asked, too.
                state.attempted = Some(Instant::now());
            }
            may
        })
    }

    fn note(&self, outcome: Result<KeySet, KeysError>) {
        self.with(|state| match outcome {
            Ok(set) => {
                state.set = Arc::new(set);
                state.fetched = Some(Instant::now());
                state.failure = None;
            }
            Err(error) => {
                tracing::warn!(%error, "an issuer's keys were not fetched");
                state.failure = Some(error);
            }
        });
    }

    fn with<Out>(&self, of: impl FnOnce(&mut State) -> Out) -> Out {
        of(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Asks the issuer where its keys are, and for these.
async fn ask(issuer: &str, loopback: bool, fetch: &Fetch) -> Result<KeySet, KeysError> {
    #[derive(Deserialize)]
    struct Discovery {
        issuer: String,
        jwks_uri: String,
    }
    let url = format!("{}{DISCOVERY}", issuer.trim_end_matches('/'));
    let at = |url: &str| {
        fetchable(url, loopback).ok_or(KeysError::Document("it names a place of its keys that is not https"))
    };
    let document = fetch.document(&at(&url)?, None).await?;
    let discovery: Discovery =
        serde_json::from_slice(&document).map_err(|_| KeysError::Document("its discovery document cannot be read"))?;
    // Otherwise one issuer could speak for another (OpenID Connect Discovery 1.0, section 4.3).
    if discovery.issuer != issuer {
        return Err(KeysError::Document("its discovery document is that of another issuer"));
    }
    KeySet::parse(&fetch.document(&at(&discovery.jwks_uri)?, None).await?)
}
