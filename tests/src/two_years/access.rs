//! Commands: what is asked, what the policy says of it, what people say, and what is released.

use std::collections::BTreeMap;

use exhibit_policy::decide::decide;
use exhibit_policy::patients::PATIENTS;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::{
    Access, Action, Attribute, Column, Command, Detection, Effect, Facts, Frame, Outcome, PatientRecords, PatientToken,
    RecordsReleased, ResponseChunk, ResponseEnd,
};
use exhibit_schemas::event::approval::{ApprovalDecided, ApprovalExpired, ApprovalRequested, Requirement, Verdict};

use super::Years;
use super::session::Session;
use crate::HarnessError;
use crate::bundle_builder::text;

/// Seeds of the keys of those who approve.
const APPROVERS: [u8; 2] = [20, 21];

/// Patients of the clinic.
const PATIENTS_OF_CLINIC: u64 = 20_000;

/// Microseconds until a request expires.
const EXPIRES_US: u64 = 900_000_000;

/// The net of the policy.
const NET: &str = "identifiers";

/// Columns of a table, each with the mask that the policy puts on it and its technique.
type Columns = &'static [(&'static str, Option<(&'static str, &'static str)>)];

/// A table that agents read.
struct Table {
    name: &'static str,
    columns: Columns,
}

const PATIENTS_TABLE: Table = Table {
    name: "public.patients",
    columns: &[
        ("id", None),
        ("ssn", Some(("ssn", "partial"))),
        ("last_name", Some(("names", "redact"))),
        ("mrn", Some(("mrn", "token"))),
        ("birth_date", Some(("birth", "year"))),
    ],
};

const VISITS: Table = Table {
    name: "public.visits",
    columns: &[("id", None), ("ward", None), ("minutes", None)],
};

const NOTES: Table = Table {
    name: "public.notes",
    columns: &[("id", None), ("note", None)],
};

const INVOICES: Table = Table {
    name: "public.invoices",
    columns: &[("id", None), ("holder", Some(("holder", "redact"))), ("cents", None)],
};

impl Years {
    /// A session runs its next command, to the end of the response.
    pub(super) fn step(&mut self, session: &mut Session) -> Result<(), HarnessError> {
        let clinic = session.target == "clinic";
        match self.random.below(100) {
            0..10 => {
                let relation = if clinic { "public.patients" } else { "public.invoices" };
                let command = self.command(
                    session,
                    &format!("DELETE FROM {relation}"),
                    (Action::Delete, relation),
                    true,
                );
                self.failed(session, command)
            }
            10..14 => {
                let command = self.command(
                    session,
                    "UPDATE wards SET beds = $integer",
                    (Action::Write, "public.wards"),
                    true,
                );
                self.failed(session, command)
            }
            14..16 => self.asks(session),
            16..24 if clinic => self.reads(session, &NOTES, true),
            24..44 if clinic => self.reads(session, &VISITS, false),
            _ if clinic => self.reads(session, &PATIENTS_TABLE, false),
            _ => self.reads(session, &INVOICES, false),
        }
    }

    /// A command as the gate would record it, decided by the policy in force.
    fn command(&self, session: &Session, statement: &str, access: (Action, &str), no_where: bool) -> Command {
        let mut facts = Facts {
            accesses: vec![Access(access.0, Some(access.1.to_owned()))],
            attributes: [("no_where".to_owned(), Attribute::Bool(no_where))].into(),
            columns: None,
        };
        if self.policy.names_patients(session.target) {
            let touched = self.policy.identifying(session.target, access.1).is_some();
            facts.attributes.insert(PATIENTS.to_owned(), Attribute::Bool(touched));
        }
        let decision = decide(&self.policy, &session.principal, session.target, &facts);
        let outcome = match decision.effect {
            Effect::Allow => Outcome::Allowed,
            Effect::Ask => Outcome::Approved,
            Effect::Deny => Outcome::Denied,
        };
        Command {
            statement: statement.to_owned(),
            digest: Digest::of(format!("{statement} {} {}", session.id, session.next()).as_bytes()),
            facts,
            decision,
            outcome,
            parameters: Vec::new(),
            request: None,
            approvals: None,
            retries: None,
            statement_fingerprint: None,
            described: None,
        }
    }

