//! The cells of each table, the same in CSV and in the workbook.
//!
//! Several values of a cell stand behind each other with `; ` between them, and where a cell may have several a `;` or a `\` of a value has a
//! `\` before it, so that none is taken for two. A missing value is an empty cell.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;

use exhibit_schemas::merkle::Index;

use super::Report;
use super::about::SCOPED_LABEL;
use super::handling::ExceptionLine;
use super::matrix::Row;
use super::since::Since;
use super::table::Table;
use crate::census::Day;
use crate::emergency::EmergencyLine;
use crate::evidence::{
    ApprovalLine, DecisionLine, DetectionLine, FieldLine, KeyLine, Line, MaskKeyLine, PolicyLine, PolicyMaskLine,
    PolicyTermLine, Ran, RefusedLine, RevealLine, SessionLine,
};
use crate::observed::ObservedLine;
use crate::reading::{ReadLine, ReaderLine};
use crate::review::ReviewLine;
use crate::schedule::{CountedLine, PeriodLine, ScheduleLine, UncountedLine};
use crate::sign_off::{ExceptionCloseLine, ExceptionNoteLine, ReportSignatureLine};
use crate::summary::FindingLine;
use crate::void::VoidLine;

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Nothing.
    Empty,
    /// A number.
    Number(u64),
    /// A number that may be below zero.
    Signed(i64),
    /// Text; never read as anything else.
    Text(Cow<'a, str>),
}

impl Cell<'_> {
    /// A field of CSV. Programs that open CSV take a field that begins like a formula for one (OWASP, "CSV injection"): an apostrophe
    /// before it makes it text.
    pub fn field(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Number(number) => number.to_string(),
            Self::Signed(number) => number.to_string(),
            Self::Text(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) => {
                format!("'{text}")
            }
            Self::Text(text) => text.to_string(),
        }
    }
}

impl From<u64> for Cell<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<usize> for Cell<'_> {
    fn from(number: usize) -> Self {
        Self::Number(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Signed(number)
    }
}

impl From<Index> for Cell<'_> {
    fn from(index: Index) -> Self {
        Self::Number(index.0)
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a String> for Cell<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

macro_rules! row {
    ($($cell:expr),* $(,)?) => { vec![$(Cell::from($cell)),*] };
}

/// A row of a table.
pub type Cells<'a> = Vec<Cell<'a>>;

/// What the report is of, a line to each thing that is known.
pub fn cover<'a>(report: &'a Report<'_>) -> Vec<Cells<'a>> {
    let cover = &report.cover;
    let mut rows = vec![
        row!["result", cover.result],
        row!["record", cover.record],
        row!["entity", cover.entity.as_ref()],
        row!["period", cover.period.to_string()],
        row!["log", &cover.origin],
        row!["log_key", &cover.log_key],
        row!["entries", cover.size.to_string()],
        row!["root", cover.root.as_ref()],
        row!["verifier", cover.verifier],
        row!["verifier_sha256", cover.verifier_sha256.as_ref()],
        row!["kept_checkpoints", cover.heads.to_string()],
        row!["errors", cover.errors.to_string()],
        row!["notes", cover.notes.to_string()],
        row!["bundle", if cover.scoped.is_some() { SCOPED_LABEL } else { "whole" }],
    ];
    if let Some(scoped) = &cover.scoped {
        rows.push(row!["scope", &scoped.words]);
        rows.push(row!["disclosed_events", scoped.disclosed.to_string()]);
        rows.extend(scoped.proven.iter().map(|line| row!["proves", line]));
        rows.extend(scoped.not_proven.iter().map(|line| row!["does_not_prove", line]));
    }
    rows.extend(cover.limits.iter().map(|line| row!["does_not_claim", *line]));
    rows
}

/// A line, and the lines of other tables that are in it, with their tables.
pub fn of_line(line: &Line) -> Vec<(Table, Cells<'_>)> {
    let cells = match line {
        Line::Session(line) => session(line),
        Line::Refused(line) => refused(line),
        Line::Command(ran) => command(ran),
        Line::Approval(line) => {
            let mut rows = vec![(Table::Approvals, approval(line))];
            rows.extend(
                line.decisions
                    .iter()
                    .map(|each| (Table::Decisions, decision(line, each))),
            );
            return rows;
        }
        Line::Detection(line) => detection(line),
        Line::Reveal(line) => reveal(line),
        Line::Read(line) => read(line),
        Line::Reader(line) => reader(line),
        Line::Review(line) => review(line),
        Line::Void(line) => void(line),
    };
    vec![(line.table(), cells)]
}

fn session(line: &SessionLine) -> Cells<'_> {
    row![
        &line.session,
        line.opened,
        line.closed,
        &line.time,
        line.ended.as_ref(),
        &line.target,
        &line.protocol,
        &line.method,
        &line.issuer,
        &line.subject,
        &line.evidence,
        line.run.as_ref(),
        line.expires.as_ref(),
        &line.transport,
        &line.peer,
        line.mask_key.as_ref(),
        line.reason.as_ref(),
        line.commands,
        line.patients,
    ]
}

