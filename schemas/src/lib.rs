//! Every byte that crosses a boundary: events, seals, tiles, checkpoints, bundles.

pub mod cbor;
pub mod checkpoint;
pub mod digest;
pub mod event;
pub mod key;
pub mod merkle;
pub mod seal;
pub mod tile;
