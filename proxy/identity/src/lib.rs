//! Who is calling, from verified facts only.
//!
//! ```text
//!                ┌─ exk_… ────────────▶ api_key: a hash in a file
//! user, secret ──┼─ a.b.c ────────────▶ oidc: a token that a configured issuer signed for this audience
//!                └─ exhibit-aws-v1.… ─▶ aws: a request to AWS STS that was signed for this audience, and what STS answers to it
//! user, chain ────────────────────────▶ certificate: a client certificate that a configured authority vouches for
//! ```

pub mod api_key;
pub mod aws;
pub mod caller;
pub mod certificate;
mod fetch;
pub mod oidc;
mod once;

pub use api_key::{ApiKeys, IdentityError, NewKey, Wanted};
pub use caller::{Admitted, Callers, Identity, Refusal, Standing};
pub use certificate::Certificates;
pub use fetch::FetchError;