fn refused(line: &RefusedLine) -> Cells<'_> {
    row![
        line.refused,
        &line.since,
        &line.time,
        &line.target,
        &line.peer,
        &line.method,
        &line.reason,
        line.user.as_ref(),
        &line.named,
        line.count,
    ]
}

fn command(ran: &Ran) -> Cells<'_> {
    let line = &ran.command;
    let session = ran.session.as_ref();
    row![
        line.command,
        &line.time,
        &line.session,
        session.map(|session| &session.subject),
        session.map(|session| &session.target),
        &line.statement,
        joined(&line.accesses),
        line.columns.as_deref().map(joined),
        counts(&line.probes),
        &line.effect,
        line.rule.as_ref(),
        joined(&line.observed),
        &line.policy,
        &line.outcome,
        line.request,
        joined(&line.approvals),
        line.copy.map(|(first, _)| first),
        line.copy.map(|(_, last)| last),
        listed(line.thresholds.iter().map(|threshold| threshold.decided)),
        line.released.map(|(first, _)| first),
        line.released.map(|(_, last)| last),
        line.ended,
        line.status.as_ref(),
        line.code.as_ref(),
        line.rows,
        line.bytes,
        line.patients,
        listed(
            line.masks
                .iter()
                .map(|(origin, mask, technique)| format!("{origin}: {mask} ({technique})"))
        ),
        counts(&line.masked),
    ]
}

fn approval(line: &ApprovalLine) -> Cells<'_> {
    let grant = line.grant.as_ref();
    row![
        line.request,
        &line.time,
        &line.session,
        line.requester.as_ref(),
        &line.statement,
        &line.approval,
        line.people,
        &line.asks,
        line.preview.as_ref(),
        &line.expires,
        listed(line.decisions.iter().map(|decision| decision.decision)),
        listed(line.revocations.iter().map(|revocation| revocation.revocation)),
        line.rows,
        grant.map(|grant| joined(&grant.scopes)),
        grant.map(|grant| &grant.ends),
        grant.map(|grant| grant.uses),
        grant.map(|grant| grant.used),
    ]
}

fn decision<'a>(asked: &'a ApprovalLine, line: &'a DecisionLine) -> Cells<'a> {
    row![
        asked.request,
        line.decision,
        &line.time,
        line.after_s,
        &line.person,
        joined(&line.groups),
        &line.verdict,
        &line.reason,
        line.terms.as_ref(),
        line.enrolled,
        asked.requester.as_ref(),
    ]
}

fn detection(line: &DetectionLine) -> Cells<'_> {
    row![
        line.detection,
        &line.time,
        line.command,
        &line.net,
        &line.channel,
        line.column.as_ref(),
        counts(&line.findings),
        if line.ends { "ended" } else { "went on" },
    ]
}

fn reveal(line: &RevealLine) -> Cells<'_> {
    row![
        line.reveal,
        &line.time,
        &line.person,
        joined(&line.groups),
        &line.reason,
        line.command,
        line.copy,
        line.enrolled,
    ]
}

fn read(line: &ReadLine) -> Cells<'_> {
    row![
        line.read,
        &line.since,
        &line.until,
        &line.reader,
        &line.method,
        &line.issuer,
        &line.subject,
        &line.role,
        &line.operation,
        &line.scope,
        line.count,
        line.times,
    ]
}

fn review(line: &ReviewLine) -> Cells<'_> {
    row![
        line.review,
        &line.time,
        &line.person,
        joined(&line.groups),
        &line.from,
        &line.to,
        &line.scope,
        line.emergency,
        counts(&line.counts),
        &line.population,
        &line.finding,
        line.own,
        line.later,
    ]
}

fn reader(line: &ReaderLine) -> Cells<'_> {
    row![
        &line.reader,
        &line.method,
        &line.issuer,
        &line.subject,
        counts(&line.readings),
        line.first,
        line.last,
    ]
}

fn void(line: &VoidLine) -> Cells<'_> {
    row![
        line.entry,
        &line.time,
        line.kind,
        &line.person,
        joined(&line.groups),
        &line.about,
        line.verdict.as_ref(),
        &line.words,
        &line.why,
    ]
}

/// What was to be reviewed.
pub fn review_schedule(line: &ScheduleLine) -> Cells<'_> {
    row![
        &line.name,
        line.first,
        &line.scope,
        &line.every,
        &line.zone,
        line.within_days,
        joined(&line.groups),
        &line.own,
        &line.from,
        line.until.as_ref(),
    ]
}