    /// A command that does not pass.
    fn failed(&mut self, session: &mut Session, command: Command) -> Result<(), HarnessError> {
        self.without_rows(session, command, "failed")
    }

    /// A command without rows, and what says how it ended.
    fn without_rows(&mut self, session: &mut Session, command: Command, status: &str) -> Result<(), HarnessError> {
        let number = session.next();
        session.runs();
        self.add(session, command.into())?;
        let framing = text("Z\0\0\0\u{5}I");
        let bytes = length(&framing);
        let chunk = ResponseChunk {
            command: number,
            chunk: 0,
            columns: None,
            frames: vec![Frame::Verbatim(framing)],
            framed_rows: None,
            patients: None,
        };
        self.add(session, chunk.into())?;
        let mut end = ended(number, status);
        end.code = (status == "failed").then(|| "42501".to_owned());
        (end.chunks, end.bytes) = (1, bytes);
        session.bytes += bytes;
        self.add(session, end.into())?;
        Ok(())
    }

    /// A command that people are asked about: most of them pass.
    fn asks(&mut self, session: &mut Session) -> Result<(), HarnessError> {
        let statement = "ALTER TABLE wards ADD COLUMN note text";
        let command = self.command(session, statement, (Action::Define, "public.wards"), false);
        let request = ApprovalRequested {
            target: session.target.into(),
            statement: command.statement.clone(),
            command: command.digest,
            facts: command.facts.clone(),
            decision: command.decision.clone(),
            requirement: Requirement {
                name: "schema".into(),
                groups: vec!["dba".into()],
                people: 2,
                requester_may_approve: false,
                all_groups: None,
                hours: None,
                grants: None,
                emergency: None,
            },
            expires: Timestamp(self.log.now + EXPIRES_US),
            held_until: None,
            preview: None,
            requester: Some(Box::new(session.principal.clone())),
        };
        let number = session.next();
        let asked = self.add(session, request.clone().into())?;
        let (outcome, approvals) = match self.random.below(10) {
            0 => {
                let expired = ApprovalExpired {
                    request: number,
                    reason: "time".into(),
                };
                self.log.now = self.log.now.max(request.expires.0);
                self.add(session, expired.into())?;
                (Outcome::Expired, None)
            }
            1 => (
                Outcome::Refused,
                Some(self.decided(session, &request, asked, &APPROVERS[..1], Verdict::Deny)?),
            ),
            _ => (
                Outcome::Approved,
                Some(self.decided(session, &request, asked, &APPROVERS, Verdict::Approve)?),
            ),
        };
        let passed = outcome == Outcome::Approved;
        let command = Command {
            outcome,
            request: Some(number),
            approvals,
            ..command
        };
        self.without_rows(session, command, if passed { "complete" } else { "failed" })
    }

    /// People decide, one after the other; gives the leaf hashes.
    fn decided(
        &mut self,
        session: &Session,
        request: &ApprovalRequested,
        asked: Digest,
        people: &[u8],
        verdict: Verdict,
    ) -> Result<Vec<Digest>, HarnessError> {
        let mut leaves = Vec::new();
        for person in people {
            self.log.now += 5_000_000 + self.random.below(115_000_000);
            let decided = ApprovalDecided {
                request: asked,
                command: request.command,
                session: session.id,
                target: request.target.clone(),
                policy: request.decision.policy,
                expires: request.expires,
                verdict,
                reason: "reviewed".into(),
                terms: None,
            };
            leaves.push(self.log.sign(*person, decided.into())?);
        }
        Ok(leaves)
    }

