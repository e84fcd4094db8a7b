//! Who is calling, from verified facts only.
//!
//! ```text
//!                ┌─ exk_… ─▶ api_key: a hash in a file
//! user, secret ──┤
//!                └─ a.b.c ─▶ oidc: a token that a configured issuer signed for this audience
//! ```
//!
//! Not here: client certificates and AWS IAM.

pub mod api_key;
pub mod caller;
pub mod oidc;

pub use api_key::{ApiKeys, IdentityError};
pub use caller::{Callers, Identity, Refusal};
