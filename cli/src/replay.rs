//! A session as people read it: its events in order, with the tables that were released.
//!
//! Everything that came from an agent or a target goes through [`printable`]. Tables are drawn from the recorded rows; a
//! column that was masked carries a `*`. Bytes that are no rows show only their number: they are the protocol's own. Of a store of
//! objects the beginning of what was released is shown.
//!
//! Not here: proof. `exhibit-verify` checks seals, roots and decisions; this reads.

mod objects;
mod patients;

use exhibit_policy::estimate::{ESTIMATED_ROWS, Estimate};
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::event::access::{
    Access, Column, Command, DecisionRecord, Detection, Frame, Outcome, ResponseChunk, ResponseEnd, SessionClosed,
    SessionOpened, ThresholdDecided,
};
use exhibit_schemas::event::approval::{ApprovalDecided, ApprovalExpired, ApprovalRequested, ApprovalRevoked, Verdict};
use exhibit_schemas::event::trust::EvidenceRead;
use exhibit_schemas::event::{Body, Event, SessionId};
use serde_json::json;

use crate::observed::{observed, observed_json};
use crate::output::printable;
use crate::request::{ID_DIGITS, previewed_json};

/// Characters of a cell that are shown; a table of five columns then fits 200 characters.
const CELL_CHARACTERS: usize = 36;

/// One event of a session.
pub(crate) struct Entry {
    /// Its index in the log.
    pub(crate) index: u64,
    /// Names of the people who decided it, or whose decisions permit it, as the ledger's index says.
    pub(crate) people: Vec<String>,
    /// The event.
    pub(crate) event: Event,
}

/// Why events are not one whole session.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ReplayError {
    /// An event of another session, or of none.
    #[error("entry {index} does not belong to the session")]
    Foreign {
        /// Its index.
        index: u64,
    },
    /// A number is missing or comes twice.
    #[error("entry {index} has the number {found} in its session, where {wanted} comes next")]
    Gap {
        /// Its index.
        index: u64,
        /// The number that it has.
        found: u64,
        /// The number that comes next.
        wanted: u64,
    },
    /// The first event opens no session.
    #[error("the session does not begin with its opening")]
    NotOpened,
}

/// Checks that the events are of this session, from its opening on, without a gap.
///
/// # Errors
/// [`ReplayError`].
pub(crate) fn check(session: SessionId, entries: &[Entry]) -> Result<(), ReplayError> {
    let mut next = 0;
    for Entry { index, event, .. } in entries {
        let index = *index;
        let place = match (&event.body, event.session) {
            (_, None) if event.about() == Some(session) => continue,
            // Who asked for it by one of its entries.
            (_, None)
                if event
                    .about_entry()
                    .is_some_and(|entry| entries.iter().any(|one| one.index == entry.0)) =>
            {
                continue;
            }
            (_, Some(place)) if place.0 == session => place.1,
            _ => return Err(ReplayError::Foreign { index }),
        };
        if place != next {
            return Err(ReplayError::Gap {
                index,
                found: place,
                wanted: next,
            });
        }
        if place == 0 && !matches!(event.body, Body::SessionOpened(_)) {
            return Err(ReplayError::NotOpened);
        }
        next += 1;
    }
    if next == 0 {
        return Err(ReplayError::NotOpened);
    }
    Ok(())
}

/// The whole session.
pub(crate) fn timeline(session: SessionId, entries: &[Entry], rows: usize) -> String {
    let mut lines = vec![format!("session {session}")];
    let start = entries.first().map_or(0, |entry| entry.event.time.0);
    let is_of_objects = entries.iter().any(|entry| match &entry.event.body {
        Body::SessionOpened(opened) => opened.protocol == objects::PROTOCOL,
        _ => false,
    });
    for entry in entries {
        let after = entry.event.time.0.saturating_sub(start);
        let head = format!(
            "{:>6}  +{}.{:06} s  {}",
            entry.index,
            after / 1_000_000,
            after % 1_000_000,
            entry.event.kind()
        );
        lines.push(head);
        lines.extend(
            describe(entry, rows, is_of_objects)
                .into_iter()
                .map(|line| format!("        {line}")),
        );
    }
    if !entries
        .iter()
        .any(|entry| matches!(entry.event.body, Body::SessionClosed(_)))
    {
        lines.push("no end is recorded, or it is not indexed yet".to_owned());
    }
    lines.join("\n")
}

