//! Appending, against what this machine can do at most: its own strict signature checks and its own fdatasync.
//!
//! ```text
//! cargo bench -p exhibit-ledger --bench append -- [SECONDS]
//! ```
//!
//! Prints ratios of one run; absolute numbers of a shared machine mean little. Events are 300 bytes long.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench stops where something is wrong, and prints what it measured"
)]

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use exhibit_ledger::{Config, Ledger, config::Tls};
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::event::trust::{Administrator, Fault, Genesis, KeyEnrolled, Role};
use exhibit_schemas::event::{Body, Emitter, Event, Timestamp};
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::seal::{Chain, Sealed};
use exhibit_schemas::wire::Append;

const ORIGIN: &str = "bench.example/append";
const EVENT_BYTES: usize = 300;
const WRITERS: u8 = 4;
const WINDOW: usize = 64;
const TIME: Timestamp = Timestamp(1_800_000_000_000_000);

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn encode(signer: &SecretKey, boot: u64, body: Body) -> Bytes {
    let event = Event {
        time: TIME,
        emitter: Emitter(signer.public_key().id(), boot),
        session: None,
        body,
    };
    event.encode().unwrap()
}

fn event(signer: &SecretKey, boot: u64, number: u64) -> Bytes {
    let of_length = |length: usize| {
        let text = format!("{number:0>length$}");
        let place = "gate".to_owned();
        encode(signer, boot, Fault { place, text }.into())
    };
    let overhead = of_length(250).0.len() - 250;
    of_length(EVENT_BYTES - overhead)
}

fn begin(directory: &Path) -> Config {
    use std::os::unix::fs::PermissionsExt as _;
    let unused = directory.join("unused");
    let config = Config {
        origin: ORIGIN.into(),
        directory: directory.to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: Tls {
            certificate: unused.clone(),
            key: unused.clone(),
            client_ca: unused,
        },
    };
    let file = directory.join("log.key");
    std::fs::write(&file, hex::encode([3; 32])).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let administrator = key(1);
    let mut bodies: Vec<Body> = vec![
        Genesis {
            origin: ORIGIN.into(),
            log_key: key(3).public_key().to_bytes(),
            administrators: vec![Administrator {
                name: "root".into(),
                key: administrator.public_key().to_bytes(),
            }],
        }
        .into(),
    ];
    for writer in 0..WRITERS {
        let enrolled = KeyEnrolled {
            key: key(10 + writer).public_key().to_bytes(),
            role: Role::Proxy,
            name: format!("writer {writer}"),
            groups: vec![],
        };
        bodies.push(enrolled.into());
    }
    let chain = Chain {
        boot: 1,
        sequence: 0,
        previous: None,
    };
    let events = bodies.into_iter().map(|body| encode(&administrator, 1, body)).collect();
    Ledger::initialise(&config, vec![Sealed::seal(events, chain, &administrator).unwrap()]).unwrap();
    config
}

/// One writer: seals and appends, with a window of batches under way, until the time is over.
async fn write(ledger: Ledger, writer: u8, size: usize, window: usize, until: Instant) -> (u64, Vec<Duration>) {
    let signer = key(10 + writer);
    let mut chain = Chain {
        boot: 10,
        sequence: 0,
        previous: None,
    };
    let (mut number, mut waits) = (0u64, Vec::new());
    let mut under_way = VecDeque::new();
    while Instant::now() < until {
        let events = (0..size)
            .map(|place| event(&signer, 10, number + place as u64))
            .collect();
        number += size as u64;
        let sealed = Sealed::seal(events, chain, &signer).unwrap();
        chain = sealed.next();
        let append = Append {
            events: sealed.events().to_vec(),
            seal: sealed.seal_bytes().clone(),
        };
        let start = Instant::now();
        under_way.push_back((start, ledger.submit(append).await));
        while under_way.len() >= window {
            let (start, answer) = under_way.pop_front().unwrap();
            answer.await.unwrap().unwrap();
            waits.push(start.elapsed());
        }
    }
    for (start, answer) in under_way {
        answer.await.unwrap().unwrap();
        waits.push(start.elapsed());
    }
    (number, waits)
}

