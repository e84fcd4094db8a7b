//! What every program of Exhibit does when it starts: it reads `exhibit.toml` ([`configuration`]) and PEM files ([`pem`]),
//! opens its log, and learns when to stop ([`process`]). Programs that link it have its allocator.
//!
//! Whatever it refuses, it names the file and what is wrong in it. It knows no section: each crate owns the types of its
//! own, and the ledger and the proxies share nothing but this.
//!
//! Not here: secrets, certificates' meaning, and anything that goes on after the start.

mod allocator;
pub mod configuration;
pub mod pem;
pub mod process;
