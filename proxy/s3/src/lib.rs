//! S3-compatible object stores through the gate.
//!
//! ```text
//! agent ─TLS─▶ listener ─▶ signature ─▶ analysis ─▶ session ─▶ gate ─▶ target ─▶ store
//!                              agent ◀─ gate ◀─ reply (masks) ◀─────────────────┘
//! ```
//!
//! Read `session` first, then `analysis` and `reply`. [`signature`] says who signed a request, [`chunked`] how its body is taken; [`address`],
//! [`operation`] and [`headers`] say where it goes and what it does, `reading` how objects are masked, [`answer`] how a request is refused. [`sts`] hands out what requests are signed with, and [`credentials`] knows it again.
//!
//! Not here: policy and evidence (the gate), forms of browsers and CORS, which are refused.

pub mod address;
pub mod answer;
pub mod callers;
pub mod chunked;
pub mod config;
pub mod credentials;
pub mod headers;
pub mod listener;
pub mod operation;
pub mod signature;
pub mod sts;

mod agent;
mod analysis;
mod channel;
mod reading;
mod reply;
mod rest;
mod session;
mod target;
mod tls;
mod upload_id;
mod xml;

pub use config::{Config, ConfigError};
pub use listener::Listener;
pub use reading::refusal;
