//! What policies asked to be reviewed, and what of it was signed.

use maud::{Markup, html};

use super::{index, short, table};
use crate::evidence::Evidence;
use crate::schedule::{Fault, PeriodLine, ScheduleLine};

/// Both tables, or that nothing was asked for.
pub(super) fn tables(evidence: &Evidence) -> Markup {
    let schedules: Vec<_> = evidence.review_schedules.iter().map(schedule).collect();
    let periods: Vec<_> = evidence.review_periods.iter().map(period).collect();
    html! {
        (table("Schedules of reviews", &["From", "Until", "Name", "What", "How often", "Due", "By", "Own part"], &schedules))
        @if schedules.is_empty() {
            p { "No policy that was in force says who has to review what, or how often." }
        } @else {
            (table("Periods to be reviewed", &["From", "To", "Schedule", "What", "Due until", "State", "Signed", "Does not count"], &periods))
        }
    }
}

fn schedule(line: &ScheduleLine) -> Markup {
    html! { tr {
        td.index { (line.from) " " (index(line.first)) }
        td.index { (line.until.as_deref().unwrap_or("")) }
        td { (line.name) }
        td { (line.scope) }
        td { "each " (line.every) " (" (line.zone) ")" }
        td { (line.within_days) " days after" }
        td { (line.groups.join(", ")) }
        td { (line.own) }
    } }
}

fn period(line: &PeriodLine) -> Markup {
    html! { tr {
        td.index { (line.from) }
        td.index { (line.to) }
        td { (line.schedule) }
        td { (line.scope) }
        td.index { (line.deadline) }
        td { @if line.state.is_missed() { span.refused { (line.state.as_str()) } } @else { (line.state.as_str()) } }
        td {
            @for review in &line.reviews {
                (index(review.review)) " " (review.person) ", " (review.signed) @if review.late { ", late" } ", "
                (review.counts.values().sum::<u64>()) " events, " code { (short(&review.population)) }
                @if review.later > 0 { ", " (review.later) " came later" } br;
            }
        }
        td { @for review in &line.uncounted { (index(review.review)) " " (review.person) ": " (why(review.why)) br; } }
    } }
}

/// In words of the report.
pub(super) fn why(fault: Fault) -> &'static str {
    match fault {
        Fault::False => "it is of other events",
        Fault::Unchecked => "it was not counted again",
        Fault::Definition => "its scope left out kinds of events",
        Fault::Group => "in none of the groups",
        Fault::Cut => "events of the period stood behind what was reviewed",
        Fault::Revoked => "its key was revoked before the deadline",
        Fault::Own => "a part in it, and nobody else",
    }
}
