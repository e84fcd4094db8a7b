//! What is new since an earlier report.

use maud::{Markup, html};

use super::{cut, scrolling};
use crate::report::since::Since;
use crate::report::table::Table;

pub(super) fn section(since: &Since, period: &str, shown: usize) -> Markup {
    html! {
        h2 id="since" { "Since the earlier report" }
        (scrolling("The earlier report", &html! { table {
            tr { th scope="row" { "Earlier report" } td { "manifest.json of SHA-256 " code { (since.manifest) } ", " (since.result) ", period " (since.period) } }
            tr { th scope="row" { "Signed" } td {
                @if since.signed.is_empty() { "by nobody, by the end of this log. " } @else { "by " (since.signed.join(", ")) ". " }
                "What it says is taken as it says it; whether its bundle gave that, " code { "exhibit-verify report --check" } " tells."
            } }
            tr { th scope="row" { "Its log" } td { (since.size) " entries, root " code { (since.root) } } }
            tr { th scope="row" { "New entries" } td { (since.entries) } }
            tr { th scope="row" { "This log begins with that one" } td {
                "proven by RFC 9162 section 2.1.4, with " (since.proof.len()) " hashes: "
                @for hash in &since.proof { code { (hash) } " " }
            } }
        } }))
        @if since.period != period { p { "The two reports are of different periods: what a row counts differs for that reason, too." } }
        h3 { "Events that are new" }
        @if since.events.is_empty() { p { "None." } } @else {
            (scrolling("Events that are new", &html! { table {
                thead { tr { th scope="col" { "Kind" } th scope="col" { "New" } } }
                tbody { @for (kind, count) in &since.events { tr { td { (kind) } td.index { (count) } } } }
            } }))
        }
        h3 { "Controls that changed" }
        @if since.controls.is_empty() { p { "None." } } @else {
            (scrolling("Controls that changed", &html! { table {
                thead { tr { @for name in ["Control", "Before", "Now", "Exceptions that are new", "No longer listed", "Signed since"] { th scope="col" { (name) } } } }
                tbody { @for change in &since.controls { tr {
                    td.cite { (change.id) }
                    td { (cut(&change.before)) }
                    td { (cut(&change.after)) }
                    td { (names(&change.new, shown)) }
                    td { (names(&change.gone, shown)) }
                    td { @for (id, before, after) in change.handled.iter().take(shown) { code { (id) } ": " (before) " → " (after) br; } }
                } } }
            } }))
            p { a href=(Table::Changes.path()) { (Table::Changes.path()) } " has all of them." }
        }
        h3 { "Policies and keys" }
        p { "Policies that are new: " (since.policies.len()) ". " (names(&since.policies, shown)) }
        p { "Keys that are new: " (since.keys.len()) ". " (names(&since.keys, shown)) }
        p { "Keys that have ended: " (since.ended_keys.len()) ". " (names(&since.ended_keys, shown)) }
    }
}

fn names(names: &[String], shown: usize) -> Markup {
    html! {
        @for name in names.iter().take(shown) { code { (name) } " " }
        @if names.len() > shown { "and " (names.len() - shown) " more" }
    }
}
