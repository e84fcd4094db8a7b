//! Whole packages of reports, written as `exhibit-verify report` writes them, of logs that hold what spreadsheets take for more than text.

use std::collections::BTreeMap;
use std::path::Path;

use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Detection, PatientToken};
use exhibit_schemas::event::approval::{Emergency, Verdict};
use exhibit_schemas::event::sign_off::{CitedEntry, Disposition, ExceptionClosed, ExceptionNoted, ReportSigned};
use exhibit_schemas::event::trust::{Fault, ReviewSigned};
use exhibit_schemas::event::{Body, Event, Kind, SessionId, Timestamp};
use exhibit_schemas::merkle::{Index, TreeSize};
use exhibit_schemas::review::{Population, Scope};
use exhibit_schemas::scoped;
use exhibit_schemas::seal::SEAL_FIRST_BYTE;
use exhibit_tests::bundle_builder::clinic::{
    ADMINISTRATOR, ALICE, BOB, Clinic, IDENTIFYING, LOG, ORIGIN, POLICY, PROXY, SEALING, SECOND_ADMINISTRATOR, clinic,
    clinic_under,
};
use exhibit_tests::bundle_builder::scoped::{Disclosed, scoped_files};
use exhibit_tests::bundle_builder::{Files, Plan, checkpoint, files, key_id, write_tar};
use exhibit_verify::report::Report;
use exhibit_verify::report::control::Control;
use exhibit_verify::report::package::{Head, Made, Package};
use exhibit_verify::sample::{Nonce, Sample, Sampling};
use exhibit_verify::{Archive, KeptHead, Options, Outcome, Period};

use super::plans::{append, approval, command_mut, decision_mut, insert, of_kind, opened_mut, read, request_mut};

/// Whose evidence it is.
pub(crate) const ENTITY: &str = "A Clinic\n of <Springfield>";

/// Characters of a reason that no cell of a workbook holds.
const LONG: usize = 40_000;

/// What begins like a formula, in the places of statements and reasons.
const FORMULAS: [&str; 5] = [
    "=HYPERLINK(\"https://attacker.example\", \"total\")",
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1:A9)",
    // What a workbook writes for `=`, for an escape and for other characters that XML has not.
    "\t_x003D_1\u{1b}[0m\r\n",
];

/// What a page must show as text, and what is too long for its place, or looks like what it is not.
const HOSTILE: [&str; 7] = [
    "<script>document.body.remove()</script><img src=https://attacker.example/seen.png onerror=alert(1)>",
    "\"></code></td></tr></table></main><svg onload=alert(1)><style>* { display: none }</style>",
    "javascript:alert(document.domain)//' onmouseover='alert(1)",
    "&lt;b&gt; &amp;amp; <!-- --> ]]> {{7*7}} ${7*7} \u{0}\u{8}",
    "\u{202e}txet taht sdaer sdrawkcab\u{202c} e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{200b}\u{feff}",
    "https://attacker.example/#entry-1",
    concat!(
        "x",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    ),
];

