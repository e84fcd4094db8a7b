//! Uses of emergency access, and who looked at them afterwards.

use maud::{Markup, html};

use super::schedules::why;
use super::{index, table};
use crate::emergency::EmergencyLine;
use crate::evidence::Evidence;

/// The table; it says that there was none, too.
pub(super) fn table_of(evidence: &Evidence) -> Markup {
    let lines: Vec<_> = evidence.emergencies.iter().map(line).collect();
    let columns = [
        "Index",
        "Time",
        "Who let it pass",
        "Why",
        "Who asked",
        "Target",
        "What ran",
        "Rows",
        "Until",
        "Review due until",
        "State",
        "Reviewed",
        "Does not count",
    ];
    table("Emergency access", &columns, &lines)
}

fn line(line: &EmergencyLine) -> Markup {
    html! { tr {
        td.index { (index(line.used)) }
        td.index { (line.time) }
        td { (line.person) " (" (line.groups.join(", ")) "), " (line.signed) " " (index(line.decision)) }
        td { "“" (line.reason) "”" }
        td { (line.subject.as_deref().unwrap_or("not known")) }
        td { (line.target) }
        td { code { (line.statement) } }
        td.index { (line.rows) }
        td.index { (line.ends) }
        td.index { (line.deadline) " by " (line.reviewers.join(" or ")) }
        td { @if line.state.is_missed() { span.refused { (line.state.as_str()) } } @else { (line.state.as_str()) } }
        td {
            @for review in &line.reviews {
                (index(review.review)) " " (review.person) ", " (review.signed) @if review.late { ", late" } br;
            }
        }
        td { @for review in &line.uncounted { (index(review.review)) " " (review.person) ": " (why(review.why)) br; } }
    } }
}
