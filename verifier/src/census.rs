//! The census: how many there are of each control's population in the period of the report, and what of it is an exception that
//! no check of the record itself would find.
//!
//! It is taken while the entries pass, from events alone. Memory holds a small record for each session that is open, and the counts;
//! what is known of each credential, and when each session was opened, are kept aside (`spill`).

mod credential;

use std::collections::{BTreeMap, BTreeSet};

use exhibit_policy::snapshot::Limits;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Command, Outcome, Principal, ResponseEnd, SessionOpened};
use exhibit_schemas::event::{Body, SessionId, Timestamp};
use exhibit_schemas::merkle::Index;
use serde::Serialize;

use self::credential::{Credentials, Held};
use crate::batch::Placed;
use crate::period::Period;
use crate::policy::Policies;
use crate::report::control::Control;
use crate::sample::Draw;
use crate::spill::{Slots, Spill};

/// Exceptions of one control that are listed; those past it are counted.
pub const EXCEPTIONS_MAX: usize = 10_000;

/// Names that are told apart in one count; what comes later is counted as [`OTHERS`].
const NAMES_MAX: usize = 10_000;

/// What stands for all names past those that are told apart.
pub const OTHERS: &str = "(others)";

/// How much longer than its limit a silence or a session may be: the proxy ends it then, and what it records of that takes time.
const GRACE_US: u64 = 60 * SECOND_US;

const SECOND_US: u64 = 1_000_000;

const DAY_US: u64 = 86_400 * SECOND_US;

/// Something that speaks against a control.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Exception {
    /// Index of the entry, or of the first of several; absent for what is of the bundle as a whole.
    pub index: Option<u64>,
    /// A stable word.
    pub cause: String,
    /// What exactly, without values.
    pub detail: String,
}

/// What happened in a month, by the emitters' clocks, in UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Month {
    /// Sessions that were opened.
    pub sessions: u64,
    /// Log-ins that were refused.
    pub refused_logins: u64,
    /// Commands that passed by policy alone.
    pub allowed: u64,
    /// Commands that passed by approval.
    pub approved: u64,
    /// Commands that did not pass.
    pub denied: u64,
    /// Rows released.
    pub rows: u64,
    /// Cells masked.
    pub masked: u64,
}

/// What commands of a day came to, by the emitters' clocks, in UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Day {
    /// Commands that passed by policy alone.
    pub allowed: u64,
    /// Commands that passed by approval.
    pub approved: u64,
    /// Commands that did not pass.
    pub denied: u64,
}

impl Day {
    /// All of them.
    pub fn all(&self) -> u64 {
        self.allowed.saturating_add(self.approved).saturating_add(self.denied)
    }
}

/// Commands of the period, by what they are told apart by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// By month.
    pub months: BTreeMap<String, Month>,
    /// By day.
    pub days: BTreeMap<String, Day>,
    /// Commands by the pipeline's repository, as verified claims name it.
    pub pipelines: BTreeMap<String, u64>,
    /// Commands by subject.
    pub subjects: BTreeMap<String, u64>,
    /// Commands by target.
    pub targets: BTreeMap<String, u64>,
    /// Accesses by action; a command has one for each thing that it does.
    pub actions: BTreeMap<String, u64>,
    /// Commands by what became of them.
    pub outcomes: BTreeMap<String, u64>,
    /// Cells masked, by mask or net.
    pub masked: BTreeMap<String, u64>,
    /// What nets found, by category.
    pub found: BTreeMap<String, u64>,
    /// The first and the last moment of the period that the log has events of, or on both sides of.
    #[serde(skip)]
    span: Option<(Timestamp, Timestamp)>,
    /// The last moment of a command.
    #[serde(skip)]
    last: Timestamp,
}

impl Figures {
    /// The days from the log's first one in the period to its last one, those without a command, too: the last so many, and whether
    /// there are more. Where an emitter dates an event so far away that these would hold no command, they end with the last that has one.
    pub fn calendar(&self, days_max: u64) -> (Vec<String>, bool) {
        let Some((first, last)) = self.span.map(|(first, last)| (first.0 / DAY_US, last.0 / DAY_US)) else {
            return (Vec::new(), false);
        };
        let room = days_max.saturating_sub(1);
        let days = |last: u64| -> Vec<String> {
            let first = first.max(last.saturating_sub(room));
            (first..=last)
                .map(|number| day(Timestamp(number.saturating_mul(DAY_US))))
                .collect()
        };
        let cut = last - first > room;
        let drawn = days(last);
        if self.days.is_empty() || drawn.iter().any(|name| self.days.contains_key(name)) {
            return (drawn, cut);
        }
        (days(self.last.0 / DAY_US), cut)
    }

