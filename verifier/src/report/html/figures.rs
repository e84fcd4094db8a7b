//! Counts of the period as tables.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{cut, scrolling};
use crate::census::Figures;
use crate::report::table::Table;

/// Lines of one count on the page; all are in the JSON.
const SHOWN_MAX: usize = 50;

pub(super) fn section(figures: &Figures) -> Markup {
    html! {
        h2 id="populations" { "Populations of the period" }
        p {
            "Counted from the lines of " (file(Table::Commands)) " (time, subject, target, accesses, outcome, rows, masked), " (file(Table::Sessions))
            " (time, run) and " (file(Table::RefusedLogins)) " (time, count), each of which names the entries behind it."
        }
        h3 { "By month (" (figures.months.len()) ")" }
        (scrolling("By month", &html! { table {
            thead { tr {
                @for name in ["Month", "Sessions", "Refused log-ins", "Allowed", "Approved", "Not passed", "Rows released", "Cells masked"] {
                    th scope="col" { (name) }
                }
            } }
            tbody { @for (name, month) in &figures.months { tr {
                td { (name) }
                @for count in [month.sessions, month.refused_logins, month.allowed, month.approved, month.denied, month.rows, month.masked] {
                    td.index { (count) }
                }
            } } }
        } }))
        (counts("Commands by pipeline", &figures.pipelines))
        (counts("Commands by subject", &figures.subjects))
        (counts("Commands by target", &figures.targets))
        (counts("Accesses by action", &figures.actions))
        (counts("Commands by what became of them", &figures.outcomes))
        (counts("Cells masked, by mask or net", &figures.masked))
    }
}

/// A table's file.
fn file(table: Table) -> Markup {
    html! { a href=(table.path()) { (table.path()) } }
}

/// The largest first; of equal ones by name.
fn counts(title: &str, counts: &BTreeMap<String, u64>) -> Markup {
    let mut lines: Vec<_> = counts.iter().collect();
    lines.sort_by(|left, right| (right.1, left.0).cmp(&(left.1, right.0)));
    html! {
        h3 { (title) " (" (lines.len()) ")" }
        @if lines.is_empty() { p { "0 instances in the period." } } @else {
            (scrolling(title, &html! { table {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Count" } } }
                tbody { @for (name, count) in lines.iter().take(SHOWN_MAX) { tr { td { (cut(name)) } td.index { (count) } } } }
            } }))
            @if lines.len() > SHOWN_MAX { p { "The " (SHOWN_MAX) " largest; report.json lists all." } }
        }
    }
}