/// What a net looks for, and what is to be reviewed.
const MORE: &str = "
[[nets]]
name = \"identifiers\"
targets = [\"clinic\"]
categories = [\"ssn\"]

[[reviews]]
name = \"daily\"
scope = \"commands\"
every = \"day\"
within_days = 1
groups = [\"privacy\"]
";

/// The terms of the approval in an emergency, as the policy says them.
const TERMS: &str =
    "emergency = { groups = [\"dba\"], minutes = 10, reviewers = [\"privacy\"], review_within_days = 1 }";

/// A bundle, whom to trust for it, and the heads of it that somebody kept.
pub(crate) struct Exported {
    files: Files,
    anchors: TrustAnchors,
    heads: Vec<KeptHead>,
}

impl Exported {
    fn of(clinic: &Clinic) -> Self {
        let entries = clinic.plan.build().entries;
        let note = checkpoint(&entries, ORIGIN, LOG).note().to_owned();
        Self {
            files: files(&entries, &note, &clinic.anchors),
            anchors: clinic.anchors.clone(),
            heads: vec![KeptHead {
                name: "kept".to_owned(),
                note,
            }],
        }
    }

    /// What of a log is of a scope that names everything that a scope can.
    pub(crate) fn scoped() -> Self {
        let clinic = clinic_under(&format!("{POLICY}{SEALING}{IDENTIFYING}"), 6);
        let entries = clinic.plan.build().entries;
        let head = checkpoint(&entries, ORIGIN, LOG);
        let period = november();
        let scope = scoped::Scope::new(
            Some(SessionId([4; 16])),
            Some("ci-agent-3".into()),
            Some("clinic".into()),
            Some((period.from(), period.to())),
            Some(PatientToken([1; 16])),
        );
        let scope = scope.unwrap();
        let disclosed = Disclosed::of(&entries, &scope, &[ADMINISTRATOR, SECOND_ADMINISTRATOR].map(key_id));
        Self {
            files: scoped_files(&entries, &head, &clinic.anchors, &scope, &disclosed),
            anchors: clinic.anchors,
            heads: Vec::new(),
        }
    }

    /// It as an archive on the disk, for as long as the directory is there.
    fn archive(&self, directory: &Path) -> Archive {
        let path = directory.join("bundle.tar");
        write_tar(&path, &self.files).unwrap();
        Archive::open(&path).unwrap()
    }

    /// What the verifier says of it, with the evidence of all of it.
    pub(crate) fn outcome(&self) -> Outcome {
        let place = tempfile::tempdir().unwrap();
        let options = Options {
            heads: &self.heads,
            evidence: Some(Period::ALWAYS),
            progress: &mut |_| {},
        };
        exhibit_verify::verify(&self.archive(place.path()), &self.anchors, options).unwrap()
    }

    /// Writes it as an archive, with its anchors and the checkpoint that was kept, for programs.
    pub(crate) fn write(&self, directory: &Path) {
        write_tar(&directory.join("bundle.tar"), &self.files).unwrap();
        let head = self.heads.first().unwrap();
        exhibit_tests::write(&directory.join("trust.toml"), self.anchors.to_toml().as_bytes()).unwrap();
        exhibit_tests::write(&directory.join(&head.name), head.note.as_bytes()).unwrap();
    }

    /// A sample of its commands.
    pub(crate) fn sample(&self) -> Sample {
        let place = tempfile::tempdir().unwrap();
        let options = Options {
            heads: &self.heads,
            evidence: Some(november()),
            progress: &mut |_| {},
        };
        let sampling = Sampling {
            control: Control::Access,
            size: 25,
            nonce: Nonce::parse("8f3c2a9d51e6704b").unwrap(),
        };
        match exhibit_verify::verify::sample(&self.archive(place.path()), &self.anchors, options, sampling).unwrap() {
            Outcome::Verified(verified) => Sample::of(verified.get(), "verified"),
            Outcome::Refused(refused) => Sample::of(&refused.shown.unwrap(), "refused"),
        }
        .unwrap()
    }

    /// Writes its report to a directory.
    pub(crate) fn report(&self, period: Period, directory: &Path) -> Outcome {
        let place = tempfile::tempdir().unwrap();
        let mut package = Package::begin(Some(directory), Some(ENTITY)).unwrap();
        let archive = self.archive(place.path());
        let options = Options {
            heads: &self.heads,
            evidence: Some(period),
            progress: &mut |_| {},
        };
        let outcome = exhibit_verify::verify::report(&archive, &self.anchors, options, &mut package).unwrap();
        let program = Digest::of(b"a program").to_string();
        let head = |kept: &KeptHead| Head {
            name: kept.name.clone(),
            sha256: Digest::of(kept.note.as_bytes()).to_string(),
        };
        let made = Made {
            since: None,
            command: "exhibit-verify report BUNDLE --keys TRUST.TOML --out DIR".to_owned(),
            period: period.to_string(),
            entity: Some(ENTITY.to_owned()),
            keys: Digest::of(self.anchors.to_toml().as_bytes()).to_string(),
            heads: self.heads.iter().map(head).collect(),
            verifier_sha256: Some(program.clone()),
        };
        let report = Report::of(&outcome).for_entity(ENTITY).by_program(Some(program));
        package.finish(&report, made).unwrap();
        outcome
    }
}

/// A period that holds all of these logs.
pub(crate) fn november() -> Period {
    Period::parse("2023-11-01..2023-12-01").unwrap()
}

/// A verified log with sealed copies, patients, masks and readings, whose agents and people write formulas and at length.
pub(crate) fn whole() -> Exported {
    let mut clinic = clinic_under(&format!("{POLICY}{SEALING}{IDENTIFYING}"), 24);
    let plan = &mut clinic.plan;
    let reads = plan.find(
        |event| matches!(&event.body, Body::Command(body) if body.outcome.as_str() == "allowed" && body.request.is_none()),
    );
    for (place, text) in reads.into_iter().zip(FORMULAS) {
        text.clone_into(&mut command_mut(plan, place).statement);
    }
    let decisions = of_kind(plan, Kind::ApprovalDecided);
    for (place, text) in decisions.iter().zip(FORMULAS) {
        text.clone_into(&mut decision_mut(plan, *place).reason);
    }
    decision_mut(plan, decisions[FORMULAS.len()]).reason = "=long ".repeat(LONG / 6 + 1);
    Exported::of(&clinic)
}

/// A log whose record is sound and shows exceptions: an emergency that nobody reviewed, a review of a day, what a net caught, and a
/// command that was decided otherwise than its policy says.
pub(crate) fn with_exceptions() -> Exported {
    Exported::of(&exceptions(6))
}

/// The same, whose agents and people write what no page may take for its own.
pub(crate) fn hostile() -> Exported {
    let mut clinic = exceptions(6);
    let plan = &mut clinic.plan;
    let texts = || HOSTILE.into_iter().cycle();
    for (place, text) in of_kind(plan, Kind::Command).into_iter().zip(texts()) {
        text.clone_into(&mut command_mut(plan, place).statement);
    }
    for (place, text) in of_kind(plan, Kind::ApprovalDecided).into_iter().zip(texts()) {
        text.clone_into(&mut decision_mut(plan, place).reason);
    }
    for (place, text) in of_kind(plan, Kind::SessionOpened).into_iter().zip(texts()) {
        opened_mut(plan, place).peer = text.repeat(20);
    }
    Exported::of(&clinic)
}

fn exceptions(sessions: u8) -> Clinic {
    let policy = POLICY.replacen("expires_s = 900", &format!("expires_s = 900\n{TERMS}"), 1);
    let mut clinic = clinic_under(&format!("{policy}{MORE}"), sessions);
    let plan = &mut clinic.plan;
    for request in of_kind(plan, Kind::ApprovalRequested) {
        request_mut(plan, request).requirement.emergency = Some(Box::new(Emergency {
            groups: vec!["dba".into()],
            minutes: 10,
            reviewers: vec!["privacy".into()],
            review_within_days: 1,
        }));
    }
    emergency(plan);
    detect(plan, 1);
    let allowed = |event: &Event| matches!(&event.body, Body::Command(body) if body.outcome.as_str() == "allowed");
    let last = *plan.find(allowed).last().unwrap();
    "another".clone_into(&mut command_mut(plan, last).decision.reason);
    says(plan, "2023-11-15T09:00:00Z");
    let review = reviewed(plan, ("2023-11-14T00:00:00Z", "2023-11-15T00:00:00Z"));
    append(plan, BOB, time("2023-11-15T10:00:00Z"), review.clone().into());
    // Of another log than it is of.
    let mut false_one = review;
    false_one.population.0[0] ^= 1;
    append(plan, BOB, time("2023-11-15T11:00:00Z"), false_one.into());
    // About nothing that anybody asked.
    let decision = of_kind(plan, Kind::ApprovalDecided)[0];
    let mut stray = decision_mut(plan, decision).clone();
    stray.request.0[0] ^= 1;
    "whatever; it was".clone_into(&mut stray.reason);
    append(plan, BOB, time("2023-11-15T12:00:00Z"), stray.into());
    says(plan, "2023-11-18T02:00:00Z");
    signs_off(&mut clinic);
    clinic
}

/// A person notes the false review, and another one closes that; the report is signed. Of each there is one that is not true, too.
fn signs_off(clinic: &mut Clinic) {
    let place = tempfile::tempdir().unwrap();
    let outcome = Exported::of(clinic).report(Period::ALWAYS, &place.path().join("report"));
    let report = Report::of(&outcome);
    let mut all = report
        .controls
        .iter()
        .flat_map(|row| row.exceptions.iter().map(move |one| (row.id, one)));
    let (control, exception) = all.find(|(_, one)| one.cause == "review-population").unwrap();
    let entries = clinic.plan.build().entries;
    let head = checkpoint(&entries, ORIGIN, LOG);
    let leaf = |index: Index| Digest::leaf(&entries[usize::try_from(index.0).unwrap()]);
    let index = Index(exception.index.unwrap());
    let noted = ExceptionNoted {
        control: control.to_owned(),
        cause: exception.cause.clone(),
        entry: Some(CitedEntry {
            index,
            leaf: leaf(index),
        }),
        detail: exception.detail.clone(),
        root: head.root(),
        size: head.size().0,
        owner: FORMULAS[0].to_owned(),
        remediation: FORMULAS[1].to_owned(),
        due: Some(time("2024-01-01T00:00:00Z")),
    };
    let signed = ReportSigned {
        manifest: Digest([7; 32]),
        root: head.root(),
        size: head.size().0,
        statement: FORMULAS[0].to_owned(),
    };
    let plan = &mut clinic.plan;
    append(plan, BOB, time("2023-11-18T03:00:00Z"), signed.clone().into());
    let other = ReportSigned {
        root: Digest([1; 32]),
        ..signed
    };
    append(plan, BOB, time("2023-11-18T04:00:00Z"), other.into());
    let other = ExceptionNoted {
        root: Digest([1; 32]),
        ..noted.clone()
    };
    append(plan, BOB, time("2023-11-18T05:00:00Z"), other.into());
    let note = append(plan, BOB, time("2023-11-18T05:30:00Z"), noted.clone().into());
    let built = plan.build();
    let index = built.index_of(note);
    let closed = ExceptionClosed {
        note: CitedEntry {
            index,
            leaf: Digest::leaf(&built.entries[usize::try_from(index.0).unwrap()]),
        },
        disposition: Disposition::Accepted,
        statement: FORMULAS[0].to_owned(),
        control: noted.control,
        cause: noted.cause,
        detail: noted.detail,
    };
    let mut other = closed.clone();
    other.note.leaf.0[0] ^= 1;
    append(plan, ALICE, time("2023-11-18T06:00:00Z"), closed.into());
    append(plan, ALICE, time("2023-11-18T07:00:00Z"), other.into());
}

/// A log of which one bit of an entry was changed.
pub(crate) fn broken() -> Exported {
    let mut exported = Exported::of(&clinic(6));
    let tile = exported
        .files
        .iter_mut()
        .find(|(path, _)| path.starts_with("tile/entries/000"));
    let (_, entries) = tile.unwrap();
    let place = entries
        .windows(12)
        .position(|window| window == b"DELETE FROM ")
        .unwrap();
    entries[place] ^= 0x20;
    exported
}

/// Of the first session one person alone let pass what two were asked.
fn emergency(plan: &mut Plan) {
    let (_, [alice, carol], command) = approval(plan, 0);
    let body = decision_mut(plan, alice);
    body.verdict = Verdict::Emergency;
    "-the ward is on fire".clone_into(&mut body.reason);
    let leaf = plan.batches[alice.0].events[alice.1].leaf;
    command_mut(plan, command).approvals = Some(vec![leaf]);
    plan.remove(carol);
}

/// A net catches something in the first reply of a session.
fn detect(plan: &mut Plan, session: usize) {
    let (command, chunk, _) = read(plan, session);
    let body = Detection {
        command: plan.event(command).session.unwrap().1,
        net: "identifiers".to_owned(),
        channel: "cell".to_owned(),
        column: Some("public.patients.note".to_owned()),
        findings: BTreeMap::from([("ssn".to_owned(), 1)]),
        ends: false,
    };
    insert(plan, (chunk.0, 2), body.into());
}

/// A proxy says something then.
fn says(plan: &mut Plan, at: &str) {
    let (place, text) = ("gate".to_owned(), "nothing".to_owned());
    append(plan, PROXY, time(at), Fault { place, text }.into());
}

/// A review of all commands of a period.
fn reviewed(plan: &Plan, (from, to): (&str, &str)) -> ReviewSigned {
    let entries = plan.build().entries;
    let size = TreeSize(u64::try_from(entries.len()).unwrap());
    let mut population = Population::new(Scope::Commands, (time(from), time(to)), size);
    for (index, entry) in (0..).map(Index).zip(&entries) {
        if entry.first() != Some(&SEAL_FIRST_BYTE) {
            population.take(index, Digest::leaf(entry), &Event::decode(entry).unwrap());
        }
    }
    population.signed(checkpoint(&entries, ORIGIN, LOG).root(), "@nothing unusual".to_owned())
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}
