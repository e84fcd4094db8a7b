//! The net on the real programs, on a target without masks: each way by which an identifier is released (`net.sql`) is
//! tried without the net, with it, and with one that ends sessions.
//!
//! | run | what has to be |
//! | --- | --- |
//! | control | every way shows an identifier, and so do the events: ways and searches are real |
//! | net | none shows one, none is in the events, the index, the export, the log or any other file; each way has a `detection` event of its channel |
//! | net that ends sessions | the same; after the event nothing is released, and the session is closed for it |

use std::collections::BTreeMap;

use crate::canaries::notes;
use crate::client::Transcript;
use crate::corpus::{self, Attempt};
use crate::evidence::{self, Recorded, Recording};
use crate::finder::{Finder, Pieces};
use crate::{Mode, Run, Server, check_recorded};

/// Words of the planted identifiers that the index is asked for.
const WORDS: [&str; 4] = ["quillomar", "Zyxwarabel", "4539578763621486", "gryphonwalt"];

/// What a session that the net ends says.
const ENDED: &str = "42501";

fn run(policy: &[&str]) -> Run {
    Run::on(
        "notes.sql",
        policy,
        Mode::Control,
        Server::Installed,
        &corpus::list("net.sql"),
    )
}

/// The channel on which an attempt is caught: the second word of its name.
fn channel(attempt: &Attempt) -> &str {
    attempt.id.split('.').nth(1).unwrap()
}

/// No identifier is anywhere; gives the events.
fn check_nothing(run: &mut Run) -> Recorded {
    let (short, whole) = (
        Finder::new(&notes(), Pieces::Short),
        Finder::new(&notes(), Pieces::Whole),
    );
    let recorded = evidence::export(&run.stack);
    check_recorded(run, &recorded);
    let heard = |(id, transcript): (&String, &Transcript)| (id.clone(), short.found(&transcript.heard));
    let mut shown: BTreeMap<_, _> = run.heard.iter().map(heard).collect();
    for (id, session) in &recorded.sessions {
        shown.insert(format!("the evidence of {id}"), short.found(&session.heard()));
    }
    shown.insert("events of no session".to_owned(), whole.found(&recorded.rest));
    let (index, hits) = evidence::index(&run.stack, &WORDS);
    shown.insert("the index".to_owned(), short.found(&index));
    run.stack.down().unwrap();
    let (files, in_files) = evidence::files(&run.stack, &whole);
    shown.retain(|_, found| !found.is_empty());
    assert!(
        shown.is_empty() && hits.is_empty() && in_files.is_empty(),
        "{shown:#?}\nindex: {hits:?}\nfiles: {in_files:?}"
    );
    println!(
        "net: 0 of {} ways show an identifier, {} entries, {files} files",
        run.heard.len(),
        recorded.entries
    );
    recorded
}

#[test]
fn without_a_net_every_way_shows_an_identifier_and_the_evidence_has_it() {
    let mut run = run(&["rules.toml"]);
    let finder = Finder::new(&notes(), Pieces::Short);
    let recorded = evidence::export(&run.stack);
    check_recorded(&run, &recorded);
    let mut blunt = Vec::new();
    for (id, transcript) in &run.heard {
        if finder.found(&transcript.heard).is_empty() {
            blunt.push((id, &transcript.errors, &transcript.texts));
        }
        let session = &recorded.sessions[id];
        assert!(
            !finder.found(&session.heard()).is_empty(),
            "the search of events misses {id}"
        );
        let caught = |one: &Recording| matches!(one, Recording::Caught(..));
        assert!(!session.course.iter().any(caught), "{id}: there is no net");
    }
    assert!(blunt.is_empty(), "these show nothing without a net: {blunt:#?}");
    let (index, _) = evidence::index(&run.stack, &WORDS);
    let indexed = finder.found(&index);
    run.stack.down().unwrap();
    let (_, in_files) = evidence::files(&run.stack, &Finder::new(&notes(), Pieces::Whole));
    let places: Vec<_> = in_files.iter().map(|(file, _)| file.display().to_string()).collect();
    assert!(
        places.iter().any(|file| file.contains("/bundle/")) && places.iter().any(|file| file.contains("/ledger/")),
        "the search of files misses what is there: {places:?}, index {indexed:?}"
    );
}

#[test]
fn what_the_net_catches_is_nowhere_and_each_catch_is_an_event() {
    let mut run = run(&["rules.toml", "net.toml"]);
    let recorded = check_nothing(&mut run);
    for attempt in corpus::list("net.sql") {
        let course = &recorded.sessions[&attempt.id].course;
        let caught = Recording::Caught(channel(&attempt).to_owned(), false);
        assert!(course.contains(&caught), "{}: {course:?}", attempt.id);
        // No token is in what was released before the event of its catch.
        let first = course.iter().position(|one| matches!(one, Recording::Caught(..)));
        let token = course.iter().position(|one| *one == Recording::Released(true));
        assert!(
            token.is_none_or(|token| first < Some(token)),
            "{}: {course:?}",
            attempt.id
        );
        assert_eq!(run.heard[&attempt.id].ended, 0, "{}", attempt.id);
    }
}

#[test]
fn where_a_catch_ends_the_session_nothing_of_it_is_released() {
    let mut run = run(&["rules.toml", "net.toml", "net_ends.toml"]);
    let recorded = check_nothing(&mut run);
    for attempt in corpus::list("net.sql") {
        let session = &recorded.sessions[&attempt.id];
        let Some(place) = session
            .course
            .iter()
            .position(|one| matches!(one, Recording::Caught(_, true)))
        else {
            panic!("{}: nothing ended it: {:?}", attempt.id, session.course);
        };
        assert!(
            !session.course.contains(&Recording::Released(true)),
            "{}: a token was released",
            attempt.id
        );
        let after = session.course.iter().skip(place);
        let only = after.clone().all(|one| matches!(one, Recording::Caught(_, true)));
        // The attempt's other session goes on.
        let second = session.opened > 1;
        assert!(only || second, "{}: {:?}", attempt.id, session.course);
        assert!(
            session.reasons.iter().any(|reason| reason == "detection"),
            "{}: {:?}",
            attempt.id,
            session.reasons
        );
        let transcript = &run.heard[&attempt.id];
        assert_eq!(
            transcript.errors.last().map(String::as_str),
            Some(ENDED),
            "{}",
            attempt.id
        );
        assert!(transcript.ended > 0, "{}", attempt.id);
    }
}
