//! Schedules of reviews: what the policies that were in force asked for, and what of it was signed.
//!
//! A schedule holds while a proxy says that a policy with it is in force; one that stands in several policies without a change is
//! one. Each period of its calendar of which it held a moment is to be reviewed, as far as it held. A review is of a period if it
//! is of the same scope, or of everything, and of the whole of it; it counts unless
//!
//! - it is false, or was not counted again ([`crate::review`]);
//! - its signer was in none of the groups;
//! - events of it stood in the log by then, and behind the log that was reviewed;
//! - its key was revoked before the deadline, while somebody else could still sign.
//!
//! One is enough if its signer has no part in what was reviewed, or the schedule says that this does not matter; otherwise two
//! people are. Whether that was in time is said by the log's clock, and not by the reviewer's alone: the latest time that a proxy
//! or the ledger had stated by then.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_policy::review::{Own, Period, Schedule};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::event::trust::Role;
use exhibit_schemas::event::{Body, Timestamp};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::review::{Definition, Scope};
use serde::Serialize;

use crate::batch::Placed;
use crate::finding::{Code, Findings, Place};
use crate::review::Review;

/// Different schedules that are kept; policies of ten years that change one each week have fewer.
const SCHEDULES_MAX: usize = 1_000;

/// Periods of one schedule that are looked at: each day of some thirty years.
const PERIODS_MAX: usize = 10_000;

/// How far a person's clock may be from the log's before that is told. People sign at once, but ssh-agents ask them first.
const APART_US: u64 = 10 * 60 * 1_000_000;

/// Why a review does not count for a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// It is of other events than it says, or of no period that can be.
    False,
    /// It was not counted again.
    Unchecked,
    /// Its scope is of the first definition, which leaves out what the scope holds now.
    Definition,
    /// Its signer is in none of the groups.
    Group,
    /// Events of the period stood in the log, and behind what was reviewed.
    Cut,
    /// Its key was revoked before the deadline.
    Revoked,
    /// Its signer has a part in what was reviewed, and nobody else reviewed it.
    Own,
}

impl Fault {
    /// In words of the report.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::False => "it is of other events",
            Self::Unchecked => "it was not counted again",
            Self::Definition => "its scope left out kinds of events",
            Self::Group => "in none of the groups",
            Self::Cut => "events of the period stood behind what was reviewed",
            Self::Revoked => "its key was revoked before the deadline",
            Self::Own => "a part in it, and nobody else",
        }
    }
}

/// How the review of a period stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Signed before the deadline.
    Done,
    /// Signed after it.
    Late,
    /// Not signed, and the deadline is to come.
    Due,
    /// Not signed by the deadline.
    Overdue,
    /// Signed, and events of the period came afterwards, which nobody has reviewed.
    Reopened,
}

impl State {
    /// The word in outputs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Late => "late",
            Self::Due => "due",
            Self::Overdue => "overdue",
            Self::Reopened => "reopened",
        }
    }

    /// Whether somebody has to sign.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Due | Self::Overdue | Self::Reopened)
    }

    /// Whether somebody should have signed by now.
    pub const fn is_missed(self) -> bool {
        matches!(self, Self::Overdue | Self::Reopened)
    }
}

/// A schedule that a policy in force had.
#[derive(Clone, Debug, Serialize)]
pub struct ScheduleLine {
    /// Its name.
    pub name: String,
    /// What is to be reviewed.
    pub scope: String,
    /// How often.
    pub every: String,
    /// Whose days.
    pub zone: String,
    /// Days after the end of a period until which it is due.
    pub within_days: u64,
    /// Who may sign.
    pub groups: Vec<String>,
    /// Whether people with a part in it may review it alone: `deny`, `allow`.
    pub own: String,
    /// Index of the first event that put it in force.
    pub first: Index,
    /// Since when it holds, by the clock of the proxy.
    pub from: String,
    /// Until when; absent while it does.
    pub until: Option<String>,
}

