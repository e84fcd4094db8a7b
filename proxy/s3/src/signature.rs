//! AWS Signature Version 4 as S3 does it: who signed a request, checked, and requests of ours, signed.
//!
//! Specification: "Authenticating Requests (AWS Signature Version 4)" of the Amazon S3 API reference, pages
//! `sigv4-auth-using-authorization-header`, `sig-v4-header-based-auth`, `sigv4-query-string-auth`, `sigv4-streaming`,
//! `sigv4-streaming-trailers`, `sigv4-HTTPPOSTConstructPolicy` and `sigv4-post-example`. What is signed:
//!
//! ```text
//! canonical request = METHOD \n path \n query \n (name:value \n)* \n names;of;headers \n hash of the payload
//! string to sign    = AWS4-HMAC-SHA256 \n 20130524T000000Z \n 20130524/us-east-1/s3/aws4_request \n SHA-256(canonical request)
//! signature         = HMAC(HMAC(HMAC(HMAC(HMAC("AWS4" secret, date), region), "s3"), "aws4_request"), string to sign)
//! ```
//!
//! [`verify`] is the one way to a [`Signed`], and [`form::verify`] the one to a [`form::SignedForm`]. Everything is synchronous; the
//! clock and the keys come in as arguments.
//!
//! Not here: the body ([`crate::chunked`]), what the request asks for, Signature Version 2 and 4A (refused by name).

pub mod code;
pub mod credential;
pub mod error;
pub mod form;
pub mod head;
pub mod key;
pub mod payload;
pub mod sign;
pub mod target;
pub mod time;

mod authorization;
mod canonical;
mod check;
mod claim;
mod presigned;
mod signed;

pub use check::{NoKey, verify};
pub use error::SignatureError;
pub use signed::{Carrier, Signed};

/// The one algorithm that is accepted.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

#[cfg(test)]
pub(crate) mod tests;
