//! What people signed about reports: signatures under them, notes of exceptions, and their ends.

use maud::{Markup, html};

use super::{cut, listing};
use crate::evidence::Evidence;
use crate::report::table::Table;
use crate::sign_off::{ExceptionCloseLine, ExceptionNoteLine, ReportSignatureLine};

pub(super) fn section(evidence: &Evidence, shown: usize) -> Markup {
    let signatures = ["Index", "Time", "Who", "Manifest", "Entries", "Statement", "Counts"];
    let notes = [
        "Index",
        "Time",
        "Who",
        "Control",
        "Exception",
        "Owner",
        "Remediation",
        "Until",
        "Ended by",
        "Counts",
    ];
    let closes = ["Index", "Time", "Who", "Note", "How", "Statement", "Counts"];
    html! {
        (listing(("Signatures under reports", Table::ReportSignatures, &signatures), evidence, &evidence.report_signatures, shown, signature))
        p { "A signature is under a manifest.json, which lists SHA-256 of each file of its report. " code { "exhibit-verify report --signed DIR BUNDLE" } " says of a report who signed it." }
        (listing(("Notes of exceptions", Table::ExceptionNotes, &notes), evidence, &evidence.exception_notes, shown, note))
        (listing(("Ends of exceptions", Table::ExceptionCloses, &closes), evidence, &evidence.exception_closes, shown, close))
    }
}

fn signature(line: &ReportSignatureLine) -> Markup {
    html! { tr {
        td.index { "#" (line.signed) }
        td { (line.time) }
        td { (who(&line.person, &line.groups)) }
        td { code { (line.manifest) } }
        td.index { (line.size) }
        td { (cut(&line.statement)) }
        td { (counts(line.uncounted.as_deref())) }
    } }
}

fn note(line: &ExceptionNoteLine) -> Markup {
    html! { tr {
        td.index { "#" (line.noted) }
        td { (line.time) }
        td { (who(&line.person, &line.groups)) }
        td { (line.control) }
        td {
            code { (line.cause) }
            @if let Some(entry) = line.entry { " #" (entry) }
            ": " (cut(&line.detail))
        }
        td { (line.owner) }
        td { (cut(&line.remediation)) }
        td { @if let Some(due) = &line.due { (due) } }
        td.index { @for close in &line.closes { "#" (close) " " } }
        td { (counts(line.uncounted.as_deref())) }
    } }
}

fn close(line: &ExceptionCloseLine) -> Markup {
    html! { tr {
        td.index { "#" (line.closed) }
        td { (line.time) }
        td { (who(&line.person, &line.groups)) @if line.own { ", who had noted it or was to mend it" } }
        td.index { "#" (line.note) }
        td { (line.disposition) }
        td { (cut(&line.statement)) }
        td { (counts(line.uncounted.as_deref())) }
    } }
}

fn who(person: &str, groups: &[String]) -> Markup {
    html! { (person) @if !groups.is_empty() { " (" (groups.join(", ")) ")" } }
}

fn counts(uncounted: Option<&str>) -> Markup {
    html! { @match uncounted { None => "yes", Some(why) => { "no: " (cut(why)) } } }
}
