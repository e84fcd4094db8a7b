//! The issuers that are believed, and what a token of theirs has to be.
//!
//! Not here: fetching keys.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::Principal;
use jsonwebtoken::{Algorithm as Jwa, Validation, decode, decode_header};
use serde::Deserialize;

use super::claims::{self, Further, Payload};
use super::config::{Algorithm, Config};
use super::keys::{KeySet, Keys, KeysError, Source};
use crate::Identity;
use crate::fetch::Fetch;
use crate::once::{Once, Shown};

/// The `method` of a principal that came with a token.
pub const METHOD: &str = "oidc";

/// Bytes of a token at the most; those of CI services have some two thousand.
const TOKEN_BYTES_MAX: usize = 16 << 10;

/// Seconds that our clock may be behind the issuer's. Nothing is added to a token's expiry.
const SKEW_S: u64 = 30;

const US_PER_S: u64 = 1_000_000;

/// Why a token is refused. Nothing of the token is repeated but names of claims.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum TokenError {
    /// Longer than any token.
    #[error("it has more than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// Not three parts of which the first two are JSON.
    #[error("it is not a signed token (JWS, RFC 7515)")]
    Malformed,
    /// Of nobody who is believed.
    #[error("no issuer of the configuration made it")]
    Issuer,
    /// Signed otherwise than the configuration says.
    #[error("it is not signed with an algorithm that the configuration names for its issuer")]
    Algorithm,
    /// Its header asks for something.
    #[error("its header {0}")]
    Header(&'static str),
    /// There is no key to check it with.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The signature is not of its key.
    #[error("its signature is not good")]
    Signature,
    /// A claim is missing, or of another form.
    #[error("its claim `{claim}` {rule}")]
    Claim {
        /// The claim.
        claim: String,
        /// What is wrong with it.
        rule: &'static str,
    },
    /// Made out to somebody else.
    #[error("it is made out to another audience")]
    Audience,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come.
    #[error("it is not valid yet; is this machine's clock right?")]
    Early,
    /// Shown before, where a token is good once.
    #[error("it was used before")]
    Again,
    /// Nothing can be said of whether it was used before.
    #[error("whether it was used before is not known: {0}")]
    Unsure(&'static str),
}

impl From<claims::Fault> for TokenError {
    fn from(fault: claims::Fault) -> Self {
        Self::Claim {
            claim: fault.claim,
            rule: fault.rule,
        }
    }
}

/// The issuers that are believed, by URL.
#[derive(Debug, Default)]
pub struct Issuers(BTreeMap<String, Issuer>);

#[derive(Debug)]
struct Issuer {
    config: Config,
    keys: Keys,
    once: Once,
    /// When this process began to remember.
    since: Timestamp,
}

impl Issuers {
    /// Believes an issuer whose keys are fetched over TLS; `since` is the time at which this process starts.
    ///
    /// Returns false when there is one of this URL already.
    #[must_use]
    pub fn fetched(&mut self, config: Config, tls: rustls::ClientConfig, since: Timestamp) -> bool {
        let source = Source::Issuer {
            issuer: config.issuer.clone(),
            loopback: config.loopback(),
            fetch: Fetch::new(tls),
        };
        self.add(config, Keys::new(source, KeySet::default()), since)
    }

    /// Believes an issuer with the keys of a file (a JWK set).
    ///
    /// Returns false when there is one of this URL already.
    ///
    /// # Errors
    /// [`KeysError::Document`] when it holds no keys.
    pub fn with_keys(&mut self, config: Config, file: &[u8], since: Timestamp) -> Result<bool, KeysError> {
        let keys = Keys::new(Source::File, KeySet::parse(file)?);
        Ok(self.add(config, keys, since))
    }

    fn add(&mut self, config: Config, keys: Keys, since: Timestamp) -> bool {
        let issuer = Issuer {
            keys,
            once: Once::default(),
            since,
            config,
        };
        self.0.insert(issuer.config.issuer.clone(), issuer).is_none()
    }

    /// Who a token is of.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn identify(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let (signed, _signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let issuer = self.0.get(&named(signed)?).ok_or(TokenError::Issuer)?;
        let payload = issuer.verified(token).await?;
        issuer.accepted(&payload, Digest::of(signed.as_bytes()), now)
    }
}

