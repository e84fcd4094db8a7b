//! The ledger: takes sealed batches, makes them durable in an append-only Merkle log, and lets everybody check it.
//!
//! ```text
//! stream, POST ─▶ queue (bounded, in order) with admission (decode, verify; parallel) ─▶ committer (one thread)
//!                                                             check, index, integrate, sign, ONE durable commit
//!                                                                 └─▶ receipts, published batches, the new head
//! ```
//!
//! Read `committer` first. The store is a fjall database; entries are the truth, everything else in it is derived from
//! them and can be rebuilt.
//!
//! Not here: who may decide what (policy belongs to the proxies), and search (in `exhibit-search`).

pub mod admission;
pub mod api;
mod asked;
mod claims;
pub mod committer;
pub mod config;
pub mod error;
pub mod follow;
pub mod ledger;
pub mod projection;
pub mod queue;
pub mod readers;
pub mod readings;
pub mod rebuild;
pub mod scribe;
pub mod serve;
pub mod store;
pub mod stream;
pub mod tree;
mod turns;
pub mod webhooks;

pub use config::Config;
pub use error::LedgerError;
pub use ledger::Ledger;
