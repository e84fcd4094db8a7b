//! The proxy daemon: configuration, and the parts that every listener shares.
//!
//! [`Config`] is the `[proxy]` section of `exhibit.toml`; [`Proxy::start`] reads the keys, the policy, the API keys and the
//! trust anchors, links the ledger, and opens the gate; [`Proxy::listen`] binds the listeners; [`reload`] reads the policy again.
//! [`reading`] reads a command without any of them; [`enforcement`] lets a database enforce the masks itself.
//!
//! Not here: protocols, and how the process of `exhibit up` makes its pipe to the ledger.

pub mod callers;
pub mod config;
pub mod credentials;
pub mod enforcement;
pub mod mask_key;
pub mod reading;
pub mod reload;
pub mod secret;
pub mod start;

pub use config::Config;
pub use start::{Proxy, ProxyError};
