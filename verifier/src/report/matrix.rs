//! The rows of the control matrix: what was counted, what speaks against it, and what may be said.
//!
//! A row passes only where the whole bundle is verified, its population is not empty, everything of it was tested and nothing
//! speaks against it.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_schemas::event::Timestamp;
use exhibit_schemas::merkle::Index;
use serde::Serialize;

use super::control::{Control, Strength, breaks_record, is_told_once};
use super::handling::{ExceptionLine, handle};
use crate::census::{Census, EXCEPTIONS_MAX, Exception, month};
use crate::emergency::EmergencyLine;
use crate::evidence::Evidence;
use crate::finding::{Code, Finding, Findings, Place};
use crate::period::Period;
use crate::schedule::{PeriodLine, State as Review};
use crate::scoped::NOT_TESTED;
use crate::verify::Bundle;

/// What may be said of a control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Everything of its population was tested, and nothing speaks against it.
    Pass,
    /// Something does.
    Exception,
    /// There were none of its population in the period.
    NoPopulation,
    /// It was not tested; the result says why.
    NotTested,
}

impl State {
    /// The words in outputs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Exception => "exception",
            Self::NoPopulation => "no population",
            Self::NotTested => "not tested",
        }
    }
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The word by which programs name the control.
    pub id: &'static str,
    /// Cite in 45 CFR Part 164.
    pub cite: &'static str,
    /// Its name.
    pub title: &'static str,
    /// What one of its population is.
    pub population: &'static str,
    /// The same as a query over the events.
    pub query: &'static str,
    /// How many there are in the period.
    pub count: u64,
    /// What was tested of each.
    pub test: &'static str,
    /// How far this evidence carries the control.
    pub strength: Strength,
    /// What the ledger cannot show of it.
    pub cannot_show: &'static str,
    /// What may be said.
    pub state: State,
    /// The same in words.
    pub result: String,
    /// What speaks against it, in order.
    pub exceptions: Vec<ExceptionLine>,
    /// Exceptions that are counted and not listed.
    pub not_listed: u64,
    /// The same by month, in UTC, where its population has times of its own.
    pub months: BTreeMap<String, Tested>,
}

/// What a month has of a control's population.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tested {
    /// How many there are.
    pub count: u64,
    /// Exceptions among them, as far as they are listed.
    pub exceptions: u64,
}

/// The rows of a bundle whose record is sound.
pub(crate) fn rows(bundle: &Bundle) -> Vec<Row> {
    let doubt = doubt(bundle);
    let of = |control: &Control| {
        let count = count(bundle, *control);
        let exceptions = exceptions(bundle, *control);
        let not_listed = bundle.census.not_listed(*control);
        let all = not_listed.saturating_add(u64::try_from(exceptions.len()).unwrap_or(u64::MAX));
        let (state, mut result) = match bundle.scoped {
            Some(_) if all == 0 => (State::NotTested, NOT_TESTED.to_owned()),
            _ => with_what_is_open(bundle, *control, count, said(*control, count, all, doubt)),
        };
        if exceptions.iter().any(|exception| is_told_once(&exception.cause)) {
            result.insert_str(0, "at least ");
        }
        let months = months(bundle, *control, &exceptions);
        Row {
            months,
            ..row(*control, count, state, result, exceptions, not_listed)
        }
    };
    let mut rows: Vec<Row> = Control::ALL.iter().map(of).collect();
    handle(&mut rows, bundle);
    rows
}

/// Adds what a test has not come to: reviews that may still be signed in time, and checkpoints that nobody gave.
fn with_what_is_open(
    bundle: &Bundle,
    control: Control,
    count: u64,
    (state, result): (State, String),
) -> (State, String) {
    let to_come = to_come(bundle, control);
    match (control, state) {
        (_, State::Exception) => (state, result),
        (Control::Emergency, State::Pass) if to_come > 0 => (
            State::NotTested,
            format!("{result}; the review of {to_come} of them may still be signed in time"),
        ),
        (Control::Review, State::NoPopulation) if to_come > 0 => (
            State::NotTested,
            format!("the reviews of {to_come} periods may still be signed in time, and there are no others"),
        ),
        (Control::Review, _) if to_come > 0 => (
            state,
            format!("{result}; the reviews of {to_come} more periods may still be signed in time"),
        ),
        (Control::Audit, State::Pass) if bundle.heads == 0 && count > 0 => {
            (state, format!("{result}; no kept checkpoint was given to compare with"))
        }
        _ => (state, result),
    }
}