    /// Something happened then.
    fn spans(&mut self, time: Timestamp, period: Period) {
        let time = time.clamp(period.from(), Timestamp(period.to().0.saturating_sub(1)));
        self.span = Some(match self.span {
            Some((first, last)) => (first.min(time), last.max(time)),
            None => (time, time),
        });
    }
}

/// A session that is open.
#[derive(Debug)]
struct Open {
    opened: Timestamp,
    last: Timestamp,
    /// Index of its opening.
    index: Index,
    /// Commands that passed and have no end of their response, by their sequence.
    under_way: BTreeSet<u64>,
    /// Whether people are being asked.
    waits: bool,
    limits: Limits,
    subject: String,
    target: String,
    pipeline: Option<String>,
}

/// Counts and exceptions of a period.
#[derive(Debug)]
pub struct Census {
    period: Option<Period>,
    counts: BTreeMap<Control, u64>,
    months: BTreeMap<Control, BTreeMap<String, u64>>,
    /// The month of the event that passes.
    now: String,
    exceptions: BTreeMap<Control, BTreeSet<Exception>>,
    /// Exceptions past [`EXCEPTIONS_MAX`].
    not_listed: BTreeMap<Control, u64>,
    figures: Figures,
    open: BTreeMap<SessionId, Open>,
    /// When each session was opened.
    opened: Slots<16, 8>,
    credentials: Credentials,
    policies: BTreeSet<Digest>,
    draw: Option<Draw>,
}

impl Census {
    /// A census of a period; of nothing where there is none.
    pub(crate) fn new(period: Option<Period>, spill: &Spill) -> Self {
        Self {
            period,
            counts: BTreeMap::new(),
            months: BTreeMap::new(),
            now: String::new(),
            exceptions: BTreeMap::new(),
            not_listed: BTreeMap::new(),
            figures: Figures::default(),
            open: BTreeMap::new(),
            opened: Slots::new(spill),
            credentials: Credentials::new(spill),
            policies: BTreeSet::new(),
            draw: None,
        }
    }

    /// The same, which a sample of a control's population is drawn from on the way.
    pub(crate) fn sampled(mut self, draw: Option<Draw>) -> Self {
        self.draw = draw;
        self
    }

    /// Offers one of a population to the draw.
    pub(crate) fn offer(&mut self, control: Control, label: impl FnOnce() -> String) {
        if let Some(draw) = &mut self.draw {
            draw.offer(control, label);
        }
    }

    /// What was drawn.
    pub(crate) fn take_draw(&mut self) -> Option<Draw> {
        self.draw.take()
    }

    /// Whether one was asked for.
    pub(crate) fn is_taken(&self) -> bool {
        self.period.is_some()
    }

    /// Exceptions to a control that are counted and not listed.
    pub fn not_listed(&self, control: Control) -> u64 {
        self.not_listed.get(&control).copied().unwrap_or(0)
    }

    /// The period that it is of.
    pub fn period(&self) -> Period {
        self.period.unwrap_or(Period::ALWAYS)
    }

    /// How many there are of a control's population.
    pub fn count(&self, control: Control) -> u64 {
        self.counts.get(&control).copied().unwrap_or(0)
    }

    /// The same by month.
    pub fn months(&self, control: Control) -> BTreeMap<String, u64> {
        self.months.get(&control).cloned().unwrap_or_default()
    }

    /// What speaks against a control besides findings, in order.
    pub fn exceptions(&self, control: Control) -> impl Iterator<Item = &Exception> {
        self.exceptions.get(&control).into_iter().flatten()
    }

    /// Figures of the period.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Takes an event in.
    pub(crate) fn event(&mut self, placed: &Placed, policies: &Policies) {
        let Some(period) = self.period else { return };
        let time = placed.event.time;
        self.now = month(time);
        self.figures.spans(time, period);
        if let Body::PolicySnapshot(body) = &placed.event.body
            && time < period.to()
            && self.policies.insert(body.policy)
        {
            self.add(Control::Retention, placed.index, 1);
        }
        // Silence before the period's first event of a session is of the period, too: sessions are followed from their opening on.
        self.follow(placed, policies, period.holds(time));
        // So is a credential that another subject used before it.
        if let Body::SessionOpened(body) = &placed.event.body {
            self.identified(placed, body, period.holds(time));
        }
        if period.holds(time) {
            self.count_event(placed);
        }
    }

