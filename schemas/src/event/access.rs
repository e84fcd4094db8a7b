//! Bodies of access: sessions, commands and what was released to the agent.
//!
//! All of it is neutral of protocols: a PostgreSQL statement, an S3 request and a Kubernetes request have the same
//! shape, and only the proxies know how a row is framed on the wire.

use std::collections::BTreeMap;

use crate::cbor::Bytes;
use crate::digest::Digest;
use crate::event::Timestamp;
use crate::event::trust::MaskKeyId;

crate::code! {
    /// What a request does to a resource; the word that rules of a policy use.
    pub enum Action {
        /// Reads content.
        Read = 0 "read",
        /// Adds or changes content.
        Write = 1 "write",
        /// Removes content.
        Delete = 2 "delete",
        /// Creates, alters or drops a definition (DDL, a bucket's configuration, a resource of a cluster).
        Define = 3 "define",
        /// Changes who may do what.
        Grant = 4 "grant",
        /// Runs code in the target.
        Execute = 5 "execute",
        /// Changes or shows settings of the session alone.
        Session = 6 "session",
        /// Begins or ends a transaction.
        Transaction = 7 "transaction",
    }
}

crate::code! {
    /// What a policy says of a request; the strictest over all its accesses holds.
    pub enum Effect {
        /// It passes.
        Allow = 0 "allow",
        /// It passes when people approve.
        Ask = 1 "ask",
        /// It does not pass.
        Deny = 2 "deny",
    }
}

crate::code! {
    /// What the gate did with a command.
    pub enum Outcome {
        /// Policy allows it; it was sent to the target after this event was durable.
        Allowed = 0 "allowed",
        /// People approved it; it was sent to the target after this event was durable.
        Approved = 1 "approved",
        /// Policy denies it; nothing was sent.
        Denied = 2 "denied",
        /// A person refused it; nothing was sent.
        Refused = 3 "refused",
        /// Nobody approved it in time; nothing was sent.
        Expired = 4 "expired",
        /// People had not decided when its session stopped waiting; nothing was sent. Its request stays open for a retry.
        Postponed = 5 "postponed",
    }
}

/// One thing that a request does: an action, and the resource that it does it to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Access(
    /// What is done.
    pub Action,
    /// To what (`schema.table`, `bucket/key`, `namespace/pods/name`); `None` where there is nothing to name.
    pub Option<String>,
);

/// A fact about a request that conditions of rules may test.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Attribute {
    /// Yes or no.
    Bool(bool),
    /// A count.
    Integer(u64),
    /// A word; never a value of the target's data.
    Text(String),
}

crate::record! {
    /// Who is calling, from verified claims only; what roles are matched on.
    pub struct Principal {
        /// How the caller proved who it is: `api-key`, `oidc`, `client-certificate`, `aws-iam`.
        1 => method: String,
        /// Who vouches: the issuer of the token, or the name of the key store.
        2 => issuer: String,
        /// The subject that the issuer names.
        3 => subject: String,
        /// The client, where the issuer tells it apart from the subject.
        (?) 4 => client_id: String,
        /// Groups that the issuer states, sorted.
        5 => groups: Vec<String>,
        /// SHA-256 of the credential's public part (key identifier, token without its signature, certificate).
        6 => evidence: Digest,
        /// The run of a pipeline that it is, where the issuer is one of a known CI service.
        (?) 7 => run: Box<Run>,
    }
}

/// The `method` of who came with a request that it signed for AWS STS.
pub const AWS_IAM: &str = "aws-iam";

impl Principal {
    /// The client without what its bearer chooses: that of a role of AWS is the role's unique id, and behind it what a session of the
    /// role calls itself (`AROAEXAMPLEROLEIDENT1:run-7`).
    pub fn own_client(&self) -> Option<&str> {
        let client = self.client_id.as_deref()?;
        match client.split_once(':') {
            Some((role, _)) if self.method == AWS_IAM => Some(role),
            _ => Some(client),
        }
    }
}

crate::record! {
    /// The run of a pipeline, as its CI service vouches for it in a signed token. Names can be given away and taken by
    /// somebody else; numbers are never given twice, so roles are matched by these.
    pub struct Run {
        /// The CI service: `github-actions`, `gitlab-ci`.
        1 => provider: String,
        /// The repository's name at that time.
        2 => repository: String,
        /// The repository's number.
        3 => repository_id: String,
        /// Number of the account, organization or namespace that owns the repository.
        4 => owner_id: String,
        /// The Git reference in full, such as `refs/heads/main`.
        5 => reference: String,
        /// The commit.
        6 => commit: String,
        /// The definition of the pipeline with its place, such as `octo/app/.github/workflows/ci.yml@refs/heads/main`.
        (?) 7 => workflow: String,
        /// Number of the run.
        8 => run_id: String,
        /// Number of the job or of the attempt within the run.
        (?) 9 => job_id: String,
        /// Name of the account that set it off, at that time.
        10 => actor: String,
        /// Number of that account.
        11 => actor_id: String,
        /// What set it off: `push`, `schedule`, `workflow_dispatch`, `merge_request_event` ...
        12 => trigger: String,
        /// The protected environment that it runs in.
        (?) 13 => environment: String,
    }
}

