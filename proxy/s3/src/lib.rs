//! S3-compatible object stores through the gate. Not served yet: so far this crate holds what is pure of the protocol.
//!
//! ```text
//! head of a request ─▶ signature ─▶ Signed ─▶ chunked ─▶ bytes of the object, the last one held back until all of it is right
//! ```
//!
//! Read [`signature`] first, then [`chunked`]; [`address`], [`operation`] and [`headers`] say where a request goes and what it does, [`answer`]
//! how it is refused. [`sts`] hands out what requests are signed with, and [`credentials`] knows it again.
//!
//! Not here: sockets, policy and evidence (the gate), where credentials come from.

pub mod address;
pub mod answer;
pub mod chunked;
pub mod credentials;
pub mod headers;
pub mod operation;
pub mod signature;
pub mod sts;
