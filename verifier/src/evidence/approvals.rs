//! What people were asked, and what came of it.

use exhibit_schemas::event::Timestamp;
use exhibit_schemas::keyring::KeyRecord;
use exhibit_schemas::merkle::Index;
use serde::Serialize;

use super::{Evidence, Line};
use crate::allowance::Revoked;
use crate::approval::{Approvals, Decision};
use crate::emergency::EmergencyLine;
use crate::grant::InForce;

/// A request for approval, with what people decided.
#[derive(Clone, Debug, Serialize)]
pub struct ApprovalLine {
    /// Index of the request.
    pub request: Index,
    /// When people were asked, by the proxy's clock.
    pub time: String,
    /// Its session.
    pub session: String,
    /// Who asked; absent where the session's opening is missing.
    pub requester: Option<String>,
    /// The statement, literals replaced.
    pub statement: String,
    /// Name of the approval in the policy.
    pub approval: String,
    /// People that it needs.
    pub people: u64,
    /// Whom it asks, and when approvals count.
    pub asks: String,
    /// What a preview of it has shown, or why there was none; absent where its policy asks for none.
    pub preview: Option<String>,
    /// When it expires.
    pub expires: String,
    /// What people decided.
    pub decisions: Vec<DecisionLine>,
    /// Who took it back.
    pub revocations: Vec<RevocationLine>,
    /// Rows that were released by it.
    pub rows: u64,
    /// The grant, where what was approved is one.
    pub grant: Option<GrantLine>,
}

/// A grant, and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct GrantLine {
    /// For what.
    pub scopes: Vec<String>,
    /// Until when.
    pub ends: String,
    /// Commands at the most.
    pub uses: u64,
    /// Commands that passed by it.
    pub used: u64,
}

/// A person's word that takes an approval back.
#[derive(Clone, Debug, Serialize)]
pub struct RevocationLine {
    /// Index of the revocation.
    pub revocation: Index,
    /// When, by the person's clock.
    pub time: String,
    /// Name of the person.
    pub person: String,
    /// Why, in the person's words.
    pub reason: String,
}

/// A person's decision.
#[derive(Clone, Debug, Serialize)]
pub struct DecisionLine {
    /// Index of the decision.
    pub decision: Index,
    /// When, by the person's clock.
    pub time: String,
    /// Seconds from the question to it, by the clocks of the proxy and of the person; negative where these differ.
    pub after_s: i64,
    /// Name of the person.
    pub person: String,
    /// Groups of the person then.
    pub groups: Vec<String>,
    /// The verdict.
    pub verdict: String,
    /// Why, in the person's words.
    pub reason: String,
    /// How far the approval goes, where the person said so.
    pub terms: Option<String>,
    /// Index of the event that enrolled the key.
    pub enrolled: Index,
}

impl GrantLine {
    fn of(grant: &InForce) -> Self {
        Self {
            scopes: grant.granted.scopes.iter().map(ToString::to_string).collect(),
            ends: grant.ends.to_string(),
            uses: grant.granted.uses,
            used: grant.commands,
        }
    }
}

impl DecisionLine {
    /// A decision about a question that was asked then.
    fn of(asked: Timestamp, decision: &Decision, signer: &KeyRecord) -> Self {
        Self {
            decision: decision.index,
            time: decision.time.to_string(),
            after_s: seconds(asked, decision.time),
            person: signer.name.clone(),
            groups: signer.groups.clone(),
            verdict: decision.body.verdict.to_string(),
            reason: decision.body.reason.clone(),
            terms: decision.body.terms.as_ref().map(ToString::to_string),
            enrolled: signer.enrolled,
        }
    }
}

impl RevocationLine {
    fn of(revoked: &Revoked, signer: &KeyRecord) -> Self {
        Self {
            revocation: revoked.index,
            time: revoked.time.to_string(),
            person: signer.name.clone(),
            reason: revoked.body.reason.clone(),
        }
    }
}

/// How long a decision may take to be of each class, in seconds.
const CLASSES: [(&str, i64); 8] = [
    ("before the question, by their clocks", 0),
    ("under 1 minute", 60),
    ("1 to 5 minutes", 300),
    ("5 to 15 minutes", 900),
    ("15 to 60 minutes", 3_600),
    ("1 to 4 hours", 14_400),
    ("4 to 24 hours", 86_400),
    ("a day and longer", i64::MAX),
];

impl Evidence {
    /// Adds the uses of emergency access.
    pub(crate) fn emergencies(&mut self, lines: Vec<EmergencyLine>) {
        for line in lines {
            if self.counted(self.emergencies.len()) {
                self.emergencies.push(line);
            }
        }
    }

    /// Adds what people were asked, and hands each line out at once: they are all made at the end of the log.
    ///
    /// # Errors
    /// What keeps a line from being handed out.
    pub(crate) fn list_approvals<E>(
        &mut self,
        approvals: &Approvals,
        hand_out: &mut dyn FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.period.is_none() {
            return Ok(());
        }
        self.count_times(approvals);
        for asked in approvals.requests() {
            let decisions = asked.decisions().filter_map(|leaf| approvals.decision(leaf));
            let decisions = decisions.filter_map(|decision| {
                let signer = approvals.signer(decision.signer)?;
                Some(DecisionLine::of(asked.time, &decision, signer))
            });
            let revocations = asked.revocations.iter().filter_map(|revoked| {
                let signer = approvals.signer(revoked.signer)?;
                Some(RevocationLine::of(revoked, signer))
            });
            let line = ApprovalLine {
                request: asked.index,
                time: asked.time.to_string(),
                session: asked.session.to_string(),
                requester: asked.requester.as_ref().map(|requester| requester.subject.clone()),
                statement: asked.body.statement.clone(),
                approval: asked.body.requirement.name.clone(),
                people: asked.body.requirement.people,
                asks: asked.body.requirement.to_string(),
                preview: asked.body.preview.as_ref().map(ToString::to_string),
                expires: asked.body.expires.to_string(),
                decisions: decisions.collect(),
                revocations: revocations.collect(),
                rows: asked.rows(),
                grant: asked.granted.as_ref().map(GrantLine::of),
            };
            if self.room(self.approvals.len()) {
                self.approvals.push(line.clone());
            }
            self.finished(Line::Approval(Box::new(line)));
            hand_out(self)?;
        }
        Ok(())
    }
}

impl Evidence {
    fn count_times(&mut self, approvals: &Approvals) {
        let mut counts = CLASSES.map(|(name, _)| (name, 0));
        let period = self.period;
        let decisions = approvals.decisions();
        for decision in decisions.filter(|decision| period.is_some_and(|period| period.holds(decision.time))) {
            let Some(asked) = approvals.asked(decision.body.request) else {
                continue;
            };
            let after = seconds(asked.time, decision.time);
            let class = CLASSES
                .iter()
                .position(|(_, below)| after < *below)
                .unwrap_or(CLASSES.len() - 1);
            if let Some((_, count)) = counts.get_mut(class) {
                *count += 1;
            }
        }
        self.time_to_decide = counts.to_vec();
    }
}

/// Whole seconds from one time to another.
fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    let apart =
        |from: Timestamp, to: Timestamp| i64::try_from(to.0.saturating_sub(from.0) / 1_000_000).unwrap_or(i64::MAX);
    if from <= to { apart(from, to) } else { -apart(to, from) }
}