/// A row of the control matrix.
pub fn control(row: &Row) -> Cells<'_> {
    row![
        row.id,
        row.cite,
        row.title,
        row.population,
        row.query,
        row.count,
        row.test,
        row.strength.as_str(),
        row.cannot_show,
        row.state.as_str(),
        &row.result,
        row.exceptions.len(),
        row.not_listed,
    ]
}

/// What speaks against a control.
pub fn exception<'a>(row: &'a Row, exception: &'a ExceptionLine) -> Cells<'a> {
    let handling = exception.handling.as_ref();
    let end = handling.and_then(|handling| handling.end.as_ref());
    row![
        row.id,
        row.cite,
        &exception.id,
        exception.index,
        &exception.cause,
        &exception.detail,
        exception.state.as_str(),
        handling.map(|handling| handling.noted),
        handling.map(|handling| &handling.person),
        handling.map(|handling| handling.earlier),
        handling.map(|handling| &handling.owner),
        handling.map(|handling| &handling.remediation),
        handling.and_then(|handling| handling.due.as_ref()),
        end.map(|end| end.closed),
        end.map(|end| &end.person),
        end.map(|end| end.disposition),
        end.map(|end| &end.statement),
        end.map(|end| yes(end.own)),
    ]
}

/// A signature under a report.
pub fn report_signature(line: &ReportSignatureLine) -> Cells<'_> {
    row![
        line.signed,
        &line.time,
        &line.person,
        joined(&line.groups),
        &line.manifest,
        line.size,
        &line.root,
        &line.statement,
        line.uncounted.as_ref(),
    ]
}

/// A note of an exception.
pub fn exception_note(line: &ExceptionNoteLine) -> Cells<'_> {
    row![
        line.noted,
        &line.time,
        &line.person,
        joined(&line.groups),
        &line.control,
        &line.cause,
        line.entry,
        &line.detail,
        line.size,
        &line.owner,
        &line.remediation,
        line.due.as_ref(),
        joined(&line.closes),
        line.uncounted.as_ref(),
    ]
}

/// An end of an exception.
pub fn exception_close(line: &ExceptionCloseLine) -> Cells<'_> {
    row![
        line.closed,
        &line.time,
        &line.person,
        joined(&line.groups),
        line.note,
        line.disposition,
        &line.statement,
        yes(line.own),
        line.uncounted.as_ref(),
    ]
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// What is new since an earlier report: of what, its name, what was and what is.
pub fn changes(since: &Since) -> Vec<Cells<'_>> {
    let mut rows = vec![row![
        "log",
        "entries",
        since.size.to_string(),
        since.size.saturating_add(since.entries).to_string()
    ]];
    for (kind, count) in &since.events {
        rows.push(row!["events", kind, Cell::Empty, format!("{count} more")]);
    }
    for change in &since.controls {
        rows.push(row!["control", change.id, &change.before, &change.after]);
        rows.extend(
            change
                .new
                .iter()
                .map(|id| row!["exception", id, "not listed", "listed"]),
        );
        rows.extend(
            change
                .gone
                .iter()
                .map(|id| row!["exception", id, "listed", "not listed"]),
        );
        rows.extend(
            change
                .handled
                .iter()
                .map(|(id, before, after)| row!["exception", id, before, *after]),
        );
    }
    rows.extend(
        since
            .policies
            .iter()
            .map(|policy| row!["policy", policy, Cell::Empty, "new"]),
    );
    rows.extend(since.keys.iter().map(|key| row!["key", key, Cell::Empty, "new"]));
    rows.extend(since.ended_keys.iter().map(|key| row!["key", key, "in force", "ended"]));
    rows
}

/// A finding.
pub fn finding(line: &FindingLine) -> Cells<'_> {
    row![
        line.severity,
        line.code,
        line.index,
        line.last,
        line.file.as_ref(),
        line.meaning,
        &line.detail,
    ]
}

/// A period to be reviewed.
pub fn review_period(line: &PeriodLine) -> Cells<'_> {
    row![
        &line.schedule,
        line.first,
        &line.scope,
        &line.from,
        &line.to,
        &line.deadline,
        line.state.as_str(),
        reviews(&line.reviews),
        uncounted(&line.uncounted),
    ]
}

/// A use of emergency access.
pub fn emergency(line: &EmergencyLine) -> Cells<'_> {
    row![
        line.used,
        &line.time,
        line.request,
        line.decision,
        &line.signed,
        &line.person,
        joined(&line.groups),
        &line.reason,
        line.subject.as_ref(),
        &line.target,
        &line.session,
        &line.statement,
        line.rows,
        &line.ends,
        &line.deadline,
        joined(&line.reviewers),
        line.state.as_str(),
        reviews(&line.reviews),
        uncounted(&line.uncounted),
    ]
}

