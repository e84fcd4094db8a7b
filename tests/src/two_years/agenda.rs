//! The calendar: what happens at its time, however many events there are in between.

use std::collections::VecDeque;

use exhibit_policy::review::Schedule;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::review::Scope;

use super::{DAY_US, HOUR_US, PROXIES, SPAN_US, START_US};

/// Days between two policies.
const POLICY_DAYS: u64 = 91;

/// When reviews are signed after the end of their period.
const REVIEWED_AFTER_US: u64 = 8 * HOUR_US;

/// Seeds of the keys of those who review everything: in turn, as nobody reviews alone what is its own.
const REVIEWERS: [u8; 2] = [24, 25];

/// Seed of the key of who reviews the sessions.
const REVIEWER_OF_SESSIONS: u8 = 26;

/// Seed of the key of a person who leaves.
const LEAVES: u8 = 23;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// Both proxies take up this version of the policy.
    Policy(u64),
    /// This proxy masks under another key.
    MaskKey(u8),
    /// The second proxy's own key is rotated.
    ProxyKey,
    /// A person's key is revoked.
    PersonLeaves(u8),
    /// Somebody reads the evidence.
    Reading,
    /// A period of a schedule is signed off.
    Review {
        scope: Scope,
        from: Timestamp,
        reviewer: u8,
    },
}

/// What is to come, in order.
pub(super) struct Agenda {
    changes: VecDeque<(u64, Change)>,
    ends: Vec<Timestamp>,
}

/// The version of the policy that holds at a time.
pub(super) const fn policy_at(time: u64) -> u64 {
    (time - START_US) / (POLICY_DAYS * DAY_US)
}

impl Agenda {
    pub(super) fn new(schedules: &[Schedule]) -> Self {
        let day = |day: u64| START_US + day * DAY_US;
        let mut changes = vec![
            (day(70), Change::PersonLeaves(LEAVES)),
            (day(200), Change::MaskKey(PROXIES[0])),
            (day(400), Change::ProxyKey),
            (day(500), Change::MaskKey(PROXIES[0])),
        ];
        let versions = SPAN_US / DAY_US / POLICY_DAYS;
        changes.extend((1..=versions).map(|version| (day(version * POLICY_DAYS), Change::Policy(version))));
        changes.extend((0..24).map(|month| (day(month * 30 + 15) + 9 * HOUR_US, Change::Reading)));
        let mut ends = Vec::new();
        for (place, schedule) in schedules.iter().enumerate() {
            let periods = schedule.periods(Timestamp(START_US), Timestamp(START_US + SPAN_US));
            for (number, period) in periods.enumerate() {
                let reviewer = match (place, number % 2) {
                    (0, 0) => REVIEWERS[0],
                    (0, _) => REVIEWERS[1],
                    _ => REVIEWER_OF_SESSIONS,
                };
                let review = Change::Review {
                    scope: schedule.scope,
                    from: period.from,
                    reviewer,
                };
                changes.push((period.to.0 + REVIEWED_AFTER_US, review));
                ends.push(period.to);
            }
        }
        changes.sort_by_key(|(time, _)| *time);
        Self {
            changes: changes.into(),
            ends,
        }
    }

    /// The next thing whose time has come.
    pub(super) fn due(&mut self, now: u64) -> Option<(u64, Change)> {
        let due = self.changes.front().is_some_and(|(time, _)| *time <= now);
        if due { self.changes.pop_front() } else { None }
    }

    /// How many periods are over at a time.
    pub(super) fn over(&self, head: u64) -> u64 {
        let over = self.ends.iter().filter(|end| end.0 <= head).count();
        u64::try_from(over).unwrap_or(u64::MAX)
    }
}
