//! The report as one HTML page: escaping by construction (maud), styles inside, readable in light, dark and on paper.

mod emergencies;
mod figures;
mod matrix;
mod schedules;

use std::collections::BTreeMap;

use exhibit_schemas::merkle::Index;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Report;
use crate::evidence::{
    ApprovalLine, CommandLine, DetectionLine, Evidence, KeyLine, MaskKeyLine, PolicyLine, PolicyTermLine, RefusedLine,
    RevealLine, SessionLine,
};
use crate::observed::ObservedLine;
use crate::reading::{ReadLine, ReaderLine};
use crate::review::ReviewLine;
use crate::summary::FindingLine;

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8886; --soft: #8882; --bad: #b00020; --good: #0a6b3d; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --good: #7bd8a5; } }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; font-size: .86rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .5rem; border-bottom: 1px solid var(--line); }
th { background: var(--soft); } td { overflow-wrap: anywhere; }
code { font: .9em ui-monospace, monospace; } .index { white-space: nowrap; font-variant-numeric: tabular-nums; }
.refused { color: var(--bad); font-weight: 700; } .verified { color: var(--good); font-weight: 700; }
@media print { body { max-width: none; margin: 0; font-size: 10pt; } h2 { break-after: avoid; } tr { break-inside: avoid; } thead { display: table-header-group; } }
";

/// The whole page.
pub(super) fn page(report: &Report<'_>) -> Markup {
    let cover = &report.cover;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { "Evidence of " (cover.origin) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (cover_of(report))
                (matrix::section(&report.controls))
                @if let Some(figures) = report.figures { (figures::section(figures)) }
                (findings(&report.findings, cover.errors + cover.notes))
                @if let Some(evidence) = report.evidence { (lines(evidence)) }
            }
        }
    }
}

fn cover_of(report: &Report<'_>) -> Markup {
    let cover = &report.cover;
    html! {
        h1 { "Access evidence of " (cover.origin) }
        @if cover.record == "verified" {
            p.verified { "Verified: the checks found no error in " (cover.size) " entries." }
        } @else if cover.record == "exceptions" {
            p.refused { "Refused: " (cover.errors) " errors. The record of " (cover.size) " entries is sound, and every error is about something that was done and recorded. The rows below list them; nothing passes." }
        } @else {
            p.refused { "Refused: " (cover.errors) " errors. This bundle proves nothing that this page could report; only the findings are listed." }
        }
        table {
            @if let Some(entity) = &cover.entity { tr { th { "Entity, as the caller says" } td { (entity) } } }
            tr { th { "Period" } td { (cover.period) } }
            tr { th { "Log" } td { (cover.origin) } }
            tr { th { "Log key" } td { code { (cover.log_key) } } }
            tr { th { "Entries" } td { (cover.size) } }
            @if let Some(root) = &cover.root { tr { th { "Root" } td { code { (root) } } } }
            tr { th { "Kept checkpoints compared" } td { (cover.heads) } }
            tr { th { "Errors, notes" } td { (cover.errors) ", " (cover.notes) } }
            tr { th { "Verifier" } td { "exhibit-verify " (cover.verifier) } }
        }
        h2 { "What this does not claim" }
        ul { @for limit in cover.limits { li { (limit) } } }
    }
}

fn table(title: &str, head: &[&str], rows: &[Markup]) -> Markup {
    html! {
        h2 { (title) " (" (rows.len()) ")" }
        @if rows.is_empty() {
            p { "No instances." }
        } @else {
            table {
                thead { tr { @for name in head { th { (name) } } } }
                tbody { @for row in rows { (row) } }
            }
        }
    }
}

fn findings(findings: &[FindingLine], all: u64) -> Markup {
    let row = |finding: &FindingLine| {
        html! { tr {
            td { (finding.severity) }
            td { code { (finding.code) } }
            td.index {
                @if let Some(index) = finding.index { "#" (index) }
                @if let Some(last) = finding.last { "–#" (last) }
                @if let Some(file) = &finding.file { (file) }
            }
            td { (finding.meaning) ". " (finding.detail) }
        } }
    };
    let rows: Vec<_> = findings.iter().map(row).collect();
    let listed = u64::try_from(findings.len()).unwrap_or(u64::MAX);
    html! {
        @if rows.is_empty() {
            h2 { "Findings" }
            p { "None." }
        } @else {
            (table("Findings", &["", "Code", "Where", "Meaning"], &rows))
        }
        @if all > listed { p { (all - listed) " more findings are counted and not listed." } }
    }
}

