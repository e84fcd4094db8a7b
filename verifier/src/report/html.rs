//! The report as one HTML page: escaping by construction (maud), styles inside, readable in light, dark and on paper.
//!
//! It stays below [`PAGE_BYTES_MAX`] however long the log is: of each table the first lines are shown, fewer of them where they are
//! long, and the page names the file that has all.

mod categories;
mod closing;
mod emergencies;
mod figures;
mod matrix;
mod plots;
mod schedules;
mod scoped;
mod sign_offs;
mod since;

use exhibit_schemas::merkle::Index;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Report;
use super::table::Table;
use crate::evidence::{
    ApprovalLine, CommandLine, DetectionLine, Evidence, FieldLine, KeyLine, MaskKeyLine, PolicyLine, PolicyMaskLine,
    PolicyTermLine, RefusedLine, RevealLine, SessionLine,
};
use crate::observed::ObservedLine;
use crate::reading::{ReadLine, ReaderLine};
use crate::review::ReviewLine;
use crate::summary::FindingLine;
use crate::void::VoidLine;

/// Styles of every page.
pub(crate) const STYLE: &str = "
:root { --paper: #fff; --ink: #1b1b1f; --line: #b9b9c2; --soft: #f0f0f4; --link: #0b57c4; --bad: #b00020; --good: #0a6b3d; --allowed: #3b6ea5; --approved: #a06a00; }
@media screen and (prefers-color-scheme: dark) { :root { color-scheme: dark; --paper: #17171b; --ink: #e7e7ec; --line: #55555f; --soft: #24242b; --link: #8ab8ff; --bad: #ff8a80; --good: #7bd8a5; --allowed: #7fb2e5; --approved: #f0c040; } }
html { background: var(--paper); color: var(--ink); }
body { font: .9375rem/1.45 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; } h3 { font-size: 1rem; }
h1, h2, h3, p, li, figcaption { overflow-wrap: anywhere; }
a { color: var(--link); } :focus-visible { outline: .1875rem solid var(--link); outline-offset: .125rem; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .86rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .5rem; border-bottom: 1px solid var(--line); }
th { background: var(--soft); } td { overflow-wrap: anywhere; min-width: 6rem; } .cite { white-space: nowrap; } .cite, .word { overflow-wrap: normal; }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; } td.index { white-space: nowrap; min-width: 0; font-variant-numeric: tabular-nums; }
figure { margin: 1rem 0; } svg { display: block; width: 100%; } .days { height: 10rem; } .bar { width: 50%; min-width: 8rem; vertical-align: middle; } .bar svg { height: .8rem; }
.ends { display: flex; justify-content: space-between; font-variant-numeric: tabular-nums; } .axis { stroke: var(--ink); }
rect.allowed { fill: var(--allowed); } rect.approved { fill: var(--approved); } rect.denied { fill: var(--bad); } rect.none { fill: var(--ink); }
span.allowed { border-bottom: 3px solid var(--allowed); } span.approved { border-bottom: 3px solid var(--approved); } span.denied, td.denied { border-bottom: 3px solid var(--bad); }
.parts { columns: 14rem 3; padding-left: 1.2rem; } .parts a { display: inline-block; padding: .2rem 0; }
.refused { color: var(--bad); font-weight: 700; } .verified { color: var(--good); font-weight: 700; }
@page { size: landscape; margin: 10mm; }
@media print {
body { max-width: none; margin: 0; padding: 0; font-size: 10pt; } table { font-size: 8pt; } .scroll { overflow: visible; }
th, td, td.index, th.cite { white-space: normal; padding: .15rem .25rem; } td { min-width: 3em; } td.index { min-width: 2.5em; }
h1, h2, h3 { break-after: avoid; } tr, figure > svg { break-inside: avoid; } thead { display: table-header-group; }
}
";

/// Bytes of a page at the most: what browsers and the people before them still take well.
pub(super) const PAGE_BYTES_MAX: usize = 5_000_000;

/// Lines of a table that are shown, as many as the page has room for.
const SHOWN: [usize; 4] = [200, 50, 10, 0];

/// Bytes of a page that is printed: some two hundred sheets.
const PAPER_BYTES_MAX: usize = 1_000_000;

/// Lines of a table that are printed, as many as there is room for.
const PRINTED: [usize; 4] = [50, 20, 5, 0];

/// Things of one line that are shown.
const EACH_MAX: usize = 20;

/// Characters of a text that are shown.
const TEXT_CHARACTERS_MAX: usize = 600;

/// The whole page.
pub(super) fn page(report: &Report<'_>) -> String {
    fitting(report, &SHOWN, PAGE_BYTES_MAX)
}

/// The page as it is printed: the same with fewer lines.
pub(super) fn paper(report: &Report<'_>) -> String {
    fitting(report, &PRINTED, PAPER_BYTES_MAX)
}

/// What it is of.
pub(super) fn title(report: &Report<'_>) -> String {
    format!("Access evidence of {}", report.cover.origin)
}

fn fitting(report: &Report<'_>, lines: &[usize], bytes_max: usize) -> String {
    let mut page = String::new();
    for shown in lines {
        page = page_of(report, *shown).into_string();
        if page.len() <= bytes_max {
            break;
        }
    }
    match &report.cover.scoped {
        Some(scoped) => scoped::label(&page, scoped, report.cover.size),
        None => page,
    }
}

fn page_of(report: &Report<'_>, shown: usize) -> Markup {
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
            body { main {
                (cover_of(report))
                (closing::contents(report))
                (matrix::section(&report.controls, report.evidence.is_some(), shown))
                @if let Some(since) = &report.since { (since::section(since, &cover.period.to_string(), shown)) }
                @if let Some(figures) = report.figures {
                    (figures::section(figures))
                    (plots::section(figures, report.evidence, &report.controls, shown))
                }
                (findings(&report.findings, cover.errors + cover.notes, shown))
                @if let Some(evidence) = report.evidence { (lines(evidence, shown)) }
                (closing::section(report))
            } }
        }
    }
}

