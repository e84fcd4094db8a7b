//! Uses of emergency access, and who looked at them afterwards.

use maud::{Markup, html};

use super::{cut, index, listing};
use crate::emergency::EmergencyLine;
use crate::evidence::Evidence;
use crate::report::table::Table;

/// The table; it says that there was none, too.
pub(super) fn table_of(evidence: &Evidence, shown: usize) -> Markup {
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
    let listed = ("Emergency access", Table::Emergencies, columns.as_slice());
    listing(listed, evidence, &evidence.emergencies, shown, line)
}

fn line(line: &EmergencyLine) -> Markup {
    html! { tr {
        td.index { (index(line.used)) }
        td.index { (line.time) }
        td { (line.person) " (" (line.groups.join(", ")) "), " (line.signed) " " (index(line.decision)) }
        td { "“" (line.reason) "”" }
        td { (line.subject.as_deref().unwrap_or("not known")) }
        td { (line.target) }
        td { code { (cut(&line.statement)) } }
        td.index { (line.rows) }
        td.index { (line.ends) }
        td.index { (line.deadline) " by " (line.reviewers.join(" or ")) }
        td { @if line.state.is_missed() { span.refused { (line.state.as_str()) } } @else { (line.state.as_str()) } }
        td {
            @for review in &line.reviews {
                (index(review.review)) " " (review.person) ", " (review.signed) @if review.late { ", late" } br;
            }
        }
        td { @for review in &line.uncounted { (index(review.review)) " " (review.person) ": " (review.why.in_words()) br; } }
    } }
}
