//! The crash table of the commit: failed, failed but persisted, killed before, killed after, no room; at several places.
//!
//! After each row the log is opened again: what was acknowledged stands where its receipt says, the retry of what was not
//! is in the log once, and tiles, head and proofs agree.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use exhibit_ledger::store::{Durable, SyncedCommit};
use exhibit_ledger::{Config, Ledger};
use exhibit_schemas::merkle::Index;
use exhibit_schemas::seal::Sealed;
use exhibit_schemas::wire::RefusalCode;

use crate::fixture::{batch, begin, check_whole, config, now, open, start, submit};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// Nothing was written, and the error is told.
    Failed,
    /// It was written and synced, and yet an error is told.
    FailedButPersisted,
}

/// Fails the commit of this number, counted from 0.
struct Failing {
    at: usize,
    how: Failure,
    seen: AtomicUsize,
}

impl Durable for Failing {
    fn commit(&mut self, batch: fjall::OwnedWriteBatch) -> Result<(), fjall::Error> {
        if self.seen.fetch_add(1, Ordering::SeqCst) < self.at {
            return SyncedCommit.commit(batch);
        }
        if self.how == Failure::FailedButPersisted {
            SyncedCommit.commit(batch)?;
        }
        Err(fjall::Error::Io(std::io::Error::other("the disk is gone")))
    }
}

#[test]
fn a_failed_commit_acknowledges_nothing_poisons_and_recovers() {
    for how in [Failure::Failed, Failure::FailedButPersisted] {
        for at in [0, 1, 90, 128] {
            let directory = tempfile::tempdir().unwrap();
            let config = begin(directory.path());
            let failing = Failing {
                at,
                how,
                seen: AtomicUsize::new(0),
            };
            let ledger = Ledger::open_with(&config, Box::new(failing), now).unwrap();
            let mut chain = start(10);
            let mut acknowledged = Vec::new();
            let lost = loop {
                let next = batch(chain, &["a", "b"]);
                match submit(&ledger, &next) {
                    Ok(receipt) => acknowledged.push((receipt, next.clone())),
                    Err(refusal) => {
                        assert_eq!(refusal.code, RefusalCode::Poisoned);
                        break next;
                    }
                }
                chain = next.next();
            };
            assert_eq!(acknowledged.len(), at);
            // Poisoned until it is opened again: even what was fine before is refused, and the head does not move.
            let size = check_whole(&ledger);
            assert_eq!(submit(&ledger, &lost).unwrap_err().code, RefusalCode::Poisoned);
            assert_eq!(check_whole(&ledger), size);
            ledger.shutdown();
            let ledger = open(&config);
            let size = check_whole(&ledger);
            let kept = u64::try_from(at).unwrap() * 3 + 3 + if how == Failure::FailedButPersisted { 3 } else { 0 };
            assert_eq!(size, kept, "{how:?} {at}");
            for (receipt, batch) in &acknowledged {
                assert_eq!(
                    ledger.entry(Index(receipt.first)).unwrap().unwrap(),
                    batch.events()[0].0
                );
                assert_eq!(submit(&ledger, batch).unwrap(), *receipt);
            }
            // The emitter sends again what has no receipt: it is in the log once.
            let receipt = submit(&ledger, &lost).unwrap();
            assert_eq!(receipt.first, u64::try_from(at).unwrap() * 3 + 3);
            assert_eq!(check_whole(&ledger), u64::try_from(at).unwrap() * 3 + 6);
        }
    }
}

/// Where the child of a row finds its directory, and what it shall do.
const DIRECTORY: &str = "EXHIBIT_CRASH_DIRECTORY";
const ROW: &str = "EXHIBIT_CRASH_ROW";

/// Commits whole numbers of times, and then kills its own process before or after the next commit.
struct Killing {
    at: usize,
    after: bool,
    seen: AtomicUsize,
}

impl Durable for Killing {
    fn commit(&mut self, batch: fjall::OwnedWriteBatch) -> Result<(), fjall::Error> {
        let last = self.seen.fetch_add(1, Ordering::SeqCst) == self.at;
        if last && !self.after {
            kill();
        }
        SyncedCommit.commit(batch)?;
        if last {
            kill();
        }
        Ok(())
    }
}

fn kill() -> ! {
    let own = std::process::id().to_string();
    Command::new("kill").args(["-9", &own]).status().unwrap();
    loop {
        std::thread::park();
    }
}

