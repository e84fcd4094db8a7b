//! The clock of a proxy, handed in so that tests control it.

use exhibit_schemas::event::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Unix microseconds.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the clock that everything else is handed"
    )]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // A clock before 1970 reads as 0: the gate refuses such a time as broken.
        Timestamp(since.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0)))
    }
}
