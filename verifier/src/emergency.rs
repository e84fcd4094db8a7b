//! Uses of emergency access: what passed because one listed person said that it could not wait, and who looked at it afterwards.
//!
//! A use is a command, or the rest of its reply, that names a decision with the verdict `emergency`. Whether that decision counts is
//! checked where all decisions are. A review of it counts unless
//!
//! - it is false, or was not counted again ([`crate::review`]);
//! - its signer let the use pass, asked for what passed, or set off the run that did;
//! - its signer is in none of the groups that the request names for it;
//! - its period does not hold all of the use, from the request on, or something of the use stands behind the log that was reviewed;
//! - its key was revoked before the deadline, while somebody else could still sign.
//!
//! In time is by the log's clock, as for schedules ([`crate::schedule`]).

use std::collections::{BTreeMap, BTreeSet};

use exhibit_policy::approval::requests;
use exhibit_policy::emergency::{deadline, ends};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::Principal;
use exhibit_schemas::event::approval::Verdict;
use exhibit_schemas::event::{SessionId, Timestamp};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::keyring::KeyRecord;
use exhibit_schemas::merkle::Index;
use serde::{Deserialize, Serialize};

use crate::approval::{Approvals, Asked, Decision, USE_GRACE_US};
use crate::batch::Placed;
use crate::finding::{Code, Findings, Place};
use crate::review::Review;
use crate::schedule::{CountedLine, Fault, State, UncountedLine};

/// What passed by a request in an emergency.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Passed {
    /// Leaf hash of the decision.
    decision: Digest,
    /// Index of the command, or of the decision about its reply, that passed by it, and when.
    index: Index,
    time: Timestamp,
    /// Until when something may be released by it.
    ends: Timestamp,
    /// The last event of it so far.
    last: (Index, Timestamp),
    /// That something left later was said.
    over: bool,
}

/// A use of emergency access.
#[derive(Clone, Debug, Serialize)]
pub struct EmergencyLine {
    /// Index of the command, or of the decision about its reply, that passed.
    pub used: Index,
    /// When, by the proxy's clock.
    pub time: String,
    /// Index of the request that people were asked.
    pub request: Index,
    /// Index of the decision that let it pass.
    pub decision: Index,
    /// Leaf hash of the decision.
    pub leaf: String,
    /// When it was signed, by the person's clock.
    pub signed: String,
    /// Who let it pass.
    pub person: String,
    /// Groups of the person then.
    pub groups: Vec<String>,
    /// Which emergency, in the person's words.
    pub reason: String,
    /// Who asked; absent where the session's opening is missing.
    pub subject: Option<String>,
    /// Of what.
    pub target: String,
    /// The session.
    pub session: String,
    /// What ran, literals replaced.
    pub statement: String,
    /// Rows that were released by it.
    pub rows: u64,
    /// Until when it could be used.
    pub ends: String,
    /// When it began, by the earliest clock, in microseconds: the period of its review begins then, or before.
    pub from_us: u64,
    /// After when its period ends, in microseconds.
    pub to_us: u64,
    /// Who may review it.
    pub reviewers: Vec<String>,
    /// From when on its review is overdue.
    pub deadline: String,
    /// How it stands.
    pub state: State,
    /// The reviews that count.
    pub reviews: Vec<CountedLine>,
    /// Those that do not.
    pub uncounted: Vec<UncountedLine>,
}

/// A use as it stands in a whole log.
#[derive(Debug)]
struct Use {
    line: EmergencyLine,
    decision: Digest,
    index: Index,
    session: SessionId,
    requester: Option<Principal>,
    from: Timestamp,
    last: (Index, Timestamp),
    deadline: Timestamp,
}

/// The uses of a whole log, and their reviews.
#[derive(Debug)]
pub struct Emergencies {
    head: Timestamp,
    uses: Vec<Use>,
    /// By the leaf hash of the decision that they name.
    reviews: BTreeMap<Digest, Vec<Review>>,
    /// When keys were revoked, by the log's clock.
    revoked: BTreeMap<KeyId, Timestamp>,
}

impl Approvals {
    /// Something was approved by these decisions about a request, at a time by the proxy's clock; takes it where one of them says that it
    /// is an emergency.
    pub(crate) fn used(&mut self, request: Digest, named: &[Digest], index: Index, time: Timestamp) {
        let Some((decision, decided)) = self.emergency_of(named) else {
            return;
        };
        if let Some(asked) = self.asked_mut(request) {
            asked.emergency = Some(Passed {
                decision,
                index,
                time,
                ends: ends(&asked.body, decided, time),
                last: (index, time),
                over: false,
            });
        }
    }

