//! Every byte that crosses a boundary: events, seals, tiles, checkpoints, bundles, and the rules that bind them.
//!
//! Pure: no clock, no randomness, no files, no sockets.

pub mod bundle;
pub mod cbor;
pub mod chain;
pub mod checkpoint;
pub mod cose;
pub mod digest;
pub mod event;
pub mod key;
pub mod keyring;
pub mod merkle;
pub mod policy_signatures;
pub mod proof;
pub mod reading;
pub mod review;
pub mod scoped;
pub mod seal;
pub mod sign_off;
pub mod terms;
pub mod tile;
pub mod wire;