fn lines(evidence: &Evidence) -> Markup {
    let sessions: Vec<_> = evidence.sessions.iter().map(session).collect();
    let refused: Vec<_> = evidence.refused_logins.iter().map(login).collect();
    let commands: Vec<_> = evidence.commands.iter().map(command).collect();
    let decisions: Vec<_> = evidence.commands.iter().map(decision).collect();
    let observed: Vec<_> = evidence.observed.iter().map(observed).collect();
    let approvals: Vec<_> = evidence.approvals.iter().map(approval).collect();
    let masks: Vec<_> = evidence
        .commands
        .iter()
        .filter(|line| !line.masks.is_empty())
        .map(mask)
        .collect();
    let detections: Vec<_> = evidence.detections.iter().map(detection).collect();
    let reveals: Vec<_> = evidence.reveals.iter().map(reveal).collect();
    let reads: Vec<_> = evidence.reads.iter().map(read).collect();
    let readers: Vec<_> = evidence.readers.iter().map(reader).collect();
    let reviews: Vec<_> = evidence.reviews.iter().map(review).collect();
    let policies: Vec<_> = evidence.policies.iter().map(policy).collect();
    let keys: Vec<_> = evidence.keys.iter().map(key).collect();
    let policy_terms: Vec<_> = evidence.policy_terms.iter().map(policy_term).collect();
    let mask_keys: Vec<_> = evidence.mask_keys.iter().map(mask_key).collect();
    html! {
        @if evidence.not_listed > 0 {
            p { (evidence.not_listed) " lines are past the limit of a table and are not listed; all were checked." }
        }
        (table("Sessions", &["Opened", "Closed", "Time", "Who", "Target", "Transport", "End"], &sessions))
        (table("Log-ins refused", &["Index", "From", "To", "Target", "Address", "Came with", "User", "Why", "How many"], &refused))
        (table("Commands", &["Index", "Time", "Session", "Statement", "Outcome", "Response", "Rows"], &commands))
        (table("Decisions", &["Index", "Does", "Effect", "Rule", "Policy"], &decisions))
        (table("Rules that were only observed", &["Rule", "Would have", "Policy", "Commands", "Of them passed", "Who", "First", "Last"], &observed))
        (table("Approvals", &["Request", "Statement", "Needs", "Expires", "Decisions"], &approvals))
        (emergencies::table_of(evidence))
        (table("Masks", &["Command", "Response", "Columns", "Cells masked"], &masks))
        (table("Identifiers that nets caught", &["Index", "Time", "Command", "Net", "Where", "Findings", "Session"], &detections))
        (table("Sealed copies that were opened", &["Index", "Time", "Command", "Copy", "Who", "Why"], &reveals))
        (table("Who read the evidence", &["Who", "Proved by", "Readings", "First", "Last"], &readers))
        (table("Readings of the evidence", &["Index", "From", "Who", "As", "What", "Question", "Found", "How many"], &reads))
        @if !reads.is_empty() {
            p { "Who read, what and when is the reader's own statement where a key proves it. How much was found, how often a reading was repeated within its minute, and all of what was read by a token, is the ledger's word." }
        }
        (table("Reviews", &["Index", "Time", "Who", "From", "To", "What", "Events", "Root", "Finding"], &reviews))
        (schedules::tables(evidence))
        (table("Policy snapshots", &["Index", "SHA-256", "Bytes"], &policies))
        (table("Policies in force", &["From", "Until", "SHA-256", "Proxy", "Signed by", "Sessions", "Commands"], &policy_terms))
        @for line in &evidence.policy_signatures {
            p {
                "From " (index(line.from)) " on a policy needs signatures of " (line.people) " of these people before it comes into force: "
                (line.administrators.join(", ")) "."
            }
        }
        @if evidence.policy_signatures.is_empty() {
            p { "Policies are not signed: the trust anchors ask for no signatures of people under them. Whoever can write a proxy's files chose them." }
        }
        (table("Keys", &["Enrolled", "Ended", "Key", "Role", "Name", "Groups"], &keys))
        (table("Keys of masks", &["From", "Until", "Key of masks", "Proxy", "Sessions"], &mask_keys))
        @if !mask_keys.is_empty() {
            p { "Tokens, encrypted values and shifted dates under different keys of masks do not match each other." }
        }
    }
}

