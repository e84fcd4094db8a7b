//! The independent checker takes scoped bundles, and refuses what an exporter changes in one.

use exhibit_schemas::event::{Event, Kind, SessionId};
use exhibit_schemas::merkle::Index;
use exhibit_schemas::scoped::{Scope, ScopedFile};
use exhibit_tests::bundle_builder::clinic::{
    ADMINISTRATOR, LOG, ORIGIN, POLICY, SEALING, SECOND_ADMINISTRATOR, clinic_under,
};
use exhibit_tests::bundle_builder::scoped::{Disclosed, scoped_files, state_scope};
use exhibit_tests::bundle_builder::{Files, checkpoint, key_id, write_directory};
use exhibit_tests::run;

use super::Checkers;

/// What an exporter does to a bundle.
type Change<'a> = &'a dyn Fn(&mut Files);

const SESSION: SessionId = SessionId([4; 16]);

#[test]
fn the_python_checker_checks_scoped_bundles() {
    let checkers = Checkers::ready();
    let clinic = clinic_under(&format!("{POLICY}{SEALING}"), 24);
    let entries = clinic.plan.build().entries;
    let head = checkpoint(&entries, ORIGIN, LOG);
    let scope = Scope::new(Some(SESSION), None, None, None, None).unwrap();
    let disclosed = Disclosed::of(&entries, &scope, &[ADMINISTRATOR, SECOND_ADMINISTRATOR].map(key_id));
    let honest = scoped_files(&entries, &head, &clinic.anchors, &scope, &disclosed);
    let check = |files: &Files| {
        let place = tempfile::tempdir().unwrap();
        write_directory(place.path(), files).unwrap();
        let trust = place.path().join("trust.toml");
        run(checkers.script("python/check.py").arg(place.path()).arg(trust)).map_err(|error| error.to_string())
    };
    let said = check(&honest).unwrap();
    let counted = format!("scoped: {} of {} entries disclosed", disclosed.0.len(), entries.len());
    assert!(
        said.contains(&counted) && said.contains("1 sessions; not proven: that there are no others"),
        "{said}"
    );

    let of = |fits: &dyn Fn(&Event) -> bool| {
        let mut places =
            (0..entries.len()).filter(|place| Event::decode(&entries[*place]).is_ok_and(|event| fits(&event)));
        places.next().map(|place| Index(u64::try_from(place).unwrap())).unwrap()
    };
    let command = of(&|event| event.kind() == Kind::Command && event.session.is_some_and(|place| place.0 == SESSION));
    let opened =
        of(&|event| event.kind() == Kind::SessionOpened && event.session.is_some_and(|place| place.0 == SESSION));
    let revoked = of(&|event| event.kind() == Kind::KeyRevoked);
    let drop_of = |files: &mut Files, index: Index| {
        files.remove(&ScopedFile::Event(index).path());
        files.remove(&ScopedFile::Proof(index).path());
    };
    let event = ScopedFile::Event(command).path();
    let proof = ScopedFile::Proof(command).path();
    let other = ScopedFile::Proof(opened).path();
    let changes: [(&str, Change<'_>); 7] = [
        ("another hash than the log's", &|files| {
            *files.get_mut(&event).unwrap().last_mut().unwrap() ^= 1;
        }),
        ("proof of", &|files| {
            drop(files.insert(proof.clone(), files[&other].clone()));
        }),
        ("without its proof", &|files| drop(files.remove(&proof))),
        ("an administrator's event is withheld", &|files| drop_of(files, revoked)),
        ("out of the sequence of its session", &|files| drop_of(files, command)),
        ("counts other events", &|files| {
            drop(files.remove(&ScopedFile::Seals(1).path()));
        }),
        ("the root over the hashes", &|files| {
            files.get_mut("tile/0/000").unwrap()[32 * 200] ^= 1;
        }),
    ];
    for (wanted, change) in changes {
        let mut files = honest.clone();
        change(&mut files);
        state_scope(&mut files, &head, &scope);
        let said = check(&files).expect_err(wanted);
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}