fn cover_of(report: &Report<'_>) -> Markup {
    let cover = &report.cover;
    html! {
        h1 { (title(report)) }
        @if cover.record == "verified" {
            p.verified { "Verified: the checks found no error in " (cover.size) " entries." }
        } @else if cover.record == "scoped" {
            p.scoped { "A scoped bundle: the checks found no error in the events that it discloses. The log as a whole was not verified, and no control is tested." }
        } @else if cover.record == "exceptions" {
            p.refused { "Refused: " (cover.errors) " errors. The record of " (cover.size) " entries is sound, and every error is about something that was done and recorded. The rows below list them; nothing passes." }
        } @else {
            p.refused { "Refused: " (cover.errors) " errors. This bundle proves nothing that this page could report; only the findings are listed." }
        }
        @if cover.scoped.is_some() && cover.record != "scoped" {
            p.scoped { "It is a scoped bundle: everything here is of the events that it discloses." }
        }
        (scrolling("What was verified", &html! {
            table {
                @if let Some(entity) = &cover.entity { tr { th scope="row" { "Entity, as the caller says" } td { (entity) } } }
                tr { th scope="row" { "Period" } td { (cover.period) } }
                tr { th scope="row" { "Log" } td { (cover.origin) } }
                tr { th scope="row" { "Log key" } td { code { (cover.log_key) } } }
                tr { th scope="row" { "Entries" } td { (cover.size) } }
                @if let Some(scoped) = &cover.scoped { (scoped::rows(scoped)) }
                @if let Some(root) = &cover.root { tr { th scope="row" { "Root" } td { code { (root) } } } }
                tr { th scope="row" { "Kept checkpoints compared" } td { (cover.heads) } }
                tr { th scope="row" { "Errors, notes" } td { (cover.errors) ", " (cover.notes) } }
                tr { th scope="row" { "Verifier" } td {
                    "exhibit-verify " (cover.verifier)
                    @if let Some(digest) = &cover.verifier_sha256 { br; "SHA-256 of the program: " code { (digest) } }
                } }
            }
        }))
        @if let Some(scoped) = &cover.scoped { (scoped::section(scoped)) }
        h2 { "What this does not claim" }
        ul { @for limit in cover.limits { li { (limit) } } }
    }
}