    /// Rows of a table, some of them with what a net catches.
    fn reads(&mut self, session: &mut Session, table: &Table, netted: bool) -> Result<(), HarnessError> {
        let names: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
        let statement = format!("SELECT {} FROM {} WHERE id < $integer", names.join(", "), table.name);
        let command = self.command(session, &statement, (Action::Read, table.name), false);
        let number = session.next();
        session.runs();
        self.add(session, command.into())?;
        let mut end = ended(number, "complete");
        if netted && self.random.once_in(2) {
            let caught = 1 + self.random.below(3);
            end.masked.insert(NET.to_owned(), caught);
            let detection = Detection {
                command: number,
                net: NET.into(),
                channel: "cell".into(),
                column: Some("note".into()),
                findings: [("ssn".to_owned(), caught)].into(),
                ends: false,
            };
            self.add(session, detection.into())?;
        }
        let identified = self.policy.identifying(session.target, table.name).is_some();
        for place in 0..=self.random.below(3) / (1 + self.random.below(2)) {
            let chunk = self.chunk((number, place), table, identified, &mut end);
            self.add(session, chunk.into())?;
        }
        session.bytes += end.bytes;
        self.add(session, end.into())?;
        Ok(())
    }

    /// Some rows; `end` counts them.
    fn chunk(
        &mut self,
        (command, place): (u64, u64),
        table: &Table,
        identified: bool,
        end: &mut ResponseEnd,
    ) -> ResponseChunk {
        let column = |(name, mask): &(&str, Option<(&str, &str)>)| Column {
            name: (*name).into(),
            data_type: "text".into(),
            origin: Some(format!("{}.{name}", table.name)),
            technique: mask.map(|(_, technique)| technique.to_owned()),
            mask: mask.map(|(mask, _)| mask.to_owned()),
            patients: (identified && *name == "id").then(|| "patient".to_owned()),
        };
        let mut whose: BTreeMap<PatientToken, u64> = BTreeMap::new();
        let mut frames = Vec::new();
        for _ in 0..=self.random.below(5) {
            let id = self.random.below(PATIENTS_OF_CLINIC);
            let cells: Vec<_> = table.columns.iter().map(|(name, _)| self.cell(name, id)).collect();
            for ((_, mask), cell) in table.columns.iter().zip(&cells) {
                let Some(cell) = cell else { continue };
                end.bytes += length(cell);
                if let Some((mask, _)) = mask {
                    *end.masked.entry((*mask).to_owned()).or_default() += 1;
                }
            }
            *whose.entry(token(id)).or_default() += 1;
            end.rows += 1;
            frames.push(Frame::Row(cells));
        }
        end.chunks += 1;
        let patients = whose
            .into_iter()
            .map(|(patient, records)| PatientRecords { patient, records });
        ResponseChunk {
            command,
            chunk: place,
            columns: (place == 0).then(|| table.columns.iter().map(column).collect()),
            frames,
            framed_rows: None,
            patients: identified.then(|| RecordsReleased {
                patients: patients.collect(),
                unknown: 0,
            }),
        }
    }

    /// A cell as its mask leaves it; some birth dates are NULL.
    fn cell(&mut self, column: &str, id: u64) -> Option<Bytes> {
        let cell = match column {
            "ssn" => format!("***-**-{:04}", id % 10_000),
            "last_name" | "holder" => "[redacted]".to_owned(),
            "mrn" => format!("tok_{id:032x}"),
            "birth_date" if id.is_multiple_of(7) => return None,
            "birth_date" => format!("{}-01-01", 1930 + id % 80),
            "note" => "stable over night".to_owned(),
            "id" => id.to_string(),
            _ => self.random.below(500).to_string(),
        };
        Some(text(&cell))
    }
}

/// The end of a response that has released nothing yet.
fn ended(command: u64, status: &str) -> ResponseEnd {
    ResponseEnd {
        command,
        status: status.into(),
        code: None,
        chunks: 0,
        rows: 0,
        bytes: 0,
        masked: BTreeMap::new(),
        uncommitted: None,
        changed: None,
    }
}

/// What stands for a patient.
fn token(id: u64) -> PatientToken {
    PatientToken((u128::from(id) << 64 | u128::from(id)).to_be_bytes())
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.0.len()).unwrap_or(u64::MAX)
}
