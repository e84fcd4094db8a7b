//! Who signed a request: the holder of temporary credentials, or of an API key.
//!
//! ```text
//! ASIA… and a session token    sealed credentials ([`crate::credentials`]), given out for a token of an issuer ([`crate::sts`])
//! EXK + the id of an API key   a secret that follows from the proxy's root secret and that id; what the key may reach, when it expires
//!                              and whether it was revoked holds for it, too
//! ```
//!
//! Not here: signatures.

use std::sync::Arc;

use exhibit_identity::{Admitted, Callers, Identity, Standing};
use exhibit_schemas::event::Timestamp;

use crate::credentials::Sealer;
use crate::signature::NoKey;
use crate::signature::credential::{AccessKeyId, SessionToken};
use crate::signature::key::SecretKey;
use crate::signature::time::UnixSeconds;

/// How access key ids of API keys begin.
pub const STATIC_PREFIX: &str = "EXK";

const US_PER_S: u64 = 1_000_000;

/// Who may sign.
pub(crate) struct Signers {
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) callers: Arc<Callers>,
    pub(crate) target: Arc<str>,
}

impl Signers {
    /// The secret of an access key id, and who has it.
    ///
    /// # Errors
    /// [`NoKey`].
    pub(crate) fn signer(
        &self,
        id: &AccessKeyId,
        token: Option<&SessionToken>,
        now: UnixSeconds,
    ) -> Result<(SecretKey, Admitted), NoKey> {
        if let Some(token) = token {
            let (secret, holder) = self.sealer.open(id, token, now)?;
            let identity = Identity {
                principal: holder.principal,
                expires: Some(Timestamp(holder.expires_s.saturating_mul(US_PER_S))),
            };
            let standing = Standing::unrevocable();
            return Ok((secret, Admitted { identity, standing }));
        }
        let key = id.as_str().strip_prefix(STATIC_PREFIX).ok_or(NoKey::Unknown)?;
        let seconds = u64::try_from(now.seconds()).unwrap_or_default();
        let now = Timestamp(seconds.saturating_mul(US_PER_S));
        let admitted = self.callers.holder_of_key(&key.to_ascii_lowercase(), &self.target, now);
        let admitted = admitted.map_err(|refusal| match refusal.words() {
            (_, "expired") => NoKey::Expired,
            _ => NoKey::Unknown,
        })?;
        Ok((self.sealer.of_key(id), admitted))
    }
}