/// A table of the first of its lines.
struct Listing<'a> {
    title: &'a str,
    head: &'a [&'a str],
    /// How many lines there are.
    all: u64,
    file: Table,
}

fn table(listing: &Listing<'_>, rows: &[Markup]) -> Markup {
    let Listing { title, head, all, file } = listing;
    let shown = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    html! {
        h2 id=(file.name()) { (title) " (" (all) ")" }
        @if *all == 0 {
            p { "0 instances." }
        } @else {
            @if shown < *all { p { (shown) " of " (all) " are shown; " a href=(file.path()) { (file.path()) } " has all." } }
            (scrolling(title, &html! {
                table {
                    thead { tr { @for name in *head { th scope="col" { (name) } } } }
                    tbody { @for row in rows { (row) } }
                }
            }))
        }
    }
}

/// A table in a box that scrolls sideways where it is wider than the page, which keys reach.
pub(crate) fn scrolling(name: &str, table: &Markup) -> Markup {
    html! { div.scroll role="group" aria-label=(name) tabindex="0" { (table) } }
}

/// A text as far as it is shown.
fn cut(text: &str) -> Markup {
    match text.char_indices().nth(TEXT_CHARACTERS_MAX) {
        None => html! { (text) },
        Some((end, _)) => html! { (text.get(..end).unwrap_or_default()) " … (cut; whole in the table's file)" },
    }
}

fn findings(findings: &[FindingLine], all: u64, shown: usize) -> Markup {
    let row = |finding: &FindingLine| {
        html! { tr {
            td { (finding.severity) }
            td { code { (finding.code) } }
            td.index {
                @if let Some(index) = finding.index { "#" (index) }
                @if let Some(last) = finding.last { "–#" (last) }
                @if let Some(file) = &finding.file { (file) }
            }
            td { (finding.meaning) ". " (cut(&finding.detail)) }
        } }
    };
    let rows: Vec<_> = findings.iter().take(shown).map(row).collect();
    let listed = u64::try_from(findings.len()).unwrap_or(u64::MAX);
    let listing = Listing {
        title: "Findings",
        head: &["Severity", "Code", "Where", "Meaning"],
        all: listed,
        file: Table::Findings,
    };
    html! {
        @if findings.is_empty() {
            h2 id="findings" { "Findings" }
            p { "None." }
        } @else {
            (table(&listing, &rows))
        }
        @if all > listed { p { (all - listed) " more findings are counted and not listed." } }
    }
}

/// The first lines of a table, of as many as there are.
fn listing<T>(
    (title, file, head): (&str, Table, &[&str]),
    evidence: &Evidence,
    lines: &[T],
    shown: usize,
    row: impl Fn(&T) -> Markup,
) -> Markup {
    let rows: Vec<_> = lines.iter().take(shown).map(row).collect();
    let all = evidence.all(file, lines.len());
    table(&Listing { title, head, all, file }, &rows)
}