/// A period that is to be reviewed.
#[derive(Clone, Debug, Serialize)]
pub struct PeriodLine {
    /// The schedule's name.
    pub schedule: String,
    /// Index of the first event that put the schedule in force.
    pub first: Index,
    /// What is to be reviewed.
    pub scope: String,
    /// Its beginning, as far as the schedule held.
    pub from: String,
    /// Its end, as far as the schedule held.
    pub to: String,
    /// From when on its review is overdue.
    pub deadline: String,
    /// How it stands.
    pub state: State,
    /// The reviews that count.
    pub reviews: Vec<CountedLine>,
    /// Those that do not.
    pub uncounted: Vec<UncountedLine>,
}

/// A review that counts.
#[derive(Clone, Debug, Serialize)]
pub struct CountedLine {
    /// Index of the review.
    pub review: Index,
    /// Name of the person.
    pub person: String,
    /// When, by the log's clock where that says later than the person's.
    pub signed: String,
    /// Whether that is after the deadline.
    pub late: bool,
    /// Events in which the person has a part.
    pub own: u64,
    /// Events of the period that came afterwards.
    pub later: u64,
    /// Size of the log that was reviewed.
    pub size: u64,
    /// Root of the population.
    pub population: String,
    /// Events of the population, by kind.
    pub counts: BTreeMap<String, u64>,
}

/// A review that does not count.
#[derive(Clone, Debug, Serialize)]
pub struct UncountedLine {
    /// Index of the review.
    pub review: Index,
    /// Name of the person.
    pub person: String,
    /// Why.
    pub why: Fault,
}

impl CountedLine {
    pub(crate) fn of(review: &Review, late: bool) -> Self {
        Self {
            review: review.index,
            person: review.person.clone(),
            signed: review.signed.to_string(),
            late,
            own: review.own,
            later: review.later,
            size: review.said.size,
            population: review.said.population.to_string(),
            counts: review.said.counts.clone(),
        }
    }
}

impl UncountedLine {
    pub(crate) fn of(review: &Review, why: Fault) -> Self {
        Self {
            review: review.index,
            person: review.person.clone(),
            why,
        }
    }
}

/// A schedule and when it held.
#[derive(Debug)]
struct Held {
    schedule: Schedule,
    first: Index,
    /// From when until when, of one proxy each, that have ended.
    spans: Vec<(Timestamp, Timestamp)>,
}

/// The schedules of a log, as its policies come into force.
#[derive(Default)]
pub(crate) struct Schedules {
    /// The latest time that a proxy or the ledger stated.
    clock: Timestamp,
    held: Vec<Held>,
    /// Of each proxy the schedules of its policy in force, by their places, and since when.
    proxies: BTreeMap<KeyId, BTreeMap<usize, Timestamp>>,
    /// By the log's clock.
    revoked: BTreeMap<KeyId, Timestamp>,
    /// When the log began; nothing holds before.
    begin: Timestamp,
    people: BTreeMap<KeyId, PersonClock>,
    /// The latest of the times that people stated.
    people_at: Timestamp,
}

/// How a person's clock stands to the log's.
#[derive(Default)]
struct PersonClock {
    /// Events that are dated well before, or after, what stands around them, and the first of them.
    apart: u64,
    first: Option<Index>,
    /// How far the worst of them is.
    worst_us: u64,
    /// The last event, until something of a proxy or the ledger stands behind it.
    last: Option<(Index, Timestamp)>,
}

impl PersonClock {
    fn is_apart(&mut self, index: Index, apart_us: u64) {
        self.apart = self.apart.saturating_add(1);
        self.first.get_or_insert(index);
        self.worst_us = self.worst_us.max(apart_us);
    }
}

impl Schedules {
    /// When keys were revoked, by that clock.
    pub(crate) const fn revoked(&self) -> &BTreeMap<KeyId, Timestamp> {
        &self.revoked
    }

    /// Asks for no reviews: of a part of a log nobody can say which are missing.
    pub(crate) fn leave(&mut self) {
        self.held.clear();
        self.proxies.clear();
    }

    /// The log's clock.
    pub(crate) const fn clock(&self) -> Timestamp {
        self.clock
    }

