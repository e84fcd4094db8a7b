//! Reviews: what the ledger takes of a person's word that a period was looked at.

use exhibit_ledger::Ledger;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::trust::{KeyEnrolled, ReviewSigned, Role};
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::review::{Definition, FINDING_BYTES_MAX};
use exhibit_schemas::seal::{BATCH_EVENTS_MAX, Chain, Sealed};
use exhibit_schemas::wire::{Receipt, Refusal, RefusalCode};

use crate::fixture::{NOW, administrator, begin, beginning, check_whole, event, key, open, proxy, start, submit};

/// Reviews that are taken of one person in a day.
const A_DAY: usize = 200;

fn say(ledger: &Ledger, signer: &SecretKey, chain: Chain, said: Vec<ReviewSigned>) -> Result<Receipt, Refusal> {
    let events = said.into_iter().map(|said| event(signer, chain.boot, None, said));
    submit(ledger, &Sealed::seal(events.collect(), chain, signer).unwrap())
}

#[test]
fn a_review_is_of_the_log_that_there_was_and_of_a_period_that_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    let ledger = open(&config);
    let before = ledger.shared().head();
    let enrol = |key: &SecretKey, name: &str| KeyEnrolled {
        key: key.public_key().to_bytes(),
        role: Role::Person,
        name: name.to_owned(),
        groups: Vec::new(),
        application: None,
    };
    // Two keys of one person, and another person.
    let enrolled = [enrol(&key(5), "dora"), enrol(&key(6), "dora"), enrol(&key(7), "carol")];
    let events = enrolled.map(|body| event(&administrator(), 1, None, body)).into();
    submit(
        &ledger,
        &Sealed::seal(events, beginning()[0].next(), &administrator()).unwrap(),
    )
    .unwrap();
    let head = ledger.shared().head();
    let honest = ReviewSigned {
        from: Timestamp(1),
        to: NOW,
        root: head.root(),
        size: head.size().0,
        finding: "x".into(),
        scope: "all".into(),
        population: Digest([2; 32]), // counted by the verifier alone
        counts: [("fault".to_owned(), 1)].into(),
        definition: Some(Definition::Second),
        emergency: None,
    };
    let refused = |code, change: &dyn Fn(&mut ReviewSigned)| {
        let mut said = honest.clone();
        change(&mut said);
        let refusal = say(&ledger, &key(5), start(5), vec![honest.clone(), said]).unwrap_err();
        assert_eq!(refusal.code, code, "{}", refusal.text);
        assert!(refusal.text.starts_with("the review is refused: "), "{}", refusal.text);
        assert_eq!(check_whole(&ledger), head.size().0, "it is refused whole");
    };
    refused(RefusalCode::Malformed, &|said| said.size = 0);
    refused(RefusalCode::Malformed, &|said| said.size += 1);
    refused(RefusalCode::Malformed, &|said| said.size = u64::MAX);
    refused(RefusalCode::Malformed, &|said| said.scope = "everything".into());
    refused(RefusalCode::Malformed, &|said| said.from = said.to);
    refused(RefusalCode::Malformed, &|said| said.to.0 += 1);
    refused(RefusalCode::Malformed, &|said| {
        said.finding = "f".repeat(FINDING_BYTES_MAX + 1);
    });
    refused(RefusalCode::Malformed, &|said| {
        said.counts = [("anything".to_owned(), 1)].into();
    });
    refused(RefusalCode::Malformed, &|said| {
        said.definition = Some(Definition::First);
    });
    refused(RefusalCode::Chain, &|said| said.root = Digest([1; 32]));
    refused(RefusalCode::Chain, &|said| said.size -= 1);
    let other = say(&ledger, &proxy(), start(2), vec![honest.clone()]).unwrap_err();
    assert_eq!(other.code, RefusalCode::Key);

    let mut earlier = honest.clone();
    (earlier.root, earlier.size) = (before.root(), before.size().0);
    say(&ledger, &key(5), start(5), vec![earlier]).unwrap();
    // As many as a day has, by both keys; not one more, and another person is not concerned.
    const { assert!(A_DAY < BATCH_EVENTS_MAX) };
    say(&ledger, &key(6), start(6), vec![honest.clone(); A_DAY]).unwrap_err();
    let events = vec![event(&key(6), 6, None, honest.clone()); A_DAY - 1];
    let most = Sealed::seal(events, start(6), &key(6)).unwrap();
    submit(&ledger, &most).unwrap();
    let many = say(&ledger, &key(6), most.next(), vec![honest.clone()]).unwrap_err();
    assert_eq!(many.code, RefusalCode::Malformed);
    assert!(many.text.contains("200 taken today"), "{}", many.text);
    say(&ledger, &key(7), start(7), vec![honest]).unwrap();
    let size = check_whole(&ledger);
    ledger.shutdown();
    Ledger::drop_projections(&config).unwrap();
    assert_eq!(check_whole(&open(&config)), size);
}