/// One event in lines that no value can break out of.
fn describe(entry: &Entry, rows: usize, is_of_objects: bool) -> Vec<String> {
    let mut lines = Lines(Vec::new());
    match &entry.event.body {
        Body::SessionOpened(opened) => opening(&mut lines, entry, opened),
        Body::SessionClosed(SessionClosed {
            reason,
            commands,
            bytes,
        }) => lines.add(&format!("by {reason}, after {commands} commands and {bytes} bytes")),
        Body::Command(command) => describe_command(&mut lines, entry, command),
        Body::ApprovalRequested(requested) => {
            let ApprovalRequested {
                statement,
                decision,
                requirement,
                expires,
                held_until,
                preview,
                ..
            } = requested;
            lines.add(statement);
            ruled(&mut lines, decision);
            lines.add(&format!("asks {requirement} until {expires}"));
            if let Some(preview) = preview {
                lines.add(&format!("preview: {preview}"));
            }
            if let Some(until) = held_until {
                lines.add(&format!("its session waits until {until}; then a retry may take it up"));
            }
        }
        Body::PreviewRun(run) => {
            lines.add(&run.statement);
            ruled(&mut lines, &run.decision);
            lines.add("run at the target and rolled back, for the people who are asked then");
        }
        Body::ApprovalDecided(ApprovalDecided {
            verdict, reason, terms, ..
        }) => {
            let word = match verdict {
                Verdict::Approve => "approved",
                Verdict::Deny => "denied",
                Verdict::Emergency => "let pass in an emergency",
            };
            let key = entry.event.emitter.0;
            lines.add(&format!("{word} by {} (key {key}): {reason}", names(&entry.people)));
            if let Some(terms) = terms {
                lines.add(&format!("for {terms}"));
            }
        }
        Body::ApprovalRevoked(ApprovalRevoked { reason, request, .. }) => {
            let key = entry.event.emitter.0;
            lines.add(&format!(
                "request {request} taken back by {} (key {key}): {reason}",
                names(&entry.people)
            ));
        }
        Body::ApprovalExpired(ApprovalExpired { reason, .. }) => lines.add(&format!("by {reason}")),
        Body::CommandSealed(part) => lines.add(&format!(
            "part {} of {} of the exact command, {} bytes encrypted",
            part.part.saturating_add(1),
            part.parts,
            part.bytes.0.len()
        )),
        Body::CommandData(data) => lines.add(&format!("{} bytes, digest {}", data.bytes, data.digest)),
        Body::Detection(found) => detected(&mut lines, found),
        Body::ThresholdDecided(decided) => {
            lines.add(&patients::coming_to(decided));
            ruled(&mut lines, &decided.decision);
            lines.add(&outcome(decided.outcome, entry));
        }
        Body::ResponseChunk(chunk) if is_of_objects => objects::answer(&mut lines, chunk, rows),
        Body::ResponseChunk(chunk) => table(&mut lines, chunk, rows),
        Body::ResponseEnd(end) => ending(&mut lines, end),
        Body::Fault(fault) => lines.add(&format!("{}: {}", fault.place, fault.text)),
        Body::Hold(hold) => lines.add(&hold.reason),
        Body::EvidenceRead(read) => reading(&mut lines, read),
        _ => {}
    }
    lines.0
}

/// One event as a JSON object of a stable shape: `index`, `time_us`, `kind`, and what its kind holds. Cells are strings,
/// `null`, or `{"hex": …}` where they are no text.
pub(crate) fn to_json(entry: &Entry) -> serde_json::Value {
    let mut value = body_json(entry);
    if let Some(object) = value.as_object_mut() {
        object.insert("index".to_owned(), entry.index.into());
        object.insert("time_us".to_owned(), entry.event.time.0.into());
        object.insert("kind".to_owned(), entry.event.kind().as_str().into());
    }
    value
}

/// Who looked at the session; what it is called by, and not what was seen.
fn reading(lines: &mut Lines, read: &EvidenceRead) {
    lines.add(&format!("{} by {}", read.operation, read.reader));
    if let Some(by) = &read.by {
        lines.add(&format!(
            "as {}, proved by {} of {}, {} times until {}",
            by.role, by.method, by.issuer, by.times, by.until
        ));
    }
}