/// The batches of the children: the same in every run, so that the parent can send them again.
fn batches() -> impl Iterator<Item = Sealed> {
    let long = "x".repeat(20_000);
    let mut chain = start(10);
    std::iter::from_fn(move || {
        let next = batch(chain, &["a", &long]);
        chain = next.next();
        Some(next)
    })
}

/// Not a test of its own: a process of the table. It appends until it dies or is refused, and prints each receipt.
#[test]
#[ignore = "run by the crash table in a process of its own"]
fn child_of_the_crash_table() {
    let (Ok(directory), Ok(row)) = (std::env::var(DIRECTORY), std::env::var(ROW)) else {
        return;
    };
    let (what, at) = row.split_once(' ').unwrap();
    let durable: Box<dyn Durable> = match what {
        "full" => Box::new(SyncedCommit),
        when => Box::new(Killing {
            at: at.parse().unwrap(),
            after: when == "after",
            seen: AtomicUsize::new(0),
        }),
    };
    let ledger = Ledger::open_with(&config(Path::new(&directory)), durable, now).unwrap();
    for batch in batches() {
        match submit(&ledger, &batch) {
            Ok(receipt) => eprintln!("receipt {}", receipt.first),
            Err(refusal) => {
                eprintln!("refused {}", refusal.code);
                return;
            }
        }
    }
}

/// What the child printed: the first indexes of its receipts, and the code of the refusal that ended it.
fn run_child(config: &Config, row: &str, limit: &str) -> (Vec<u64>, Option<String>) {
    let own = std::env::current_exe().unwrap();
    let mut child = Command::new("sh")
        .args(["-c", &format!("trap '' XFSZ; {limit} exec \"$0\" \"$@\"")])
        .arg(own)
        .args(["--exact", "crash::child_of_the_crash_table", "--ignored", "--nocapture"])
        .env(DIRECTORY, &config.directory)
        .env(ROW, row)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut receipts, mut refused) = (Vec::new(), None);
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        match line.split_once(' ') {
            Some(("receipt", first)) => receipts.push(first.parse().unwrap()),
            Some(("refused", code)) => refused = Some(code.to_owned()),
            _ => {}
        }
    }
    child.wait().unwrap();
    (receipts, refused)
}

/// Opens the log again and checks it against the receipts that the child got; gives the batches that are in it.
fn check_after(config: &Config, receipts: &[u64], row: &str) -> u64 {
    let ledger = open(config);
    let kept = (check_whole(&ledger) - 3) / 3;
    let acknowledged = u64::try_from(receipts.len()).unwrap();
    assert!(
        kept == acknowledged || kept == acknowledged + 1,
        "{row}: {kept} of {acknowledged}"
    );
    for (batch, first) in batches().zip(receipts) {
        assert_eq!(
            ledger.entry(Index(*first)).unwrap().unwrap(),
            batch.events()[0].0,
            "{row}"
        );
        assert_eq!(submit(&ledger, &batch).unwrap().first, *first, "{row}");
    }
    // What has no receipt is sent again, whether it is in the log or not: it is there once.
    let lost = batches().nth(receipts.len()).unwrap();
    assert_eq!(submit(&ledger, &lost).unwrap().first, acknowledged * 3 + 3, "{row}");
    assert_eq!(check_whole(&ledger), acknowledged * 3 + 6, "{row}");
    ledger.shutdown();
    kept - acknowledged
}

#[test]
fn a_killed_ledger_loses_nothing_that_it_acknowledged() {
    for at in [0, 1, 90, 128] {
        for (when, more) in [("before", 0), ("after", 1)] {
            let row = format!("{when} {at}");
            let directory = tempfile::tempdir().unwrap();
            let config = begin(directory.path());
            let (receipts, refused) = run_child(&config, &row, "");
            assert_eq!((receipts.len(), refused), (at, None), "{row}");
            assert_eq!(check_after(&config, &receipts, &row), more, "{row}");
        }
    }
}

#[test]
fn a_full_disk_acknowledges_nothing_more_and_recovers() {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    // Files of at most 2,048 blocks: the journal cannot grow past them, as on a full disk (EFBIG in place of ENOSPC).
    let (receipts, refused) = run_child(&config, "full 0", "ulimit -f 2048;");
    assert_eq!(refused.as_deref(), Some("poisoned"));
    assert!(receipts.len() > 10, "{}", receipts.len());
    check_after(&config, &receipts, "full");
}
