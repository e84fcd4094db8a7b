//! PostgreSQL through the gate.

pub mod analysis;
pub mod catalog;
pub mod message;
pub mod redact;