/// A rule that was only observed.
pub fn observed(line: &ObservedLine) -> Cells<'_> {
    row![
        &line.policy,
        &line.rule,
        &line.effect,
        line.approval.as_ref(),
        line.commands,
        line.passed,
        counts(&line.who),
        line.first,
        line.last,
    ]
}

/// A policy.
pub fn policy(line: &PolicyLine) -> Cells<'_> {
    row![
        &line.policy,
        line.snapshot,
        line.bytes,
        line.last_in_force.as_ref(),
        line.keep_until.as_ref(),
    ]
}

/// A mask of a policy.
pub fn policy_mask(line: &PolicyMaskLine) -> Cells<'_> {
    row![
        &line.policy,
        &line.mask,
        &line.technique,
        yes(line.keyed),
        joined(&line.targets),
        joined(&line.resources),
    ]
}

/// A field that commands touched.
pub fn touched(line: &FieldLine) -> Cells<'_> {
    row![
        &line.rule,
        &line.field,
        line.mask.as_ref(),
        line.technique.as_ref(),
        line.replies,
        line.rows,
    ]
}

/// The commands of a day.
pub fn day<'a>(name: &'a String, day: &Day) -> Cells<'a> {
    row![name, day.allowed, day.approved, day.denied]
}

/// A policy in force.
pub fn policy_term(line: &PolicyTermLine) -> Cells<'_> {
    row![
        &line.policy,
        &line.proxy,
        line.from,
        &line.since,
        line.until,
        line.ended.as_ref(),
        line.sessions,
        line.commands,
        line.signatures,
        listed(line.signed.iter().map(|(name, index)| format!("{name} #{index}"))),
    ]
}

/// A key.
pub fn key(line: &KeyLine) -> Cells<'_> {
    row![
        &line.key,
        &line.role,
        &line.name,
        joined(&line.groups),
        line.enrolled,
        line.ended
    ]
}

/// A key of masks.
pub fn mask_key(line: &MaskKeyLine) -> Cells<'_> {
    row![&line.key, &line.proxy, line.announced, line.ended, line.sessions]
}

fn reviews(lines: &[CountedLine]) -> String {
    listed(
        lines
            .iter()
            .map(|line| format!("#{} {}, {}", line.review, line.person, line.signed)),
    )
}

fn uncounted(lines: &[UncountedLine]) -> String {
    listed(
        lines
            .iter()
            .map(|line| format!("#{} {}: {}", line.review, line.person, line.why.in_words())),
    )
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    listed(counts.iter().map(|(name, count)| format!("{name}: {count}")))
}

fn joined(values: &[impl Display]) -> String {
    listed(values.iter())
}

fn listed(values: impl Iterator<Item = impl Display>) -> String {
    let whole = |value: String| value.replace('\\', "\\\\").replace(';', "\\;");
    let each: Vec<_> = values.map(|value| whole(value.to_string())).collect();
    each.join("; ")
}

#[cfg(test)]
mod tests {
    use super::{Cell, joined};

    #[test]
    fn a_value_with_a_semicolon_is_not_taken_for_two() {
        let lists = [
            vec!["a", "b"],
            vec!["a; b"],
            vec!["a\\", "b"],
            vec!["a\\; b"],
            vec!["a;", " b"],
            vec!["a;", "b"],
        ];
        let texts: Vec<_> = lists.iter().map(|list| joined(list)).collect();
        assert_eq!(texts, [r"a; b", r"a\; b", r"a\\; b", r"a\\\; b", r"a\;;  b", r"a\;; b"]);
        for (list, text) in lists.iter().zip(&texts) {
            assert_eq!(split(text), *list, "{text}");
        }
    }

    /// As `docs/report.md` says it.
    fn split(text: &str) -> Vec<String> {
        let (mut values, mut rest) = (vec![String::new()], text.chars());
        while let Some(next) = rest.next() {
            match (next, values.last_mut()) {
                ('\\', Some(value)) => value.extend(rest.next()),
                (';', _) => {
                    assert_eq!(rest.next(), Some(' '));
                    values.push(String::new());
                }
                (other, Some(value)) => value.push(other),
                (_, None) => {}
            }
        }
        values
    }

    #[test]
    fn what_begins_like_a_formula_is_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"] {
            assert_eq!(Cell::from(formula).field(), format!("'{formula}"));
        }
        for (cell, field) in [
            (Cell::from("a=1"), "a=1"),
            (Cell::from(7_u64), "7"),
            (Cell::from(-7_i64), "-7"),
            (Cell::from(None::<u64>), ""),
        ] {
            assert_eq!(cell.field(), field);
        }
    }
}