    /// Of these decisions the one that says that it is an emergency, with its time.
    pub(crate) fn emergency_of(&self, named: &[Digest]) -> Option<(Digest, Timestamp)> {
        named.iter().find_map(|leaf| {
            let decision = self.decision(*leaf)?;
            (decision.body.verdict == Verdict::Emergency).then_some((*leaf, decision.time))
        })
    }

    /// Whether something passed by a request at that time although the emergency was over, by the clock of its proxy.
    pub(crate) fn is_over(&self, request: Digest, named: &[Digest], time: Timestamp) -> bool {
        let used = self.emergency_of(named).zip(self.asked(request));
        used.is_some_and(|((_, decided), asked)| is_late(ends(&asked.body, decided, time), time))
    }

    /// Something more came of a use: data of the target, or for it.
    pub(crate) fn goes_on(&mut self, request: Digest, placed: &Placed, findings: &mut Findings) {
        let Some(passed) = self.asked_mut(request).and_then(|asked| asked.emergency.as_mut()) else {
            return;
        };
        passed.last = (placed.index, placed.event.time.max(passed.last.1));
        if is_late(passed.ends, placed.event.time) && !passed.over {
            passed.over = true; // told once: all that follows is late, too
            let detail = format!("it had passed at #{}, until {}", passed.index, passed.ends);
            findings.add(Code::EmergencyOver, Place::Entry(placed.index), detail);
        }
    }

    /// Its reply has ended.
    pub(crate) fn ended(&mut self, request: Digest, placed: &Placed) {
        if let Some(passed) = self.asked_mut(request).and_then(|asked| asked.emergency.as_mut()) {
            passed.last = (placed.index, placed.event.time.max(passed.last.1));
        }
    }
}

/// A proxy has a moment to record what it had let out in time.
fn is_late(ends: Timestamp, time: Timestamp) -> bool {
    time.0 > ends.0.saturating_add(USE_GRACE_US)
}

impl Use {
    fn of(asked: &Asked, approvals: &Approvals) -> Option<Self> {
        let passed = asked.emergency?;
        let decision = approvals.decision(passed.decision)?;
        let signer = approvals.signer(decision.signer)?;
        let from = asked.time.min(decision.time);
        let last = (passed.last.0, passed.last.1.max(decision.time));
        let deadline = deadline(&asked.body, passed.time);
        Some(Self {
            line: line(asked, &passed, (&decision, signer), (from, last.1), deadline),
            decision: passed.decision,
            index: decision.index,
            session: asked.session,
            requester: asked.requester.clone(),
            from,
            last,
            deadline,
        })
    }

    /// Why a review of it does not count.
    fn fault(&self, review: &Review, revoked: Option<Timestamp>) -> Option<Fault> {
        let requested = |requester: &Principal| requests(&review.person, requester);
        let own =
            review.person.eq_ignore_ascii_case(&self.line.person) || self.requester.as_ref().is_some_and(requested);
        let said = &review.said;
        let whole = said.from <= self.from && said.to > self.last.1 && self.last.0.0 < said.size;
        let named = said.emergency.as_ref();
        let same = named.is_some_and(|named| named.index == self.index && named.session == self.session);
        let of_group = |group: &String| review.groups.contains(group);
        match () {
            () if review.fault.is_some() => review.fault,
            () if !same => Some(Fault::False),
            () if own => Some(Fault::Own),
            () if !self.line.reviewers.iter().any(of_group) => Some(Fault::Group),
            () if !whole => Some(Fault::Cut),
            () if revoked.is_some_and(|revoked| revoked < self.deadline) => Some(Fault::Revoked),
            () => None,
        }
    }
}

