//! Sealed copies on the real parts: what an agent asked with an identifier in it is nowhere in clear, and `exhibit reveal` shows
//! it to whoever holds the identity, after that is in the ledger. The `age` of its authors opens the same copy.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests stop where something is wrong"
)]

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use exhibit_schemas::event::access::CommandSealed;
use exhibit_schemas::event::trust::{EvidenceRead, REVEAL};
use exhibit_schemas::event::{Body, Event, SessionPlace};
use exhibit_schemas::merkle::TreeSize;
use exhibit_schemas::tile::{TileKind, entries, tiles};
use exhibit_tests::programs;
use exhibit_tests::stack::{Options, POLICY, READER, Stack};
use exhibit_tests::{run, write};
use serde_json::Value;

/// What an agent asks with, and nobody may read who is no recipient.
const SSN: &str = "219-09-7314";

/// An identity file, made by `age-keygen`, and its recipient.
fn identity(directory: &Path, name: &str) -> (PathBuf, String) {
    let path = directory.join(name);
    run(Command::new("age-keygen").arg("-o").arg(&path)).unwrap();
    let recipient = run(Command::new("age-keygen").arg("-y").arg(&path)).unwrap();
    (path, recipient.trim().to_owned())
}

/// Every event of an export with its index.
fn events(bundle: &Path) -> Vec<(u64, Event)> {
    let manifest: Value = serde_json::from_slice(&std::fs::read(bundle.join("manifest.json")).unwrap()).unwrap();
    let size = TreeSize(manifest["size"].as_u64().unwrap());
    let mut all = Vec::new();
    for tile in tiles(size).filter(|tile| tile.kind() == TileKind::Entries) {
        let bytes = std::fs::read(bundle.join(tile.path())).unwrap();
        all.extend(entries(&bytes, tile.width()).unwrap().into_iter().map(<[u8]>::to_vec));
    }
    // Seals are no events.
    let each = (0..)
        .zip(all)
        .filter_map(|(index, entry)| Some((index, Event::decode(&entry).ok()?)));
    each.collect()
}

/// The first command with such a statement, and the bytes of its copy.
fn copied(events: &[(u64, Event)], beginning: &str) -> (u64, Vec<u8>) {
    let found = events
        .iter()
        .find(|(_, event)| matches!(&event.body, Body::Command(command) if command.statement.starts_with(beginning)));
    let (index, command) = found.unwrap();
    let SessionPlace(session, sequence) = command.session.unwrap();
    let part = |(_, event): &(u64, Event)| match &event.body {
        Body::CommandSealed(CommandSealed { command, bytes, .. })
            if event.session.unwrap().0 == session && *command == sequence =>
        {
            Some(bytes.0.clone())
        }
        _ => None,
    };
    (*index, events.iter().filter_map(part).collect::<Vec<_>>().concat())
}

fn export(stack: &Stack, name: &str) -> Vec<(u64, Event)> {
    let bundle = stack.directory().join(name);
    run(stack.exhibit().unwrap().arg("export").arg(&bundle)).unwrap();
    let mut verify = programs::command("exhibit-verify").unwrap();
    run(verify.arg(&bundle).arg("--keys").arg(stack.trust())).unwrap();
    events(&bundle)
}

/// A query as psql sends it: one message, its length, the text, and a zero.
fn message(statement: &str) -> Vec<u8> {
    let length = u32::try_from(statement.len() + 5).unwrap().to_be_bytes();
    [&b"Q"[..], &length, statement.as_bytes(), b"\0"].concat()
}

fn reveal(stack: &Stack, index: u64, identity: &Path, more: &[&str]) -> Output {
    let mut command = stack.exhibit().unwrap();
    command.args(["reveal", &index.to_string(), "--yes", "--reason", "a complaint"]);
    command
        .arg("--identity")
        .arg(identity)
        .arg("--key")
        .arg(stack.reader_key());
    command.args(more).output().unwrap()
}

fn reveals(events: &[(u64, Event)]) -> Vec<(u64, EvidenceRead)> {
    let each = events.iter().filter_map(|(index, event)| match &event.body {
        Body::EvidenceRead(read) if read.operation == REVEAL => Some((*index, read.clone())),
        _ => None,
    });
    each.collect()
}

/// What the independent `age` makes of a copy.
fn age(identity: &Path, copy: &[u8]) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    write(file.path(), copy).unwrap();
    let mut age = Command::new("age");
    let output = age.arg("-d").arg("-i").arg(identity).arg(file.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Files below a directory in which a text stands.
fn holding(directory: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(path);
            }
        }
    }
    found
}

