//! Who is calling, from verified facts only.
//!
//! Not here: OIDC and client certificates.

pub mod api_key;

pub use api_key::{ApiKeys, IdentityError};