fn months(bundle: &Bundle, control: Control, exceptions: &BTreeSet<Exception>) -> BTreeMap<String, Tested> {
    let mut months: BTreeMap<String, Tested> = BTreeMap::new();
    let evidence = &bundle.evidence;
    let period = bundle.census.period();
    let times: Vec<Timestamp> = match control {
        // Seals have no time.
        Control::Integrity => return months,
        Control::Emergency => of_period(&evidence.emergencies, period, used)
            .filter_map(used)
            .collect(),
        Control::Review => due(bundle).filter_map(last_moment).collect(),
        _ => Vec::new(),
    };
    for time in times {
        months.entry(month(time)).or_default().count += 1;
    }
    for (month, count) in bundle.census.months(control) {
        months.entry(month).or_default().count += count;
    }
    // A review that was missed is of the period that it was to be of; what it cites may be of long before.
    let missed: BTreeMap<_, _> = match control {
        Control::Review => due(bundle)
            .filter_map(|line| Some((missed(line)?, last_moment(line)?)))
            .collect(),
        _ => BTreeMap::new(),
    };
    let uses = uses(evidence);
    for exception in exceptions {
        let of_use = exception.index.and_then(|index| uses.get(&index).copied());
        let cited = || bundle.cited.get(&Index(exception.index?)).and_then(|cited| cited.time);
        if let Some(time) = missed
            .get(exception)
            .copied()
            .or(of_use.filter(|_| control == Control::Emergency))
            .or_else(cited)
        {
            months.entry(month(time)).or_default().exceptions += 1;
        }
    }
    months
}

/// The rows of a bundle whose record is not: what broke it, and nothing else.
pub(super) fn broken(findings: &Findings) -> Vec<Row> {
    let of = |control: &Control| {
        let breaks = |finding: &&Finding| breaks_record(finding.code) && Control::of(finding.code) == Some(*control);
        let exceptions: BTreeSet<_> = findings.list().iter().filter(breaks).map(exception).collect();
        let (state, result) = if exceptions.is_empty() {
            (
                State::NotTested,
                "the record is not sound: nothing is read from it".to_owned(),
            )
        } else {
            (
                State::Exception,
                number(u64::try_from(exceptions.len()).unwrap_or(u64::MAX)),
            )
        };
        row(*control, 0, state, result, exceptions, 0)
    };
    Control::ALL.iter().map(of).collect()
}

/// Why nothing may pass, though nothing speaks against it.
fn doubt(bundle: &Bundle) -> Option<&'static str> {
    if bundle.findings.errors() > 0 {
        Some("a bundle with errors passes nothing")
    } else if bundle.findings.not_kept() > 0 || bundle.evidence.not_counted > 0 {
        Some("there are more findings or lines than are kept, and an exception may be among the others")
    } else {
        None
    }
}

fn row(
    control: Control,
    count: u64,
    state: State,
    result: String,
    exceptions: BTreeSet<Exception>,
    not_listed: u64,
) -> Row {
    let definition = control.definition();
    let past = u64::try_from(exceptions.len().saturating_sub(EXCEPTIONS_MAX)).unwrap_or(u64::MAX);
    Row {
        id: definition.id,
        cite: definition.cite,
        title: definition.title,
        population: definition.population,
        query: definition.query,
        count,
        test: definition.test,
        strength: definition.strength,
        cannot_show: definition.cannot_show,
        state,
        result,
        exceptions: exceptions
            .into_iter()
            .take(EXCEPTIONS_MAX)
            .map(|exception| ExceptionLine::open(definition.id, exception))
            .collect(),
        not_listed: not_listed.saturating_add(past),
        months: BTreeMap::new(),
    }
}

