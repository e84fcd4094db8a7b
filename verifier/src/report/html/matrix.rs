//! The control matrix as a table, and its exceptions below it.

use maud::{Markup, html};

use super::{cut, scrolling};
use crate::report::control::Control;
use crate::report::handling::ExceptionLine;
use crate::report::matrix::Row;
use crate::report::table::Table;

/// `with_tables` is whether the page has the tables whose lines are counted.
pub(super) fn section(rows: &[Row], with_tables: bool, shown: usize) -> Markup {
    html! {
        h2 id="controls" { "Control matrix" }
        p { "Each control that can be tested is tested on its whole population. Evidence consistent with the cited provisions, as far as the limits above go. The auditor concludes." }
        (scrolling("Control matrix", &html! { table {
            thead { tr {
                @for name in ["45 CFR", "Control", "Population", "Count", "Tested of each", "Result", "Carried by this evidence", "Cannot show"] {
                    th scope="col" { (name) }
                }
            } }
            tbody { @for row in rows { (line(row, with_tables)) } }
        } }))
        h2 id="exceptions" { "Exceptions" }
        @let with: Vec<_> = rows.iter().filter(|row| !row.exceptions.is_empty()).collect();
        @if with.is_empty() { p { "None in the period." } }
        @for row in with { (exceptions(row, shown)) }
    }
}

fn line(row: &Row, with_tables: bool) -> Markup {
    let counted = Control::of_id(row.id)
        .and_then(table_of)
        .filter(|_| with_tables && row.count > 0);
    html! { tr {
        td.cite { @for cite in row.cite.split(", ") { (cite) br; } }
        td.word { (row.title) }
        td { (row.population) br; code { (row.query) } }
        td.index { @match counted {
            Some(table) => a href={ "#" (table.name()) } { (row.count) },
            None => (row.count),
        } }
        td { (row.test) }
        td {
            strong { (row.state.as_str()) } ": "
            @if row.exceptions.is_empty() { (row.result) } @else { a href={ "#exceptions-" (row.id) } { (row.result) } }
        }
        td { (row.strength.as_str()) }
        td { (row.cannot_show) }
    } }
}

/// The table of the page whose lines name the entries of a population; none where it is of every entry, or there is none.
const fn table_of(control: Control) -> Option<Table> {
    Some(match control {
        Control::Access | Control::MinimumNecessary => Table::Commands,
        Control::Identity | Control::Logoff | Control::Audit => Table::Sessions,
        Control::Emergency => Table::Emergencies,
        Control::Review => Table::Reviews,
        Control::Authorization => Table::Approvals,
        Control::Termination => Table::Keys,
        Control::LoginMonitoring => Table::RefusedLogins,
        Control::Retention => Table::Policies,
        _ => return None,
    })
}

fn exceptions(row: &Row, shown: usize) -> Markup {
    html! {
        h3 id={ "exceptions-" (row.id) } { (row.cite) ": " (row.title) " (" (row.result) ")" }
        (scrolling(&format!("Exceptions to {}", row.id), &html! { table {
            thead { tr { @for name in ["Exception", "Entry", "Cause", "Exactly", "State"] { th scope="col" { (name) } } } }
            tbody { @for exception in row.exceptions.iter().take(shown) { tr {
                td { code { (exception.id) } }
                td.index { @match exception.index { Some(index) => { "#" (index) }, None => { "bundle" } } }
                td { code { (exception.cause) } }
                td { (cut(&exception.detail)) }
                td { (exception.state.as_str()) (handling(exception)) }
            } } }
        } }))
        @if row.exceptions.len() > shown { p { (shown) " are shown; " a href=(Table::Exceptions.path()) { (Table::Exceptions.path()) } " has more." } }
        @if row.not_listed > 0 { p { (row.not_listed) " more are counted and not listed." } }
    }
}

/// What was signed about an exception.
fn handling(exception: &ExceptionLine) -> Markup {
    let Some(handling) = &exception.handling else {
        return html! {};
    };
    html! {
        ": " (handling.owner)
        @if let Some(due) = &handling.due { ", until " (due) }
        "; " (cut(&handling.remediation)) " (#" (handling.noted) ", noted by " (handling.person)
        @if handling.earlier > 0 { ", with " (handling.earlier) " notes of before" }
        ")"
        @if let Some(end) = &handling.end {
            "; " (end.disposition) ", signed by " (end.person)
            @if end.own { ", who had noted it or was to mend it," }
            ": " (cut(&end.statement)) " (#" (end.closed) ")"
        }
    }
}