/// The issuer that a token names. Nothing of it is believed: it only says whose keys are tried.
fn named(signed: &str) -> Result<String, TokenError> {
    #[derive(Deserialize)]
    struct Named {
        iss: String,
    }
    let (_header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenError::Malformed)?;
    let named: Named = serde_json::from_slice(&payload).map_err(|_| TokenError::Malformed)?;
    Ok(named.iss)
}

impl Issuer {
    /// The payload of a token that this issuer signed.
    async fn verified(&self, token: &str) -> Result<Payload, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Algorithm)?;
        let mut configured = self.config.algorithms.iter();
        let algorithm = *configured
            .find(|algorithm| algorithm.jwa() == header.alg)
            .ok_or(TokenError::Algorithm)?;
        // A token for another purpose must not be taken for one of identity (RFC 8725, 3.11).
        let kind = header.typ.as_deref().unwrap_or("JWT");
        if !["JWT", "at+jwt", "application/at+jwt"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(kind))
        {
            return Err(TokenError::Header("says that it is for another purpose (`typ`)"));
        }
        // What has to be understood and is not (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return Err(TokenError::Header("has extensions that have to be understood (`crit`)"));
        }
        let name = header.kid.ok_or(TokenError::Header("names no key (`kid`)"))?;
        let key = self.keys.get(&name, algorithm).await?;
        // The signature alone is checked there; claims are checked here, by our clock, and without leave for any of them.
        let mut signature = Validation::new(algorithm.jwa());
        signature.required_spec_claims.clear();
        (signature.validate_exp, signature.validate_nbf, signature.validate_aud) = (false, false, false);
        match decode::<Payload>(token, &key, &signature) {
            Ok(token) => Ok(token.claims),
            Err(error) => Err(match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::Signature,
                jsonwebtoken::errors::ErrorKind::Json(_) => TokenError::Claim {
                    claim: "iss, sub, aud, exp, nbf, iat or jti".to_owned(),
                    rule: "is missing, stands twice, or is of another type than RFC 7519 says",
                },
                _ => TokenError::Malformed,
            }),
        }
    }

    /// Holds the claims against the configuration and the clock.
    fn accepted(&self, payload: &Payload, evidence: Digest, now: Timestamp) -> Result<Identity, TokenError> {
        if payload.iss != self.config.issuer {
            return Err(TokenError::Issuer);
        }
        if !payload.aud.names(&self.config.audience) {
            return Err(TokenError::Audience);
        }
        let now_s = now.0 / US_PER_S;
        let latest = now_s.saturating_add(SKEW_S);
        if now_s >= payload.exp {
            return Err(TokenError::Expired);
        }
        if payload.nbf.is_some_and(|from| from > latest) || payload.iat.is_some_and(|from| from > latest) {
            return Err(TokenError::Early);
        }
        let Further { client_id, groups, run } =
            claims::further(payload, self.config.claims, self.config.groups.as_deref())?;
        let expires = Timestamp(payload.exp.saturating_mul(US_PER_S));
        if self.config.once {
            self.first(payload, expires, now)?;
        }
        Ok(Identity {
            principal: Principal {
                method: METHOD.to_owned(),
                issuer: payload.iss.clone(),
                subject: payload.sub.clone(),
                client_id,
                groups,
                evidence,
                run,
            },
            expires: Some(expires),
        })
    }

    /// Holds that a token is shown for the first time.
    fn first(&self, payload: &Payload, expires: Timestamp, now: Timestamp) -> Result<(), TokenError> {
        let missing = |claim: &str| TokenError::Claim {
            claim: claim.to_owned(),
            rule: "is missing, and without it nobody knows whether the token was used before",
        };
        let identifier = payload.jti.as_deref().ok_or_else(|| missing("jti"))?;
        let issued = payload.iat.ok_or_else(|| missing("iat"))?;
        if issued.saturating_mul(US_PER_S) < self.since.0 {
            return Err(TokenError::Unsure(
                "it was issued before this proxy was started; get a new one",
            ));
        }
        match self.once.show(identifier, expires, now) {
            Shown::First => Ok(()),
            Shown::Again => Err(TokenError::Again),
            Shown::Full => Err(TokenError::Unsure("too many tokens are good at this time")),
        }
    }
}

impl Algorithm {
    /// Its name (RFC 7518, RFC 8037).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    fn jwa(self) -> Jwa {
        match self {
            Self::Rs256 => Jwa::RS256,
            Self::Ps256 => Jwa::PS256,
            Self::Es256 => Jwa::ES256,
            Self::Es384 => Jwa::ES384,
            Self::EdDsa => Jwa::EdDSA,
        }
    }
}