    fn count_event(&mut self, placed: &Placed) {
        let month = self.month(placed.event.time);
        match &placed.event.body {
            Body::SessionOpened(_) => {
                month.sessions += 1;
                for control in [Control::Identity, Control::Logoff, Control::Audit] {
                    self.add(control, placed.index, 1);
                }
            }
            Body::LoginRefused(body) => {
                month.refused_logins = month.refused_logins.saturating_add(body.count);
                self.add(Control::LoginMonitoring, placed.index, body.count);
            }
            Body::Command(body) => {
                let counted = |allowed: &mut u64, approved: &mut u64, denied: &mut u64| match body.outcome {
                    Outcome::Allowed => *allowed += 1,
                    Outcome::Approved => *approved += 1,
                    _ => *denied += 1,
                };
                counted(&mut month.allowed, &mut month.approved, &mut month.denied);
                self.figures.last = self.figures.last.max(placed.event.time);
                let day = self.day(placed.event.time);
                counted(&mut day.allowed, &mut day.approved, &mut day.denied);
                self.command(placed, body);
            }
            Body::ApprovalRequested(_) => self.add(Control::Access, placed.index, 1),
            Body::ThresholdDecided(body) => {
                self.add(Control::Access, placed.index, 1);
                self.add(
                    Control::Authorization,
                    placed.index,
                    u64::from(body.outcome == Outcome::Approved),
                );
            }
            Body::ResponseEnd(body) => {
                month.rows = month.rows.saturating_add(body.rows);
                for cells in body.masked.values() {
                    month.masked = month.masked.saturating_add(*cells);
                }
                self.released(placed.index, body);
            }
            Body::Detection(body) => {
                for (category, findings) in &body.findings {
                    bump(&mut self.figures.found, category, *findings);
                }
            }
            Body::KeyRevoked(_) => self.add(Control::Termination, placed.index, 1),
            Body::ReviewSigned(_) => self.add(Control::Review, placed.index, 1),
            _ => {}
        }
    }

    fn command(&mut self, placed: &Placed, body: &Command) {
        self.add(Control::Access, placed.index, 1);
        self.add(
            Control::Authorization,
            placed.index,
            u64::from(body.outcome == Outcome::Approved),
        );
        bump(&mut self.figures.outcomes, body.outcome.as_str(), 1);
        for access in &body.facts.accesses {
            bump(&mut self.figures.actions, &access.0.to_string(), 1);
        }
        let open = placed.event.session.and_then(|place| self.open.get(&place.0));
        if let Some(open) = open {
            bump(&mut self.figures.subjects, &open.subject, 1);
            bump(&mut self.figures.targets, &open.target, 1);
            let pipeline = open.pipeline.as_deref().unwrap_or("(no pipeline)");
            bump(&mut self.figures.pipelines, pipeline, 1);
        }
    }

    fn released(&mut self, index: Index, body: &ResponseEnd) {
        self.add(Control::MinimumNecessary, index, u64::from(body.rows > 0));
        for (mask, cells) in &body.masked {
            bump(&mut self.figures.masked, mask, *cells);
        }
    }

    /// Holds who opened a session against what the control asks for, where the opening is of the period; learns the credential in
    /// any case.
    fn identified(&mut self, placed: &Placed, body: &SessionOpened, counts: bool) {
        let mut faults = Vec::new();
        let missing = missing(&body.principal);
        if missing.is_empty() {
            if body.expires.is_some_and(|expires| expires <= placed.event.time) {
                let detail = "it was opened with a credential that had expired".to_owned();
                faults.push(("credential-expired", detail));
            }
            faults.extend(self.held(placed, &body.principal));
        } else {
            let detail = format!("its opening names no {}", missing.join(", no "));
            faults.push(("identity-missing", detail));
        }
        for (cause, detail) in faults.into_iter().filter(|_| counts) {
            self.except(Control::Identity, placed.index, cause, detail);
        }
    }

