//! Scoped bundles: honest ones verify and say what they are, and every change to one is found.
//!
//! The exporter is not believed: it may withhold, add, swap, label and prove as it likes, and sign nothing.

use std::collections::BTreeSet;

use exhibit_schemas::checkpoint::Checkpoint;
use exhibit_schemas::event::access::PatientToken;
use exhibit_schemas::event::{Body, Event, Kind, SessionId, Timestamp};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::scoped::{Scope, ScopedFile, push_record, records};
use exhibit_schemas::seal::{Chain, SEAL_FIRST_BYTE, Sealed};
use exhibit_schemas::tile::{Tile, TileKind};
use exhibit_tests::bundle_builder::clinic::{
    ADMINISTRATOR, ALICE, IDENTIFYING, LOG, ORIGIN, POLICY, SEALING, SECOND_ADMINISTRATOR, clinic_under,
};
use exhibit_tests::bundle_builder::scoped::{Disclosed, Nodes, proof, scoped_files, state_scope};
use exhibit_tests::bundle_builder::{Files, checkpoint, files, key, key_id, write_tar};
use exhibit_verify::report::Report;
use exhibit_verify::report::matrix::State;
use exhibit_verify::sample::{Nonce, Sampling};
use exhibit_verify::summary::{Summary, text};
use exhibit_verify::verify::sample;
use exhibit_verify::{Archive, Code, KeptHead, Options, Outcome, Period, Place, VerifyError, verify};

use super::campaign::Base;

const SESSION: SessionId = SessionId([4; 16]);

/// A log, a scope, and the bundle of both.
struct Case {
    base: Base,
    head: Checkpoint,
    scope: Scope,
    disclosed: Disclosed,
}

impl Case {
    fn new(base: Base, scope: Scope) -> Self {
        let entries = &base.built.entries;
        let administrators: Vec<KeyId> = [ADMINISTRATOR, SECOND_ADMINISTRATOR].map(key_id).into();
        let disclosed = Disclosed::of(entries, &scope, &administrators);
        let head = checkpoint(entries, ORIGIN, LOG);
        Self {
            base,
            head,
            scope,
            disclosed,
        }
    }

    /// A scope of a log that others are taken of, too.
    fn of_log(base: &Base, scope: Scope) -> Self {
        Self::new(Base::of(base.clinic.clone()), scope)
    }

    fn of(scope: Scope) -> Self {
        Self::new(clinic(), scope)
    }

    fn entries(&self) -> &[Vec<u8>] {
        &self.base.built.entries
    }

    fn files(&self) -> Files {
        self.files_of(&self.disclosed)
    }

    fn files_of(&self, disclosed: &Disclosed) -> Files {
        let anchors = &self.base.clinic.anchors;
        scoped_files(self.entries(), &self.head, anchors, &self.scope, disclosed)
    }

    fn outcome(&self, files: &Files) -> Outcome {
        self.judge(files, &[]).unwrap()
    }

    fn judge(&self, files: &Files, heads: &[KeptHead]) -> Result<Outcome, VerifyError> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("bundle.tar");
        write_tar(&path, files).unwrap();
        let options = Options {
            heads,
            evidence: Some(Period::ALWAYS),
            progress: &mut |_| {},
        };
        verify(&Archive::open(&path).unwrap(), &self.base.clinic.anchors, options)
    }

    /// Places of the events that fit.
    fn places(&self, fits: impl Fn(&Event) -> bool) -> Vec<usize> {
        let of =
            |(place, entry): (usize, &Vec<u8>)| Event::decode(entry).is_ok_and(|event| fits(&event)).then_some(place);
        self.entries().iter().enumerate().filter_map(of).collect()
    }
}

fn clinic() -> Base {
    Base::of(clinic_under(&format!("{POLICY}{SEALING}{IDENTIFYING}"), 12))
}

fn session(id: SessionId) -> Scope {
    Scope::new(Some(id), None, None, None, None).unwrap()
}

fn of(event: &Event, session: SessionId) -> bool {
    event.session.is_some_and(|place| place.0 == session)
}

fn event(place: usize) -> String {
    ScopedFile::Event(Index(u64::try_from(place).unwrap())).path()
}

fn proof_of(place: usize) -> String {
    ScopedFile::Proof(Index(u64::try_from(place).unwrap())).path()
}

fn entry(place: usize) -> Place {
    Place::Entry(Index(u64::try_from(place).unwrap()))
}

