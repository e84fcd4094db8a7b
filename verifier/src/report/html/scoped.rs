//! What the page of a scoped bundle says: on the cover which scope, what it proves and what not; under each heading that it is one.

use maud::{Markup, html};

use crate::scoped::Scoped;

/// The end of every heading of a section.
const HEADING_END: &str = "</h2>";

const STYLE: &str = ".scoped { border-left: 3px solid var(--approved); padding-left: .5rem; }\n";
const STYLE_END: &str = "</style>";

/// Rows of the cover.
pub(super) fn rows(scoped: &Scoped) -> Markup {
    html! {
        tr { th scope="row" { "Scope" } td { (scoped.words) } }
        tr { th scope="row" { "Disclosed" } td {
            (scoped.disclosed) " events, and all " (scoped.seals) " seals; " (scoped.sessions) " sessions of the scope, and "
            (scoped.asked_in) " of the requests by which their commands passed"
        } }
        tr { th scope="row" { "Withheld, by who sealed them" } td {
            @if scoped.withheld.is_empty() { "no event" }
            @for (place, (role, count)) in scoped.withheld.iter().enumerate() {
                @if place > 0 { ", " }
                (count) " of the role " (role)
            }
        } }
    }
}

/// What the bundle proves, and what not.
pub(super) fn section(scoped: &Scoped) -> Markup {
    html! {
        h2 id="not-proven" { "Not proven by this bundle" }
        ul { @for line in &scoped.not_proven { li { (line) } } }
        @if !scoped.proven.is_empty() {
            h2 id="proven" { "Proven by this bundle" }
            ul { @for line in &scoped.proven { li { (line) } } }
        }
    }
}

/// The same page, whose sections each say that they are of a scoped bundle, so that none can be read alone as of a whole log. No
/// text of the log can end a heading: it is escaped.
pub(super) fn label(page: &str, scoped: &Scoped, size: u64) -> String {
    let label = html! {
        p.scoped {
            "Of a scoped bundle, " (scoped.words) ": counts and lines are of the " (scoped.disclosed) " events that it discloses of "
            (size) " entries."
        }
    };
    let end = format!("{HEADING_END}{}", label.into_string());
    let page = page.replacen(STYLE_END, &format!("{STYLE}{STYLE_END}"), 1);
    page.replace(HEADING_END, &end)
}
