//! The lines of the report's tables. Each cites the entries that it stands on; none holds a released value.
//!
//! Lines of approvals are in `approvals`, those of reviews, readings and emergencies beside what checks them.

use std::collections::BTreeMap;

use exhibit_schemas::merkle::Index;
use serde::Serialize;

/// A session.
#[derive(Clone, Debug, Serialize)]
pub struct SessionLine {
    /// Its id.
    pub session: String,
    /// Index of its opening.
    pub opened: Index,
    /// Index of its close, where there is one.
    pub closed: Option<Index>,
    /// When it was opened.
    pub time: String,
    /// When it was closed.
    pub ended: Option<String>,
    /// Its target.
    pub target: String,
    /// Its protocol.
    pub protocol: String,
    /// How the caller proved who it is.
    pub method: String,
    /// Who vouches.
    pub issuer: String,
    /// Who it is.
    pub subject: String,
    /// Digest of the credential's public part.
    pub evidence: String,
    /// The pipeline's run that it is, in a line; absent for others.
    pub run: Option<String>,
    /// When the credential expires, where it does.
    pub expires: Option<String>,
    /// TLS of its connection.
    pub transport: String,
    /// Where it comes from: address and port, as the proxy saw them.
    pub peer: String,
    /// The key that it masks under, as its proxy announced it.
    pub mask_key: Option<String>,
    /// Why it was closed.
    pub reason: Option<String>,
    /// Commands that it recorded, as its close states.
    pub commands: Option<u64>,
    /// Different patients of whom it released records, with one for every row of an unknown one; absent where it counted none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patients: Option<u64>,
}

/// A command with what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct CommandLine {
    /// Its session.
    pub session: String,
    /// Index of the command.
    pub command: Index,
    /// When it was recorded.
    pub time: String,
    /// The statement, literals replaced.
    pub statement: String,
    /// What it does: actions and resources.
    pub accesses: Vec<String>,
    /// Columns that it may touch, where something is known of columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Values that it tries on masked columns, by column; absent for most.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub probes: BTreeMap<String, u64>,
    /// The effect of the decision.
    pub effect: String,
    /// The rule that decided.
    pub rule: Option<String>,
    /// Rules that matched and were not enforced, each with what it would have done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observed: Vec<String>,
    /// Digest of the policy.
    pub policy: String,
    /// What the gate did.
    pub outcome: String,
    /// Index of the request for approval.
    pub request: Option<Index>,
    /// Indexes of the decisions that it names.
    pub approvals: Vec<Index>,
    /// First and last index of its sealed copy, where its policy asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<(Index, Index)>,
    /// Thresholds that its response came to.
    pub thresholds: Vec<ThresholdLine>,
    /// First and last index of what was released.
    pub released: Option<(Index, Index)>,
    /// Index of the end of its response.
    pub ended: Option<Index>,
    /// How it ended.
    pub status: Option<String>,
    /// The protocol's own code of that: SQLSTATE or HTTP status.
    pub code: Option<String>,
    /// Rows released.
    pub rows: u64,
    /// Bytes released, as its end states.
    pub bytes: u64,
    /// Different patients whose records it released, with one for every row of an unknown one; absent where it counted none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patients: Option<u64>,
    /// Masked columns: origin, mask and technique.
    pub masks: Vec<(String, String, String)>,
    /// Cells masked, by mask.
    pub masked: BTreeMap<String, u64>,
}

/// What was decided when a response came to more than a threshold.
#[derive(Clone, Debug, Serialize)]
pub struct ThresholdLine {
    /// Index of the decision.
    pub decided: Index,
    /// Rows that it would come to.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// The rule.
    pub rule: Option<String>,
    /// What came of it.
    pub outcome: String,
    /// Index of the request for approval.
    pub request: Option<Index>,
    /// Indexes of the decisions that let it go on.
    pub approvals: Vec<Index>,
}

/// What detectors found in what was about to be released; never a value.
#[derive(Clone, Debug, Serialize)]
pub struct DetectionLine {
    /// Index of the detection.
    pub detection: Index,
    /// When.
    pub time: String,
    /// Index of the command that was answered.
    pub command: Index,
    /// The net of the policy.
    pub net: String,
    /// Where: `cell`, `column`, `error`, `notice`, `notification`, `setting`.
    pub channel: String,
    /// The column, of a cell, as far as it was kept.
    pub column: Option<String>,
    /// Findings, by category.
    pub findings: BTreeMap<String, u64>,
    /// Whether the session ended for it.
    pub ends: bool,
}

