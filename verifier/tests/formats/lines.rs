//! Lines of a report, made by hand: one of every kind that documents of other formats are made of.

use std::collections::BTreeMap;
use std::convert::Infallible;

use exhibit_schemas::merkle::Index;
use exhibit_verify::census::Exception;
use exhibit_verify::evidence::{CommandLine, DetectionLine, RefusedLine, SessionLine};
use exhibit_verify::report::about::About;
use exhibit_verify::report::control::Control;
use exhibit_verify::report::fhir;
use exhibit_verify::report::handling::ExceptionLine;
use exhibit_verify::report::matrix::{Row, State};
use serde_json::Value;

/// Digest of the policy of all commands.
const POLICY: &str = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// The events of FHIR of a command, for these patients.
pub(crate) fn audit_events(access: &Access, patients: &[String]) -> Vec<Value> {
    let mut events = Vec::new();
    let taken = fhir::command(&about(), &access.session, &access.command, patients, |event| {
        events.push(event.clone());
        Ok::<_, Infallible>(())
    });
    taken.expect("a vector takes every event");
    events
}

/// A command with its session and the tokens of its patients.
pub(crate) struct Access {
    pub(crate) session: SessionLine,
    pub(crate) command: CommandLine,
    pub(crate) patients: Vec<String>,
}

/// Whose lines they are.
pub(crate) fn about() -> About<'static> {
    About {
        origin: "log.example/clinic",
        root: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        entity: Some("Example Clinic"),
        verifier: "0.1.0",
        scoped: false,
    }
}

/// When the session was closed.
const ENDED: &str = "2026-11-24T10:00:00.000000Z";

/// A session of PostgreSQL, closed.
pub(crate) fn session() -> SessionLine {
    SessionLine {
        session: "01010101010101010101010101010101".to_owned(),
        opened: Index(10),
        closed: Some(Index(90)),
        time: "2026-11-24T09:30:01.000001Z".to_owned(),
        ended: Some(ENDED.to_owned()),
        target: "clinic".to_owned(),
        protocol: "postgres".to_owned(),
        method: "api-key".to_owned(),
        issuer: "keys".to_owned(),
        subject: "reporting-agent".to_owned(),
        evidence: "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae".to_owned(),
        run: None,
        expires: None,
        transport: "TLS 1.3 AES-256-GCM".to_owned(),
        peer: "192.0.2.7:40000".to_owned(),
        mask_key: Some("0f0e0d0c0b0a09080706050403020100".to_owned()),
        reason: Some("agent".to_owned()),
        commands: Some(20),
        patients: Some(7),
    }
}

/// A session of S3, of a pipeline, open.
pub(crate) fn of_pipeline() -> SessionLine {
    SessionLine {
        session: "02020202020202020202020202020202".to_owned(),
        opened: Index(50),
        closed: None,
        target: "scans".to_owned(),
        protocol: "s3".to_owned(),
        peer: "[2001:db8::7]:40001".to_owned(),
        method: "oidc".to_owned(),
        issuer: "https://token.actions.example".to_owned(),
        subject: "repo:octo/app:ref:refs/heads/main".to_owned(),
        run: Some("github-actions run 7 of octo/app (#1), refs/heads/main at 0123, set off by mona (push)".to_owned()),
        expires: Some("2026-11-24T10:30:01.000000Z".to_owned()),
        mask_key: None,
        reason: None,
        commands: None,
        patients: None,
        ..session()
    }
}

fn token(byte: u8) -> String {
    // Sessions have ids of the same length, and none of these.
    format!("{}a5", hex(byte)).repeat(8)
}

fn hex(byte: u8) -> String {
    format!("{byte:02x}")
}

