//! The rows of the control matrix: what was counted, what speaks against it, and what may be said.
//!
//! A row passes only where the whole bundle is verified, its population is not empty, everything of it was tested and nothing
//! speaks against it.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_schemas::event::Timestamp;
use exhibit_schemas::merkle::Index;
use serde::Serialize;

use super::control::{Control, Strength, breaks_record};
use crate::census::{Census, EXCEPTIONS_MAX, Exception, month};
use crate::emergency::EmergencyLine;
use crate::evidence::Evidence;
use crate::finding::{Code, Finding, Findings, Place};
use crate::period::Period;
use crate::schedule::{PeriodLine, State as Review};
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
    pub exceptions: Vec<Exception>,
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
        let (state, result) = said(*control, count, all, doubt);
        let months = months(bundle, *control, &exceptions);
        Row {
            months,
            ..row(*control, count, state, result, exceptions, not_listed)
        }
    };
    Control::ALL.iter().map(of).collect()
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
    for exception in exceptions {
        let cited = || bundle.cited.get(&Index(exception.index?)).map(|cited| cited.time);
        if let Some(time) = missed.get(exception).copied().or_else(cited) {
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
        exceptions: exceptions.into_iter().take(EXCEPTIONS_MAX).collect(),
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
        Control::Integrity => return bundle.size.0,
        Control::Emergency => of_period(&bundle.evidence.emergencies, period, used).count(),
        Control::Review => due(bundle).count(),
        _ => 0,
    };
    u64::try_from(lines)
        .unwrap_or(u64::MAX)
        .saturating_add(bundle.census.count(control))
}

/// Periods to be reviewed whose last moment is of the report's: the review of a month is of that month's report.
fn due(bundle: &Bundle) -> impl Iterator<Item = &PeriodLine> {
    of_period(&bundle.evidence.review_periods, bundle.census.period(), last_moment)
}

/// The last moment of a period to be reviewed. Where it ends the next one begins.
fn last_moment(line: &PeriodLine) -> Option<Timestamp> {
    Some(Timestamp(Timestamp::parse(&line.to)?.0.saturating_sub(1)))
}

/// When something passed in an emergency.
fn used(line: &EmergencyLine) -> Option<Timestamp> {
    Timestamp::parse(&line.time)
}

fn exceptions(bundle: &Bundle, control: Control) -> BTreeSet<Exception> {
    let period = bundle.census.period();
    // What has no time of its own, a file or a seal, is of every period.
    let of = |index: Index| bundle.cited.get(&index).is_none_or(|cited| period.holds(cited.time));
    let here = |finding: &&Finding| {
        Control::of(finding.code) == Some(control)
            // These are told by period, below.
            && !matches!(finding.code, Code::ReviewOverdue | Code::ReviewLate)
            && match finding.place {
                Place::Entry(index) | Place::Entries(index, _) => of(index),
                _ => true,
            }
    };
    let found = bundle.findings.list().iter().filter(here).map(exception);
    let mut exceptions: BTreeSet<_> = found.chain(bundle.census.exceptions(control).cloned()).collect();
    if control == Control::Review {
        exceptions.extend(due(bundle).filter_map(missed));
    }
    exceptions
}

/// Offers what is counted by lines to the draw of a sample.
pub(crate) fn offer(evidence: &Evidence, census: &mut Census) {
    let period = census.period();
    for line in of_period(&evidence.emergencies, period, used) {
        census.offer(Control::Emergency, || line.used.to_string());
    }
    for line in of_period(&evidence.review_periods, period, last_moment) {
        census.offer(Control::Review, || label(line));
    }
}

/// Lines whose time is of a period.
fn of_period<T>(lines: &[T], period: Period, time: impl Fn(&T) -> Option<Timestamp>) -> impl Iterator<Item = &T> {
    let of = move |line: &&T| time(line).is_some_and(|time| period.holds(time));
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
    Exception {
        index,
        cause: finding.code.as_str().to_owned(),
        detail,
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