fn session(line: &SessionLine) -> Markup {
    html! { tr {
        td.index { (index(line.opened)) }
        td.index { (maybe(line.closed)) }
        td.index { (line.time) }
        td { (line.subject) " (" (line.method) ", " (line.issuer) ")" br; code { (short(&line.evidence)) }
            @if let Some(run) = &line.run { br; (run) } }
        td { (line.target) " (" (line.protocol) ")" }
        td { (line.transport) }
        td {
            (line.reason.as_deref().unwrap_or("open"))
            @if let Some(patients) = line.patients { br; "records of " (patients) " patients" }
        }
    } }
}

fn login(line: &RefusedLine) -> Markup {
    html! { tr {
        td.index { (index(line.refused)) }
        td.index { (line.since) }
        td.index { (line.time) }
        td { (line.target) }
        td { (line.peer) }
        td { (line.method) }
        td { @if let Some(user) = &line.user { (user) } @else { "not known, " code { (short(&line.named)) } } }
        td { (line.reason) }
        td.index { (line.count) }
    } }
}

fn command(line: &CommandLine) -> Markup {
    html! { tr {
        td.index { (index(line.command)) }
        td.index { (line.time) }
        td { code { (short(&line.session)) } }
        td { code { (line.statement) } }
        td {
            (line.outcome) @for approval in &line.approvals { " " (index(*approval)) }
            @if let Some((first, last)) = line.copy { br; "exact command sealed " (index(first)) "–" (index(last)) }
            @for passed in &line.thresholds {
                br; "at " (passed.rows) " rows, " (passed.bytes) " bytes (" (passed.rule.as_deref().unwrap_or("")) "): "
                (passed.outcome) " " (index(passed.decided)) @for approval in &passed.approvals { " " (index(*approval)) }
            }
        }
        td.index {
            @if let Some((first, last)) = line.released { (index(first)) "–" (index(last)) " " }
            (maybe(line.ended)) " " (line.status.as_deref().unwrap_or(""))
        }
        td.index { (line.rows) @if let Some(patients) = line.patients { br; "of " (patients) " patients" } }
    } }
}

fn decision(line: &CommandLine) -> Markup {
    html! { tr {
        td.index { (index(line.command)) }
        td {
            @for access in &line.accesses { (access) br; }
            @if let Some(columns) = line.columns.as_ref().filter(|columns| !columns.is_empty()) { "columns " (columns.join(", ")) br; }
            @for (column, values) in &line.probes { "tries " (values) " on " (column) br; }
        }
        td { (line.effect) }
        td {
            (line.rule.as_deref().unwrap_or("none matched"))
            @for observed in &line.observed { br; "observed: " (observed) }
        }
        td { code { (short(&line.policy)) } }
    } }
}

fn observed(line: &ObservedLine) -> Markup {
    let would = match (line.effect.as_str(), &line.approval) {
        ("ask", Some(approval)) => format!("asked for {approval}"),
        ("deny", _) => "denied".to_owned(),
        (effect, _) => format!("{effect}ed"),
    };
    html! { tr {
        td { (line.rule) }
        td { (would) }
        td { code { (short(&line.policy)) } }
        td.index { (line.commands) }
        td.index { (line.passed) }
        td { @for (who, commands) in &line.who { (who) ": " (commands) br; } }
        td.index { (index(line.first)) }
        td.index { (index(line.last)) }
    } }
}

fn approval(line: &ApprovalLine) -> Markup {
    html! { tr {
        td.index { (index(line.request)) }
        td { code { (line.statement) } }
        td { (line.approval) ", " (line.asks) }
        td.index { (line.expires) }
        td {
            @for decision in &line.decisions {
                (index(decision.decision)) " " (decision.person) " (" (decision.groups.join(", ")) ", enrolled "
                (index(decision.enrolled)) "): " (decision.verdict) ", " (decision.time) ", “" (decision.reason) "”"
                @if let Some(terms) = &decision.terms { ", " (terms) } br;
            }
            @for revoked in &line.revocations {
                (index(revoked.revocation)) " " (revoked.person) ": taken back, " (revoked.time) ", “" (revoked.reason) "”" br;
            }
            @if let Some(grant) = &line.grant {
                "granted (" (grant.scopes.join(", ")) ") until " (grant.ends) ": " (grant.used) " of " (grant.uses) " commands" br;
            }
            @if line.rows > 0 { (line.rows) " rows released" }
        }
    } }
}

