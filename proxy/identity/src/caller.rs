//! The one question of every protocol: who comes with this name, and this secret or certificate?
//!
//! Not here: how a protocol carries them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::Principal;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use tokio::sync::watch;

use crate::api_key::{ApiKeys, Held};
use crate::aws::{AwsError, Endpoints};
use crate::certificate::{CertificateError, Certificates, ConfigError, unix};
use crate::oidc::{Issuers, TokenError};
use crate::{IdentityError, api_key, aws, certificate, oidc};

/// The user name that goes with any token: the subject stands in the token, and client libraries ask for a name all the same.
pub const TOKEN_USER: &str = "oidc";

/// The user name that goes with any request that was signed for AWS, for the same reason.
pub const AWS_USER: &str = "aws";

/// The user name that goes with any client certificate, for the same reason.
pub const CERTIFICATE_USER: &str = "certificate";

/// Who calls, and until when what it came with is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who it is.
    pub principal: Principal,
    /// When its credential expires; `None` for one that does not.
    pub expires: Option<Timestamp>,
}

/// A caller that was let in.
#[derive(Debug)]
pub struct Admitted {
    /// Who it is.
    pub identity: Identity,
    /// Whether what it came with stands still.
    pub standing: Standing,
}

/// Why a caller is not let in. Nothing of what it came with is repeated.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// By its API key. Neither name nor key is told apart.
    #[error("the user or its API key is not known, or has expired")]
    ApiKey(IdentityError),
    /// A good API key that was made for other targets.
    #[error("the API key is not for this target")]
    Target,
    /// By its token.
    #[error("the token is refused: {0}")]
    Token(#[from] TokenError),
    /// A good token under another name.
    #[error("the token is refused: the user name is neither its subject nor `{TOKEN_USER}`")]
    User,
    /// By its signed request.
    #[error("the AWS token is refused: {0}")]
    Aws(#[from] AwsError),
    /// A good one under another name.
    #[error("the AWS token is refused: the user name is neither its role's ARN nor `{AWS_USER}`")]
    AwsUser,
    /// By its client certificate.
    #[error("the client certificate is refused: {0}")]
    Certificate(#[from] CertificateError),
}

impl Refusal {
    /// What the caller came with, as the method of a principal, and why it is not let in, in one word for evidence.
    pub fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::ApiKey(IdentityError::Expired) => (api_key::METHOD, "expired"),
            Self::ApiKey(_) => (api_key::METHOD, "unknown"),
            Self::Target => (api_key::METHOD, "target"),
            Self::Token(_) => (oidc::METHOD, "token"),
            Self::User => (oidc::METHOD, "user"),
            Self::Aws(_) => (aws::METHOD, "token"),
            Self::AwsUser => (aws::METHOD, "user"),
            Self::Certificate(_) => (certificate::METHOD, "certificate"),
        }
    }
}

/// Everybody who may call, by whatever they come with.
#[derive(Debug)]
pub struct Callers {
    api_keys: ArcSwap<ApiKeys>,
    issuers: Issuers,
    aws: Endpoints,
    certificates: Arc<Certificates>,
    /// Told whenever something may have been revoked.
    changed: watch::Sender<()>,
}

impl Callers {
    /// Those with these keys, with tokens of these issuers, with requests to these endpoints of AWS, and with certificates of these
    /// authorities.
    pub fn new(api_keys: ApiKeys, issuers: Issuers, aws: Endpoints, certificates: Certificates) -> Self {
        Self {
            api_keys: ArcSwap::from_pointee(api_keys),
            issuers,
            aws,
            certificates: Arc::new(certificates),
            changed: watch::channel(()).0,
        }
    }

    /// How a TLS handshake takes client certificates; `None` where none is taken, so none is asked for.
    pub fn client_verifier(&self) -> Option<Arc<dyn ClientCertVerifier>> {
        if self.certificates.is_empty() {
            return None;
        }
        Some(Arc::<Certificates>::clone(&self.certificates))
    }

