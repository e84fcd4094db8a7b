//! The gate: the one pipeline from an agent's request to released evidence.
//!
//! ```text
//! Request ─decide─▶ Permit ───────────────clear─▶ Cleared             ─▶ the target takes nothing else
//!                   Pending ─ask─▶ Asked ─wait─▶ Permit | Denial
//!                   Pending ─preview─▶ Recorded<Preview> ─▶ the target rolls it back ─▶ Pending   (where the policy asks for one)
//!                   Denial  ─────────────refuse─▶ Recorded<Denial>
//! Vec<Masked<Frame>> ─weigh─▶ may go on | Held ─held─▶ may go on       (where a rule is about what a reply comes to)
//! Vec<Masked<Frame>> ─release─▶ Releasing ─durable─▶ Recorded<Vec<Masked<Frame>>> ─▶ the agent takes nothing else
//! ```
//!
//! Each type has one constructor, and that constructor asks for the step before it. `Recorded` is made here alone, after
//! the ledger's receipt (promises P1 and P2); so is `Cleared`, except for a command that its protocol has proven to change
//! nothing that outlives its transaction: it may run ahead of its event, and its reply waits for both.
//!
//! [`link`] is the recorder that speaks to the ledger.
//!
//! Not here: any protocol, and policy itself.

mod allowance;
mod answers;
pub mod approval;
pub mod clock;
pub mod data;
pub mod digest;
mod emergency;
pub mod error;
mod estimate;
mod failure;
pub mod gate;
mod grants;
mod hearing;
mod in_force;
pub mod link;
mod logins;
mod patients;
pub mod preview;
mod probes;
pub mod recorder;
pub mod release;
pub mod request;
mod retries;
mod sealed;
mod seen;
pub mod session;
pub mod threshold;
mod waits;

#[cfg(test)]
mod memory;

pub use error::GateError;
pub use session::{Gate, Session};
