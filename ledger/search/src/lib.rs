//! Full-text search over the ledger: a cache, rebuilt from the log.
//!
//! ```text
//! log ──entries in order──▶ Follower ──▶ Index (tantivy; one document to an event) ──▶ Searcher ──▶ Results
//!                                          └ commit payload: high water and the leaf hash of the last entry
//! ```
//!
//! - **Invariant: only what is in events is indexed**, and of events only statements with placeholders, released (masked)
//!   cells, reasons and names. Released bytes that are no row (`Frame::Verbatim`), digests, keys, policy and catalog bytes
//!   are not.
//! - **Invariant: the index is exactly the entries below its high water.** The mark and the documents become durable in
//!   one commit; a crash loses only what the follower then reads again.
//! - **Invariant: nothing depends on the index.** It may be deleted at any time; a version, schema, checksum or log that
//!   does not fit makes [`Index::open`] and [`Follower::step`] start again from zero and say so ([`Rebuilt`]).
//!
//! The language of questions is described in [`query`]. Not here: sockets, threads and clocks; the ledger calls
//! [`Follower::step`] from a thread of its own and mounts [`Searcher::answer`].

mod document;
pub mod follower;
pub mod index;
pub mod query;
pub mod searcher;
mod snippet;
mod text;

pub use follower::{Follower, Step};
pub use index::{Index, Rebuilt, SearchError};
pub use query::{Query, QueryError};
pub use searcher::{AnswerError, Hit, Parameters, Results, Searcher};