impl std::fmt::Display for Run {
    /// One line for people.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            provider,
            repository,
            repository_id,
            reference,
            commit,
            run_id,
            actor,
            trigger,
            ..
        } = self;
        write!(
            formatter,
            "{provider} run {run_id} of {repository} (#{repository_id}), {reference} at {commit}, set off by {actor} ({trigger})"
        )
    }
}

crate::record! {
    /// The facts that a decision is made from, with the principal and the target of the session.
    pub struct Facts {
        /// Everything that the request does.
        1 => accesses: Vec<Access>,
        /// More about it, by name.
        (sorted) 2 => attributes: BTreeMap<String, Attribute>,
        /// Columns that it may read or write, by ascending names: `schema.relation.column`, and `schema.relation.*` for all of a
        /// relation or ones that are not known. Absent where nothing is known of columns.
        (?) 3 => columns: Vec<String>,
    }
}

crate::record! {
    /// What the policy decided, so that it can be decided again.
    pub struct DecisionRecord {
        /// The effect.
        1 => effect: Effect,
        /// Digest of the policy's exact bytes.
        2 => policy: Digest,
        /// The rule that decided; absent when none matched.
        (?) 3 => rule: String,
        /// The reason, as the rule states it.
        4 => reason: String,
        /// Name of the approval that the rule asks for.
        (?) 5 => approval: String,
        /// Rules that the policy only observes and that matched, in the order of its file; absent where none did.
        (?) 6 => observed: Vec<Observed>,
    }
}

crate::record! {
    /// A rule that matched and was not enforced: what it would have done, had it decided.
    pub struct Observed {
        /// The rule.
        1 => rule: String,
        /// Its effect.
        2 => effect: Effect,
        /// Name of the approval that it would have asked for.
        (?) 3 => approval: String,
    }
}

crate::record! {
    /// An agent was let in.
    pub struct SessionOpened {
        /// Name of the target, as in the policy.
        1 => target: String,
        /// Protocol: `postgres`, `s3`, `kubernetes`.
        2 => protocol: String,
        /// Who it is.
        3 => principal: Principal,
        /// Where it comes from: address and port.
        4 => peer: String,
        /// TLS version and cipher suite of the agent's connection.
        5 => transport: String,
        /// Digest of the policy in force.
        6 => policy: Digest,
        /// Name that the client gives itself; a claim, not a fact.
        (?) 7 => client: String,
        /// When what the agent proved itself with expires.
        (?) 8 => expires: Timestamp,
        /// The key of masks in force, which the emitter announced before.
        (?) 9 => mask_key: MaskKeyId,
    }
}

crate::record! {
    /// A session ended.
    pub struct SessionClosed {
        /// Why: `agent`, `target`, `policy`, `idle`, `limit`, `expiry`, `revoked`, `ledger`, `shutdown`, `protocol`, `detection`.
        1 => reason: String,
        /// Commands that the session recorded.
        2 => commands: u64,
        /// Bytes released to the agent.
        3 => bytes: u64,
    }
}

crate::record! {
    /// Somebody was not let in because of who it said it was, or of what it came with. The first refusal of its like is an event of
    /// its own; those of the next minute share one.
    pub struct LoginRefused {
        /// Name of the target.
        1 => target: String,
        /// `postgres`, `s3`, `kubernetes`.
        2 => protocol: String,
        /// Its address; `*` for all others, where a minute had more of them than are told apart.
        3 => peer: String,
        /// What it came with: `api-key`, `oidc`, `client-certificate`, `aws-iam`.
        4 => method: String,
        /// Why: `unknown`, `expired`, `target`, `token`, `user`, `certificate`.
        5 => reason: String,
        /// The user name, where it is one that the proxy knows. Another may be a secret that was typed into the wrong place.
        (?) 6 => user: String,
        /// HMAC-SHA-256 of the user name under the proxy's own key, so that equal names show.
        7 => named: Digest,
        /// How many.
        8 => count: u64,
        /// When the first of them came.
        9 => since: Timestamp,
    }
}