/// A command that was allowed and whose reply is complete.
fn command(index: u64, statement: &str, accesses: &[&str]) -> CommandLine {
    CommandLine {
        session: "01010101010101010101010101010101".to_owned(),
        command: Index(index),
        time: format!("2026-11-24T09:31:{:02}.250000Z", index % 60),
        statement: statement.to_owned(),
        accesses: accesses.iter().map(|access| (*access).to_owned()).collect(),
        columns: None,
        probes: BTreeMap::new(),
        effect: "allow".to_owned(),
        rule: Some("reads".to_owned()),
        observed: Vec::new(),
        policy: POLICY.to_owned(),
        outcome: "allowed".to_owned(),
        request: None,
        approvals: Vec::new(),
        copy: None,
        thresholds: Vec::new(),
        released: None,
        ended: Some(Index(index + 2)),
        status: Some("complete".to_owned()),
        code: None,
        rows: 0,
        bytes: 0,
        patients: None,
        masks: Vec::new(),
        masked: BTreeMap::new(),
    }
}

fn access(command: CommandLine, patients: &[u8]) -> Access {
    Access {
        session: session(),
        command: CommandLine {
            released: (!patients.is_empty()).then_some((Index(command.command.0 + 1), Index(command.command.0 + 1))),
            rows: u64::try_from(patients.len()).expect("a few"),
            patients: u64::try_from(patients.len()).ok().filter(|count| *count > 0),
            ..command
        },
        patients: patients.iter().map(|byte| token(*byte)).collect(),
    }
}

fn decided(index: u64, outcome: &str, effect: &str) -> Access {
    let statement = "SELECT name FROM patients WHERE id = $text";
    Access {
        session: session(),
        command: CommandLine {
            outcome: outcome.to_owned(),
            effect: effect.to_owned(),
            request: (effect == "ask").then_some(Index(index - 1)),
            ended: None,
            status: None,
            ..command(index, statement, &["read public.patients"])
        },
        patients: Vec::new(),
    }
}

/// Every pattern with a patient and without, every outcome and every end.
pub(crate) fn accesses() -> Vec<Access> {
    let query = "SELECT name, ssn FROM patients WHERE ward = $text";
    let insert = "INSERT INTO visits (patient, ward) VALUES ($integer, $text) RETURNING patient";
    let update = "UPDATE patients SET ward = $text WHERE id = $integer RETURNING *";
    let delete = "DELETE FROM visits USING patients WHERE patient = id RETURNING patient";
    let approved = CommandLine {
        outcome: "approved".to_owned(),
        effect: "ask".to_owned(),
        request: Some(Index(19)),
        approvals: vec![Index(20), Index(21)],
        ..command(22, query, &["read public.patients"])
    };
    let object = |patients: &[u8]| Access {
        session: of_pipeline(),
        ..access(
            command(
                53 + u64::from(patients.is_empty()),
                "GET scans/ct/17.dcm",
                &["read scans/ct/17.dcm"],
            ),
            patients,
        )
    };
    let ended = |index: u64, status: Option<&str>| CommandLine {
        status: status.map(str::to_owned),
        ended: status.map(|_| Index(index + 2)),
        ..command(index, query, &["read public.patients"])
    };
    let coded = |index: u64, code: &str| CommandLine {
        code: Some(code.to_owned()),
        ..ended(index, Some("failed"))
    };
    let from = |peer: &str, command| Access {
        session: SessionLine {
            peer: peer.to_owned(),
            ..session()
        },
        ..access(command, &[])
    };
    let mut cut = access(ended(34, Some("cut")), &[3, 4]);
    cut.command.patients = Some(5); // three rows are of patients of whom nothing is known
    vec![
        access(command(11, query, &["read public.patients"]), &[2, 1, 2]),
        access(
            command(
                14,
                "SELECT count(*) FROM wards",
                &["read public.wards", "execute count"],
            ),
            &[],
        ),
        access(approved, &[1]),
        object(&[9]),
        object(&[]),
        access(
            command(24, insert, &["read public.visits", "write public.visits"]),
            &[1],
        ),
        access(command(25, "COPY visits FROM STDIN", &["write public.visits"]), &[]),
        access(
            command(26, update, &["read public.patients", "write public.patients"]),
            &[1],
        ),
        access(
            command(27, "GRANT SELECT ON wards TO reporting", &["grant public.wards"]),
            &[],
        ),
        access(
            command(28, delete, &["read public.patients", "delete public.visits"]),
            &[1],
        ),
        access(command(29, "DROP TABLE wards", &["define public.wards"]), &[]),
        access(command(30, "SET search_path TO $text", &["session"]), &[]),
        access(command(31, "", &[]), &[]),
        access(ended(32, Some("failed")), &[]),
        access(coded(48, "42501"), &[]),
        access(coded(51, "23505"), &[]),
        access(ended(33, Some("skipped")), &[]),
        cut,
        access(ended(37, None), &[6]),
        from("agent.example:40000", ended(38, Some("complete"))),
        from("*", ended(39, Some("complete"))),
        decided(40, "denied", "deny"),
        decided(42, "refused", "ask"),
        decided(44, "expired", "ask"),
        decided(46, "postponed", "ask"),
    ]
}

