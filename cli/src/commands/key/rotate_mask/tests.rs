//! Rotations on real files, and the crash table of the two writes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use exhibit_policy::mask::MaskKey;
use exhibit_proxy::mask_key;
use exhibit_schemas::event::trust::MaskKeyId;

use super::{CliError, Rotated, rotate};
use crate::files::{self, FileError, SECRET};

fn begun() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(mask_key::FILE);
    files::create(&path, mask_key::file(&[1; 32], &[]).as_bytes(), SECRET).unwrap();
    (directory, path)
}

fn durable(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    files::replace(path, bytes, SECRET)
}

fn id(seed: u8) -> MaskKeyId {
    MaskKey::new([seed; 32]).id()
}

fn turn(directory: &Path, seed: u8) -> Result<Rotated, CliError> {
    rotate(directory, None, &[seed; 32], &mut durable)
}

fn retired(directory: &Path, seed: u8) -> MaskKey {
    mask_key::read(&mask_key::retired(directory, id(seed))).unwrap()
}

#[test]
fn the_new_key_says_what_it_replaced_and_the_old_ones_are_kept() {
    let (directory, path) = begun();
    let rotated = turn(directory.path(), 2).unwrap();
    assert_eq!((rotated.key, rotated.replaces), (id(2), Some(id(1))));
    turn(directory.path(), 3).unwrap();
    let key = mask_key::read(&path).unwrap();
    assert_eq!((key.id(), key.replaced()), (id(3), &[id(2), id(1)][..]));
    assert_eq!(retired(directory.path(), 1).id(), id(1));
    assert_eq!(retired(directory.path(), 2).replaced(), [id(1)]);
}

#[test]
fn a_lost_key_is_replaced_by_its_name_alone() {
    let (directory, path) = begun();
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(turn(directory.path(), 2), Err(CliError::Secret(_))));
    let rotated = rotate(directory.path(), Some(id(1)), &[2; 32], &mut durable).unwrap();
    assert_eq!((rotated.replaces, rotated.retired), (Some(id(1)), None));
    assert_eq!(mask_key::read(&path).unwrap().replaced(), [id(1)]);
    // One that was overwritten: the file's key and the one that the ledger knows are both named.
    rotate(directory.path(), Some(id(9)), &[3; 32], &mut durable).unwrap();
    assert_eq!(mask_key::read(&path).unwrap().replaced(), [id(2), id(9), id(1)]);
}

/// What happens at one of the two writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    Failed,
    FailedButPersisted,
    KilledBefore,
    /// A part of the new file lies beside its place.
    KilledHalfway,
    KilledAfter,
}

const ROWS: [Row; 5] = [
    Row::Failed,
    Row::FailedButPersisted,
    Row::KilledBefore,
    Row::KilledHalfway,
    Row::KilledAfter,
];

/// Where the child of a row finds its directory, and what it shall do.
const DIRECTORY: &str = "EXHIBIT_ROTATE_DIRECTORY";
const ROW: &str = "EXHIBIT_ROTATE_ROW";

fn kill() -> ! {
    let _ = Command::new("sh").args(["-c", "kill -9 $PPID"]).status();
    unreachable!("a killed process does nothing more")
}

/// Rotates to the key 2, with the row's fault at the write of this number.
fn faulty(directory: &Path, at: usize, row: Row) -> Result<Rotated, CliError> {
    let mut seen = 0;
    rotate(directory, None, &[2; 32], &mut |path, bytes| {
        let last = seen == at;
        seen += 1;
        let gone = || files::at(path)(std::io::Error::other("the disk is gone"));
        match row {
            _ if !last => durable(path, bytes),
            Row::Failed => Err(gone()),
            Row::FailedButPersisted => durable(path, bytes).and(Err(gone())),
            Row::KilledBefore => kill(),
            Row::KilledHalfway => {
                files::create(&path.with_extension("half"), &bytes[..40], SECRET)?;
                kill()
            }
            Row::KilledAfter => {
                durable(path, bytes)?;
                kill()
            }
        }
    })
}

#[test]
#[ignore = "the child of the crash table; it kills itself"]
fn crashing_child() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let row: usize = std::env::var(ROW).unwrap().parse().unwrap();
    let _ = faulty(Path::new(&directory), row / ROWS.len(), ROWS[row % ROWS.len()]);
}

#[test]
fn wherever_a_rotation_stops_the_file_is_the_old_key_or_the_new_one() {
    for (number, row) in [ROWS, ROWS].into_iter().flatten().enumerate() {
        let at = number / ROWS.len();
        let (directory, path) = begun();
        match row {
            Row::Failed | Row::FailedButPersisted => {
                faulty(directory.path(), at, row).unwrap_err();
            }
            Row::KilledBefore | Row::KilledHalfway | Row::KilledAfter => {
                let name = "commands::key::rotate_mask::tests::crashing_child";
                let ended = Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", name, "--ignored"])
                    .env(DIRECTORY, directory.path())
                    .env(ROW, number.to_string())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status()
                    .unwrap();
                let signal = std::os::unix::process::ExitStatusExt::signal(&ended);
                assert_eq!(signal, Some(9), "{row:?} at {at} killed nothing");
            }
        }
        let persisted = matches!(row, Row::FailedButPersisted | Row::KilledAfter);
        let key = mask_key::read(&path).unwrap();
        let wanted = if at == 1 && persisted { 2 } else { 1 };
        assert_eq!(key.id(), id(wanted), "{row:?} at {at}");
        if wanted == 2 {
            assert_eq!(key.replaced(), [id(1)]);
        }
        // The person does it again; no key that was in force is lost, and each is named.
        turn(directory.path(), 3).unwrap();
        let key = mask_key::read(&path).unwrap();
        let replaced: &[_] = if wanted == 2 { &[id(2), id(1)] } else { &[id(1)] };
        assert_eq!((key.id(), key.replaced()), (id(3), replaced), "{row:?} at {at}");
        for seed in 1..=wanted {
            assert_eq!(retired(directory.path(), seed).id(), id(seed));
        }
    }
}
