//! Who is calling, from verified facts only.
//!
//! ```text
//!                ┌─ exk_… ─▶ api_key: a hash in a file
//! user, secret ──┤
//!                └─ a.b.c ─▶ oidc: a token that a configured issuer signed for this audience
//! user, chain ──────────────▶ certificate: a client certificate that a configured authority vouches for
//! ```
//!
//! Not here: AWS IAM.

pub mod api_key;
pub mod caller;
pub mod certificate;
pub mod oidc;

pub use api_key::{ApiKeys, IdentityError, NewKey, Wanted};
pub use caller::{Admitted, Callers, Identity, Refusal, Standing};
pub use certificate::Certificates;