    /// An event passes by, of a key of this role.
    pub(crate) fn event(&mut self, placed: &Placed, role: Option<Role>) {
        let (event, index) = (&placed.event, placed.index);
        match role {
            Some(Role::Proxy | Role::Ledger) => {
                self.clock = self.clock.max(event.time);
                self.follows_people(event.time);
            }
            Some(Role::Person | Role::Administrator) => {
                let person = self.people.entry(event.emitter.0).or_default();
                let behind_us = self.clock.0.saturating_sub(event.time.0);
                if behind_us > APART_US {
                    person.is_apart(index, behind_us);
                }
                person.last = Some((index, event.time));
                self.people_at = self.people_at.max(event.time);
            }
            None => {}
        }
        let ended = match &event.body {
            Body::Genesis(_) => {
                self.begin = event.time;
                return;
            }
            Body::KeyRevoked(revoked) => {
                self.revoked.entry(revoked.key).or_insert(self.clock);
                revoked.key
            }
            Body::KeyRotated(rotated) => rotated.from,
            _ => return,
        };
        // By the log's clock: an administrator's own could take back what was to be reviewed.
        self.hold(ended, BTreeSet::new(), self.clock);
    }

    /// What a proxy or the ledger says stands behind what people signed, and so cannot be dated well before it.
    fn follows_people(&mut self, time: Timestamp) {
        if time.0.saturating_add(APART_US) >= self.people_at.0 {
            return;
        }
        for person in self.people.values_mut() {
            let ahead = |(_, last): &(Index, Timestamp)| time.0.saturating_add(APART_US) < last.0;
            if let Some((index, last)) = person.last.take_if(|last| ahead(last)) {
                person.is_apart(index, last.0.saturating_sub(time.0));
            }
        }
        let left = self.people.values().filter_map(|person| person.last);
        self.people_at = left.map(|(_, time)| time).max().unwrap_or_default();
    }

    /// A policy comes into force at a proxy.
    pub(crate) fn in_force(&mut self, placed: &Placed, policy: Option<&Snapshot>, findings: &mut Findings) {
        let mut now = BTreeSet::new();
        for schedule in policy.map(Snapshot::reviews).unwrap_or_default() {
            let known = self.held.iter().position(|held| held.schedule == *schedule);
            let place = known.unwrap_or(self.held.len());
            if place == SCHEDULES_MAX {
                let detail = format!("{SCHEDULES_MAX} schedules are looked at");
                findings.add(Code::ReviewUnchecked, Place::Entry(placed.index), detail);
                break;
            }
            if known.is_none() {
                self.held.push(Held {
                    schedule: schedule.clone(),
                    first: placed.index,
                    spans: Vec::new(),
                });
            }
            now.insert(place);
        }
        self.hold(placed.event.emitter.0, now, placed.event.time.max(self.begin));
    }

    /// From this time on a proxy has these schedules and no others.
    fn hold(&mut self, proxy: KeyId, now: BTreeSet<usize>, time: Timestamp) {
        let current = self.proxies.entry(proxy).or_default();
        let ended = current.extract_if(.., |place, _| !now.contains(place));
        for (place, since) in ended.filter(|(_, since)| *since < time) {
            if let Some(held) = self.held.get_mut(place) {
                held.spans.push((since, time));
            }
        }
        for place in now {
            current.entry(place).or_insert(time);
        }
    }

    /// The log ends.
    pub(crate) fn finish(self, reviews: Vec<Review>, findings: &mut Findings) -> Scheduled {
        for (key, person) in &self.people {
            if let Some(first) = person.first {
                let (apart, seconds) = (person.apart, person.worst_us / 1_000_000);
                let detail = format!("key {key}: {apart} events, {seconds} s at the most");
                findings.add(Code::TimeApart, Place::Entry(first), detail);
            }
        }
        let mut open = vec![Vec::new(); self.held.len()];
        for (place, since) in self.proxies.into_values().flatten() {
            if let Some(open) = open.get_mut(place) {
                open.push(since);
            }
        }
        let mut candidates = Vec::new();
        let mut reviews = reviews;
        reviews.sort_by_key(|review| (review.said.from, review.index));
        let mut reach = Timestamp(0);
        for review in reviews {
            reach = reach.max(review.said.to);
            candidates.push((reach, review));
        }
        Scheduled {
            head: self.clock,
            held: self.held.into_iter().zip(open).collect(),
            reviews: candidates,
            revoked: self.revoked,
        }
    }
}