fn lines(evidence: &Evidence, shown: usize) -> Markup {
    html! {
        (listing(("Sessions", Table::Sessions, &["Opened", "Closed", "Time", "Who", "Target", "From, transport", "End"]), evidence, &evidence.sessions, shown, session))
        (listing(("Log-ins refused", Table::RefusedLogins, &["Index", "From", "To", "Target", "Address", "Came with", "User", "Why", "How many"]), evidence, &evidence.refused_logins, shown, login))
        (listing(("Commands", Table::Commands, &["Index", "Time", "Session", "Statement", "Outcome", "Decision", "Response", "Rows", "Masks"]), evidence, &evidence.commands, shown, command))
        (listing(("Fields and their masks, by rule", Table::Fields, &["Rule", "Field", "Mask", "Replies with rows", "Rows"]), evidence, &evidence.fields, shown, field))
        p { "A masked value stands under the relation that it comes from. A field without a mask was touched, in a result or in a condition, or it is a view's, and its values stand under other names." }
        (listing(("Rules that were only observed", Table::ObservedRules, &["Rule", "Would have", "Policy", "Commands", "Of them passed", "Who", "First", "Last"]), evidence, &evidence.observed, shown, observed))
        (listing(("Approvals", Table::Approvals, &["Request", "Who asked", "Statement", "Needs", "Expires", "Decisions"]), evidence, &evidence.approvals, shown, approval))
        (emergencies::table_of(evidence, shown))
        (listing(("Identifiers that nets caught", Table::Detections, &["Index", "Time", "Command", "Net", "Where", "Findings", "Session"]), evidence, &evidence.detections, shown, detection))
        (listing(("Sealed copies that were opened", Table::Reveals, &["Index", "Time", "Command", "Copy", "Who", "Why"]), evidence, &evidence.reveals, shown, reveal))
        (readings(evidence, shown))
        (listing(("Reviews", Table::Reviews, &["Index", "Time", "Who", "From", "To", "What", "Events", "Root", "Finding"]), evidence, &evidence.reviews, shown, review))
        (listing(("Decisions, revocations and reviews that count for nothing", Table::Void, &["Index", "Time", "What", "Who", "About", "Words", "Why it counts for nothing"]), evidence, &evidence.void, shown, void))
        (schedules::tables(evidence, shown))
        (sign_offs::section(evidence, shown))
        (listing(("Policy snapshots", Table::Policies, &["Index", "SHA-256", "Bytes", "Last in force", "To be kept until"]), evidence, &evidence.policies, shown, policy))
        (listing(("Masks of policies", Table::PolicyMasks, &["Policy", "Mask", "Technique", "Targets", "Resources"]), evidence, &evidence.policy_masks, shown, policy_mask))
        p { "A value that is masked by token, partial, format-preserving encryption or a shifted date is masked, and still protected health information." }
        (listing(("Policies in force", Table::PolicyTerms, &["From", "Until", "SHA-256", "Proxy", "Signed by", "Sessions", "Commands"]), evidence, &evidence.policy_terms, shown, policy_term))
        @for line in evidence.policy_signatures.iter().take(shown) {
            p {
                "From " (index(line.from)) " on a policy needs signatures of " (line.people) " of these people before it comes into force: "
                (line.administrators.join(", ")) "."
            }
        }
        @if evidence.policy_signatures.is_empty() {
            p { "Policies are not signed: the trust anchors ask for no signatures of people under them. Whoever can write a proxy's files chose them." }
        }
        (listing(("Keys", Table::Keys, &["Enrolled", "Ended", "Key", "Role", "Name", "Groups"]), evidence, &evidence.keys, shown, key))
        (listing(("Keys of masks", Table::MaskKeys, &["From", "Until", "Key of masks", "Proxy", "Sessions"]), evidence, &evidence.mask_keys, shown, mask_key))
        @if !evidence.mask_keys.is_empty() {
            p { "Tokens, encrypted values and shifted dates under different keys of masks do not match each other." }
        }
    }
}