crate::fixed_bytes! {
    /// The shape of a statement without its values, the same for statements that differ in nothing but those: of SQL the
    /// fingerprint of `libpg_query` (64 bits of XXH3 over the parse tree) of the text with every literal emptied.
    pub struct StatementFingerprint([u8; 8]);
}

crate::record! {
    /// What the gate did with a command, durable before the command reaches the target.
    pub struct Command {
        /// The command as it may be read: every literal replaced by a typed placeholder.
        1 => statement: String,
        /// HMAC-SHA-256 of its exact bytes, under the proxy's digest key.
        2 => digest: Digest,
        /// What it does.
        3 => facts: Facts,
        /// What the policy says of it.
        4 => decision: DecisionRecord,
        /// What became of it.
        5 => outcome: Outcome,
        /// Types of its bound parameters, as the protocol names them.
        6 => parameters: Vec<String>,
        /// Sequence in this session of the approval request, where there was one.
        (?) 7 => request: u64,
        /// Leaf hashes of the decisions that permit it.
        (?) 8 => approvals: Vec<Digest>,
        /// Leaf hash of the request that an earlier command left open, and of which it is a retry: it asks by that one.
        (?) 9 => retries: Digest,
        /// Fingerprint of the statement.
        (?) 10 => statement_fingerprint: StatementFingerprint,
        /// Types of its parameters as the target has described them before the command was recorded; absent where it has not,
        /// or where they are too long for the event.
        (?) 11 => described: Vec<String>,
    }
}

crate::record! {
    /// A column of a released table.
    pub struct Column {
        /// Its name in the response.
        1 => name: String,
        /// Its type, as the target names it.
        2 => data_type: String,
        /// The resource that its values come from; absent when computed or unknown.
        (?) 3 => origin: String,
        /// How it was masked; absent when released as it is.
        (?) 4 => technique: String,
        /// The mask of the policy that says so.
        (?) 5 => mask: String,
        /// It names the patient whose record a row is, by tokens of this domain ([`RecordsReleased`]).
        (?) 6 => patients: String,
    }
}

crate::fixed_bytes! {
    /// A patient, as far as the ledger knows: the first 16 bytes of an HMAC-SHA-256 under the proxy's key of masks, in a domain
    /// of the policy, over the text of what identifies the patient in the target. Equal for the same patient while the key is.
    pub struct PatientToken([u8; 16]);
}

crate::record! {
    /// How many rows are records of one patient.
    pub struct PatientRecords {
        /// Who.
        1 => patient: PatientToken,
        /// How many, at least one.
        2 => records: u64,
    }
}

crate::record! {
    /// Whose records the rows of a chunk are, as far as that is known.
    ///
    /// A row is a record of each patient whom a column names in it, and one of an unknown patient where that may not be all.
    pub struct RecordsReleased {
        /// Records of each patient, by ascending tokens, none twice.
        1 => patients: Vec<PatientRecords>,
        /// Rows that may be a record of a patient of whom nothing is known. Each counts as one more patient.
        2 => unknown: u64,
    }
}

crate::record! {
    /// A part of the data that follows a command to the target (rows that are copied in), durable before any of its bytes is
    /// forwarded. The parts of a command, in order, cover exactly the bytes that the target could get after the command.
    pub struct CommandData {
        /// Sequence in this session of the command that it follows.
        1 => command: u64,
        /// Number of the part, from 0 without gaps.
        2 => part: u64,
        /// How many bytes.
        3 => bytes: u64,
        /// HMAC-SHA-256 of the exact bytes under the proxy's digest key, as of a command.
        4 => digest: Digest,
    }
}

/// Bytes of one part of a sealed copy at the most; with its place it fits an event.
pub const SEALED_PART_BYTES_MAX: usize = 60_000;

crate::record! {
    /// A part of the sealed copy of a command: its exact bytes, which its digest covers, as one file of age-encryption.org/v1
    /// that only the recipients of its policy can open. The parts follow their command directly, and are durable with it.
    pub struct CommandSealed {
        /// Sequence in this session of the command.
        1 => command: u64,
        /// Number of the part, from 0 without gaps.
        2 => part: u64,
        /// How many parts the copy has.
        3 => parts: u64,
        /// The bytes, 1 to [`SEALED_PART_BYTES_MAX`] of them.
        4 => bytes: Bytes,
    }
}

crate::record! {
    /// Detectors found identifiers in what was about to be released, and typed tokens or NULL stand in their place. Durable
    /// before what is left of it leaves. Never holds a value.
    pub struct Detection {
        /// Sequence in this session of the command that was answered.
        1 => command: u64,
        /// The net of the policy.
        2 => net: String,
        /// Where: `cell`, `column` (a name), `error`, `notice`, `notification`, `setting`.
        3 => channel: String,
        /// Of a cell, the resource that it comes from, or the column's name as released; absent past the first columns.
        (?) 4 => column: String,
        /// How many findings, by category.
        (sorted) 5 => findings: BTreeMap<String, u64>,
        /// Whether the session ends for it: what the findings stood in is then not released.
        6 => ends: bool,
    }
}