/// What people were asked, and what they said.
fn approval_json(entry: &Entry) -> serde_json::Value {
    match &entry.event.body {
        Body::ApprovalRequested(requested) => requested_json(requested),
        Body::ApprovalDecided(decided) => json!({
            "verdict": decided.verdict.as_str(),
            "reason": decided.reason,
            "approvers": entry.people,
            "key": entry.event.emitter.0.to_string(),
            "rows": decided.terms.as_ref().and_then(|terms| terms.rows),
            "grant": decided.terms.as_ref().and_then(|terms| terms.grant.as_ref()).map(|grant| json!({
                "scope": grant.scope.as_str(),
                "minutes": grant.minutes,
                "uses": grant.uses,
            })),
        }),
        Body::ApprovalRevoked(revoked) => json!({
            "request": revoked.request.to_string(),
            "reason": revoked.reason,
            "by": entry.people,
            "key": entry.event.emitter.0.to_string(),
        }),
        Body::ApprovalExpired(expired) => json!({ "reason": expired.reason }),
        Body::PreviewRun(run) => json!({
            "statement": run.statement,
            "accesses": accesses(&run.facts.accesses),
            "columns": run.facts.columns,
            "rule": run.decision.rule,
            "reason": run.decision.reason,
            "observed": observed_json(&run.decision),
            "digest": run.command.to_string(),
            "exact": run.exact.to_string(),
        }),
        _ => json!({}),
    }
}

fn body_json(entry: &Entry) -> serde_json::Value {
    match &entry.event.body {
        Body::SessionOpened(opened) => json!({
            "agent": opened.principal.subject,
            "method": opened.principal.method,
            "issuer": opened.principal.issuer,
            "groups": opened.principal.groups,
            "target": opened.target,
            "protocol": opened.protocol,
            "peer": opened.peer,
            "transport": opened.transport,
            "client": opened.client,
            "mask_key": opened.mask_key.map(|key| key.to_string()),
        }),
        Body::SessionClosed(closed) => json!({
            "reason": closed.reason,
            "commands": closed.commands,
            "bytes": closed.bytes,
        }),
        Body::Command(command) => json!({
            "statement": command.statement,
            "statement_fingerprint": command.statement_fingerprint.map(|fingerprint| fingerprint.to_string()),
            "parameters": parameters(command),
            "accesses": accesses(&command.facts.accesses),
            "columns": command.facts.columns,
            "estimated_rows": command.facts.attributes.get(ESTIMATED_ROWS),
            "decision": command.decision.effect.as_str(),
            "rule": command.decision.rule,
            "reason": command.decision.reason,
            "observed": observed_json(&command.decision),
            "outcome": command.outcome.as_str(),
            "retries": command.retries.map(|request| request.to_string()),
            "approvers": entry.people,
        }),
        Body::ApprovalRequested(_)
        | Body::ApprovalDecided(_)
        | Body::ApprovalExpired(_)
        | Body::ApprovalRevoked(_)
        | Body::PreviewRun(_) => approval_json(entry),
        Body::CommandSealed(part) => json!({
            "command": part.command,
            "part": part.part,
            "parts": part.parts,
            "bytes": part.bytes.0.len(),
        }),
        Body::CommandData(data) => json!({
            "command": data.command,
            "part": data.part,
            "bytes": data.bytes,
            "digest": data.digest.to_string(),
        }),
        Body::Detection(found) => json!({
            "command": found.command,
            "net": found.net,
            "channel": found.channel,
            "column": found.column,
            "findings": found.findings,
            "ends": found.ends,
        }),
        Body::ThresholdDecided(decided) => threshold_json(decided, entry),
        Body::ResponseChunk(chunk) => chunk_json(chunk),
        Body::ResponseEnd(end) => json!({
            "command": end.command,
            "status": end.status,
            "code": end.code,
            "rows": end.rows,
            "bytes": end.bytes,
            "masked": end.masked,
        }),
        Body::Fault(fault) => json!({ "place": fault.place, "text": fault.text }),
        Body::Hold(hold) => json!({ "reason": hold.reason, "released": hold.released }),
        Body::EvidenceRead(read) => json!({
            "reader": read.reader,
            "operation": read.operation,
            "scope": read.scope,
            "method": read.by.as_ref().map(|by| &by.method),
            "role": read.by.as_ref().map(|by| &by.role),
            "times": read.by.as_ref().map(|by| by.times),
        }),
        _ => json!({}),
    }
}

fn threshold_json(decided: &ThresholdDecided, entry: &Entry) -> serde_json::Value {
    json!({
        "command": decided.command,
        "rows": decided.rows,
        "bytes": decided.bytes,
        "session_rows": decided.session_rows,
        "session_bytes": decided.session_bytes,
        "patients": decided.patients,
        "session_patients": decided.session_patients,
        "decision": decided.decision.effect.as_str(),
        "rule": decided.decision.rule,
        "reason": decided.decision.reason,
        "observed": observed_json(&decided.decision),
        "outcome": decided.outcome.as_str(),
        "approvers": entry.people,
    })
}

