//! What policies asked to be reviewed, and what of it was signed.

use maud::{Markup, html};

use super::{index, listing, short};
use crate::evidence::Evidence;
use crate::report::table::Table;
use crate::schedule::{PeriodLine, ScheduleLine};

/// Both tables, or that nothing was asked for.
pub(super) fn tables(evidence: &Evidence, shown: usize) -> Markup {
    html! {
        @let columns = ["From", "Until", "Name", "What", "How often", "Due", "By", "Own part"];
        (listing(("Schedules of reviews", Table::ReviewSchedules, &columns), evidence, &evidence.review_schedules, shown, schedule))
        @if evidence.review_schedules.is_empty() {
            p { "No policy that was in force says who has to review what, or how often." }
        } @else {
            @let columns = ["From", "To", "Schedule", "What", "Due until", "State", "Signed", "Does not count"];
            (listing(("Periods to be reviewed", Table::ReviewPeriods, &columns), evidence, &evidence.review_periods, shown, period))
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
        td { @for review in &line.uncounted { (index(review.review)) " " (review.person) ": " (review.why.in_words()) br; } }
    } }
}
