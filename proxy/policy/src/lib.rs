//! Policy as a pure function: parse a snapshot, decide a request.
//!
//! A policy is one TOML file. Its exact bytes are what the ledger keeps, and a decision names their digest, so that the
//! verifier can decide again from the recorded facts. Nothing here has a clock, a socket or randomness.
//!
//! Not here yet: masks, explanations and the conversion of a policy into database roles.

pub mod decide;
pub mod pattern;
pub mod snapshot;
