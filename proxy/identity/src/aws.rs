//! AWS IAM: a request that only its caller can have signed, and that we send to AWS in its place.
//!
//! ```text
//! exhibit-aws-v1.<base64url of a presigned URL>
//!   ─▶ form, endpoint and region of the configuration, time ─▶ GET to that endpoint, with our audience header
//!   ─▶ account, ARN, unique id ─▶ principal
//! ```
//!
//! The request is `GetCallerIdentity` of AWS STS, presigned with Signature Version 4, with `x-exhibit-audience` among its signed
//! headers. The proxy puts the audience of its own configuration into that header, so what was signed for somebody else does not
//! agree with its signature, and STS says so. Only a request of exactly that form is sent, and only to an endpoint of the
//! configuration: nothing of the token says where.
//!
//! ```toml
//! [[proxy.aws]]
//! region = "eu-central-1"                              # whose STS is asked, at https://sts.<region>.amazonaws.com
//! audience = "https://exhibit.clinic.example"          # what the header has to say
//! accounts = ["123456789012"]                          # whose callers are taken
//! arns = ["arn:aws:iam::123456789012:role/nightly"]    # and of those only these; all if left out
//! once = false                                         # whether each token is good for one connection only
//! sts = "https://sts.eu-central-1.amazonaws.com"       # where it is asked, if it is elsewhere
//! ca = "tls/sts-ca.pem"                                # who vouches for its certificate; the system's if left out
//! ```
//!
//! Sources: AWS Signature Version 4, "Authenticating requests (query parameters)"; AWS STS API, `GetCallerIdentity`. Vault's
//! `iam_server_id_header_value` and the `x-k8s-aws-id` of Amazon EKS go the same way.
//!
//! Not here: what a caller may do (policy).

mod answer;
mod config;
mod endpoint;
mod files;
mod presigned;
mod sign;

pub use answer::AnswerError;
pub use config::{Config, ConfigError};
pub use endpoint::{AwsError, Endpoints, METHOD};
pub use files::EndpointError;
pub use presigned::FormError;
pub(crate) use presigned::PREFIX;
pub use sign::{Credentials, SignError, token};

/// The header that says for whom a request was signed.
pub(crate) const AUDIENCE_HEADER: &str = "x-exhibit-audience";

/// Seconds for which a presigned request is good at the most; STS takes none that is older.
pub const LIFETIME_S_MAX: u64 = 900;