/// The schedules of a whole log and its reviews.
#[derive(Debug)]
pub struct Scheduled {
    head: Timestamp,
    /// With the beginnings of spans that have not ended.
    held: Vec<(Held, Vec<Timestamp>)>,
    /// By the starts of their periods, each with the latest end up to it.
    reviews: Vec<(Timestamp, Review)>,
    revoked: BTreeMap<KeyId, Timestamp>,
}

impl Scheduled {
    /// The log's clock at its head: the latest time that a proxy or the ledger stated.
    pub const fn head(&self) -> Timestamp {
        self.head
    }

    /// The schedules, in the order in which they came into force.
    pub fn schedules(&self) -> Vec<ScheduleLine> {
        let line = |(held, open): &(Held, Vec<Timestamp>)| {
            let begins = held.spans.iter().map(|(from, _)| from).chain(open).min();
            let ends = held.spans.iter().map(|(_, to)| to).max();
            ScheduleLine {
                name: held.schedule.name.clone(),
                scope: held.schedule.scope.to_string(),
                every: held.schedule.every.to_string(),
                zone: held.schedule.zone.clone(),
                within_days: held.schedule.within_days,
                groups: held.schedule.groups.clone(),
                own: held.schedule.own.to_string(),
                first: held.first,
                from: begins.map(ToString::to_string).unwrap_or_default(),
                until: ends.filter(|_| open.is_empty()).map(ToString::to_string),
            }
        };
        self.held.iter().map(line).collect()
    }

    /// Every period that was over at a time, how its review stands then, and whether there were more than are looked at.
    pub fn periods(&self, now: Timestamp) -> (Vec<PeriodLine>, bool) {
        let (mut lines, mut more) = (Vec::new(), false);
        for (held, open) in &self.held {
            let mut spans = held.spans.clone();
            spans.extend(open.iter().filter(|since| **since < now).map(|since| (*since, now)));
            let spans = merged(spans);
            let (Some((first, _)), Some((_, last))) = (spans.first(), spans.last()) else {
                continue;
            };
            let mut looked_at = 0;
            for period in held.schedule.periods(*first, *last) {
                let Some((from, to)) = clipped(&period, &spans).filter(|_| period.to <= now) else {
                    continue;
                };
                if looked_at == PERIODS_MAX {
                    more = true;
                    break;
                }
                looked_at += 1;
                lines.push(self.line(held, Period { from, to, ..period }, now));
            }
        }
        (lines, more)
    }

    /// Says of what the log itself shows that it was not signed in time.
    pub(crate) fn find(&self, findings: &mut Findings) -> Vec<PeriodLine> {
        let (lines, more) = self.periods(self.head);
        if more {
            let detail = format!("{PERIODS_MAX} periods of a schedule are looked at");
            findings.add(Code::ReviewUnchecked, Place::Bundle, detail);
        }
        for line in &lines {
            let (code, place) = match line.state {
                State::Overdue | State::Reopened => (Code::ReviewOverdue, line.first),
                State::Late => (
                    Code::ReviewLate,
                    line.reviews.first().map_or(line.first, |first| first.review),
                ),
                State::Due | State::Done => continue,
            };
            let detail = format!(
                "schedule {}, from {} to {}, due until {}: {}",
                line.schedule,
                line.from,
                line.to,
                line.deadline,
                line.state.as_str()
            );
            findings.add(code, Place::Entry(place), detail);
        }
        lines
    }