fn line(
    asked: &Asked,
    passed: &Passed,
    (decision, signer): (&Decision, &KeyRecord),
    (from, to): (Timestamp, Timestamp),
    deadline: Timestamp,
) -> EmergencyLine {
    let stated = asked.body.requirement.emergency.as_ref();
    EmergencyLine {
        used: passed.index,
        time: passed.time.to_string(),
        request: asked.index,
        decision: decision.index,
        leaf: passed.decision.to_string(),
        signed: decision.time.to_string(),
        person: signer.name.clone(),
        groups: signer.groups.clone(),
        reason: decision.body.reason.clone(),
        subject: asked.requester.as_ref().map(|requester| requester.subject.clone()),
        target: asked.body.target.clone(),
        session: asked.session.to_string(),
        statement: asked.body.statement.clone(),
        rows: asked.rows(),
        ends: passed.ends.to_string(),
        from_us: from.0,
        to_us: to.0,
        reviewers: stated.map(|stated| stated.reviewers.clone()).unwrap_or_default(),
        deadline: deadline.to_string(),
        state: State::Due,
        reviews: Vec::new(),
        uncounted: Vec::new(),
    }
}

impl Emergencies {
    /// The uses of a log that was read whole, and the reviews of such uses.
    pub(crate) fn new(
        approvals: &Approvals,
        reviews: Vec<Review>,
        head: Timestamp,
        revoked: BTreeMap<KeyId, Timestamp>,
    ) -> Self {
        let mut of_uses: BTreeMap<Digest, Vec<Review>> = BTreeMap::new();
        for review in reviews {
            if let Some(used) = &review.said.emergency {
                of_uses.entry(used.decision).or_default().push(review);
            }
        }
        let uses = approvals.requests().filter_map(|asked| Use::of(&asked, approvals));
        Self {
            head,
            uses: uses.collect(),
            reviews: of_uses,
            revoked,
        }
    }

    /// Every use, in the order of their requests, and how its review stands at a time.
    pub fn lines(&self, now: Timestamp) -> Vec<EmergencyLine> {
        self.uses.iter().map(|used| self.line(used, now)).collect()
    }

    fn line(&self, used: &Use, now: Timestamp) -> EmergencyLine {
        let mut line = used.line.clone();
        let (mut counts, mut in_time) = (false, false);
        for review in self.reviews.get(&used.decision).into_iter().flatten() {
            let late = review.signed >= used.deadline;
            match used.fault(review, self.revoked.get(&review.key).copied()) {
                None => {
                    (counts, in_time) = (true, in_time || !late);
                    line.reviews.push(CountedLine::of(review, late));
                }
                Some(why) => line.uncounted.push(UncountedLine::of(review, why)),
            }
        }
        line.state = match () {
            () if in_time => State::Done,
            () if counts => State::Late,
            () if now < used.deadline => State::Due,
            () => State::Overdue,
        };
        line
    }

    /// Says what was used, and nothing of reviews: a scoped bundle holds none.
    pub(crate) fn find_uses(&self, findings: &mut Findings) {
        for line in self.lines(self.head) {
            used(&line, findings);
        }
    }

    /// Says of each use that there was one, and of what the log itself shows that it was not reviewed as it has to be.
    pub(crate) fn find(&self, findings: &mut Findings) -> Vec<EmergencyLine> {
        let lines = self.lines(self.head);
        for line in &lines {
            used(line, findings);
            let mut found = |code, index, detail: String| findings.add(code, Place::Entry(index), detail);
            match line.state {
                State::Overdue => {
                    let detail = format!("it was due until {}", line.deadline);
                    found(Code::EmergencyUnreviewed, line.used, detail);
                }
                State::Late => {
                    let late = line.reviews.first().map_or(line.used, |review| review.review);
                    let detail = format!("of #{}, due until {}", line.used, line.deadline);
                    found(Code::EmergencyReviewLate, late, detail);
                }
                State::Due | State::Done | State::Reopened => {}
            }
            for review in line.uncounted.iter().filter(|review| review.why == Fault::Own) {
                let detail = format!("of #{}, by {}", line.used, review.person);
                found(Code::EmergencyReviewOwn, review.review, detail);
            }
        }
        let known: BTreeSet<_> = self.uses.iter().map(|used| used.decision).collect();
        let strays = self.reviews.iter().filter(|(decision, _)| !known.contains(decision));
        for review in strays.flat_map(|(_, reviews)| reviews) {
            let detail = "it is of no use of emergency access that the log has";
            findings.add(Code::ReviewLog, Place::Entry(review.index), detail);
        }
        lines
    }
}

fn used(line: &EmergencyLine, findings: &mut Findings) {
    let who = format!("{} let it pass by #{}", line.person, line.decision);
    findings.add(Code::EmergencyUsed, Place::Entry(line.used), who);
}

#[cfg(test)]
mod tests;
