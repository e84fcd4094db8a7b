//! What readers may ask in a minute, and that no statement is taken twice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::reading::FRESH_US;

use super::{OpenError, READERS_MAX, SHOWN_MAX, WINDOW_US, Who};

/// How often each reader did something within the last minute.
pub(super) struct PerMinute {
    max: usize,
    times: BTreeMap<Who, VecDeque<Timestamp>>,
}

impl PerMinute {
    /// At most so often.
    pub(super) const fn of(max: usize) -> Self {
        Self {
            max,
            times: BTreeMap::new(),
        }
    }

    /// Holds a reader to it, this time included.
    ///
    /// # Errors
    /// [`OpenError::Busy`]; it does not count then.
    pub(super) fn take(&mut self, who: &Who, now: Timestamp) -> Result<(), OpenError> {
        let is_over = |time: &Timestamp| time.0.saturating_add(WINDOW_US) <= now.0;
        if self.times.len() >= READERS_MAX && !self.times.contains_key(who) {
            self.times.retain(|_, times| !times.back().is_none_or(is_over));
            if self.times.len() >= READERS_MAX {
                return Err(OpenError::Busy);
            }
        }
        let times = self.times.entry(who.clone()).or_default();
        while times.front().is_some_and(is_over) {
            times.pop_front();
        }
        if times.len() >= self.max {
            return Err(OpenError::Busy);
        }
        times.push_back(now);
        Ok(())
    }
}

/// Statements that came, until they are too old to come again.
#[derive(Default)]
pub(super) struct Statements {
    known: BTreeSet<Digest>,
    /// In the order in which they came, with the time until which they are remembered.
    order: VecDeque<(Timestamp, Digest)>,
}

impl Statements {
    /// Takes a statement that came for the first time. One that is older than what is remembered is refused for its age.
    ///
    /// # Errors
    /// [`OpenError::Again`], [`OpenError::Busy`].
    pub(super) fn take(&mut self, statement: Digest, now: Timestamp) -> Result<(), OpenError> {
        while let Some((_, old)) = self.order.pop_front_if(|(until, _)| *until < now) {
            self.known.remove(&old);
        }
        if self.known.contains(&statement) {
            return Err(OpenError::Again);
        }
        if self.known.len() >= SHOWN_MAX {
            return Err(OpenError::Busy);
        }
        self.known.insert(statement);
        let until = Timestamp(now.0.saturating_add(2 * FRESH_US));
        self.order.push_back((until, statement));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    fn reader(number: usize) -> Who {
        ("ssh-key", "log.example".to_owned(), number.to_string())
    }

    #[test]
    fn a_reader_has_its_own_minute() {
        let mut minute = PerMinute::of(2);
        minute.take(&reader(0), at(100)).unwrap();
        minute.take(&reader(0), at(130)).unwrap();
        assert!(matches!(minute.take(&reader(0), at(159)), Err(OpenError::Busy)));
        minute.take(&reader(1), at(159)).unwrap();
        minute.take(&reader(0), at(160)).unwrap();
        assert!(matches!(minute.take(&reader(0), at(189)), Err(OpenError::Busy)));
        minute.take(&reader(0), at(190)).unwrap();
    }

    #[test]
    fn readers_of_an_older_minute_make_room() {
        let mut minute = PerMinute::of(1);
        for number in 0..READERS_MAX {
            minute.take(&reader(number), at(100)).unwrap();
        }
        assert!(matches!(
            minute.take(&reader(READERS_MAX), at(159)),
            Err(OpenError::Busy)
        ));
        minute.take(&reader(READERS_MAX), at(160)).unwrap();
        assert_eq!(minute.times.len(), 1);
    }

    #[test]
    fn a_statement_is_remembered_for_as_long_as_it_could_be_fresh() {
        let (mut statements, fresh) = (Statements::default(), FRESH_US / 1_000_000);
        statements.take(Digest([1; 32]), at(100)).unwrap();
        let again = statements.take(Digest([1; 32]), at(100 + 2 * fresh));
        assert!(matches!(again, Err(OpenError::Again)));
        statements.take(Digest([2; 32]), at(100 + 2 * fresh)).unwrap();
        statements.take(Digest([1; 32]), at(101 + 2 * fresh)).unwrap();
        assert_eq!((statements.known.len(), statements.order.len()), (2, 2));
    }
}
