//! OpenID Connect: tokens that a configured issuer signed for us.
//!
//! ```text
//! token ─▶ issuer of the configuration ─▶ its keys (fetched, kept) ─▶ signature ─▶ claims ─▶ principal, run, expiry
//! ```
//!
//! ```toml
//! [[proxy.oidc]]
//! issuer = "https://token.actions.githubusercontent.com"
//! audience = ["https://exhibit.clinic.example"]     # one of these has to be among the token's
//! claims = "github-actions"                         # or "gitlab-ci"; "plain" if left out
//! algorithms = ["RS256"]                            # as here if left out; what the token says of itself decides nothing
//! groups = "groups"                                 # plain only: the claim that lists groups; none if left out
//! once = false                                      # whether each token is good for one connection only
//! ca = "tls/idp-ca.pem"                             # who vouches for the issuer's certificate; the system's if left out
//! keys = "idp-keys.json"                            # a JWK set in a file, for machines without a way out; then nothing is fetched
//! ```
//!
//! Sources: OpenID Connect Discovery 1.0 (4.3), RFC 7517 (keys), RFC 7519 (claims), RFC 8725 (what goes wrong).
//!
//! The ledger takes tokens of readers by the same code, of `[[ledger.oidc]]`.

mod claims;
mod config;
mod files;
mod issuer;
mod keys;
mod request;

pub use config::{Algorithm, Claims, Config, ConfigError};
pub(crate) use config::{fetchable, is_loopback};
pub use files::IssuerError;
pub use issuer::{Issuers, METHOD, TokenError};
pub use keys::KeysError;
pub use request::{RequestError, github_token};
