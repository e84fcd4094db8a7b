//! The period of a report or of a review, from a moment on and before another; and from when to when a log's events are.

use exhibit_schemas::event::Timestamp;
use serde::Serialize;
use serde::ser::SerializeStruct as _;

/// A period, with its first moment and without its last.
///
/// **Invariant:** it begins before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    from: Timestamp,
    to: Timestamp,
}

/// Why a text is no period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// It is not two times.
    #[error("a period is FROM..TO, such as 2026-11-01..2026-12-01, of days or times in UTC; TO is not part of it")]
    Form,
    /// It ends before it begins, or at once.
    #[error("the period is empty: it ends before it begins, or at once")]
    Empty,
}

impl Period {
    /// Everything: what an event can be dated.
    pub const ALWAYS: Self = Self {
        from: Timestamp(0),
        to: Timestamp(u64::MAX),
    };

    /// Reads `FROM..TO`, of dates (their midnight, UTC) or RFC 3339 times in UTC.
    ///
    /// # Errors
    /// [`PeriodError`].
    pub fn parse(text: &str) -> Result<Self, PeriodError> {
        let (from, to) = text.split_once("..").ok_or(PeriodError::Form)?;
        let time = |text: &str| Timestamp::parse(text).ok_or(PeriodError::Form);
        let (from, to) = (time(from)?, time(to)?);
        if from < to {
            Ok(Self { from, to })
        } else {
            Err(PeriodError::Empty)
        }
    }

    /// Its first moment.
    pub const fn from(self) -> Timestamp {
        self.from
    }

    /// The first moment after it.
    pub const fn to(self) -> Timestamp {
        self.to
    }

    /// Whether a moment is of it.
    pub fn holds(self, time: Timestamp) -> bool {
        self == Self::ALWAYS || (self.from <= time && time < self.to)
    }
}

/// When a log's first event was made, and when its last, each by its own emitter's clock: nothing orders the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Of the first event.
    pub first: Timestamp,
    /// Of the last event.
    pub last: Timestamp,
}

impl Span {
    /// The span of a log that goes on with an event of this time.
    pub(crate) fn with(span: Option<Self>, time: Timestamp) -> Self {
        Self {
            first: span.map_or(time, |span| span.first),
            last: time,
        }
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Span", 2)?;
        fields.serialize_field("first", &self.first.to_string())?;
        fields.serialize_field("last", &self.last.to_string())?;
        fields.end()
    }
}

impl std::fmt::Display for Period {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if *self == Self::ALWAYS {
            return formatter.write_str("always");
        }
        write!(formatter, "{}..{}", self.from, self.to)
    }
}

impl Serialize for Period {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::event::Timestamp;

    use super::{Period, PeriodError, Span};

    #[test]
    fn reads_days_and_times() {
        let period = Period::parse("2026-11-01..2026-12-01T00:00:00.000001Z").unwrap();
        assert_eq!(
            period.to_string(),
            "2026-11-01T00:00:00.000000Z..2026-12-01T00:00:00.000001Z"
        );
        assert_eq!(Period::parse(&period.to_string()), Ok(period));
        for (text, error) in [
            ("2026-11-01", PeriodError::Form),
            ("..", PeriodError::Form),
            ("a..b", PeriodError::Form),
            ("2026-11-01..2026-13-01", PeriodError::Form),
            ("2026-12-01..2026-11-01", PeriodError::Empty),
            ("2026-11-01..2026-11-01", PeriodError::Empty),
        ] {
            assert_eq!(Period::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn holds_its_first_moment_and_not_its_last() {
        let period = Period::parse("2026-11-01..2026-11-02").unwrap();
        let held = |time: u64| period.holds(Timestamp(time));
        let (from, to) = (period.from().0, period.to().0);
        assert_eq!(
            [held(from - 1), held(from), held(to - 1), held(to)],
            [false, true, true, false]
        );
        assert!(Period::ALWAYS.holds(Timestamp(u64::MAX)) && Period::ALWAYS.holds(Timestamp(0)));
    }

    #[test]
    fn a_span_keeps_the_first_time_and_takes_every_later_one() {
        let times = [7, 3, 5].map(Timestamp);
        let span = times.into_iter().fold(None, |span, time| Some(Span::with(span, time)));
        assert_eq!(
            span,
            Some(Span {
                first: Timestamp(7),
                last: Timestamp(5)
            })
        );
    }
}
