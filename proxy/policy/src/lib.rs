//! Policy as a pure function: parse a snapshot, decide a request, explain the decision, tally its
//! approvals, mask its reply, and cast a net under it.
//!
//! A policy is one TOML file. Its exact bytes are what the ledger keeps, and a decision names their digest, so that the
//! verifier can decide again from the recorded facts. Nothing here has a clock, a socket or randomness.

pub mod approval;
pub mod decide;
pub mod detect;
pub mod document;
pub mod emergency;
pub mod estimate;
pub mod explain;
pub mod grant;
pub mod hours;
pub mod inspect;
pub mod mask;
pub mod net;
pub mod patients;
pub mod pattern;
pub mod preview;
pub mod probe;
pub mod readable;
pub mod review;
pub mod scan;
pub mod sealed;
pub mod seen;
pub mod snapshot;
