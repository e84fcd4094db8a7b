//! The workpaper of a sample, as a page.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Item, Sample};
use crate::report::html::{STYLE, scrolling};

/// The whole page.
pub(super) fn page(sample: &Sample) -> Markup {
    let row = &sample.control;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { "Sample of " (row.cite) " from " (sample.origin) }
                style { (PreEscaped(STYLE)) }
            }
            body { main {
                h1 { "Sample of " (row.cite) ": " (row.title) }
                (scrolling("What was drawn from", &html! { table {
                    tr { th scope="row" { "Log" } td { (sample.origin) ", " (sample.size) " entries" } }
                    tr { th scope="row" { "Root" } td { code { (sample.root) } } }
                    tr { th scope="row" { "Bundle" } td { (sample.result) } }
                    tr { th scope="row" { "Period" } td { (sample.period) } }
                    tr { th scope="row" { "Population" } td { (row.population) br; code { (row.query) } br; (sample.population) " to draw from" } }
                    tr { th scope="row" { "Tested of each" } td { (row.test) } }
                    tr { th scope="row" { "All of the population" } td { (row.state.as_str()) ": " (row.result) } }
                    tr { th scope="row" { "Cannot show" } td { (row.cannot_show) } }
                    tr { th scope="row" { "Auditor's nonce" } td { code { (sample.nonce) } } }
                    tr { th scope="row" { "Seed" } td { code { (sample.seed) } br; "SHA-256 of root and nonce" } }
                    tr { th scope="row" { "Drawn" } td { (sample.items.len()) " of " (sample.asked) " asked for: the lowest HMAC-SHA-256 under the seed of \"" (row.id) ":LABEL\"" } }
                    tr { th scope="row" { "Verifier" } td { "exhibit-verify " (sample.verifier) } }
                } }))
                h2 { "Drawn" }
                (scrolling("Drawn", &html! { table {
                    thead { tr {
                        @for name in ["No.", "Label", "Kind", "Time", "Session", "A: in the tree of the root", "B: sealed by a key in force", "C: the control's tests", "Looked at by", "Remarks"] {
                            th scope="col" { (name) }
                        }
                    } }
                    tbody { @for (number, item) in (1..).zip(&sample.items) { (line(number, item, &sample.found(item))) } }
                } }))
                h2 { "What the sample bounds" }
                p { (sample.bound) }
                p { "The tests were run on the whole population; the sample is for what is looked at by hand." }
                h2 { "Conclusion" }
                p { "Left to the auditor: ____________________________________________" }
                p { "Prepared by, date: ______________________  Reviewed by, date: ______________________" }
            } }
        }
    }
}

fn line(number: u16, item: &Item, found: &str) -> Markup {
    // A bundle in which anything of A or B were otherwise gives no sample.
    let held = if item.entry.is_some() { "yes" } else { "no entry" };
    html! { tr {
        td.index { (number) }
        td.index { (item.label) }
        td { (item.kind.unwrap_or(if item.entry.is_some() { "seal" } else { "period" })) }
        td.index { (item.time.as_deref().unwrap_or("")) }
        td { code { (item.session.as_deref().and_then(|session| session.get(..12)).unwrap_or("")) } }
        td { (held) }
        td { (held) }
        td { (found) }
        td {}
        td {}
    } }
}
