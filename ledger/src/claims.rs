//! What people claim about the log itself, held against it before it is taken: sealed copies that they open, reviews, and what they sign
//! about reports.
//!
//! Not here: whether a review's population is what happened. That needs a reading of the whole log, which the committer has no
//! time for; the verifier counts it again, and a false one counts for nothing there.

use std::collections::BTreeMap;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::approval::{ApprovalRevoked, Verdict};
use exhibit_schemas::event::sign_off::CitedEntry;
use exhibit_schemas::event::trust::{CopyPlace, EmergencyUse, ReviewSigned};
use exhibit_schemas::event::{Body, Event, Kind, Timestamp};
use exhibit_schemas::merkle::TreeSize;
use exhibit_schemas::review;
use exhibit_schemas::sign_off;
use exhibit_schemas::wire::RefusalCode;

use crate::committer::Committer;
use crate::error::LedgerError;

/// Reviews that the ledger takes of one person in a day: each scope of more than a month, day by day.
///
/// A restart of the ledger begins to count anew.
const REVIEWS_A_DAY_MAX: u32 = 200;

/// Words that take approvals back that the ledger takes of one person in a day. Each is looked at by proxies and verifiers, whether or
/// not it counts there, so nobody may send them without end.
///
/// A restart of the ledger begins to count anew.
const REVOCATIONS_A_DAY_MAX: u32 = 200;

/// Signatures under reports, notes of exceptions and ends of exceptions, of each as many, that the ledger takes of one person in a day: a
/// report lists up to 10,000 exceptions of a control, and nobody mends more than some hundred of them one by one.
///
/// A restart of the ledger begins to count anew.
const SIGN_OFFS_A_DAY_MAX: u32 = 1_000;

const DAY_US: u64 = 86_400_000_000;

/// How many reviews and revocations of approvals each person signed on the day, by the ledger's clock, on which the last one was taken.
#[derive(Clone, Default)]
pub(crate) struct Claimed {
    day: u64,
    // Bounded by the keys that a log may enrol.
    by_person: BTreeMap<(Kind, String), u32>,
}

impl Claimed {
    /// With one more of a person's; nothing when there are more than so many.
    fn one_more(&self, kind: Kind, person: &str, most: u32, now: Timestamp) -> Option<Self> {
        let day = now.0 / DAY_US;
        let mut after = if self.day == day { self.clone() } else { Self::default() };
        after.day = day;
        let claims = after.by_person.entry((kind, person.to_owned())).or_default();
        *claims = claims.saturating_add(1);
        (*claims <= most).then_some(after)
    }
}

impl Committer {
    /// Holds that what a person says to open is the first part of a sealed copy.
    pub(crate) fn is_copy(&self, named: Option<&CopyPlace>) -> Result<(), (RefusalCode, String)> {
        let Some(named) = named else { return Ok(()) };
        let entry = self.shared.store.entry(named.index.0);
        let entry = entry.map_err(|error| (RefusalCode::Poisoned, error.to_string()))?;
        let copy = entry
            .filter(|entry| Digest::leaf(entry) == named.leaf)
            .and_then(|entry| Event::decode(&entry).ok());
        match copy.map(|event| event.body) {
            Some(Body::CommandSealed(part)) if part.part == 0 => Ok(()),
            _ => Err((
                RefusalCode::Chain,
                format!("no sealed copy begins at index {}", named.index.0),
            )),
        }
    }

    /// Holds that what a person takes back is what people were asked; gives how many such words there are with it.
    pub(crate) fn revokes(
        &self,
        before: &Claimed,
        person: &str,
        revoked: &ApprovalRevoked,
    ) -> Result<Claimed, (RefusalCode, String)> {
        let after = before.one_more(Kind::ApprovalRevoked, person, REVOCATIONS_A_DAY_MAX, self.shared.now());
        let after = after.ok_or_else(|| {
            let cause = format!("its signer had {REVOCATIONS_A_DAY_MAX} revocations of approvals taken today");
            (RefusalCode::Request, cause)
        })?;
        let entry = self.shared.store.entry(revoked.index);
        let entry = entry.map_err(|error| (RefusalCode::Poisoned, error.to_string()))?;
        let asked = entry
            .filter(|entry| Digest::leaf(entry) == revoked.request)
            .and_then(|entry| Event::decode(&entry).ok());
        match asked.map(|event| (event.about(), event.body)) {
            Some((session, Body::ApprovalRequested(_))) if session == Some(revoked.session) => Ok(after),
            _ => Err((
                RefusalCode::Request,
                format!(
                    "no request with this hash and session stands at index {}",
                    revoked.index
                ),
            )),
        }
    }

