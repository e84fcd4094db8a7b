//! The clinic's log: keys, a policy with masks and approvals, and sessions of two proxies with everything that can happen.

use std::collections::BTreeMap;

use exhibit_policy::decide::decide;
use exhibit_policy::patients::PATIENTS;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{
    Access, Action, Attribute, Column, Command, CommandSealed, Effect, Facts, Frame, LoginRefused, Outcome,
    PatientRecords, PatientToken, Principal, RecordsReleased, ResponseChunk, ResponseEnd, SessionClosed, SessionOpened,
};
use exhibit_schemas::event::approval::{
    ApprovalDecided, ApprovalExpired, ApprovalRequested, PreviewRun, Previewed, Requirement, Verdict,
};
use exhibit_schemas::event::trust::{
    Administrator, CopyPlace, EvidenceRead, Genesis, KeyEnrolled, KeyRevoked, KeyRotated, MaskKeyAnnounced, MaskKeyId,
    PolicyInForce, PolicySnapshot, REVEAL, Role,
};
use exhibit_schemas::event::{Body, Emitter, Event, SessionId, SessionPlace, Timestamp};
use exhibit_schemas::key::Signer as _;
use exhibit_schemas::merkle::TreeSize;
use exhibit_schemas::reading::{BY_KEY, BY_TOKEN, Question, Reader, Statement};

use super::{Batch, Plan, Planned, anchors, key, key_id, text};

/// The log's name.
pub const ORIGIN: &str = "clinic.example/exhibit";
/// Seed of the log's key.
pub const LOG: u8 = 1;
/// Seed of the first administrator's key.
pub const ADMINISTRATOR: u8 = 2;
/// Seed of the second administrator's key.
pub const SECOND_ADMINISTRATOR: u8 = 3;
/// Seed of the first proxy's key.
pub const PROXY: u8 = 10;
/// Seed of the second proxy's key.
pub const SECOND_PROXY: u8 = 11;
/// Seed of the ledger's event key.
pub const LEDGER: u8 = 12;
/// Seed of the key of a person of the group `dba`.
pub const ALICE: u8 = 20;
/// Seed of the key of another person of the group `dba`.
pub const CAROL: u8 = 21;
/// Seed of the key of a person of the group `privacy`.
pub const BOB: u8 = 22;
/// Seed of the key of a person of the group `dba` whose key is revoked early in the log.
pub const DAVE: u8 = 23;

/// Keys of masks: both proxies begin with the first, and one of them rotates it early in the log.
pub const MASK_KEYS: [MaskKeyId; 2] = [MaskKeyId([0x4d; 16]), MaskKeyId([0x4e; 16])];

/// First time of the log.
pub const START: u64 = 1_700_000_000_000_000;

/// Bytes of the cells of a masked read: nine rows of an id of 1 byte, an ssn of 11, a name of 10 and a token of 36, and six
/// birth dates of 10.
const MASKED_READ_BYTES: u64 = 9 * (1 + 11 + 10 + 36) + 6 * 10;

/// Bytes that end a command.
const FRAMING_BYTES: u64 = 6;

/// When what the agents come with expires.
pub const EXPIRES: u64 = START + 86_400_000_000;

const STEP_US: u64 = 1_000;

/// For how long a reading is good.
const READING_US: u64 = 600_000_000;

/// The policy.
pub const POLICY: &str = r#"version = 1

[[roles]]
name = "agent"
match = { method = "api-key", subject = "ci-*" }

[[targets]]
name = "clinic"
protocol = "postgres"

[limits]
expiry_ends_session = true

[[approvals]]
name = "schema"
groups = ["dba"]
people = 2
expires_s = 900

[[rules]]
name = "no-mass-deletes"
roles = ["agent"]
targets = ["clinic"]
actions = ["delete"]
when = { no_where = true }
effect = "deny"
reason = "a delete needs a WHERE"

[[rules]]
name = "schema-changes"
roles = ["agent"]
targets = ["clinic"]
actions = ["define"]
effect = "ask"
approval = "schema"