#[test]
fn a_session_is_whole_in_its_bundle_and_nothing_of_another_is() {
    // Tokens of patients look like ids of sessions here, so there are none.
    let base = Base::of(clinic_under(&format!("{POLICY}{SEALING}"), 12));
    let case = Case::new(base, session(SESSION));
    let files = case.files();
    let outcome = case.outcome(&files);
    assert_eq!(outcome.list(), []);
    assert!(matches!(outcome, Outcome::Verified(_)));
    let scoped = outcome.scoped().unwrap();
    assert_eq!((scoped.sessions, scoped.asked_in), (1, 0));
    let here = case.places(|event| of(event, SESSION));
    assert!(here.len() > 10 && here.iter().all(|place| files.contains_key(&event(*place))));
    // The decisions of people about it are there, and those about others are not.
    let decided = case.places(|event| matches!(&event.body, Body::ApprovalDecided(body) if body.session == SESSION));
    assert!(decided.len() == 2 && decided.iter().all(|place| files.contains_key(&event(*place))));
    // Nothing that only others say stands anywhere in the bundle.
    let bytes: Vec<u8> = files.values().flatten().copied().collect();
    let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(holds(&SESSION.0) && holds(b"ci-agent-3"));
    for other in (0..12u8).filter(|number| *number != 3) {
        assert!(!holds(&[other + 1; 16]), "session {other}");
        assert!(!holds(format!("ci-agent-{other}").as_bytes()), "{other}");
    }
    for outside in case.places(|event| matches!(event.kind(), Kind::LoginRefused | Kind::ReviewSigned)) {
        assert!(!files.contains_key(&event(outside)));
    }
}

#[test]
fn each_scope_discloses_its_sessions() {
    let whole = clinic();
    let opened = |number: u8| {
        let events = whole.built.entries.iter().filter_map(|entry| Event::decode(entry).ok());
        let mut times = events
            .filter(|event| of(event, SessionId([number + 1; 16])))
            .map(|event| event.time);
        (times.next().unwrap(), times.next_back().unwrap())
    };
    let ((third, _), (fourth, last)) = (opened(3), opened(4));
    let token = Some(PatientToken([1; 16]));
    for (scope, sessions) in [
        (Scope::new(None, Some("ci-agent-7".into()), None, None, None), 1),
        (Scope::new(None, None, Some("clinic".into()), None, None), 12),
        (Scope::new(None, None, None, Some((third, fourth)), None), 1),
        (
            Scope::new(None, None, None, Some((third, Timestamp(fourth.0 + 1))), None),
            2,
        ),
        (
            Scope::new(None, None, None, Some((last, Timestamp(last.0 + 1))), None),
            1,
        ),
        (Scope::new(None, None, None, None, token), 12),
        (Scope::new(None, Some("ci-agent-7".into()), None, None, token), 1),
    ] {
        let case = Case::of(scope.unwrap());
        let outcome = case.outcome(&case.files());
        assert_eq!(outcome.findings().errors(), 0, "{}: {:?}", case.scope, outcome.list());
        let scoped = outcome.scoped().unwrap();
        assert_eq!(scoped.sessions, sessions, "{}", case.scope);
        let across = scoped
            .not_proven
            .iter()
            .any(|line| line.starts_with("Completeness across the log"));
        assert!(across, "{}", case.scope);
    }
}

#[test]
fn the_session_in_which_people_were_asked_comes_along() {
    // A command of the session passes by what people were asked in the first one. That it may not is told, and not of interest here.
    let asked = SessionId([1; 16]);
    let mut clinic = clinic().clinic;
    let of_session = |event: &Event, session, kind| of(event, session) && event.kind() == kind;
    let request = clinic
        .plan
        .find(|event| of_session(event, asked, Kind::ApprovalRequested))[0];
    let leaf = clinic.plan.batches[request.0].events[request.1].leaf;
    let passed = clinic
        .plan
        .find(|event| of(event, SESSION) && matches!(&event.body, Body::Command(body) if body.approvals.is_some()))[0];
    let Body::Command(body) = &mut clinic.plan.event_mut(passed).body else {
        panic!("a command was looked for");
    };
    (body.request, body.retries) = (None, Some(leaf));
    let case = Case::new(Base::of(clinic), session(SESSION));
    let codes = |disclosed: &Disclosed| {
        let outcome = case.outcome(&case.files_of(disclosed));
        let found: BTreeSet<_> = outcome.list().iter().map(|finding| finding.code).collect();
        (outcome.scoped().unwrap().asked_in, found)
    };
    let (asked_in, found) = codes(&case.disclosed);
    assert_eq!(asked_in, 1);
    assert!(
        !found.contains(&Code::ScopeOutside) && !found.contains(&Code::ApprovalMissing),
        "{found:?}"
    );
    // Without it the approval cannot be checked, and that is an error.
    let mut without = case.disclosed.clone();
    let of_request =
        |event: &Event| of(event, asked) || matches!(&event.body, Body::ApprovalDecided(body) if body.session == asked);
    case.places(of_request)
        .iter()
        .for_each(|place| assert!(without.0.remove(place)));
    let (asked_in, found) = codes(&without);
    assert_eq!(asked_in, 0);
    assert!(found.contains(&Code::ApprovalMissing), "{found:?}");
}