    /// Holds that what a review names is a person's decision to let something pass in an emergency.
    fn is_emergency(&self, named: &EmergencyUse) -> Result<(), (RefusalCode, String)> {
        let entry = self.shared.store.entry(named.index.0);
        let entry = entry.map_err(|error| (RefusalCode::Poisoned, error.to_string()))?;
        let decided = entry
            .filter(|entry| Digest::leaf(entry) == named.decision)
            .and_then(|entry| Event::decode(&entry).ok());
        match decided.map(|event| event.body) {
            Some(Body::ApprovalDecided(decided))
                if decided.verdict == Verdict::Emergency && decided.session == named.session =>
            {
                Ok(())
            }
            _ => Err((
                RefusalCode::Chain,
                format!(
                    "no decision of that session to let something pass in an emergency stands at index {}",
                    named.index.0
                ),
            )),
        }
    }

    /// Holds that what a person signs about a report, or an exception of one, can be, and is of a log that this one was; gives how many
    /// there are with it. Nothing where the event is something else.
    pub(crate) fn signs_off(
        &self,
        before: &Claimed,
        person: &str,
        event: &Event,
    ) -> Option<Result<Claimed, (RefusalCode, String)>> {
        let size = self.tree.size();
        let checked = match &event.body {
            Body::ReportSigned(said) => sign_off::check_report(said, size),
            Body::ExceptionNoted(said) => sign_off::check_note(said, event.time, size),
            Body::ExceptionClosed(said) => sign_off::check_close(said, size),
            _ => return None,
        };
        Some(self.signed_off(before, person, event, checked))
    }

    fn signed_off(
        &self,
        before: &Claimed,
        person: &str,
        event: &Event,
        checked: Result<(), sign_off::SignOffError>,
    ) -> Result<Claimed, (RefusalCode, String)> {
        let kind = event.kind();
        let refuse = |code, cause: &dyn std::fmt::Display| (code, format!("the {kind} is refused: {cause}"));
        checked.map_err(|error| refuse(RefusalCode::Malformed, &error))?;
        let after = before.one_more(kind, person, SIGN_OFFS_A_DAY_MAX, self.shared.now());
        let after = after.ok_or_else(|| {
            let cause = format!("its signer had {SIGN_OFFS_A_DAY_MAX} taken today");
            refuse(RefusalCode::Malformed, &cause)
        })?;
        let (of_log, cited) = match &event.body {
            Body::ReportSigned(said) => (Some((said.size, said.root)), None),
            Body::ExceptionNoted(said) => (Some((said.size, said.root)), said.entry.as_ref()),
            Body::ExceptionClosed(said) => (None, Some(&said.note)),
            _ => (None, None),
        };
        if let Some((size, root)) = of_log {
            let found = self.root(TreeSize(size));
            let found = found.map_err(|error: LedgerError| (RefusalCode::Poisoned, error.to_string()))?;
            if found != root {
                let cause = format!("the log of {size} entries has another root");
                return Err(refuse(RefusalCode::Chain, &cause));
            }
        }
        let Some(CitedEntry { index, leaf }) = cited else {
            return Ok(after);
        };
        let entry = self.shared.store.entry(index.0);
        let entry = entry.map_err(|error| (RefusalCode::Poisoned, error.to_string()))?;
        let entry = entry.filter(|entry| Digest::leaf(entry) == *leaf);
        let found = match (&event.body, entry) {
            (Body::ExceptionClosed(said), Some(entry)) => match Event::decode(&entry).map(|event| event.body) {
                Ok(Body::ExceptionNoted(note)) => sign_off::ends(said, &note).map_err(|error| error.to_string()),
                _ => Err(format!("no note of an exception stands at index {index}")),
            },
            (_, Some(_)) => Ok(()),
            (_, None) => Err(format!("no entry with this hash stands at index {index}")),
        };
        found
            .map(|()| after)
            .map_err(|cause| refuse(RefusalCode::Chain, &cause))
    }

    /// Holds that a person's review can be, and is of a log that this one was; gives how many there are with it.
    pub(crate) fn reviews(
        &self,
        before: &Claimed,
        person: &str,
        time: Timestamp,
        said: &ReviewSigned,
    ) -> Result<Claimed, (RefusalCode, String)> {
        let refuse =
            |cause: &dyn std::fmt::Display| (RefusalCode::Malformed, format!("the review is refused: {cause}"));
        review::check(said, time, self.tree.size()).map_err(|error| refuse(&error))?;
        let after = before.one_more(Kind::ReviewSigned, person, REVIEWS_A_DAY_MAX, self.shared.now());
        let after = after.ok_or_else(|| refuse(&format!("its signer had {REVIEWS_A_DAY_MAX} taken today")))?;
        if let Some(used) = &said.emergency {
            self.is_emergency(used)?;
        }
        let size = TreeSize(said.size);
        let root = self.root(size);
        let root = root.map_err(|error: LedgerError| (RefusalCode::Poisoned, error.to_string()))?;
        if root == said.root {
            Ok(after)
        } else {
            let cause = format!("the review is refused: the log of {size} entries has another root");
            Err((RefusalCode::Chain, cause))
        }
    }
}