    fn line(&self, held: &Held, period: Period, now: Timestamp) -> PeriodLine {
        let schedule = &held.schedule;
        let (mut counted, mut uncounted) = (Vec::new(), Vec::new());
        for review in self.of(schedule.scope, &period) {
            match self.fault(schedule, &period, review) {
                None => counted.push(review),
                Some(why) => uncounted.push((review, why)),
            }
        }
        counted.sort_by_key(|review| review.index);
        let in_time: Vec<_> = counted
            .iter()
            .copied()
            .filter(|review| review.signed < period.deadline)
            .collect();
        let whole = counted.iter().any(|review| review.later == 0);
        let state = match () {
            () if suffices(schedule, &counted) && !whole => State::Reopened,
            () if suffices(schedule, &in_time) => State::Done,
            () if suffices(schedule, &counted) => State::Late,
            () if now < period.deadline => State::Due,
            () => State::Overdue,
        };
        if !suffices(schedule, &counted) {
            uncounted.extend(counted.drain(..).map(|review| (review, Fault::Own)));
        }
        uncounted.sort_by_key(|(review, _)| review.index);
        let line = |review: &Review| CountedLine::of(review, review.signed >= period.deadline);
        PeriodLine {
            schedule: schedule.name.clone(),
            first: held.first,
            scope: schedule.scope.to_string(),
            from: period.from.to_string(),
            to: period.to.to_string(),
            deadline: period.deadline.to_string(),
            state,
            reviews: counted.into_iter().map(line).collect(),
            uncounted: uncounted
                .into_iter()
                .map(|(review, why)| UncountedLine::of(review, why))
                .collect(),
        }
    }

    /// The reviews of a scope, or of everything, and of the whole of a period.
    fn of(&self, scope: Scope, period: &Period) -> impl Iterator<Item = &Review> {
        let begun = self
            .reviews
            .partition_point(|(_, review)| review.said.from <= period.from);
        let begun = self.reviews.get(..begun).unwrap_or_default();
        let to = period.to;
        let reaching = begun.iter().rev().take_while(move |(reach, _)| *reach >= to);
        let reviews = reaching.map(|(_, review)| review);
        reviews.filter(move |review| review.said.to >= to && [scope, Scope::All].contains(&review.scope))
    }

    fn fault(&self, schedule: &Schedule, period: &Period, review: &Review) -> Option<Fault> {
        let revoked = self.revoked.get(&review.key);
        let of_the_first = review.scope != Scope::All && review.said.definition() == Definition::First;
        match () {
            () if review.fault.is_some() => review.fault,
            () if of_the_first => Some(Fault::Definition),
            () if !schedule.groups.iter().any(|group| review.groups.contains(group)) => Some(Fault::Group),
            () if review.first_later.is_some_and(|later| later < review.index) => Some(Fault::Cut),
            () if revoked.is_some_and(|revoked| *revoked < period.deadline) => Some(Fault::Revoked),
            () => None,
        }
    }
}

/// Whether these reviews are enough.
fn suffices(schedule: &Schedule, reviews: &[&Review]) -> bool {
    let apart = |review: &&Review| schedule.own == Own::Allow || review.own == 0;
    let mut people = reviews.iter().map(|review| review.person.as_str());
    let first = people.next().unwrap_or_default();
    reviews.iter().any(apart) || people.any(|person| !person.eq_ignore_ascii_case(first))
}

/// The same moments in spans that do not touch, in order.
fn merged(mut spans: Vec<(Timestamp, Timestamp)>) -> Vec<(Timestamp, Timestamp)> {
    spans.sort_unstable();
    let mut merged: Vec<(Timestamp, Timestamp)> = Vec::new();
    for (from, to) in spans {
        match merged.last_mut() {
            Some((_, end)) if from <= *end => *end = (*end).max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

/// From the first moment of a period that is in any span to the last one.
fn clipped(period: &Period, spans: &[(Timestamp, Timestamp)]) -> Option<(Timestamp, Timestamp)> {
    let first = spans.partition_point(|(_, to)| *to <= period.from);
    let last = spans.partition_point(|(from, _)| *from < period.to);
    let within = spans.get(first..last)?;
    let ((from, _), (_, to)) = (within.first()?, within.last()?);
    Some(((*from).max(period.from), (*to).min(period.to)))
}

#[cfg(test)]
mod tests;