fn run(name: &str, writers: u8, size: usize, window: usize, time: Duration) -> (f64, Duration, f64) {
    let directory = tempfile::tempdir_in(".").unwrap();
    let config = begin(directory.path());
    let ledger = Ledger::open(&config).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let start = Instant::now();
    let until = start + time;
    let (events, mut waits) = runtime.block_on(async {
        let tasks: Vec<_> = (0..writers)
            .map(|writer| tokio::spawn(write(ledger.clone(), writer, size, window, until)))
            .collect();
        let (mut events, mut waits) = (0, Vec::new());
        for task in tasks {
            let (wrote, waited) = task.await.unwrap();
            events += wrote;
            waits.extend(waited);
        }
        (events, waits)
    });
    let seconds = start.elapsed().as_secs_f64();
    let batches = waits.len() as f64;
    let entry_bytes = events as f64 * EVENT_BYTES as f64 + batches * 270.0;
    let head = ledger.shared().head().size().0;
    ledger.clone().shutdown();
    drop(ledger);
    let disk: u64 = walk(directory.path());
    waits.sort();
    let median = waits.get(waits.len() / 2).copied().unwrap_or_default();
    let rate = events as f64 / seconds;
    let ratio = disk as f64 / entry_bytes;
    println!(
        "{name}: {rate:.0} events/s, {:.0} batches/s, receipt p50 {median:?}, disk/entries {ratio:.2} ({head} entries)",
        batches / seconds
    );
    (batches / seconds, median, ratio)
}

fn walk(directory: &Path) -> u64 {
    let mut bytes = 0;
    for child in std::fs::read_dir(directory).unwrap() {
        let child = child.unwrap();
        let about = child.metadata().unwrap();
        bytes += if about.is_dir() {
            walk(&child.path())
        } else {
            about.len()
        };
    }
    bytes
}

/// Strict checks of one signature over a seal-sized message, on one core.
fn verify_rate() -> f64 {
    let signer = key(1);
    let message = [7; 250];
    let signature = signer.sign(&message).unwrap();
    let public = signer.public_key();
    let start = Instant::now();
    let mut count = 0u32;
    while start.elapsed() < Duration::from_secs(2) {
        public.verify(&message, &signature).unwrap();
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

/// Median of appending 600 bytes to a file and fdatasync, where the ledger's store is.
fn sync_time() -> Duration {
    use std::io::Write as _;
    let mut file = tempfile::tempfile_in(".").unwrap();
    let mut times: Vec<Duration> = (0..300)
        .map(|_| {
            let start = Instant::now();
            file.write_all(&[1; 600]).unwrap();
            file.sync_data().unwrap();
            start.elapsed()
        })
        .collect();
    times.sort();
    times.get(150).copied().unwrap_or_default()
}

fn main() {
    let seconds = std::env::args().find_map(|text| text.parse().ok()).unwrap_or(10);
    let time = Duration::from_secs(seconds);
    let cores = std::thread::available_parallelism().unwrap().get();
    let (verify, sync) = (verify_rate(), sync_time());
    println!("this machine: {cores} cores, {verify:.0} verify_strict/s on one, fdatasync p50 {sync:?}");
    let (ones, _, _) = run("batches of 1, 4 writers", WRITERS, 1, WINDOW, time);
    println!(
        "  = {:.2} x verify_strict x cores (writers sign on the same cores)",
        ones / (verify * cores as f64)
    );
    run("batches of 64, 4 writers", WRITERS, 64, WINDOW, time);
    let (_, median, _) = run("one writer that waits for each receipt", 1, 1, 1, time);
    println!("  = {:.2} x fdatasync", median.as_secs_f64() / sync.as_secs_f64());
}
