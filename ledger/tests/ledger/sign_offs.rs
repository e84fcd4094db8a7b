//! What people sign about reports: what the ledger takes of it.

use exhibit_ledger::Ledger;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::sign_off::{CitedEntry, Disposition, ExceptionClosed, ExceptionNoted, ReportSigned};
use exhibit_schemas::event::trust::{KeyEnrolled, Role};
use exhibit_schemas::event::{Body, Timestamp};
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::merkle::Index;
use exhibit_schemas::seal::{Chain, Sealed};
use exhibit_schemas::wire::{Receipt, Refusal, RefusalCode};

use crate::fixture::{NOW, administrator, begin, beginning, check_whole, event, key, open, proxy, start, submit};

/// What is taken of each kind and person in a day.
const A_DAY: usize = 1_000;

fn say(ledger: &Ledger, signer: &SecretKey, chain: Chain, said: Vec<Body>) -> Result<Receipt, Refusal> {
    let events = said.into_iter().map(|said| event(signer, chain.boot, None, said));
    submit(ledger, &Sealed::seal(events.collect(), chain, signer).unwrap())
}

/// A ledger with a person, whose key is of seed 5.
fn with_a_person(directory: &std::path::Path) -> Ledger {
    let ledger = open(&begin(directory));
    let enrolled = KeyEnrolled {
        key: key(5).public_key().to_bytes(),
        role: Role::Person,
        name: "dora".to_owned(),
        groups: Vec::new(),
        application: None,
    };
    let events = vec![event(&administrator(), 1, None, enrolled)];
    submit(
        &ledger,
        &Sealed::seal(events, beginning()[0].next(), &administrator()).unwrap(),
    )
    .unwrap();
    ledger
}

fn signed(ledger: &Ledger) -> ReportSigned {
    let head = ledger.shared().head();
    ReportSigned {
        manifest: Digest([7; 32]),
        root: head.root(),
        size: head.size().0,
        statement: "read".into(),
    }
}

fn leaf(ledger: &Ledger, index: u64) -> Digest {
    Digest::leaf(&ledger.entry(Index(index)).unwrap().unwrap())
}

fn noted(ledger: &Ledger) -> ExceptionNoted {
    let head = ledger.shared().head();
    ExceptionNoted {
        control: "312.b".into(),
        cause: "session-open".into(),
        entry: Some(CitedEntry {
            index: Index(1),
            leaf: leaf(ledger, 1),
        }),
        detail: "no close".into(),
        root: head.root(),
        size: head.size().0,
        owner: "platform".into(),
        remediation: "restarted".into(),
        due: Some(Timestamp(NOW.0 + 1)),
    }
}

#[test]
fn reports_are_signed_by_people_and_are_of_a_log_that_there_was() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = with_a_person(directory.path());
    let honest = signed(&ledger);
    let refused = |code, change: &dyn Fn(&mut ReportSigned)| {
        let mut said = honest.clone();
        change(&mut said);
        let refusal = say(&ledger, &key(5), start(5), vec![honest.clone().into(), said.into()]).unwrap_err();
        assert_eq!(refusal.code, code, "{}", refusal.text);
        let told = refusal.text.starts_with("the report-signed is refused: ");
        assert!(told, "{}", refusal.text);
        assert_eq!(check_whole(&ledger), honest.size, "it is refused whole");
    };
    refused(RefusalCode::Malformed, &|said| said.size = 0);
    refused(RefusalCode::Malformed, &|said| said.size += 1);
    refused(RefusalCode::Malformed, &|said| said.statement.clear());
    refused(RefusalCode::Chain, &|said| said.root = Digest([1; 32]));
    refused(RefusalCode::Chain, &|said| said.size -= 1);
    let other = say(&ledger, &proxy(), start(2), vec![honest.clone().into()]).unwrap_err();
    assert_eq!(other.code, RefusalCode::Key);
    say(&ledger, &key(5), start(5), vec![honest.into()]).unwrap();
}

#[test]
fn notes_cite_entries_and_ends_cite_notes_of_before() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = with_a_person(directory.path());
    let honest = noted(&ledger);
    let refused = |code, change: &dyn Fn(&mut ExceptionNoted)| {
        let mut said = honest.clone();
        change(&mut said);
        let refusal = say(&ledger, &key(5), start(5), vec![said.into()]).unwrap_err();
        assert_eq!(refusal.code, code, "{}", refusal.text);
        assert_eq!(check_whole(&ledger), honest.size, "it is refused whole");
    };
    refused(RefusalCode::Malformed, &|said| said.size += 1);
    refused(RefusalCode::Malformed, &|said| said.owner.clear());
    refused(RefusalCode::Malformed, &|said| said.due = Some(NOW));
    refused(RefusalCode::Malformed, &|said| {
        said.entry.as_mut().unwrap().index.0 = said.size;
    });
    refused(RefusalCode::Chain, &|said| said.root = Digest([1; 32]));
    refused(RefusalCode::Chain, &|said| said.entry.as_mut().unwrap().index.0 = 0);
    refused(RefusalCode::Chain, &|said| {
        said.entry.as_mut().unwrap().leaf = Digest([1; 32]);
    });
    let words = honest.clone();
    let note = Sealed::seal(vec![event(&key(5), 5, None, honest)], start(5), &key(5)).unwrap();
    let first = submit(&ledger, &note).unwrap().first;
    let ends = |index, leaf, statement: &str| ExceptionClosed {
        note: CitedEntry {
            index: Index(index),
            leaf,
        },
        disposition: Disposition::Accepted,
        statement: statement.to_owned(),
        control: words.control.clone(),
        cause: words.cause.clone(),
        detail: words.detail.clone(),
    };
    let refused = |code, said: ExceptionClosed| {
        let refusal = say(&ledger, &key(5), note.next(), vec![said.into()]).unwrap_err();
        assert_eq!(refusal.code, code, "{}", refusal.text);
    };
    let size = ledger.shared().head().size().0;
    refused(RefusalCode::Malformed, ends(size, leaf(&ledger, first), "done"));
    refused(RefusalCode::Malformed, ends(first, leaf(&ledger, first), ""));
    refused(RefusalCode::Chain, ends(first, Digest([1; 32]), "done"));
    refused(RefusalCode::Chain, ends(1, leaf(&ledger, 1), "done"));
    let honest = ends(first, leaf(&ledger, first), "done");
    let mut other = honest.clone();
    other.detail.push('.');
    refused(RefusalCode::Chain, other);
    say(&ledger, &key(5), note.next(), vec![honest.into()]).unwrap();
}

#[test]
fn a_person_signs_no_more_than_so_many_in_a_day() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = with_a_person(directory.path());
    let honest = signed(&ledger);
    let many = |number| -> Vec<_> { vec![event(&key(5), 5, None, honest.clone()); number] };
    let most = Sealed::seal(many(A_DAY), start(5), &key(5)).unwrap();
    submit(&ledger, &most).unwrap();
    let next = Sealed::seal(many(1), most.next(), &key(5)).unwrap();
    let refusal = submit(&ledger, &next).unwrap_err();
    assert!(refusal.text.contains("1000 taken today"), "{}", refusal.text);
    // Of another kind there may be some.
    say(&ledger, &key(5), most.next(), vec![noted(&ledger).into()]).unwrap();
}