#[test]
fn the_sessions_of_the_same_request_come_along() {
    // People were asked in one session; two others passed by it, one before the other: the second use is told of in a bundle of any.
    let (asked, earlier) = (SessionId([1; 16]), SessionId([3; 16]));
    let mut clinic = clinic().clinic;
    let of_session = |event: &Event, session, kind| of(event, session) && event.kind() == kind;
    let request = clinic
        .plan
        .find(|event| of_session(event, asked, Kind::ApprovalRequested))[0];
    let leaf = clinic.plan.batches[request.0].events[request.1].leaf;
    for session in [earlier, SESSION] {
        let by_approval = |event: &Event| matches!(&event.body, Body::Command(body) if body.approvals.is_some());
        let passed = clinic.plan.find(|event| of(event, session) && by_approval(event))[0];
        let Body::Command(body) = &mut clinic.plan.event_mut(passed).body else {
            panic!("a command was looked for");
        };
        (body.request, body.retries) = (None, Some(leaf));
    }
    let base = Base::of(clinic);
    let head = checkpoint(&base.built.entries, ORIGIN, LOG);
    let whole = files(&base.built.entries, head.note(), &base.clinic.anchors);
    let cases = [SESSION, earlier, asked].map(|id| Case::of_log(&base, session(id)));
    let found = |outcome: &Outcome| -> BTreeSet<_> {
        let of_approvals = outcome
            .list()
            .iter()
            .filter(|finding| finding.code.as_str().starts_with("approval-"));
        of_approvals
            .map(|finding| (finding.code, finding.place.clone()))
            .collect()
    };
    let of_whole = found(&cases[0].outcome(&whole));
    assert!(!of_whole.is_empty());
    for case in &cases {
        let outcome = case.outcome(&case.files());
        let scoped = outcome.scoped().unwrap();
        assert_eq!((scoped.sessions, scoped.asked_in), (1, 2), "{}", case.scope);
        assert!(!outcome.list().iter().any(|finding| finding.code == Code::ScopeOutside));
        assert_eq!(found(&outcome), of_whole, "{}", case.scope);
    }
    // Whoever exports may withhold the earlier use, so that there is none is not said to be proven.
    let case = &cases[0];
    let mut without = case.disclosed.clone();
    without
        .0
        .retain(|place| !case.places(|event| of(event, earlier)).contains(place));
    let outcome = case.outcome(&case.files_of(&without));
    let open = &outcome.scoped().unwrap().not_proven;
    assert!(
        open.iter()
            .any(|line| line.starts_with("That no other session used an approval before")),
        "{open:?}"
    );
}

#[test]
fn a_batch_that_is_withheld_is_of_a_key_in_force() {
    // The last batch of a proxy comes once more, after the end of its key.
    let mut clinic = clinic().clinic;
    let emitted = |event: &Event| event.session.is_some_and(|place| place.0 != SESSION);
    let last = clinic.plan.find(emitted).pop().unwrap();
    let mut again = clinic.plan.batches[last.0].clone();
    // Two events, of which one finding has to tell.
    again.events.push(again.events[0].clone());
    let key = key_id(again.seed);
    let revoked = clinic.plan.find(|event| event.kind() == Kind::KeyRevoked)[0];
    let mut revocation = clinic.plan.batches[revoked.0].clone();
    let Body::KeyRevoked(body) = &mut revocation.events[revoked.1].event.body else {
        panic!("a revocation was looked for");
    };
    body.key = key;
    clinic.plan.batches.extend([revocation, again]);
    let case = Case::new(Base::of(clinic), session(SESSION));
    let of_key = |outcome: &Outcome| -> Vec<_> {
        let told = outcome
            .list()
            .iter()
            .filter(|finding| finding.code == Code::KeyNotInForce);
        told.map(|finding| finding.place.clone()).collect()
    };
    let whole = case.outcome(&files(case.entries(), case.head.note(), &case.base.clinic.anchors));
    let outcome = case.outcome(&case.files());
    assert_eq!(of_key(&outcome).len(), 1, "{:?}", outcome.list());
    assert_eq!(of_key(&outcome), of_key(&whole));
    assert!(matches!(outcome, Outcome::Refused(_)));
}