fn nobody_else_is_shown(stack: &Stack, place: &Path, index: u64, own: &Path, stranger: &Path) {
    // Who is no recipient gets nothing, and that it was tried is recorded.
    let refused = reveal(stack, index, stranger, &[]);
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(2), 0));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("other recipients"));
    // Neither does a recipient whose reading cannot be recorded: nobody enrolled this key.
    let unknown = place.join("unknown");
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&unknown))
    .unwrap();
    let mut command = stack.exhibit().unwrap();
    command.args(["reveal", &index.to_string(), "--yes", "--reason", "curious"]);
    let unrecorded = command
        .arg("--identity")
        .arg(own)
        .arg("--key")
        .arg(&unknown)
        .output()
        .unwrap();
    assert!(!unrecorded.status.success() && unrecorded.stdout.is_empty());
    // No file is taken that others may read, and no entry that is no command.
    let open = place.join("open.key");
    write(&open, &std::fs::read(own).unwrap()).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(reveal(stack, index, &open, &[]).status.code(), Some(2));
    let none = reveal(stack, 0, own, &[]);
    assert_eq!((none.status.success(), none.stdout.len()), (false, 0));
}

#[test]
fn an_exact_statement_is_shown_to_a_recipient_alone_and_after_that_is_recorded() {
    let place = tempfile::tempdir().unwrap();
    let (own, recipient) = identity(place.path(), "compliance.key");
    let (_, second) = identity(place.path(), "second.key");
    let (stranger, _) = identity(place.path(), "stranger.key");
    let mut options = Options::new(&place.path().join("deployment"));
    options.patients = 20;
    options.policy = format!("{POLICY}\n[sealed]\nrecipients = [\"{recipient}\", \"{second}\"]\n");
    let mut stack = Stack::start(&options).unwrap();
    let asked = format!("SELECT id FROM encounters WHERE department = '{SSN}'");
    let denied = format!("DELETE FROM claims WHERE payer = '{SSN}'");
    // Past one part, in one message.
    let long = format!(
        "SELECT id, length('{}') FROM encounters WHERE diagnosis = '{SSN}'",
        "x".repeat(1 << 20)
    );
    for (statement, passes) in [(&asked, true), (&denied, false), (&long, true)] {
        let mut psql = stack.psql();
        let mut child = psql
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{statement};").unwrap();
        assert_eq!(child.wait().unwrap().success(), passes, "{}", &statement[..20]);
    }
    let before = export(&stack, "before");
    assert_eq!(reveals(&before), []);
    let exact = |statement: &str| message(&format!("{statement};"));
    for (beginning, statement) in [
        ("SELECT id FROM encounters", &asked),
        ("DELETE FROM claims", &denied),
        ("SELECT id, length", &long),
    ] {
        let (index, copy) = copied(&before, beginning);
        assert!(
            age(&own, &copy) == exact(statement),
            "{beginning}: age opens another text"
        );
        let output = reveal(&stack, index, &own, &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == exact(statement), "{beginning}: another text is shown");
        assert!(!String::from_utf8_lossy(&output.stderr).contains(SSN));
    }
    let (index, copy) = copied(&before, "SELECT id FROM encounters");

    // With the proxy's key the bytes are compared, and with another nothing is shown.
    let digest_key = stack.directory().join("proxy/digest.key");
    let compared = reveal(
        &stack,
        index,
        &own,
        &["--json", "--digest-key", digest_key.to_str().unwrap()],
    );
    let answer: Value = serde_json::from_slice(&compared.stdout).unwrap();
    assert_eq!(
        (answer["command"].as_u64(), &answer["digest_compared"]),
        (Some(index), &Value::Bool(true))
    );
    let other = stack.directory().join("proxy/mask.key");
    let differs = reveal(&stack, index, &own, &["--digest-key", other.to_str().unwrap()]);
    assert_eq!((differs.status.code(), differs.stdout.len()), (Some(1), 0));

    nobody_else_is_shown(&stack, place.path(), index, &own, &stranger);

    let after = export(&stack, "after");
    let read: Vec<_> = reveals(&after).into_iter().map(|(_, read)| read).collect();
    assert_eq!(read.len(), 6, "three statements, compared, another key, a stranger");
    assert!(
        read.iter()
            .all(|read| read.reader == READER && read.operation == "reveal")
    );
    let (first, _) = copied(&after, "SELECT id FROM encounters");
    assert_eq!((first, read[0].copy.as_ref().unwrap().index.0), (index, index + 1));
    let report = stack.directory().join("report");
    let mut verify = programs::command("exhibit-verify").unwrap();
    verify
        .arg("report")
        .arg(stack.directory().join("after"))
        .arg("--keys")
        .arg(stack.trust());
    run(verify.arg("--out").arg(&report)).unwrap();
    let report: Value = serde_json::from_slice(&std::fs::read(report.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["evidence"]["reveals"].as_array().unwrap().len(), 6);

    // In clear it stands nowhere: not in the log, the index, the export, a report or what the programs said.
    stack.down().unwrap();
    assert_eq!(holding(stack.directory(), SSN), Vec::<PathBuf>::new());
    assert!(copy.len() > 200);
}