fn requested_json(requested: &ApprovalRequested) -> serde_json::Value {
    json!({
        "statement": requested.statement,
        "accesses": accesses(&requested.facts.accesses),
        "columns": requested.facts.columns,
        "rule": requested.decision.rule,
        "reason": requested.decision.reason,
        "observed": observed_json(&requested.decision),
        "groups": requested.requirement.groups,
        "people": requested.requirement.people,
        "all_groups": requested.requirement.all_groups,
        "hours": requested.requirement.hours.as_ref().map(ToString::to_string),
        "expires_us": requested.expires.0,
        "held_until_us": requested.held_until.map(|until| until.0),
        "preview": previewed_json(requested.preview.as_ref()),
    })
}

fn chunk_json(chunk: &ResponseChunk) -> serde_json::Value {
    let cell = |cell: &Option<Bytes>| match cell.as_ref().map(|cell| (std::str::from_utf8(&cell.0), cell)) {
        None => serde_json::Value::Null,
        Some((Ok(text), _)) => text.into(),
        Some((Err(_), cell)) => json!({ "hex": hex::encode(&cell.0) }),
    };
    let mut rows: Vec<Vec<serde_json::Value>> = Vec::new();
    let mut verbatim = 0;
    for frame in &chunk.frames {
        match frame {
            Frame::Verbatim(bytes) => verbatim += bytes.0.len(),
            Frame::Row(cells) => rows.push(cells.iter().map(cell).collect()),
        }
    }
    let column = |column: &Column| {
        json!({
            "name": column.name,
            "type": column.data_type,
            "origin": column.origin,
            "technique": column.technique,
            "mask": column.mask,
            "patients": column.patients,
        })
    };
    json!({
        "command": chunk.command,
        "chunk": chunk.chunk,
        "columns": chunk.columns.as_ref().map(|columns| columns.iter().map(column).collect::<Vec<_>>()),
        "rows": rows,
        "framed_rows": chunk.framed_rows,
        "verbatim_bytes": verbatim,
        "patients": chunk.patients.as_ref().map(patients::released_json),
    })
}

/// `define public.claims`, `transaction`.
fn accesses(accesses: &[Access]) -> Vec<String> {
    let one = |Access(action, resource): &Access| match resource {
        Some(resource) => format!("{action} {resource}"),
        None => action.to_string(),
    };
    accesses.iter().map(one).collect()
}

struct Lines(Vec<String>);

impl Lines {
    /// Adds text from elsewhere; its own line ends stay line ends.
    fn add(&mut self, text: &str) {
        self.0.extend(printable(text).split('\n').map(str::to_owned));
    }
}

fn opening(lines: &mut Lines, entry: &Entry, opened: &SessionOpened) {
    let principal = &opened.principal;
    lines.add(&format!(
        "{} on {} ({})",
        principal.subject, opened.target, opened.protocol
    ));
    lines.add(&format!(
        "proved by {} of {}; groups {}",
        principal.method,
        principal.issuer,
        names(&principal.groups)
    ));
    if let Some(run) = &principal.run {
        lines.add(&run.to_string());
    }
    let client = opened.client.as_deref().unwrap_or("unnamed");
    lines.add(&format!(
        "from {} over {}; client {client}",
        opened.peer, opened.transport
    ));
    if let Some(key) = &opened.mask_key {
        lines.add(&format!("masked under {key}"));
    }
    lines.add(&format!("at {}", entry.event.time));
}

fn describe_command(lines: &mut Lines, entry: &Entry, command: &Command) {
    lines.add(&command.statement);
    if let Some(fingerprint) = &command.statement_fingerprint {
        lines.add(&format!("statement fingerprint {fingerprint}"));
    }
    if !parameters(command).is_empty() {
        lines.add(&format!("parameters {}", names(parameters(command))));
    }
    lines.add(&format!("does {}", names(&accesses(&command.facts.accesses))));
    if let Some(estimate) = Estimate::of(&command.facts) {
        lines.add(&format!("estimated: {estimate}"));
    }
    ruled(lines, &command.decision);
    if let Some(request) = command.retries {
        let id: String = request.to_string().chars().take(ID_DIGITS).collect();
        lines.add(&format!("a retry, by the request {id} of an earlier command"));
    }
    lines.add(&outcome(command.outcome, entry));
}

/// The types of its parameters: as the target describes them where it has, otherwise as the agent gave them.
fn parameters(command: &Command) -> &[String] {
    command.described.as_deref().unwrap_or(&command.parameters)
}