[[rules]]
name = "patients-next"
mode = "observe"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.patients"]
effect = "ask"
approval = "schema"

[[rules]]
name = "reads"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.*", "none"]
effect = "allow"

[[masks]]
name = "ssn"
targets = ["clinic"]
resources = ["public.patients.ssn"]
technique = "partial"
keep = 4

[[masks]]
name = "names"
targets = ["clinic"]
resources = ["public.patients.*name"]
technique = "redact"

[[masks]]
name = "mrn"
targets = ["clinic"]
resources = ["public.patients.mrn"]
technique = "token"
domain = "mrn"

[[masks]]
name = "birth"
targets = ["clinic"]
resources = ["public.patients.birth_date"]
technique = "year"
"#;

/// What seals the exact commands of the clinic's agents, behind a policy.
pub const SEALING: &str = "
[sealed]
recipients = [
  \"age1apdu77hwunkk6ynkekenhz770754fhlqlf95dd6s2vscx3ctgp0qqyx3sd\",
  \"age1dtyn9xewvs7zl4le7t86pys7c0u9j6937nx5zmdvv78kfaejuyxqvpla6a\",
]
";

/// What names the clinic's patients, behind a policy.
pub const IDENTIFYING: &str = "
[[patients]]
name = \"patient\"
targets = [\"clinic\"]
resources = [\"public.patients.id\"]
";

/// The policy that the first proxy takes up while a session of it waits for people: the same with one more rule.
pub fn later_policy() -> String {
    later_than(POLICY)
}

/// The policy under which people are asked about changes of rows, too, and are shown a preview of what they are asked about. Sessions
/// ask about a change of rows then, in the place of one of a definition.
pub fn previewing_policy() -> String {
    POLICY
        .replacen("actions = [\"define\"]", "actions = [\"define\", \"write\"]", 1)
        .replacen("expires_s = 900", "expires_s = 900\npreview = \"rolled-back\"", 1)
}

pub(super) fn later_than(policy: &str) -> String {
    let never =
        "name = \"no-writes\"\nroles = [\"agent\"]\ntargets = [\"clinic\"]\nactions = [\"write\"]\neffect = \"deny\"\n";
    format!("{policy}\n[[rules]]\n{never}")
}

/// What the log holds before anything is changed, and whom to trust for it.
#[derive(Clone)]
pub struct Clinic {
    /// The log before it is signed.
    pub plan: Plan,
    /// The anchors.
    pub anchors: TrustAnchors,
}

/// Makes the clinic's log with this many sessions; each sixth one leaves something unusual.
pub fn clinic(sessions: u8) -> Clinic {
    clinic_under(POLICY, sessions)
}

/// The same under another policy that decides as the clinic's does; of what it has sealed, people opened some.
pub fn clinic_under(policy: &str, sessions: u8) -> Clinic {
    let mut writer = Writer::under(policy);
    writer.keys();
    writer.policy(PROXY, policy);
    writer.policy(SECOND_PROXY, policy);
    writer.announce(PROXY, MASK_KEYS[0]);
    writer.announce(SECOND_PROXY, MASK_KEYS[0]);
    for number in 0..sessions {
        let proxy = if number.is_multiple_of(2) { PROXY } else { SECOND_PROXY };
        writer.session(proxy, number);
        if number == 2 {
            let body = KeyRevoked {
                key: key_id(DAVE),
                reason: "left".into(),
            };
            writer.seal(ADMINISTRATOR, vec![body.into()]);
        }
        if number == 3 {
            writer.announce(PROXY, MASK_KEYS[1]);
        }
        if number == 4 {
            writer.read(BOB, "bob", &Question::Search("kind:command smith".into()));
            writer.read(BOB, "bob", &Question::Export(TreeSize(40)));
            writer.read_by_token("5f3", &Question::Sessions);
            writer.refused();
        }
        if number.is_multiple_of(3) && !writer.policy_of(proxy).recipients("clinic").is_empty() {
            writer.reveal(ALICE, "alice");
        }
    }
    Clinic {
        plan: writer.plan,
        anchors: anchors(
            ORIGIN,
            LOG,
            &[("root", ADMINISTRATOR), ("second", SECOND_ADMINISTRATOR)],
        ),
    }
}

/// Writes a log event by event, with a clock that moves at each one.
pub struct Writer {
    /// What was written.
    pub plan: Plan,
    now: u64,
    /// The policy that each proxy begins with.
    base: String,
    /// The policy in force at each proxy.
    in_force: BTreeMap<u8, Snapshot>,
    /// Keys of masks of each proxy, the last one first.
    mask_keys: BTreeMap<u8, Vec<MaskKeyId>>,
    /// Runs of proxies that were started again.
    boots: BTreeMap<u8, u64>,
}

/// A session under way.
pub struct Session {
    /// Its id.
    pub id: SessionId,
    proxy: u8,
    next: u64,
    commands: u64,
    principal: Principal,
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// An empty log.
    pub fn new() -> Self {
        Self::under(POLICY)
    }

    /// An empty log of sessions under a policy.
    fn under(policy: &str) -> Self {
        Self {
            plan: Plan::default(),
            now: START,
            base: policy.to_owned(),
            in_force: BTreeMap::new(),
            mask_keys: BTreeMap::new(),
            boots: BTreeMap::new(),
        }
    }

    /// Seals events without a session in one batch; gives their leaf hashes.
    pub fn seal(&mut self, seed: u8, bodies: Vec<Body>) -> Vec<Digest> {
        let drafts = bodies.into_iter().map(|body| (None, body)).collect();
        self.batch(seed, drafts)
    }

    fn batch(&mut self, seed: u8, drafts: Vec<(Option<SessionPlace>, Body)>) -> Vec<Digest> {
        let boot = self.boots.get(&seed).copied().unwrap_or(START + u64::from(seed));
        let mut events = Vec::new();
        for (session, body) in drafts {
            self.now += STEP_US;
            events.push(Planned::new(Event {
                time: Timestamp(self.now),
                emitter: Emitter(key_id(seed), boot),
                session,
                body,
            }));
        }
        let leaves = events.iter().map(|planned| planned.leaf).collect();
        self.plan.batches.push(Batch { seed, events });
        leaves
    }

    fn keys(&mut self) {
        let administrator = |name: &str, seed| Administrator {
            name: name.into(),
            key: key(seed).public_key().to_bytes(),
        };
        let genesis = Genesis {
            origin: ORIGIN.into(),
            log_key: key(LOG).public_key().to_bytes(),
            administrators: vec![
                administrator("root", ADMINISTRATOR),
                administrator("second", SECOND_ADMINISTRATOR),
            ],
        };
        let enrol = |seed, role, name: &str, group: Option<&str>| {
            Body::from(KeyEnrolled {
                key: key(seed).public_key().to_bytes(),
                role,
                name: name.into(),
                groups: group.map(str::to_owned).into_iter().collect(),
                application: None,
            })
        };
        let retired = 13;
        self.seal(
            ADMINISTRATOR,
            vec![
                genesis.into(),
                enrol(PROXY, Role::Proxy, "proxy-1", None),
                enrol(retired, Role::Proxy, "proxy-2", None),
                enrol(LEDGER, Role::Ledger, "ledger", None),
                enrol(ALICE, Role::Person, "alice", Some("dba")),
                enrol(CAROL, Role::Person, "carol", Some("dba")),
            ],
        );
        let rotated = KeyRotated {
            from: key_id(retired),
            to: key(SECOND_PROXY).public_key().to_bytes(),
            application: None,
        };
        self.seal(
            SECOND_ADMINISTRATOR,
            vec![
                enrol(BOB, Role::Person, "bob", Some("privacy")),
                enrol(DAVE, Role::Person, "dave", Some("dba")),
                rotated.into(),
            ],
        );
    }

    /// Announces that a proxy masks under a key from now on, in the place of its keys before.
    pub fn announce(&mut self, seed: u8, key: MaskKeyId) {
        let known = self.mask_keys.entry(seed).or_default();
        let replaces = known.clone();
        // A key changes with a start of its proxy alone.
        *self.boots.entry(seed).or_insert(START + u64::from(seed)) += u64::from(!replaces.is_empty());
        known.insert(0, key);
        self.seal(seed, vec![MaskKeyAnnounced { key, replaces }.into()]);
    }

    /// Somebody is not let in.
    fn refused(&mut self) {
        let since = Timestamp(self.now);
        self.now += STEP_US;
        let refused = LoginRefused {
            target: "clinic".into(),
            protocol: "postgres".into(),
            peer: "192.0.2.7".into(),
            method: "api-key".into(),
            reason: "unknown".into(),
            user: Some("ci-nightly".into()),
            named: Digest([7; 32]),
            count: 3,
            since,
        };
        self.seal(PROXY, vec![refused.into()]);
    }

    fn policy_of(&self, proxy: u8) -> &Snapshot {
        self.in_force.get(&proxy).expect("a proxy says first what is in force")
    }

    /// Records a policy in two parts, and that it is in force.
    pub fn policy(&mut self, seed: u8, policy: &str) {
        let (first, second) = policy.as_bytes().split_at(policy.len() / 2);
        let part = |part, bytes: &[u8]| {
            Body::from(PolicySnapshot {
                policy: Digest::of(policy.as_bytes()),
                part,
                parts: 2,
                bytes: Bytes(bytes.to_vec()),
            })
        };
        let snapshot = Snapshot::parse(policy.as_bytes()).expect("the policy is right");
        let now = PolicyInForce {
            policy: snapshot.digest(),
        };
        self.seal(seed, vec![part(0, first), part(1, second), now.into()]);
        self.in_force.insert(seed, snapshot);
    }

    fn session(&mut self, proxy: u8, number: u8) {
        let mut session = self.open(proxy, number);
        self.masked_read(&mut session);
        match number % 3 {
            0 => self.approved(&mut session),
            1 => self.denied(&mut session),
            _ => self.unanswered(&mut session, number.is_multiple_of(2)),
        }
        self.masked_read(&mut session);
        self.close(session);
    }

    /// Opens a session.
    pub fn open(&mut self, proxy: u8, number: u8) -> Session {
        let subject = format!("ci-agent-{number}");
        let principal = Principal {
            method: "api-key".into(),
            issuer: "api-keys.toml".into(),
            evidence: Digest::of(subject.as_bytes()),
            subject,
            client_id: None,
            groups: vec!["developers".into()],
            run: None,
        };
        let mut session = Session {
            id: SessionId([number + 1; 16]),
            proxy,
            next: 0,
            commands: 0,
            principal: principal.clone(),
        };
        let body = SessionOpened {
            target: "clinic".into(),
            protocol: "postgres".into(),
            principal,
            peer: format!("10.0.0.{number}:40000"),
            transport: "TLSv1.3 TLS13_AES_128_GCM_SHA256".into(),
            policy: self.policy_of(proxy).digest(),
            client: Some("psql".into()),
            expires: Some(Timestamp(EXPIRES)),
            mask_key: self.mask_keys.get(&proxy).and_then(|keys| keys.first()).copied(),
        };
        self.events(&mut session, vec![body.into()]);
        session
    }

    fn events(&mut self, session: &mut Session, bodies: Vec<Body>) -> Vec<Digest> {
        let mut drafts = Vec::new();
        for body in bodies {
            let is_command = matches!(body, Body::Command(_));
            session.commands += u64::from(is_command);
            let command = session.next;
            let copy = self.copy(session.proxy, command).into_iter().filter(|_| is_command);
            for body in std::iter::once(body).chain(copy) {
                drafts.push((Some(SessionPlace(session.id, session.next)), body));
                session.next += 1;
            }
        }
        self.batch(session.proxy, drafts)
    }

    /// The copy of a command in two parts, where the policy asks for one. It looks like one; nobody can open it.
    fn copy(&self, proxy: u8, command: u64) -> Vec<Body> {
        let recipients = self.policy_of(proxy).recipients("clinic").len();
        if recipients == 0 {
            return Vec::new();
        }
        let key = "A".repeat(43);
        let stanzas = format!("-> X25519 {key}\n{key}\n").repeat(recipients);
        let mut file = format!("age-encryption.org/v1\n{stanzas}--- {key}\n").into_bytes();
        file.extend([0x5a; 100]);
        let (first, second) = file.split_at(file.len() - 40);
        let part = |part, bytes: &[u8]| {
            Body::from(CommandSealed {
                command,
                part,
                parts: 2,
                bytes: Bytes(bytes.to_vec()),
            })
        };
        vec![part(0, first), part(1, second)]
    }

    /// A person reads, by the signature of the person's key.
    pub fn read(&mut self, seed: u8, name: &str, question: &Question) {
        let since = Timestamp(self.now);
        let statement = Statement {
            origin: ORIGIN.into(),
            channel: Digest([4; 32]),
            operation: question.operation().as_str().to_owned(),
            scope: question.scope(),
            question: question.digest(&[5; 32]),
            time: since,
            nonce: Bytes(since.0.to_be_bytes().repeat(2)),
        };
        let signed = statement.sign(&key(seed)).expect("a key signs");
        let by = Reader {
            method: BY_KEY.into(),
            issuer: ORIGIN.into(),
            subject: key_id(seed).to_string(),
            evidence: Digest::of(&signed.0),
            role: "compliance".into(),
            question: Digest([6; 32]),
            count: 7,
            since,
            until: Timestamp(since.0 + READING_US),
            times: 1,
            statement: Some(signed),
        };
        self.reading(name, question, by);
    }

    /// Somebody reads, by a token; and again a few times.
    pub fn read_by_token(&mut self, subject: &str, question: &Question) {
        for times in [1, 3] {
            let since = Timestamp(self.now);
            let by = Reader {
                method: BY_TOKEN.into(),
                issuer: "idp.example".into(),
                subject: subject.into(),
                evidence: Digest([7; 32]),
                role: "auditor".into(),
                question: Digest([8; 32]),
                count: 2,
                since,
                until: Timestamp(since.0 + READING_US),
                times,
                statement: None,
            };
            self.reading(subject, question, by);
        }
    }

    fn reading(&mut self, name: &str, question: &Question, by: Reader) {
        let body = EvidenceRead {
            reader: name.into(),
            operation: question.operation().as_str().to_owned(),
            scope: question.scope(),
            copy: None,
            by: Some(by),
        };
        self.seal(LEDGER, vec![body.into()]);
    }

    /// A person opens the last copy.
    fn reveal(&mut self, seed: u8, name: &str) {
        let copies = self
            .plan
            .find(|event| matches!(&event.body, Body::CommandSealed(part) if part.part == 0));
        let place = copies.last().copied().expect("there is a copy");
        let read = EvidenceRead {
            reader: name.into(),
            operation: REVEAL.into(),
            scope: "a complaint".into(),
            copy: Some(CopyPlace {
                index: self.plan.build().index_of(place),
                leaf: self.plan.batches[place.0].events[place.1].leaf,
            }),
            by: None,
        };
        self.seal(seed, vec![read.into()]);
    }

    /// A command as the gate would record it; what its decision leads to is the caller's.
    pub fn command(&self, session: &Session, statement: &str, access: (Action, &str), no_where: bool) -> Command {
        let mut facts = Facts {
            accesses: vec![Access(access.0, Some(access.1.to_owned()))],
            attributes: [("no_where".to_owned(), Attribute::Bool(no_where))].into(),
            columns: None,
        };
        let policy = self.policy_of(session.proxy);
        if policy.names_patients("clinic") {
            let touched = policy.identifying("clinic", access.1).is_some();
            facts.attributes.insert(PATIENTS.to_owned(), Attribute::Bool(touched));
        }
        let decision = decide(self.policy_of(session.proxy), &session.principal, "clinic", &facts);
        let outcome = match decision.effect {
            Effect::Allow => Outcome::Allowed,
            Effect::Ask => Outcome::Approved,
            Effect::Deny => Outcome::Denied,
        };
        Command {
            statement: statement.to_owned(),
            digest: Digest::of(format!("{statement} {} {}", session.id, session.next).as_bytes()),
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

    fn masked_read(&mut self, session: &mut Session) {
        let statement = "SELECT id, ssn, last_name, mrn, birth_date FROM patients WHERE id < $integer";
        let body = self.command(session, statement, (Action::Read, "public.patients"), false);
        let command = session.next;
        self.events(session, vec![body.into()]);
        let identified = self.policy_of(session.proxy).names_patients("clinic");
        let chunks = (0..3).map(|chunk| {
            Body::from(ResponseChunk {
                command,
                chunk,
                columns: (chunk == 0).then(|| patients(identified)),
                frames: (0..3).map(|row| patient(chunk * 3 + row)).collect(),
                framed_rows: None,
                patients: identified.then(|| records(chunk)),
            })
        });
        let chunks: Vec<_> = chunks.collect();
        self.events(session, chunks);
        let masked = [("ssn", 9), ("names", 9), ("mrn", 9), ("birth", 6)];
        let end = ResponseEnd {
            command,
            status: "complete".into(),
            code: None,
            chunks: 3,
            rows: 9,
            bytes: MASKED_READ_BYTES,
            masked: masked.map(|(mask, cells)| (mask.to_owned(), cells)).into(),
            uncommitted: None,
            changed: None,
        };
        self.events(session, vec![end.into()]);
    }

    fn denied(&mut self, session: &mut Session) {
        let statement = "DELETE FROM patients";
        let body = self.command(session, statement, (Action::Delete, "public.patients"), true);
        let command = session.next;
        let (chunk, end) = framing(command, "failed");
        self.events(session, vec![body.into(), chunk.into(), end.into()]);
    }

    fn request(&mut self, session: &mut Session) -> (Command, ApprovalRequested, Digest, u64) {
        let policy = self.policy_of(session.proxy);
        let previews = policy
            .approval("schema")
            .is_some_and(|approval| approval.preview.is_some());
        let (statement, action) = if previews {
            ("UPDATE patients SET note = $string WHERE id = $integer", Action::Write)
        } else {
            ("ALTER TABLE patients ADD COLUMN note text", Action::Define)
        };
        let mut command = self.command(session, statement, (action, "public.patients"), false);
        if previews {
            command.facts.columns = Some(vec!["public.patients.id".into(), "public.patients.note".into()]);
            let run = PreviewRun {
                statement: command.statement.clone(),
                command: command.digest,
                facts: command.facts.clone(),
                decision: command.decision.clone(),
                exact: Digest::of(b"what the target gets"),
            };
            self.events(session, vec![run.into()]);
        }
        let body = ApprovalRequested {
            target: "clinic".into(),
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
            expires: Timestamp(self.now + 900_000_000),
            held_until: None,
            preview: previews.then_some(Previewed::Rows(3)),
            requester: Some(Box::new(session.principal.clone())),
        };
        let sequence = session.next;
        let leaves = self.events(session, vec![body.clone().into()]);
        let leaf = leaves.first().copied().expect("one event has one leaf");
        (command, body, leaf, sequence)
    }

    /// A person's decision about a request.
    pub fn decide(
        &mut self,
        seed: u8,
        request: &ApprovalRequested,
        leaf: Digest,
        session: SessionId,
        verdict: Verdict,
    ) -> Digest {
        let body = ApprovalDecided {
            request: leaf,
            command: request.command,
            session,
            target: request.target.clone(),
            policy: request.decision.policy,
            expires: request.expires,
            verdict,
            reason: "reviewed".into(),
            terms: None,
        };
        let leaves = self.seal(seed, vec![body.into()]);
        leaves.first().copied().expect("one event has one leaf")
    }

    fn approved(&mut self, session: &mut Session) {
        let (command, request, leaf, sequence) = self.request(session);
        let approvals = [ALICE, CAROL].map(|seed| self.decide(seed, &request, leaf, session.id, Verdict::Approve));
        let body = Command {
            outcome: Outcome::Approved,
            request: Some(sequence),
            approvals: Some(approvals.to_vec()),
            ..command
        };
        let number = session.next;
        self.events(session, vec![body.into()]);
        let (chunk, end) = framing(number, "complete");
        self.events(session, vec![chunk.into(), end.into()]);
    }

    fn unanswered(&mut self, session: &mut Session, refused: bool) {
        let (command, request, leaf, sequence) = self.request(session);
        let later = later_than(&self.base);
        let moves = refused && self.policy_of(session.proxy).digest() != Digest::of(later.as_bytes());
        if moves {
            self.policy(session.proxy, &later);
        }
        let (outcome, approvals) = if refused {
            let leaf = self.decide(ALICE, &request, leaf, session.id, Verdict::Deny);
            (Outcome::Refused, Some(vec![leaf]))
        } else {
            let body = ApprovalExpired {
                request: sequence,
                reason: "time".into(),
            };
            self.events(session, vec![body.into()]);
            (Outcome::Expired, None)
        };
        let body = Command {
            outcome,
            request: Some(sequence),
            approvals,
            ..command
        };
        let number = session.next;
        let (chunk, end) = framing(number, "failed");
        self.events(session, vec![body.into(), chunk.into(), end.into()]);
    }

    /// Closes a session.
    pub fn close(&mut self, mut session: Session) {
        let body = SessionClosed {
            reason: "agent".into(),
            commands: session.commands,
            bytes: 2 * MASKED_READ_BYTES + FRAMING_BYTES,
        };
        self.events(&mut session, vec![body.into()]);
    }
}

fn framing(command: u64, status: &str) -> (ResponseChunk, ResponseEnd) {
    let chunk = ResponseChunk {
        command,
        chunk: 0,
        columns: None,
        frames: vec![Frame::Verbatim(text("Z\0\0\0\u{5}I"))],
        framed_rows: None,
        patients: None,
    };
    let end = ResponseEnd {
        command,
        status: status.into(),
        code: (status == "failed").then(|| "42501".to_owned()),
        chunks: 1,
        rows: 0,
        bytes: FRAMING_BYTES,
        masked: BTreeMap::new(),
        uncommitted: None,
        changed: None,
    };
    (chunk, end)
}

/// The columns of a masked read.
fn patients(identified: bool) -> Vec<Column> {
    let masked = [
        ("id", None),
        ("ssn", Some(("ssn", "partial"))),
        ("last_name", Some(("names", "redact"))),
        ("mrn", Some(("mrn", "token"))),
        ("birth_date", Some(("birth", "year"))),
    ];
    let column = |(name, mask): (&str, Option<(&str, &str)>)| Column {
        name: name.into(),
        data_type: "text".into(),
        origin: Some(format!("public.patients.{name}")),
        technique: mask.map(|(_, technique)| technique.to_owned()),
        mask: mask.map(|(mask, _)| mask.to_owned()),
        patients: (identified && name == "id").then(|| "patient".to_owned()),
    };
    masked.map(column).into()
}

/// Whose records a chunk of a masked read has: each row is another patient's, but in the last chunk.
fn records(chunk: u64) -> RecordsReleased {
    let one = |(number, records)| PatientRecords {
        patient: PatientToken([number; 16]),
        records,
    };
    let (patients, unknown) = match chunk {
        0 => (vec![one((1, 1)), one((2, 1)), one((3, 1))], 0),
        1 => (vec![one((4, 1)), one((5, 1))], 1),
        _ => (vec![one((1, 3))], 0),
    };
    RecordsReleased { patients, unknown }
}

/// A row of a masked read; every third birth date is NULL.
fn patient(row: u64) -> Frame {
    let token = format!("tok_{row:032x}");
    Frame::Row(vec![
        Some(text(&row.to_string())),
        Some(text("***-**-1234")),
        Some(text("[redacted]")),
        Some(text(&token)),
        (!row.is_multiple_of(3)).then(|| text("1970-01-01")),
    ])
}
