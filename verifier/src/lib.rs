//! The auditor's offline verifier: what an exported bundle proves, and every place where it does not.
//!
//! ```text
//! Archive ─▶ verify ─▶ Verified<Bundle> ─▶ Report        no errors: the only way into a report with results
//!                   └▶ Refused                           every finding: code, place, meaning
//! ```
//!
//! Reading is one pass over the files for the manifest and one over the entries in order. Memory holds one bundle of
//! entries, the events that wait for their seal, the sessions that are open, and a small record for each key, policy, file of the bundle,
//! command that tries values and use of emergency access; entries are never kept. What may be said about something that is over, a question that was settled or
//! a session that was closed, is found again in temporary files (`spill`). An error does not end the reading: chains are taken up again after it, so that one fault gives few
//! findings, at its place.
//!
//! Not here: any network, any clock, any runtime. Trust comes from the anchors that the caller hands in, never from the
//! bundle.

pub mod archive;
pub mod census;
pub mod commands;
pub mod comparison;
pub mod emergency;
pub mod evidence;
pub mod finding;
pub mod period;
pub mod report;
pub mod review;
pub mod sample;
pub mod schedule;
pub mod scoped;
mod seen;
pub mod sign_off;
pub mod summary;
mod threshold;
pub mod verify;

mod allowance;
mod approval;
mod batch;
mod copy;
mod files;
mod grant;
mod in_force;
mod nodes;
pub mod observed;
mod output;
mod patients;
pub mod plain;
mod policy;
mod preview;
mod probe;
pub mod reading;
mod response;
mod session;
mod spill;
mod timed;
mod tree;
pub mod void;

pub use archive::Archive;
pub use finding::{Code, Finding, Place, Severity};
pub use period::{Period, Span};
pub use verify::{Bundle, KeptHead, Options, Outcome, Progress, Refused, Verified, VerifyError, compare, verify};

/// Version of this verifier, as reports state it.
pub const VERIFIER_VERSION: &str = env!("CARGO_PKG_VERSION");