/// A part of released bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Bytes exactly as they went to the agent.
    Verbatim(Bytes),
    /// A row, framed as the protocol says (for PostgreSQL one `DataRow` message).
    Row(Vec<Option<Bytes>>),
}

crate::record! {
    /// A part of what was released, durable before any of its bytes leaves.
    ///
    /// The wire forms of all frames of a command, in order, are exactly the bytes that the agent got.
    pub struct ResponseChunk {
        /// Sequence in this session of the command that it answers.
        1 => command: u64,
        /// Number of the chunk, from 0 without gaps.
        2 => chunk: u64,
        /// The columns of the rows that follow, where a table begins.
        (?) 3 => columns: Vec<Column>,
        /// The bytes.
        4 => frames: Vec<Frame>,
        /// Rows that stand in its verbatim frames, as its protocol counted them: of what is copied out, and rows too long for a
        /// frame of their own. A row that goes over several chunks counts where it begins.
        (?) 5 => framed_rows: u64,
        /// Whose records the rows are that begin in it, where the command may read records of patients.
        (?) 6 => patients: RecordsReleased,
    }
}

impl ResponseChunk {
    /// Rows that begin in it.
    pub fn rows(&self) -> u64 {
        let rows = self.frames.iter().filter(|frame| matches!(frame, Frame::Row(_)));
        let rows = u64::try_from(rows.count()).unwrap_or(u64::MAX);
        rows.saturating_add(self.framed_rows.unwrap_or(0))
    }
}

crate::record! {
    /// Whether a reply goes on past a threshold of its policy. It stands before the first chunk that passes it, or before the
    /// cut end.
    pub struct ThresholdDecided {
        /// Sequence in this session of the command.
        1 => command: u64,
        /// Rows that the reply would come to with what waits.
        2 => rows: u64,
        /// Bytes that it would come to, four for each cell among them.
        3 => bytes: u64,
        /// Rows that all replies of the session would come to.
        4 => session_rows: u64,
        /// Bytes that they would come to.
        5 => session_bytes: u64,
        /// What the policy says, of the facts of the command and of these counts.
        6 => decision: DecisionRecord,
        /// What came of it: `denied` by policy; or people were asked, and it is `approved`, `refused` or `expired`.
        7 => outcome: Outcome,
        /// Sequence in this session of the request that people were asked by.
        (?) 8 => request: u64,
        /// Leaf hashes of the decisions that approve it.
        (?) 9 => approvals: Vec<Digest>,
        /// Different patients that the reply would have records of, where the policy names those of the target.
        (?) 10 => patients: u64,
        /// Different patients that all replies of the session would have records of.
        (?) 11 => session_patients: u64,
    }
}

crate::record! {
    /// How a command ended.
    pub struct ResponseEnd {
        /// Sequence in this session of the command.
        1 => command: u64,
        /// `complete`, `failed`, `skipped` (an earlier command of its group failed) or `cut` (the session broke).
        2 => status: String,
        /// The protocol's own code of the result: SQLSTATE or HTTP status.
        (?) 3 => code: String,
        /// Chunks recorded.
        4 => chunks: u64,
        /// Rows released.
        5 => rows: u64,
        /// Bytes released.
        6 => bytes: u64,
        /// Cells masked, by name of the mask; findings masked, by name of the net.
        (sorted) 7 => masked: BTreeMap<String, u64>,
        /// Of each approval by which the session changed something that its target may still take back, the sequence of the first
        /// command that passed by it; ascending.
        (?) 8 => uncommitted: Vec<u64>,
        /// Rows that the command changed, as the target says; absent where none.
        (?) 9 => changed: u64,
    }
}

impl serde::Serialize for Frame {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Verbatim(bytes) => bytes.serialize(serializer),
            Self::Row(cells) => cells.serialize(serializer),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Frame {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FrameVisitor)
    }
}

struct FrameVisitor;

impl<'de> serde::de::Visitor<'de> for FrameVisitor {
    type Value = Frame;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a byte string, or an array of cells")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Frame, E> {
        Ok(Frame::Verbatim(Bytes(bytes.to_vec())))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut cells: A) -> Result<Frame, A::Error> {
        let mut row = Vec::new();
        while let Some(cell) = cells.next_element()? {
            row.push(cell);
        }
        Ok(Frame::Row(row))
    }
}