/// What came of a question, and by whom.
fn outcome(outcome: Outcome, entry: &Entry) -> String {
    if entry.people.is_empty() {
        outcome.to_string()
    } else {
        format!("{outcome} by {}", names(&entry.people))
    }
}

fn ruled(lines: &mut Lines, decision: &DecisionRecord) {
    let rule = decision.rule.as_deref().unwrap_or("no rule");
    lines.add(&format!("{} by {rule}: {}", decision.effect, decision.reason));
    for line in observed(decision) {
        lines.add(&format!("observed: {line}"));
    }
}

fn detected(lines: &mut Lines, found: &Detection) {
    let column = found
        .column
        .as_ref()
        .map(|column| format!(" of {column}"))
        .unwrap_or_default();
    let findings = found
        .findings
        .iter()
        .map(|(category, count)| format!("{count} {category}"));
    let findings = findings.collect::<Vec<_>>().join(", ");
    lines.add(&format!(
        "net {} found in {}{column}: {findings}",
        found.net, found.channel
    ));
    if found.ends {
        lines.add("the session ends for it, and nothing of it was released");
    }
}

fn ending(lines: &mut Lines, end: &ResponseEnd) {
    let code = end.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
    lines.add(&format!("{}{code}: {} rows, {} bytes", end.status, end.rows, end.bytes));
    for (mask, cells) in &end.masked {
        lines.add(&format!("masked by {mask}: {cells} cells"));
    }
}

fn names(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}

/// The rows of a chunk under the columns that it names.
fn table(lines: &mut Lines, chunk: &ResponseChunk, rows: usize) {
    let columns = chunk.columns.as_deref().unwrap_or_default();
    let mut cells: Vec<Vec<String>> = Vec::new();
    let (mut verbatim, mut hidden) = (0, 0);
    for frame in &chunk.frames {
        match frame {
            Frame::Verbatim(bytes) => verbatim += bytes.0.len(),
            Frame::Row(_) if cells.len() >= rows => hidden += 1,
            Frame::Row(row) => cells.push(
                row.iter()
                    .map(|value| cell(value.as_ref().map(|value| &*value.0)))
                    .collect(),
            ),
        }
    }
    let heading: Vec<String> = columns.iter().map(title).collect();
    draw(lines, &heading, &cells);
    for column in columns {
        if let Some(technique) = &column.technique {
            let mask = column.mask.as_deref().unwrap_or("unnamed");
            lines.add(&format!("* {} is masked: {technique} by {mask}", column.name).replace('\n', "\\n"));
        }
    }
    if hidden > 0 {
        lines.add(&format!("and {hidden} rows more"));
    }
    if verbatim > 0 {
        lines.add(&format!("and {verbatim} bytes of the protocol"));
    }
    if let Some(released) = &chunk.patients {
        lines.add(&patients::line(released));
    }
}

fn draw(lines: &mut Lines, heading: &[String], rows: &[Vec<String>]) {
    let all = || std::iter::once(heading).chain(rows.iter().map(Vec::as_slice));
    let count = all().map(<[String]>::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|place| {
            all()
                .filter_map(|row| row.get(place))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |row: &[String]| {
        let cells = widths.iter().enumerate().map(|(place, width)| {
            let cell = row.get(place).map_or("", String::as_str);
            format!("{cell:<width$}")
        });
        cells.collect::<Vec<_>>().join(" | ").trim_end().to_owned()
    };
    if !heading.is_empty() {
        lines.add(&line(heading));
        let rule: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
        lines.add(&rule.join("-+-"));
    }
    for row in rows {
        lines.add(&line(row));
    }
}

/// A column's name, with a `*` where it is masked.
fn title(column: &Column) -> String {
    let mut title = short(&column.name);
    if column.technique.is_some() {
        title.push('*');
    }
    title
}

/// A cell on one line, cut to its width.
fn cell(value: Option<&[u8]>) -> String {
    match value.map(std::str::from_utf8) {
        None => "NULL".to_owned(),
        Some(Ok(text)) => short(text),
        Some(Err(_)) => format!("<{} bytes>", value.map_or(0, <[u8]>::len)),
    }
}

fn short(text: &str) -> String {
    let line = printable(text).replace('\n', "\\n");
    if line.chars().count() > CELL_CHARACTERS {
        return line.chars().take(CELL_CHARACTERS - 1).chain(['…']).collect();
    }
    line
}

#[cfg(test)]
mod tests;