    /// Learns whose a credential is, and says what is wrong where it is another's: of both who used it.
    fn held(&mut self, placed: &Placed, principal: &Principal) -> Option<(&'static str, String)> {
        let Principal {
            issuer,
            subject,
            evidence,
            ..
        } = principal;
        match self
            .credentials
            .hold(*evidence, whose(issuer, subject), (placed.index, placed.event.time))
        {
            Held::Own => None,
            Held::Shared {
                first: (first, time),
                told,
            } => {
                if !told && self.period.is_some_and(|period| period.holds(time)) {
                    let detail = format!("credential {evidence} was used by another subject at #{}", placed.index);
                    self.except(Control::Identity, first, "credential-shared", detail);
                }
                let detail = format!("credential {evidence} was used by another subject at #{first}");
                Some(("credential-shared", detail))
            }
            Held::Uncompared => {
                let detail = "there are more credentials than are compared".to_owned();
                Some(("credential-uncompared", detail))
            }
        }
    }

    /// Follows the sessions that are open, and holds them against the limits of their policies.
    fn follow(&mut self, placed: &Placed, policies: &Policies, counts: bool) {
        let (Some(place), time) = (placed.event.session, placed.event.time) else {
            return;
        };
        let limits = |policy| policies.get(policy).map(exhibit_policy::snapshot::Snapshot::limits);
        if let Body::SessionOpened(body) = &placed.event.body {
            if !self.opened.has(&place.0.0) {
                self.opened.insert(place.0.0, time.0.to_be_bytes());
            }
            let open = Open {
                opened: time,
                last: time,
                index: placed.index,
                under_way: BTreeSet::new(),
                waits: false,
                limits: limits(body.policy).unwrap_or_default(),
                subject: body.principal.subject.clone(),
                target: body.target.clone(),
                pipeline: body.principal.run.as_ref().map(|run| run.repository.clone()),
            };
            self.open.insert(place.0, open);
            return;
        }
        let Some(open) = self.open.get_mut(&place.0) else {
            return;
        };
        let silent = time.0.saturating_sub(open.last.0);
        let longest = open.limits.idle_s.saturating_mul(SECOND_US);
        let idle = open.under_way.is_empty() && !open.waits && silent > longest.saturating_add(GRACE_US);
        open.last = open.last.max(time);
        match &placed.event.body {
            Body::Command(body) => {
                if matches!(body.outcome, Outcome::Allowed | Outcome::Approved) {
                    open.under_way.insert(place.1);
                }
                open.waits = false;
                if let Some(limits) = limits(body.decision.policy) {
                    // Under a policy that is read again the longer limit counts, as a proxy may still hold the one of the opening.
                    open.limits.idle_s = open.limits.idle_s.max(limits.idle_s);
                    open.limits.session_s = open.limits.session_s.max(limits.session_s);
                }
            }
            Body::ApprovalRequested(_) => open.waits = true,
            Body::ApprovalExpired(_) | Body::ThresholdDecided(_) => open.waits = false,
            Body::ResponseEnd(body) => {
                open.under_way.remove(&body.command);
            }
            _ => {}
        }
        let (limits, opened) = (open.limits, open.opened);
        let closed = matches!(placed.event.body, Body::SessionClosed(_));
        if closed {
            self.open.remove(&place.0);
        }
        // A session is of the period that it was opened in, and what it does later is of its time, too.
        if !counts && !self.period.is_some_and(|period| period.holds(opened)) {
            return;
        }
        if idle {
            let seconds = silent / SECOND_US;
            let detail = format!("{seconds} s passed without an event; the limit is {} s", limits.idle_s);
            self.except(Control::Logoff, placed.index, "idle-longer", detail);
        }
        let lasted = time.0.saturating_sub(opened.0);
        let limit = limits.session_s.saturating_mul(SECOND_US);
        if closed && lasted > limit.saturating_add(GRACE_US) {
            let seconds = lasted / SECOND_US;
            let detail = format!("it lasted {seconds} s; the limit is {} s", limits.session_s);
            self.except(Control::Logoff, placed.index, "session-longer", detail);
        }
    }