/// Somebody whose name is known, and several who are not told apart.
pub(crate) fn refused() -> Vec<RefusedLine> {
    let known = RefusedLine {
        refused: Index(60),
        since: "2026-11-24T09:40:00.000000Z".to_owned(),
        time: "2026-11-24T09:41:00.000000Z".to_owned(),
        target: "clinic".to_owned(),
        peer: "192.0.2.7".to_owned(),
        method: "api-key".to_owned(),
        reason: "expired".to_owned(),
        user: Some("reporting-agent".to_owned()),
        named: "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9".to_owned(),
        count: 3,
    };
    let several = RefusedLine {
        refused: Index(61),
        peer: "*".to_owned(),
        reason: "unknown".to_owned(),
        user: None,
        count: 4_000,
        ..known.clone()
    };
    vec![known, several]
}

/// What a net replaced in a cell, and what ended a session in an error.
pub(crate) fn detections() -> Vec<DetectionLine> {
    let cell = DetectionLine {
        detection: Index(12),
        time: "2026-11-24T09:31:12.000000Z".to_owned(),
        command: Index(11),
        net: "identifiers".to_owned(),
        channel: "cell".to_owned(),
        column: Some("public.visits.note".to_owned()),
        findings: BTreeMap::from([("email".to_owned(), 2), ("ssn".to_owned(), 1)]),
        ends: false,
    };
    let error = DetectionLine {
        detection: Index(35),
        command: Index(34),
        channel: "error".to_owned(),
        column: None,
        findings: BTreeMap::from([("ssn".to_owned(), 1)]),
        ends: true,
        ..cell.clone()
    };
    vec![cell, error]
}

/// A row of the control matrix with exceptions, and one without.
pub(crate) fn rows() -> Vec<Row> {
    let row = |control: Control, state: State, exceptions: Vec<Exception>| {
        let definition = control.definition();
        Row {
            id: definition.id,
            cite: definition.cite,
            title: definition.title,
            population: definition.population,
            query: definition.query,
            count: 40,
            test: definition.test,
            strength: definition.strength,
            cannot_show: definition.cannot_show,
            state,
            result: match exceptions.len() {
                0 => "no exception among 40".to_owned(),
                many => format!("{many} exceptions"),
            },
            exceptions: exceptions
                .into_iter()
                .map(|exception| ExceptionLine::open(definition.id, exception))
                .collect(),
            not_listed: 0,
            months: BTreeMap::new(),
        }
    };
    let exceptions = vec![
        Exception {
            index: None,
            cause: "login-count".to_owned(),
            detail: "more refusals than are counted".to_owned(),
        },
        Exception {
            index: Some(10),
            cause: "session-expired".to_owned(),
            detail: "the credential had expired before the session was opened".to_owned(),
        },
    ];
    vec![
        row(Control::Identity, State::Exception, exceptions),
        row(Control::Access, State::Pass, Vec::new()),
    ]
}
