//! The rows of the control matrix: what was counted, what speaks against it, and what may be said.
//!
//! A row passes only where the whole bundle is verified, its population is not empty, everything of it was tested and nothing
//! speaks against it.

use std::collections::BTreeSet;

use exhibit_schemas::event::Timestamp;
use exhibit_schemas::merkle::Index;
use serde::Serialize;

use super::control::{Control, Strength, breaks_record};
use crate::census::{EXCEPTIONS_MAX, Exception};
use crate::finding::{Code, Finding, Findings, Place};
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
}

/// The rows of a bundle whose record is sound.
pub(super) fn rows(bundle: &Bundle) -> Vec<Row> {
    let verified = bundle.findings.errors() == 0;
    let of = |control: &Control| {
        let count = count(bundle, *control);
        let exceptions = exceptions(bundle, *control);
        let (state, result) = said(*control, count, exceptions.len(), verified);
        row(*control, count, state, result, exceptions)
    };
    Control::ALL.iter().map(of).collect()
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
            (State::Exception, number(exceptions.len()))
        };
        row(*control, 0, state, result, exceptions)
    };
    Control::ALL.iter().map(of).collect()
}

fn row(control: Control, count: u64, state: State, result: String, exceptions: BTreeSet<Exception>) -> Row {
    let definition = control.definition();
    let not_listed = exceptions.len().saturating_sub(EXCEPTIONS_MAX);
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
        not_listed: u64::try_from(not_listed).unwrap_or(u64::MAX),
    }
}

fn said(control: Control, count: u64, exceptions: usize, verified: bool) -> (State, String) {
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
        None if count == 0 => (State::NoPopulation, "0 instances in the period".to_owned()),
        None if !verified => {
            let reason = format!("no exception among {count}; a bundle with errors passes nothing");
            (State::NotTested, reason)
        }
        None => (State::Pass, format!("no exception among {count}")),
    }
}

fn number(exceptions: usize) -> String {
    match exceptions {
        1 => "1 exception".to_owned(),
        many => format!("{many} exceptions"),
    }
}

fn count(bundle: &Bundle, control: Control) -> u64 {
    let period = bundle.census.period();
    let of = |time: &str| Timestamp::parse(time).is_some_and(|time| period.holds(time));
    let lines = match control {
        Control::Integrity => return bundle.size.0,
        Control::Emergency => bundle.evidence.emergencies.iter().filter(|line| of(&line.time)).count(),
        Control::Review => due(bundle).count(),
        _ => 0,
    };
    u64::try_from(lines)
        .unwrap_or(u64::MAX)
        .saturating_add(bundle.census.count(control))
}

/// Periods to be reviewed that ended within the report's.
fn due(bundle: &Bundle) -> impl Iterator<Item = &PeriodLine> {
    let period = bundle.census.period();
    let ended = move |line: &&PeriodLine| Timestamp::parse(&line.to).is_some_and(|time| period.holds(time));
    bundle.evidence.review_periods.iter().filter(ended)
}

fn exceptions(bundle: &Bundle, control: Control) -> BTreeSet<Exception> {
    let period = bundle.census.period();
    // What has no time of its own, a file or a seal, is of every period.
    let of = |index: Index| bundle.times.get(&index).is_none_or(|time| period.holds(*time));
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

fn missed(line: &PeriodLine) -> Option<Exception> {
    let cause = match line.state {
        Review::Done | Review::Due => return None,
        Review::Late => "review-late",
        Review::Overdue => "review-overdue",
        Review::Reopened => "review-reopened",
    };
    Some(Exception {
        index: Some(line.first.0),
        cause: cause.to_owned(),
        detail: format!(
            "{} of {} from {} to {}, due {}",
            line.schedule, line.scope, line.from, line.to, line.deadline
        ),
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
