//! What stands at the end of the page: how others check this, and what only the customer has.

use maud::{Markup, html};

use super::scrolling;
use crate::report::Report;

/// What an assessor asks for besides, and a gateway does not have.
const DOCUMENTS: [(&str, &str); 9] = [
    ("164.308(a)(1)(ii)(A), (B)", "risk analysis and risk management plan"),
    ("164.308(a)(1)(ii)(C)", "sanction policy, and how it was applied"),
    (
        "164.308(a)(1)(ii)(D)",
        "procedure of review, and what came of each review's findings",
    ),
    (
        "164.308(a)(3), (4)",
        "procedures by which access is authorised, changed and ended; list of people and of when they left",
    ),
    ("164.308(a)(6)", "procedure for incidents, and the narrative of each"),
    ("164.308(b), 164.314(a)", "contracts with business associates"),
    ("164.312(a)(2)(ii)", "written procedure of emergency access"),
    (
        "164.514(d)",
        "minimum necessary policy: which roles need which information for what",
    ),
    (
        "164.316(b)",
        "policies and procedures in force in the period, with their versions and dates",
    ),
];

pub(super) fn section(report: &Report<'_>) -> Markup {
    html! {
        h2 id="verify" { "How to verify this by other tools" }
        ol {
            li { "manifest.json lists SHA-256 of each file of this report: " code { "sha256sum" } " gives the same. " code { "exhibit-verify report --check DIR BUNDLE --keys TRUST.TOML" } " makes the report again from the bundle and compares every byte; of a report with a report.pdf " code { "exhibit-verify-pdf" } " does, which is the same program with a typesetter." }
            li { "The bundle is a directory after C2SP tlog-tiles: its checkpoint is a signed note (Ed25519, the log key above), its tiles are those of an RFC 9162 tree, and any client of that format computes the root." }
            li { "Each entry is CBOR (RFC 8949) in its deterministic form. Behind each batch of events stands its seal, a COSE_Sign1 (RFC 9052) over the RFC 9162 root of the batch, by the key of whoever made the events." }
            li { "A decision of a person is signed with that person's own key; trust.toml and the entries of kind key-enrolled name whose it is." }
            li { "#N is the entry of index N, counted from 0: entry N mod 256 of the file of entries N / 256." }
        }
        @if report.cover.root.is_none() { p { "There is no root above, because this bundle was refused." } }
        h2 id="documents" { "Documents that the customer must add" }
        (scrolling("Documents that the customer must add", &html! {
            table {
                thead { tr { th scope="col" { "45 CFR" } th scope="col" { "Document" } } }
                tbody { @for (cite, document) in DOCUMENTS { tr { td { (cite) } td { (document) } } } }
            }
        }))
    }
}

/// Where the parts of the page are.
pub(super) fn contents(report: &Report<'_>) -> Markup {
    let parts = [
        ("controls", "Control matrix"),
        ("exceptions", "Exceptions"),
        ("populations", "Populations"),
        ("plots", "Plots"),
        ("findings", "Findings"),
        ("sessions", "Identities and their sessions"),
        ("commands", "Commands"),
        ("fields", "Fields and masks"),
        ("approvals", "Approvals"),
        ("reviews", "Reviews"),
        ("policies-in-force", "Policies in force"),
        ("verify", "How to verify this"),
        ("documents", "Documents to add"),
    ];
    // Of a bundle whose record is not sound the page has no more than these.
    let always = ["controls", "exceptions", "findings", "verify", "documents"];
    let there = |(id, _): &&(&str, &str)| report.evidence.is_some() || always.contains(id);
    html! {
        nav aria-label="Parts of this report" { ul.parts {
            @for (id, name) in parts.iter().filter(there) { li { a href={ "#" (id) } { (name) } } }
        } }
    }
}