    /// The log ends at a time: sessions of which it has no close were silent, and open, until then.
    pub(crate) fn finish(&mut self, now: Timestamp) {
        let Some(period) = self.period else { return };
        for open in std::mem::take(&mut self.open).into_values() {
            let silent = now.0.saturating_sub(open.last.0);
            let idle = open.limits.idle_s.saturating_mul(SECOND_US).saturating_add(GRACE_US);
            let lasted = now.0.saturating_sub(open.opened.0);
            let limit = open.limits.session_s.saturating_mul(SECOND_US).saturating_add(GRACE_US);
            if !period.holds(open.opened) && !period.holds(open.last) {
                continue;
            }
            if open.under_way.is_empty() && !open.waits && silent > idle {
                let (seconds, longest) = (silent / SECOND_US, open.limits.idle_s);
                let detail = format!(
                    "no close of it is in the log, which ends {seconds} s after its last event; the limit is {longest} s"
                );
                self.except(Control::Logoff, open.index, "idle-longer", detail);
            }
            if lasted > limit {
                let (seconds, longest) = (lasted / SECOND_US, open.limits.session_s);
                let detail = format!(
                    "no close of it is in the log, which ends {seconds} s after its opening; the limit is {longest} s"
                );
                self.except(Control::Logoff, open.index, "session-longer", detail);
            }
        }
    }

    /// When a session was opened, where the log says it.
    pub(crate) fn opened(&self, session: SessionId) -> Option<Timestamp> {
        let opened = self.opened.get(&session.0)?;
        Some(Timestamp(u64::from_be_bytes(opened)))
    }

    fn add(&mut self, control: Control, index: Index, more: u64) {
        if more > 0 {
            self.offer(control, || index.to_string());
        }
        let count = self.counts.entry(control).or_default();
        *count = count.saturating_add(more);
        if more > 0 {
            bump(self.months.entry(control).or_default(), &self.now, more);
        }
    }

    fn except(&mut self, control: Control, index: Index, cause: &str, detail: String) {
        let exceptions = self.exceptions.entry(control).or_default();
        if exceptions.len() < EXCEPTIONS_MAX {
            exceptions.insert(Exception {
                index: Some(index.0),
                cause: cause.to_owned(),
                detail,
            });
        } else {
            *self.not_listed.entry(control).or_default() += 1;
        }
    }

    fn month(&mut self, time: Timestamp) -> &mut Month {
        let months = &mut self.figures.months;
        months.entry(named(months, month(time))).or_default()
    }

    fn day(&mut self, time: Timestamp) -> &mut Day {
        let days = &mut self.figures.days;
        days.entry(named(days, day(time))).or_default()
    }
}

/// A name where it is told apart, and else what stands for all others.
fn named<T>(counts: &BTreeMap<String, T>, name: String) -> String {
    let room = counts.len() < NAMES_MAX || counts.contains_key(&name);
    if room { name } else { OTHERS.to_owned() }
}

/// The day of a moment, in UTC, whatever its year.
fn day(time: Timestamp) -> String {
    let mut text = time.to_string();
    text.truncate(text.find('T').unwrap_or(text.len()));
    text
}

/// Its month.
pub(crate) fn month(time: Timestamp) -> String {
    let mut text = day(time);
    text.truncate(text.rfind('-').unwrap_or(text.len()));
    text
}

/// Digest of an issuer and a subject; the length of the one keeps them apart.
fn whose(issuer: &str, subject: &str) -> Digest {
    Digest::of(format!("{} {issuer}{subject}", issuer.len()).as_bytes())
}

/// What a principal does not name.
fn missing(principal: &Principal) -> Vec<&'static str> {
    let named = [
        ("subject", !principal.subject.is_empty()),
        ("issuer", !principal.issuer.is_empty()),
        ("credential", principal.evidence != Digest([0; 32])),
    ];
    let missing = named.into_iter().filter(|(_, named)| !named);
    missing.map(|(what, _)| what).collect()
}

fn bump(counts: &mut BTreeMap<String, u64>, name: &str, more: u64) {
    let room = counts.len() < NAMES_MAX || counts.contains_key(name);
    let count = counts.entry(if room { name } else { OTHERS }.to_owned()).or_default();
    *count = count.saturating_add(more);
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::event::Timestamp;

    use super::{day, month};

    #[test]
    fn days_and_months_are_whole_in_every_year_that_an_emitter_can_say() {
        let last = Timestamp::parse("9999-12-31T23:59:59.999999Z").unwrap();
        for (time, day_of, month_of) in [
            (Timestamp(0), "1970-01-01", "1970-01"),
            (last, "9999-12-31", "9999-12"),
            (Timestamp(last.0 + 1), "10000-01-01", "10000-01"),
        ] {
            assert_eq!((day(time).as_str(), month(time).as_str()), (day_of, month_of));
        }
    }
}