    /// Who comes to a target with this secret under this user name.
    ///
    /// Which way it is checked goes by its form alone: what begins as a signed request is one, another text with two dots is a token,
    /// and everything else an API key.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn identify(
        self: &Arc<Self>,
        user: &str,
        secret: &str,
        target: &str,
        now: Timestamp,
    ) -> Result<Admitted, Refusal> {
        // Before anything is looked at: what is revoked meanwhile is missed by nobody.
        let changed = self.changed.subscribe();
        if secret.starts_with(aws::PREFIX) {
            let identity = self.aws.identify(secret, now).await?;
            if user != AWS_USER && user != identity.principal.subject {
                return Err(Refusal::AwsUser);
            }
            let standing = Standing(None);
            return Ok(Admitted { identity, standing });
        }
        if secret.bytes().filter(|byte| *byte == b'.').count() == 2 {
            let identity = self.issuers.identify(secret, now).await?;
            if user != TOKEN_USER && user != identity.principal.subject {
                return Err(Refusal::User);
            }
            let standing = Standing(None);
            return Ok(Admitted { identity, standing });
        }
        let found = self.api_keys.load().identify(user, secret, now);
        let (identity, held) = found.map_err(Refusal::ApiKey)?;
        if !held.reaches(target) {
            return Err(Refusal::Target);
        }
        let standing = Standing::of(self, Credential::ApiKey(held), changed);
        Ok(Admitted { identity, standing })
    }

    /// Who comes with this chain, if the user name is one that goes with it; `None` for another, which a secret may go with.
    ///
    /// # Errors
    /// [`Refusal::Certificate`].
    pub fn certified(
        self: &Arc<Self>,
        user: &str,
        chain: &[CertificateDer<'static>],
        now: Timestamp,
    ) -> Result<Option<Admitted>, Refusal> {
        let changed = self.changed.subscribe();
        let identity = match self.certificates.identify(chain, now) {
            Ok(identity) => identity,
            // Clients send what certificate they find, whether or not it is meant for this proxy.
            Err(_) if user != CERTIFICATE_USER => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if user != CERTIFICATE_USER && user != identity.principal.subject {
            return Ok(None);
        }
        let credential = Credential::Certificate {
            chain: chain.to_vec(),
            shown: unix(now),
        };
        let standing = Standing::of(self, credential, changed);
        Ok(Some(Admitted { identity, standing }))
    }

    /// Who has the API key of that id, at a target: for a protocol in which nobody shows the key, and whoever comes has proven to have a
    /// secret that follows from the id.
    ///
    /// # Errors
    /// [`Refusal::ApiKey`] and [`Refusal::Target`].
    pub fn holder_of_key(self: &Arc<Self>, id: &str, target: &str, now: Timestamp) -> Result<Admitted, Refusal> {
        let changed = self.changed.subscribe();
        let (identity, held) = self.api_keys.load().holder(id, now).map_err(Refusal::ApiKey)?;
        if !held.reaches(target) {
            return Err(Refusal::Target);
        }
        let standing = Standing::of(self, Credential::ApiKey(held), changed);
        Ok(Admitted { identity, standing })
    }

    /// Whether a user name is one of those that go with credentials here, and no text that somebody typed into the wrong place.
    pub fn knows(&self, user: &str) -> bool {
        [TOKEN_USER, AWS_USER, CERTIFICATE_USER].contains(&user)
            || self.api_keys.load().list().any(|(_, key)| key.subject == user)
    }

    /// Takes these API keys from now on, and ends the sessions of those that are no longer among them.
    pub fn take_api_keys(&self, api_keys: ApiKeys) {
        self.api_keys.store(Arc::new(api_keys));
        self.changed.send_replace(());
    }

    /// Takes it from now on that an authority revoked these, and ends the sessions of what it revoked.
    ///
    /// # Errors
    /// [`ConfigError`]; what was known stands.
    pub fn take_revocations(
        &self,
        authority: &str,
        revocations: Vec<CertificateRevocationListDer<'static>>,
    ) -> Result<(), ConfigError> {
        self.certificates.revoke(authority, revocations)?;
        self.changed.send_replace(());
        Ok(())
    }

    fn stands(&self, credential: &Credential) -> bool {
        match credential {
            Credential::ApiKey(held) => self.api_keys.load().holds(held),
            // As of when it was shown: that it expires is another matter, which the policy decides.
            Credential::Certificate { chain, shown } => self.certificates.verify(chain, *shown).is_ok(),
        }
    }
}

/// What somebody came with, as far as it can be revoked.
#[derive(Debug)]
enum Credential {
    ApiKey(Held),
    Certificate {
        chain: Vec<CertificateDer<'static>>,
        shown: UnixTime,
    },
}

/// Whether what a caller came with stands still. A token always does: its issuer tells nobody what it revokes.
#[derive(Debug)]
pub struct Standing(Option<Revocable>);

#[derive(Debug)]
struct Revocable {
    callers: Arc<Callers>,
    credential: Credential,
    changed: watch::Receiver<()>,
}

impl Standing {
    fn of(callers: &Arc<Callers>, credential: Credential, changed: watch::Receiver<()>) -> Self {
        Self(Some(Revocable {
            callers: Arc::clone(callers),
            credential,
            changed,
        }))
    }

    /// Of what nobody can revoke.
    pub const fn unrevocable() -> Self {
        Self(None)
    }

    /// Whether it was not revoked by now.
    pub fn stands(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|revocable| revocable.callers.stands(&revocable.credential))
    }

    /// Returns once it was revoked.
    pub async fn revoked(&mut self) {
        let Some(Revocable {
            callers,
            credential,
            changed,
        }) = &mut self.0
        else {
            return std::future::pending().await;
        };
        loop {
            if changed.changed().await.is_err() {
                // Nobody is left to tell, which `callers` rules out.
                return std::future::pending().await;
            }
            if !callers.stands(credential) {
                return;
            }
        }
    }
}