fn mask(line: &CommandLine) -> Markup {
    let cells = |masked: &BTreeMap<String, u64>| {
        let each: Vec<_> = masked.iter().map(|(mask, cells)| format!("{mask}: {cells}")).collect();
        each.join(", ")
    };
    html! { tr {
        td.index { (index(line.command)) }
        td.index { @if let Some((first, last)) = line.released { (index(first)) "–" (index(last)) } }
        td { @for (origin, mask, technique) in &line.masks { (origin) ": " (mask) " (" (technique) ")" br; } }
        td { (cells(&line.masked)) }
    } }
}

fn detection(line: &DetectionLine) -> Markup {
    let each: Vec<_> = line
        .findings
        .iter()
        .map(|(category, count)| format!("{category}: {count}"))
        .collect();
    html! { tr {
        td.index { (index(line.detection)) }
        td.index { (line.time) }
        td.index { (index(line.command)) }
        td { (line.net) }
        td { (line.channel) @if let Some(column) = &line.column { " " (column) } }
        td { (each.join(", ")) }
        td { @if line.ends { "ended" } @else { "went on" } }
    } }
}

fn reveal(line: &RevealLine) -> Markup {
    html! { tr {
        td.index { (index(line.reveal)) }
        td.index { (line.time) }
        td.index { (index(line.command)) }
        td.index { (index(line.copy)) }
        td { (line.person) " (" (line.groups.join(", ")) ", enrolled " (index(line.enrolled)) ")" }
        td { "“" (line.reason) "”" }
    } }
}

fn review(line: &ReviewLine) -> Markup {
    let each = |(kind, count): (&String, &u64)| format!("{kind}: {count}");
    let counts: Vec<_> = line.counts.iter().map(each).collect();
    html! { tr {
        td.index { (index(line.review)) }
        td.index { (line.time) }
        td { (line.person) " (" (line.groups.join(", ")) ")" }
        td.index { (line.from) }
        td.index { (line.to) }
        td { (line.scope) @if let Some(decision) = line.emergency { ", of the emergency " (index(decision)) } }
        td { (counts.join(", ")) }
        td { code { (short(&line.population)) } }
        td { "“" (line.finding) "”" }
    } }
}

fn reader(line: &ReaderLine) -> Markup {
    let each = |(operation, count): (&String, &u64)| format!("{operation}: {count}");
    let readings: Vec<_> = line.readings.iter().map(each).collect();
    html! { tr {
        td { (line.reader) }
        td { (line.method) " of " (line.issuer) br; code { (line.subject) } }
        td { (readings.join(", ")) }
        td.index { (index(line.first)) }
        td.index { (index(line.last)) }
    } }
}

fn read(line: &ReadLine) -> Markup {
    html! { tr {
        td.index { (index(line.read)) }
        td.index { (line.since) }
        td { (line.reader) }
        td { (line.role) }
        td { (line.operation) }
        td { (line.scope) }
        td.index { (line.count) }
        td.index { (line.times) }
    } }
}

fn policy(line: &PolicyLine) -> Markup {
    html! { tr { td.index { (index(line.snapshot)) } td { code { (line.policy) } } td.index { (line.bytes) } } }
}

fn policy_term(line: &PolicyTermLine) -> Markup {
    html! { tr {
        td.index { (index(line.from)) }
        td.index { (maybe(line.until)) }
        td { code { (line.policy) } }
        td { code { (line.proxy) } }
        td {
            @for (name, signature) in &line.signed { (name) " " (index(*signature)) br; }
            @if line.signatures.is_none() { "nobody had to" }
        }
        td.index { (line.sessions) }
        td.index { (line.commands) }
    } }
}

fn key(line: &KeyLine) -> Markup {
    html! { tr {
        td.index { (index(line.enrolled)) }
        td.index { (maybe(line.ended)) }
        td { code { (line.key) } }
        td { (line.role) }
        td { (line.name) }
        td { (line.groups.join(", ")) }
    } }
}

fn mask_key(line: &MaskKeyLine) -> Markup {
    html! { tr {
        td.index { (index(line.announced)) }
        td.index { (maybe(line.ended)) }
        td { code { (line.key) } }
        td { code { (line.proxy) } }
        td.index { (line.sessions) }
    } }
}

fn index(index: Index) -> String {
    format!("#{index}")
}

fn maybe(place: Option<Index>) -> String {
    place.map(index).unwrap_or_default()
}

/// The first 12 digits, as people type ids.
fn short(hexadecimal: &str) -> &str {
    hexadecimal.get(..12).unwrap_or(hexadecimal)
}