fn readings(evidence: &Evidence, shown: usize) -> Markup {
    html! {
        @if !evidence.readers.is_empty() {
            (listing(("Who read the evidence", Table::Readers, &["Who", "Proved by", "Readings", "First", "Last"]), evidence, &evidence.readers, shown, reader))
        }
        (listing(("Readings of the evidence", Table::Readings, &["Index", "From", "Who", "As", "What", "Question", "Found", "How many"]), evidence, &evidence.reads, shown, read))
        @if !evidence.reads.is_empty() {
            p { "Who read, what and when is the reader's own statement where a key proves it. How much was found, how often a reading was repeated within its minute, and all of what was read by a token, is the ledger's word." }
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
        td { (line.peer) br; (line.transport) }
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
    html! { tr id={ "entry-" (line.command) } {
        td.index { (index(line.command)) }
        td.index { (line.time) }
        td { code { (short(&line.session)) } }
        td { code { (cut(&line.statement)) } }
        td {
            (line.outcome) @for approval in &line.approvals { " " (index(*approval)) }
            @if let Some((first, last)) = line.copy { br; "exact command sealed " (index(first)) "–" (index(last)) }
            @for passed in &line.thresholds {
                br; "at " (passed.rows) " rows, " (passed.bytes) " bytes (" (passed.rule.as_deref().unwrap_or("")) "): "
                (passed.outcome) " " (index(passed.decided)) @for approval in &passed.approvals { " " (index(*approval)) }
            }
        }
        td { (decision(line)) }
        td.index {
            @if let Some((first, last)) = line.released { (index(first)) "–" (index(last)) " " }
            (maybe(line.ended)) " " (line.status.as_deref().unwrap_or("")) @if let Some(code) = &line.code { " " (code) }
        }
        td.index { (line.rows) @if let Some(patients) = line.patients { br; "of " (patients) " patients" } }
        td { (mask(line)) }
    } }
}

fn decision(line: &CommandLine) -> Markup {
    html! {
        (line.effect) " by " (line.rule.as_deref().unwrap_or("no rule")) " of " code { (short(&line.policy)) }
        @for access in line.accesses.iter().take(EACH_MAX) { br; (cut(access)) }
        @if line.accesses.len() > EACH_MAX { br; "and " (line.accesses.len() - EACH_MAX) " more" }
        @if let Some(columns) = line.columns.as_ref().filter(|columns| !columns.is_empty()) { br; "columns " (cut(&columns.join(", "))) }
        @for (column, values) in &line.probes { br; "tries " (values) " on " (column) }
        @for observed in &line.observed { br; "observed: " (observed) }
    }
}

fn mask(line: &CommandLine) -> Markup {
    html! {
        @for (origin, mask, technique) in line.masks.iter().take(EACH_MAX) { (origin) ": " (mask) " (" (technique) ")" br; }
        @if line.masks.len() > EACH_MAX { "and " (line.masks.len() - EACH_MAX) " more" br; }
        @for (mask, cells) in &line.masked { (mask) ": " (cells) " cells" br; }
    }
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
        td.index { (index(line.request)) br; (line.time) }
        td { (line.requester.as_deref().unwrap_or("not known")) }
        td { code { (cut(&line.statement)) } }
        td {
            (line.approval) ", " (line.asks)
            @if let Some(preview) = &line.preview { br; "preview: " (preview) }
        }
        td.index { (line.expires) }
        td {
            @for decision in &line.decisions {
                (index(decision.decision)) " " (decision.person) " (" (decision.groups.join(", ")) ", enrolled "
                (index(decision.enrolled)) "): " (decision.verdict) ", " (decision.time) ", after " (decision.after_s) " s, “" (decision.reason) "”"
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

fn void(line: &VoidLine) -> Markup {
    html! { tr {
        td.index { (index(line.entry)) }
        td.index { (line.time) }
        td { (line.kind) @if let Some(verdict) = &line.verdict { ", " (verdict) } }
        td { (line.person) " (" (line.groups.join(", ")) ")" }
        td { code { (line.about) } }
        td { "“" (cut(&line.words)) "”" }
        td { (line.why) }
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

fn field(line: &FieldLine) -> Markup {
    html! { tr {
        td { (line.rule) }
        td { (cut(&line.field)) }
        td { @match (&line.mask, &line.technique) {
            (Some(mask), Some(technique)) => { (mask) " (" (technique) ")" },
            _ => "none under this name",
        } }
        td.index { (line.replies) }
        td.index { (line.rows) }
    } }
}

fn policy_mask(line: &PolicyMaskLine) -> Markup {
    html! { tr {
        td { code { (short(&line.policy)) } }
        td { (line.mask) }
        td { (line.technique) @if line.keyed { ", under a key" } }
        td { (cut(&line.targets.join(", "))) }
        td { (cut(&line.resources.join(", "))) }
    } }
}

fn policy(line: &PolicyLine) -> Markup {
    html! { tr { td.index { (index(line.snapshot)) } td { code { (line.policy) } } td.index { (line.bytes) }
        td.index { (line.last_in_force.as_deref().unwrap_or("in force, or never was")) }
        td.index { (line.keep_until.as_deref().unwrap_or("")) }
    } }
}

fn policy_term(line: &PolicyTermLine) -> Markup {
    html! { tr {
        td.index { (index(line.from)) br; (line.since) }
        td.index { (maybe(line.until)) br; (line.ended.as_deref().unwrap_or("in force")) }
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