fn said(control: Control, count: u64, exceptions: u64, doubt: Option<&str>) -> (State, String) {
    if exceptions > 0 {
        return (State::Exception, number(exceptions));
    }
    let untested = match control {
        Control::Disclosures => {
            Some("no event says that an access was a disclosure, so the log cannot tell how many there were")
        }
        Control::Termination => Some("no feed of terminations is read; nothing stands under a key after its end"),
        Control::LoginMonitoring if count > 0 => {
            Some("each is listed; whether somebody was told of them is not in the log")
        }
        _ => None,
    };
    match untested {
        Some(reason) => (State::NotTested, reason.to_owned()),
        None => match doubt {
            Some(why) if count > 0 || bounded(control) => {
                (State::NotTested, format!("no exception was found among {count}; {why}"))
            }
            _ if count == 0 => (State::NoPopulation, "0 instances in the period".to_owned()),
            _ => (State::Pass, format!("no exception among {count}")),
        },
    }
}

/// Whether its population is counted by lines, of which not all may be kept.
fn bounded(control: Control) -> bool {
    matches!(control, Control::Emergency | Control::Review)
}

fn number(exceptions: u64) -> String {
    match exceptions {
        1 => "1 exception".to_owned(),
        many => format!("{many} exceptions"),
    }
}

fn count(bundle: &Bundle, control: Control) -> u64 {
    let period = bundle.census.period();
    let lines = match control {
        // Of what a scoped bundle withholds there are hashes alone.
        Control::Integrity => {
            return bundle
                .scoped
                .as_ref()
                .map_or(bundle.size.0, |scoped| scoped.disclosed.saturating_add(scoped.seals));
        }
        Control::Emergency => of_period(&bundle.evidence.emergencies, period, used).count(),
        Control::Review => due(bundle).count(),
        _ => 0,
    };
    u64::try_from(lines)
        .unwrap_or(u64::MAX)
        .saturating_add(bundle.census.count(control))
}

/// How many reviews of a control may still be signed in time.
fn to_come(bundle: &Bundle, control: Control) -> usize {
    let (evidence, period) = (&bundle.evidence, bundle.census.period());
    match control {
        Control::Emergency => of_period(&evidence.emergencies, period, used)
            .filter(|line| line.state == Review::Due)
            .count(),
        Control::Review => of_period(&evidence.review_periods, period, last_moment)
            .filter(|line| line.state == Review::Due)
            .count(),
        _ => 0,
    }
}

/// Periods to be reviewed whose last moment is of the report's: the review of a month is of that month's report. One that may still
/// be signed in time is not among them.
fn due(bundle: &Bundle) -> impl Iterator<Item = &PeriodLine> {
    let periods = of_period(&bundle.evidence.review_periods, bundle.census.period(), last_moment);
    periods.filter(|line| line.state != Review::Due)
}

/// When what each review of a use is of had passed: what speaks against a review is of the period of the use.
fn uses(evidence: &Evidence) -> BTreeMap<u64, Timestamp> {
    let mut uses = BTreeMap::new();
    for line in &evidence.emergencies {
        let counted = line.reviews.iter().map(|review| review.review.0);
        let uncounted = line.uncounted.iter().map(|review| review.review.0);
        for index in counted.chain(uncounted) {
            uses.extend(used(line).map(|time| (index, time)));
        }
    }
    uses
}

/// The last moment of a period to be reviewed. Where it ends the next one begins.
fn last_moment(line: &PeriodLine) -> Option<Timestamp> {
    Some(Timestamp(Timestamp::parse(&line.to)?.0.saturating_sub(1)))
}

/// When something passed in an emergency.
fn used(line: &EmergencyLine) -> Option<Timestamp> {
    Timestamp::parse(&line.time)
}

/// What speaks against a control in the report's period.
fn exceptions(bundle: &Bundle, control: Control) -> BTreeSet<Exception> {
    let period = bundle.census.period();
    let uses = uses(&bundle.evidence);
    let of = |index: Index| {
        // What has no time of its own, a file or a seal, is of every period.
        let Some((cited, time)) = bundle.cited.get(&index).and_then(|cited| Some((cited, cited.time?))) else {
            return true;
        };
        let opened = cited.opened;
        match control {
            Control::Emergency if uses.contains_key(&index.0) => {
                uses.get(&index.0).is_some_and(|time| period.holds(*time))
            }
            // What speaks against a session is of the period that it was opened in, and of its own.
            Control::Identity | Control::Logoff | Control::Audit => {
                period.holds(time) || opened.is_some_and(|opened| period.holds(opened))
            }
            // So is every policy that the log had by then.
            Control::Retention => time < period.to(),
            _ => period.holds(time),
        }
    };
    let here = |finding: &&Finding| match finding.place {
        Place::Entry(index) | Place::Entries(index, _) => of(index),
        _ => true,
    };
    let mut exceptions: BTreeSet<_> = found(bundle, control).filter(here).map(exception).collect();
    exceptions.extend(bundle.census.exceptions(control).cloned());
    if control == Control::Review {
        exceptions.extend(due(bundle).filter_map(missed));
    }
    exceptions
}