#[test]
fn a_file_of_a_place_far_away_is_refused_at_once() {
    let case = Case::of(session(SESSION));
    let path = Tile::new(TileKind::Hashes(0), (1 << 55) - 1, 256).unwrap().path();
    let manifest = br#"{"format":"exhibit-scoped-bundle/1"}"#.to_vec();
    let files = Files::from([("manifest.json".to_owned(), manifest), (path, vec![0; 32 * 256])]);
    let outcome = case.outcome(&files);
    let missing = outcome
        .list()
        .iter()
        .filter(|finding| finding.code == Code::FileMissing);
    assert!(missing.count() > 100);
    assert!(matches!(outcome, Outcome::Refused(_)));
}

#[test]
fn no_answer_of_a_scoped_bundle_is_that_of_a_whole_one() {
    let case = Case::of(session(SESSION));
    let outcome = case.outcome(&case.files());
    let whole = case.outcome(&files(case.entries(), case.head.note(), &case.base.clinic.anchors));
    assert!(text(&whole).starts_with("VERIFIED ") && whole.scoped().is_none());
    let said = text(&outcome);
    assert!(said.starts_with("SCOPED ") && !said.contains("VERIFIED"), "{said}");
    for line in [
        "Not proven by this bundle:",
        "No event of an administrator is withheld",
        "This is no verification of the whole log.",
        "The exit code of a scoped bundle is 1 unless --scoped is given.",
        "scope    the session 04040404040404040404040404040404",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let summary: serde_json::Value = serde_json::from_str(&Summary::of(&outcome).json()).unwrap();
    assert_eq!(summary["result"], "verified-scoped");
    assert_eq!(summary["scoped"]["scope"]["session"], SESSION.to_string());
    let report = Report::of(&outcome);
    assert_eq!(
        (report.cover.result, report.cover.record),
        ("verified-scoped", "scoped")
    );
    for row in &report.controls {
        assert_eq!(row.state, State::NotTested, "{}", row.id);
        assert!(row.result.contains("this bundle is scoped"), "{}", row.result);
        assert!(!row.result.contains("no exception was found"), "{}", row.result);
    }
    let scoped = outcome.scoped().unwrap();
    let integrity = report
        .controls
        .iter()
        .find(|row| row.population == "entries of the log");
    assert_eq!(integrity.map(|row| row.count), Some(scoped.disclosed + scoped.seals));
    assert!(!report.json().contains(r#""state": "pass""#));
    let page = report.html();
    assert!(page.contains("A scoped bundle:") && !page.contains("Verified: the checks found no error"));
    let headings = page.matches("</h2>").count();
    assert_eq!(
        page.matches("</h2><p class=\"scoped\">Of a scoped bundle, the session 0404")
            .count(),
        headings
    );
    assert!(headings > 10 && page.contains("Not proven by this bundle"));
    assert!(Report::of(&whole).html().matches("coped").count() == 0);
}

#[test]
fn what_needs_every_entry_is_refused() {
    let case = Case::of(session(SESSION));
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("bundle.tar");
    write_tar(&path, &case.files()).unwrap();
    let options = Options {
        heads: &[],
        evidence: Some(Period::ALWAYS),
        progress: &mut |_| {},
    };
    let sampling = Sampling {
        control: exhibit_verify::report::control::Control::Access,
        size: 1,
        nonce: Nonce::parse("0011223344556677").unwrap(),
    };
    let error = sample(
        &Archive::open(&path).unwrap(),
        &case.base.clinic.anchors,
        options,
        sampling,
    )
    .unwrap_err();
    assert!(matches!(error, VerifyError::Scoped(..)), "{error}");
    assert!(error.to_string().contains("whole population"), "{error}");
}

#[test]
fn a_kept_checkpoint_is_compared_as_with_a_whole_bundle() {
    let case = Case::of(session(SESSION));
    let half = case.entries().len() / 2;
    let head = |entries: &[Vec<u8>]| KeptHead {
        name: "kept".into(),
        note: checkpoint(entries, ORIGIN, LOG).note().into(),
    };
    let outcome = case.judge(&case.files(), &[head(&case.entries()[..half])]).unwrap();
    assert_eq!(outcome.list(), []);
    let mut other = case.entries()[..half].to_vec();
    other.swap(3, 4);
    let outcome = case.judge(&case.files(), &[head(&other)]).unwrap();
    let codes: Vec<_> = outcome.list().iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::ReceiptInconsistent]);
}

/// A change, what it is, the code of what has to be found, and where.
type Mutation = (&'static str, Files, Code, Option<Place>);

#[test]
fn every_change_is_found() {
    let case = Case::of(session(SESSION));
    let mut changes = withheld(&case);
    changes.extend(added(&case));
    changes.extend(changed(&case));
    changes.extend(labelled(&case));
    let mut escaped = Vec::new();
    for (what, files, code, place) in &changes {
        let outcome = case.outcome(files);
        let found = outcome
            .list()
            .iter()
            .any(|finding| finding.code == *code && place.as_ref().is_none_or(|place| *place == finding.place));
        if !found || !matches!(outcome, Outcome::Refused(_)) {
            escaped.push(format!(
                "{what}: {code:?} at {place:?} was not found, but {:?}",
                outcome.list()
            ));
        }
    }
    assert!(escaped.is_empty(), "{}", escaped.join("\n"));
    assert!(changes.len() >= 30, "{}", changes.len());
}

/// What an exporter leaves out, with a manifest that fits.
fn withheld(case: &Case) -> Vec<Mutation> {
    let without = |places: &[usize]| {
        let mut disclosed = case.disclosed.clone();
        disclosed.0.retain(|place| !places.contains(place));
        case.files_of(&disclosed)
    };
    let here = case.places(|event| of(event, SESSION));
    let revoked = case.places(|event| event.kind() == Kind::KeyRevoked)[0];
    let decided = case.places(|event| matches!(&event.body, Body::ApprovalDecided(body) if body.session == SESSION));
    let snapshots = case.places(|event| event.kind() == Kind::PolicySnapshot);
    let masks = case.places(|event| event.kind() == Kind::MaskKeyAnnounced);
    let copy = case.places(|event| of(event, SESSION) && event.kind() == Kind::CommandSealed)[0];
    let after = here[here.iter().position(|place| *place > copy).unwrap()];
    let mut all = vec![
        (
            "a key's revocation",
            without(&[revoked]),
            Code::ScopeMissing,
            Some(entry(revoked)),
        ),
        ("genesis", without(&[0]), Code::ScopeMissing, Some(entry(0))),
        (
            "the opening",
            without(&here[..1]),
            Code::SessionChain,
            Some(entry(here[1])),
        ),
        (
            "an event in the middle",
            without(&here[5..6]),
            Code::SessionChain,
            Some(entry(here[6])),
        ),
        (
            "a part of a copy",
            without(&[copy]),
            Code::SessionChain,
            Some(entry(after)),
        ),
        ("the session", without(&here), Code::ScopeMissing, Some(Place::Bundle)),
        ("decisions of people", without(&decided), Code::ApprovalMissing, None),
        ("the policy", without(&snapshots), Code::PolicyMissing, None),
        (
            "keys of masks",
            without(&masks),
            Code::MaskKeyNotInForce,
            Some(entry(here[0])),
        ),
    ];
    // A seal that is left out.
    let mut files = case.files();
    let path = ScopedFile::Seals(0).path();
    let mut kept = Vec::new();
    let taken = records(&files[&path], 256).unwrap();
    let gone = *taken.keys().nth(3).unwrap();
    for (position, seal) in taken.iter().filter(|(position, _)| **position != gone) {
        push_record(&mut kept, *position, seal).unwrap();
    }
    files.insert(path, kept);
    state_scope(&mut files, &case.head, &case.scope);
    all.push(("a seal", files, Code::EventUnsealed, Some(entry(usize::from(gone)))));
    let mut files = case.files();
    files.remove(&proof_of(here[2]));
    state_scope(&mut files, &case.head, &case.scope);
    all.push(("a proof", files, Code::ScopeFile, Some(Place::File(event(here[2])))));
    let mut files = case.files();
    files.remove(&event(here[2]));
    state_scope(&mut files, &case.head, &case.scope);
    all.push((
        "an event and not its proof",
        files,
        Code::ScopeFile,
        Some(Place::File(proof_of(here[2]))),
    ));
    let mut files = case.files();
    files.remove("tile/0/000");
    state_scope(&mut files, &case.head, &case.scope);
    all.push((
        "a tile of hashes",
        files,
        Code::FileMissing,
        Some(Place::File("tile/0/000".into())),
    ));
    all
}

/// What an exporter shows beyond the scope.
fn added(case: &Case) -> Vec<Mutation> {
    let with = |places: &[usize]| {
        let mut disclosed = case.disclosed.clone();
        disclosed.0.extend(places);
        case.files_of(&disclosed)
    };
    let other = case.places(|event| of(event, SessionId([6; 16])));
    let login = case.places(|event| event.kind() == Kind::LoginRefused)[0];
    let read = case.places(|event| matches!(&event.body, Body::EvidenceRead(body) if body.copy.is_none()))[0];
    let revealed = case.places(|event| matches!(&event.body, Body::EvidenceRead(body) if body.copy.is_some()))[0];
    let decided = case.places(|event| {
        matches!(&event.body, Body::ApprovalDecided(body) if body.session != SESSION)
            && event.emitter.0 == key_id(ALICE)
    })[0];
    vec![
        (
            "another session",
            with(&other),
            Code::ScopeOutside,
            Some(entry(other[0])),
        ),
        (
            "an event of another session",
            with(&other[3..4]),
            Code::ScopeOutside,
            Some(entry(other[3])),
        ),
        (
            "a refused log-in",
            with(&[login]),
            Code::ScopeOutside,
            Some(entry(login)),
        ),
        ("a reading", with(&[read]), Code::ScopeOutside, Some(entry(read))),
        (
            "who opened a copy of another session",
            with(&[revealed]),
            Code::ScopeOutside,
            Some(entry(revealed)),
        ),
        (
            "a decision about another session",
            with(&[decided]),
            Code::ScopeOutside,
            Some(entry(decided)),
        ),
    ]
}

/// The same log where a stranger seals the batch of an entry.
fn under_stranger(entries: &[Vec<u8>], place: usize) -> Vec<Vec<u8>> {
    let mut entries = entries.to_vec();
    let seal = place
        + entries[place..]
            .iter()
            .position(|entry| entry.first() == Some(&SEAL_FIRST_BYTE))
            .unwrap();
    let first = entries[..place]
        .iter()
        .rposition(|entry| entry.first() == Some(&SEAL_FIRST_BYTE))
        .map_or(0, |seal| seal + 1);
    let events = entries[first..seal].iter().map(|entry| entry.clone().into()).collect();
    let chain = Chain {
        boot: 1,
        sequence: 0,
        previous: None,
    };
    let sealed = Sealed::seal(events, chain, &key(LOG + 60)).unwrap();
    entries[seal].clone_from(&sealed.seal_bytes().0);
    entries
}

/// Bytes, proofs and places that are changed, each with a manifest that fits.
#[allow(clippy::too_many_lines, reason = "one table, a row to a change")]
fn changed(case: &Case) -> Vec<Mutation> {
    let change = |change: &dyn Fn(&mut Files)| {
        let mut files = case.files();
        change(&mut files);
        state_scope(&mut files, &case.head, &case.scope);
        files
    };
    let here = case.places(|event| of(event, SESSION));
    let (one, next) = (here[2], here[3]);
    let nodes = Nodes::of(case.entries());
    let shorter = &case.entries()[..case.entries().len() - 2];
    let earlier = checkpoint(shorter, ORIGIN, LOG);
    let foreign = checkpoint(case.entries(), ORIGIN, LOG + 60);
    // The same log but for its last entry.
    let mut other = case.entries().to_vec();
    other.pop();
    other.push(case.entries()[1].clone());
    let other_tree = checkpoint(&other, ORIGIN, LOG);
    let put = |path: String, bytes: Vec<u8>| change(&move |files| drop(files.insert(path.clone(), bytes.clone())));
    let proof_under =
        |head: &Checkpoint, entries: &[Vec<u8>]| proof(entries, one, head, &Nodes::of(entries)).into_bytes();
    let stranger = under_stranger(case.entries(), one);
    let of_stranger = checkpoint(&stranger, ORIGIN, LOG);
    let mut flipped = case.entries()[one].clone();
    *flipped.last_mut().unwrap() ^= 1;
    let seals = |files: &Files| files[&ScopedFile::Seals(0).path()].clone();
    let honest = case.files();
    let last = |bytes: &[u8]| records(bytes, 256).unwrap().into_values().next_back().unwrap().to_vec();
    let seal = last(&seals(&honest));
    let mut twice = seals(&honest);
    twice.extend(&seals(&honest));
    let mut torn = seals(&honest);
    torn.pop();
    let mut trailing = case.entries()[one].clone();
    trailing.push(0);
    vec![
        (
            "a byte of an event",
            put(event(one), flipped.clone()),
            Code::TileHash,
            Some(entry(one)),
        ),
        (
            "the same, to a reader of one event",
            put(event(one), flipped),
            Code::ScopeProof,
            Some(entry(one)),
        ),
        (
            "bytes behind an event",
            put(event(one), trailing),
            Code::EventFormat,
            Some(entry(one)),
        ),
        (
            "the next event in its place",
            put(event(one), case.entries()[next].clone()),
            Code::ScopeProof,
            Some(entry(one)),
        ),
        (
            "the proof of the next event",
            put(proof_of(one), honest[&proof_of(next)].clone()),
            Code::ScopeProof,
            Some(entry(one)),
        ),
        (
            "two events in each other's place",
            change(&|files| {
                for path in [event, proof_of] {
                    let (left, right) = (files[&path(one)].clone(), files[&path(next)].clone());
                    files.insert(path(one), right);
                    files.insert(path(next), left);
                }
            }),
            Code::ScopeProof,
            Some(entry(one)),
        ),
        (
            "an event twice",
            change(&|files| {
                files.insert(event(next), files[&event(one)].clone());
                files.insert(proof_of(next), files[&proof_of(one)].clone());
            }),
            Code::ScopeProof,
            Some(entry(next)),
        ),
        (
            "a proof under an earlier checkpoint",
            put(
                proof_of(one),
                proof(shorter, one, &earlier, &Nodes::of(shorter)).into_bytes(),
            ),
            Code::ScopeProof,
            Some(entry(one)),
        ),
        (
            "a proof under another log's checkpoint",
            put(proof_of(one), proof(case.entries(), one, &foreign, &nodes).into_bytes()),
            Code::ScopeProof,
            Some(entry(one)),
        ),
        (
            "bytes behind a proof",
            change(&|files| files.get_mut(&proof_of(one)).unwrap().extend(b"\n")),
            Code::ScopeProof,
            Some(entry(one)),
        ),
        (
            "another log's checkpoint",
            put("checkpoint".into(), foreign.note().as_bytes().to_vec()),
            Code::CheckpointSignature,
            None,
        ),
        (
            "another log under the log's key",
            put(
                "checkpoint".into(),
                checkpoint(shorter, ORIGIN, LOG).note().as_bytes().to_vec(),
            ),
            Code::FileUnknown,
            None,
        ),
        (
            "another tree of the same size",
            put("checkpoint".into(), other_tree.note().as_bytes().to_vec()),
            Code::CheckpointRoot,
            Some(Place::Bundle),
        ),
        (
            "a hash of what is withheld",
            change(&|files| files.get_mut("tile/0/000").unwrap()[32 * 255] ^= 1),
            Code::CheckpointRoot,
            Some(Place::Bundle),
        ),
        (
            "seals twice",
            put(ScopedFile::Seals(0).path(), twice),
            Code::ScopeFile,
            Some(Place::File("seals/000".into())),
        ),
        (
            "seals that break off",
            put(ScopedFile::Seals(0).path(), torn),
            Code::ScopeFile,
            Some(Place::File("seals/000".into())),
        ),
        (
            "no seals in a file of them",
            put(ScopedFile::Seals(0).path(), Vec::new()),
            Code::ScopeFile,
            Some(Place::File("seals/000".into())),
        ),
        (
            "a seal as an event",
            put(event(one), seal),
            Code::ScopeFile,
            Some(entry(one)),
        ),
        (
            "an event past the log",
            change(&|files| {
                let index = Index(u64::try_from(case.entries().len()).unwrap());
                files.insert(ScopedFile::Event(index).path(), b"x".to_vec());
                files.insert(ScopedFile::Proof(index).path(), b"x".to_vec());
            }),
            Code::FileUnknown,
            None,
        ),
        (
            "a file below the events",
            put(format!("event/{one}.x"), b"x".to_vec()),
            Code::FileUnknown,
            None,
        ),
        (
            "an index in another form",
            put(format!("event/0{one}"), case.entries()[one].clone()),
            Code::FileUnknown,
            None,
        ),
        (
            "an entry tile beside it",
            put("tile/entries/000".into(), b"x".to_vec()),
            Code::FileUnknown,
            Some(Place::File("tile/entries/000".into())),
        ),
        (
            "a proof under a seal of a key that was never enrolled",
            put(proof_of(one), proof_under(&of_stranger, &stranger)),
            Code::ScopeProof,
            Some(entry(one)),
        ),
        (
            "a proof of another tree of the same size",
            put(proof_of(one), proof_under(&other_tree, &other)),
            Code::ScopeProof,
            Some(entry(one)),
        ),
    ]
}

/// What the manifest says.
fn labelled(case: &Case) -> Vec<Mutation> {
    let under = |scope: Scope| {
        let mut files = case.files();
        state_scope(&mut files, &case.head, &scope);
        files
    };
    let here = case.places(|event| of(event, SESSION))[0];
    let manifest = |from: &str, to: &str| {
        let mut files = case.files();
        let text = String::from_utf8(files["manifest.json"].clone()).unwrap();
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        files.insert("manifest.json".into(), changed.into_bytes());
        files
    };
    let subject = |name: &str| Scope::new(None, Some(name.into()), None, None, None).unwrap();
    let mut whole = files(case.entries(), case.head.note(), &case.base.clinic.anchors);
    state_scope(&mut whole, &case.head, &case.scope);
    let scoped = "exhibit-scoped-bundle/1";
    vec![
        (
            "labelled as another session",
            under(session(SessionId([6; 16]))),
            Code::ScopeMissing,
            Some(Place::Bundle),
        ),
        (
            "holds what the label does not",
            under(session(SessionId([6; 16]))),
            Code::ScopeOutside,
            Some(entry(here)),
        ),
        (
            "labelled as another subject",
            under(subject("ci-agent-5")),
            Code::ScopeOutside,
            Some(entry(here)),
        ),
        (
            "labelled as an early period",
            under(Scope::new(None, None, None, Some((Timestamp(1), Timestamp(2))), None).unwrap()),
            Code::ScopeOutside,
            Some(entry(here)),
        ),
        (
            "labelled as a patient",
            under(Scope::new(None, None, None, None, Some(PatientToken([9; 16]))).unwrap()),
            Code::ScopeOutside,
            Some(entry(here)),
        ),
        (
            "passed off as whole",
            manifest(scoped, "exhibit-bundle/1"),
            Code::FileMissing,
            Some(Place::File("tile/entries/000".into())),
        ),
        (
            "passed off as whole, by its events",
            manifest(scoped, "exhibit-bundle/1"),
            Code::FileUnknown,
            Some(Place::File(event(here))),
        ),
        (
            "of another version",
            manifest(scoped, "exhibit-scoped-bundle/2"),
            Code::ManifestFormat,
            None,
        ),
        (
            "a whole bundle under a scope",
            whole,
            Code::FileUnknown,
            Some(Place::File("tile/entries/000".into())),
        ),
        (
            "other words",
            manifest("the session", "all sessions"),
            Code::ManifestFormat,
            None,
        ),
        (
            "another count",
            manifest("\"disclosed\": ", "\"disclosed\": 1"),
            Code::ManifestEntry,
            None,
        ),
        (
            "a key that there is not",
            manifest("\"scope\": {", "\"scope\": {\"all\": true,"),
            Code::ManifestFormat,
            None,
        ),
        (
            "another size",
            manifest("\"size\": ", "\"size\": 1"),
            Code::ManifestHead,
            None,
        ),
    ]
}

#[test]
fn an_end_that_may_be_withheld_is_noted() {
    let case = Case::of(session(SESSION));
    let close = case.places(|event| of(event, SESSION) && event.kind() == Kind::SessionClosed)[0];
    let mut disclosed = case.disclosed.clone();
    disclosed.0.remove(&close);
    let outcome = case.outcome(&case.files_of(&disclosed));
    let codes: BTreeSet<_> = outcome.list().iter().map(|finding| finding.code).collect();
    assert_eq!(
        codes,
        BTreeSet::from([Code::ScopeTail]),
        "the withheld close is an event of its proxy behind it"
    );
    let last = disclosed
        .0
        .iter()
        .rev()
        .find(|place| case.places(|event| of(event, SESSION)).contains(place));
    let last = last.unwrap();
    let open = &outcome.scoped().unwrap().not_proven;
    let line = format!("That session {SESSION} did nothing after #{last}:");
    assert!(open.iter().any(|said| said.starts_with(&line)), "{line} {open:?}");
    // Of the last session of a proxy, whose log ends before its close, nothing can be withheld.
    let mut clinic = clinic().clinic;
    clinic.plan.batches.truncate(clinic.plan.batches.len() - 1);
    let base = Base::of(clinic);
    let mut opened = base
        .built
        .entries
        .iter()
        .rev()
        .filter_map(|entry| Event::decode(entry).ok());
    let last = opened.find_map(|event| event.session).unwrap().0;
    let case = Case::new(base, session(last));
    let outcome = case.outcome(&case.files());
    let codes: Vec<_> = outcome.list().iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::SessionOpen], "{:?}", outcome.list());
}