/// A sealed copy that a person opened.
#[derive(Clone, Debug, Serialize)]
pub struct RevealLine {
    /// Index of the person's word.
    pub reveal: Index,
    /// When, by the person's clock.
    pub time: String,
    /// Name of the person.
    pub person: String,
    /// Groups of the person then.
    pub groups: Vec<String>,
    /// Why, in the person's words.
    pub reason: String,
    /// Index of the command.
    pub command: Index,
    /// Index of the copy's first part.
    pub copy: Index,
    /// Index of the event that enrolled the key.
    pub enrolled: Index,
}

/// A policy.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyLine {
    /// Its digest.
    pub policy: String,
    /// Index from which the log holds it.
    pub snapshot: Index,
    /// Its size.
    pub bytes: usize,
    /// When it was in force last, by the clock of a proxy; absent for one that is, or never was.
    pub last_in_force: Option<String>,
    /// The day until which 164.316(b)(2)(i) asks for it to be kept: six years from when it was last in force. Absent as above.
    pub keep_until: Option<String>,
}

/// A policy in force at one proxy.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyTermLine {
    /// Its digest.
    pub policy: String,
    /// The proxy's key.
    pub proxy: String,
    /// Index of the event from which on it was in force.
    pub from: Index,
    /// When that was, by the proxy's clock.
    pub since: String,
    /// Index of the proxy's event from which on another one was.
    pub until: Option<Index>,
    /// When that was.
    pub ended: Option<String>,
    /// Sessions that were opened under it.
    pub sessions: u64,
    /// Commands that were decided by it.
    pub commands: u64,
    /// How many people had to have signed it then; absent where nobody had to.
    pub signatures: Option<usize>,
    /// Who had: names, and the index of each one's signature.
    pub signed: BTreeMap<String, Index>,
}

/// Who must have signed policies.
#[derive(Clone, Debug, Serialize)]
pub struct PolicySignersLine {
    /// Index from which on policies that come into force need them.
    pub from: Index,
    /// How many people.
    pub people: usize,
    /// Of whom.
    pub administrators: Vec<String>,
}

/// A key.
#[derive(Clone, Debug, Serialize)]
pub struct KeyLine {
    /// Its id.
    pub key: String,
    /// Its role.
    pub role: String,
    /// Its name.
    pub name: String,
    /// Groups of a person.
    pub groups: Vec<String>,
    /// Index of its enrolment.
    pub enrolled: Index,
    /// Index of its end.
    pub ended: Option<Index>,
}

/// A key of masks of one proxy.
#[derive(Clone, Debug, Serialize)]
pub struct MaskKeyLine {
    /// Its id; equal ids of several proxies are one key.
    pub key: String,
    /// The proxy's key.
    pub proxy: String,
    /// Index from which the proxy masks under it.
    pub announced: Index,
    /// Index from which it masks under the next one.
    pub ended: Option<Index>,
    /// Sessions that were opened under it.
    pub sessions: u64,
}

/// Somebody who was not let in, or several who are alike.
#[derive(Clone, Debug, Serialize)]
pub struct RefusedLine {
    /// The event.
    pub refused: Index,
    /// When the first of them came.
    pub since: String,
    /// When it was recorded.
    pub time: String,
    /// The target.
    pub target: String,
    /// The address; `*` for several.
    pub peer: String,
    /// What they came with.
    pub method: String,
    /// Why they were refused.
    pub reason: String,
    /// The user name, where the proxy knows it.
    pub user: Option<String>,
    /// Keyed digest of the user name.
    pub named: String,
    /// How many.
    pub count: u64,
}

/// A mask of a policy.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyMaskLine {
    /// Digest of the policy.
    pub policy: String,
    /// The mask.
    pub mask: String,
    /// How it changes a value.
    pub technique: String,
    /// Whether what it makes depends on a key, so that who has the key finds values again.
    pub keyed: bool,
    /// Targets that it is for.
    pub targets: Vec<String>,
    /// Resources that it is for.
    pub resources: Vec<String>,
}