/// Findings that speak against a control, whenever it was.
fn found(bundle: &Bundle, control: Control) -> impl Iterator<Item = &Finding> {
    let of = move |finding: &&Finding| {
        // These are told by period.
        Control::of(finding.code) == Some(control) && !matches!(finding.code, Code::ReviewOverdue | Code::ReviewLate)
    };
    bundle.findings.list().iter().filter(of)
}

/// What speaks against a control in the whole log, in addition to what the census found in the period.
pub(crate) fn in_whole_log(bundle: &Bundle, control: Control) -> BTreeSet<Exception> {
    let mut exceptions = exceptions(bundle, control);
    exceptions.extend(found(bundle, control).map(exception));
    exceptions
}

/// Offers what is counted by lines to the draw of a sample.
pub(crate) fn offer(evidence: &Evidence, census: &mut Census) {
    let period = census.period();
    for line in of_period(&evidence.emergencies, period, used) {
        census.offer(Control::Emergency, || line.used.to_string());
    }
    let periods = of_period(&evidence.review_periods, period, last_moment);
    for line in periods.filter(|line| line.state != Review::Due) {
        census.offer(Control::Review, || label(line));
    }
}

/// Lines whose time is of a period. One that no time can be read of is of every period, as it may not fall out of all.
fn of_period<T>(lines: &[T], period: Period, time: impl Fn(&T) -> Option<Timestamp>) -> impl Iterator<Item = &T> {
    let of = move |line: &&T| time(line).is_none_or(|time| period.holds(time));
    lines.iter().filter(of)
}

/// What a period to be reviewed is called.
fn label(line: &PeriodLine) -> String {
    format!("{} {}..{}", line.schedule, line.from, line.to)
}

fn missed(line: &PeriodLine) -> Option<Exception> {
    let cause = match line.state {
        Review::Done | Review::Due => return None,
        Review::Late => "review-late",
        Review::Overdue => "review-overdue",
        Review::Reopened => "review-reopened",
    };
    // What was signed late is there to be looked at; of what was not signed there is only who asks for it.
    let late = line.reviews.first().filter(|_| line.state == Review::Late);
    Some(Exception {
        index: Some(late.map_or(line.first, |late| late.review).0),
        cause: cause.to_owned(),
        detail: format!("{}, of {}, due {}", label(line), line.scope, line.deadline),
    })
}

fn exception(finding: &Finding) -> Exception {
    let index = match finding.place {
        Place::Entry(index) | Place::Entries(index, _) => Some(index.0),
        _ => None,
    };
    let detail = match &finding.place {
        Place::File(name) | Place::Receipt(name) => format!("{name}: {}", finding.detail),
        _ => finding.detail.clone(),
    };
    let cause = finding.code.as_str().to_owned();
    let more = if is_told_once(&cause) {
        "; told once, and there may be more like it"
    } else {
        ""
    };
    Exception {
        index,
        cause,
        detail: detail + more,
    }
}

#[cfg(test)]
mod tests {
    use super::{State, said};
    use crate::report::control::Control;

    #[test]
    fn nothing_passes_in_doubt_or_without_a_population() {
        let doubt = Some("why");
        for (control, count, exceptions, doubt, state) in [
            (Control::Access, 5, 0, None, State::Pass),
            (Control::Access, 5, 0, doubt, State::NotTested),
            (Control::Access, 5, 1, None, State::Exception),
            (Control::Access, 0, 1, doubt, State::Exception),
            (Control::Access, 0, 0, None, State::NoPopulation),
            (Control::Review, 0, 0, doubt, State::NotTested),
            (Control::Disclosures, 0, 0, None, State::NotTested),
            (Control::LoginMonitoring, 2, 0, None, State::NotTested),
        ] {
            assert_eq!(said(control, count, exceptions, doubt).0, state, "{control:?} {count}");
        }
    }
}
