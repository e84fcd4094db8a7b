//! PostgreSQL through the gate: protocol 3.0 to 3.2, simple and extended.
//!
//! ```text
//! agent ─TLS─▶ startup ─▶ session ─▶ group ─▶ gate ─▶ target ─▶ server
//!                 agent ◀─ gate ◀─ reply (masks) ◀──────────────┘
//! ```
//!
//! Read `session` first, then `group`, `reply`, and [`analysis`]. An agent needs TLS and an API key as
//! its password; the server is reached with the target's own role, by SCRAM-SHA-256 (-PLUS).
//!
//! Not here: policy and evidence (the gate), function calls, replication.

pub mod analysis;
pub mod catalog;
pub mod config;
pub mod enforce;
mod estimate;
pub mod listener;
pub mod message;
pub mod read;
pub mod redact;
pub mod survey;
pub mod types;

mod agent;
mod arriving;
mod cancel;
mod choices;
mod copy;
mod copy_in;
mod encoding;
mod greeting;
mod group;
mod last;
mod link;
mod names;
mod netted;
mod notified;
mod preview;
mod reply;
mod session;
mod settled;
mod startup;
mod target;
mod tls;
mod upstream;

pub use config::{Config, ConfigError, Masking};
pub use listener::{Listener, serve};
