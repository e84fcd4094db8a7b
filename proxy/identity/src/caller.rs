//! The one question of every protocol: who comes with this name and this secret?
//!
//! Not here: how a protocol carries them.

use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::Principal;

use crate::IdentityError;
use crate::api_key::ApiKeys;
use crate::oidc::{Issuers, TokenError};

/// The user name that goes with any token: the subject stands in the token, and client libraries ask for a name all the same.
pub const TOKEN_USER: &str = "oidc";

/// Who calls, and until when what it came with is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who it is.
    pub principal: Principal,
    /// When its credential expires; `None` for one that does not.
    pub expires: Option<Timestamp>,
}

/// Why a caller is not let in. Nothing of what it came with is repeated.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// By its API key. Neither name nor key is told apart.
    #[error("the user or its API key is not known, or has expired")]
    ApiKey(IdentityError),
    /// By its token.
    #[error("the token is refused: {0}")]
    Token(#[from] TokenError),
    /// A good token under another name.
    #[error("the token is refused: the user name is neither its subject nor `{TOKEN_USER}`")]
    User,
}

/// Everybody who may call, by whatever they come with.
#[derive(Debug)]
pub struct Callers {
    api_keys: ApiKeys,
    issuers: Issuers,
}

impl Callers {
    /// Those with these keys, and those with tokens of these issuers.
    pub fn new(api_keys: ApiKeys, issuers: Issuers) -> Self {
        Self { api_keys, issuers }
    }

    /// Who comes with this secret under this user name.
    ///
    /// Which way it is checked goes by its form alone: a text with two dots is a token, everything else an API key.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn identify(&self, user: &str, secret: &str, now: Timestamp) -> Result<Identity, Refusal> {
        if secret.bytes().filter(|byte| *byte == b'.').count() != 2 {
            return self.api_keys.identify(user, secret, now).map_err(Refusal::ApiKey);
        }
        let identity = self.issuers.identify(secret, now).await?;
        if user != TOKEN_USER && user != identity.principal.subject {
            return Err(Refusal::User);
        }
        Ok(identity)
    }
}
