//! Appending, against what this machine can do at most: its own strict signature checks and its own fdatasync.
//!
//! ```text
//! cargo bench -p exhibit-ledger --bench append -- [SECONDS]              batches sealed beforehand
//! cargo bench -p exhibit-ledger --bench append -- sustained [SECONDS]    sealed on the same cores meanwhile
//! cargo bench -p exhibit-ledger --bench append -- sustained SECONDS RATE batches of 64 alone, RATE events a second: what
//!                                                                        the disk holds for that long
//! ```
//!
//! Prints ratios of one run; absolute numbers of a shared machine mean little. Events are 300 bytes long, of text that does
//! not compress. CPU times are those of the threads, from `/proc/self/task`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench stops where something is wrong, and prints what it measured"
)]

use std::collections::{BTreeMap, VecDeque};
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

/// Makes events of 300 bytes, each with other text.
struct Events {
    template: Vec<u8>,
    text: usize,
    state: u64,
}

impl Events {
    fn new(signer: &SecretKey, boot: u64) -> Self {
        let of_length = |length: usize| {
            let (place, text) = ("gate".to_owned(), "0".repeat(length));
            encode(signer, boot, Fault { place, text }.into()).0
        };
        let text = EVENT_BYTES - (of_length(250).len() - 250);
        Self {
            template: of_length(text),
            text,
            state: 0x9e37_79b9_7f4a_7c15,
        }
    }

    fn next(&mut self) -> Bytes {
        let mut event = self.template.clone();
        let start = event.len() - self.text;
        for part in event[start..].chunks_mut(16) {
            // xorshift64 (Marsaglia 2003)
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            for (place, byte) in part.iter_mut().enumerate() {
                *byte = b"0123456789abcdef"[(self.state >> (place * 4)) as usize & 15];
            }
        }
        Bytes(event)
    }
}

/// One writer: seals batches one after another.
struct Writer {
    signer: SecretKey,
    chain: Chain,
    events: Events,
}

impl Writer {
    fn new(writer: u8) -> Self {
        let signer = key(10 + writer);
        let chain = Chain {
            boot: 10,
            sequence: 0,
            previous: None,
        };
        Self {
            events: Events::new(&signer, 10),
            signer,
            chain,
        }
    }

    fn next(&mut self, size: usize) -> Append {
        let events = (0..size).map(|_| self.events.next()).collect();
        let sealed = Sealed::seal(events, self.chain, &self.signer).unwrap();
        self.chain = sealed.next();
        Append {
            events: sealed.events().to_vec(),
            seal: sealed.seal_bytes().clone(),
        }
    }
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
        webhooks: Vec::new(),
        readers: Vec::new(),
        oidc: Vec::new(),
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
            application: None,
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

/// Appends, with a window of batches under way, until the time is over or nothing is left.
async fn write(ledger: Ledger, batches: impl Iterator<Item = Append>, window: usize, until: Instant) -> Vec<Duration> {
    let mut waits = Vec::new();
    let mut under_way = VecDeque::new();
    for append in batches {
        if Instant::now() >= until {
            break;
        }
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
    waits
}

/// What one run does.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    writers: u8,
    /// Events in a batch.
    size: usize,
    window: usize,
    /// Batches to seal beforehand, all writers together; `None` seals meanwhile.
    prepared: Option<usize>,
    /// Events a second at the most, all writers together.
    pace: Option<f64>,
}

struct Measured {
    batches_per_second: f64,
    median: Duration,
    /// Of the ledger's own threads, microseconds of CPU to a batch.
    ledger_cpu_us: f64,
}

/// The batches of each writer that are sealed beforehand.
fn prepare(load: Load) -> Vec<Option<Vec<Append>>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..load.writers)
            .map(|writer| {
                let share = load.prepared.map(|all| all / usize::from(load.writers));
                scope.spawn(move || {
                    let mut from = Writer::new(writer);
                    share.map(|share| (0..share).map(|_| from.next(load.size)).collect())
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn run(load: Load, time: Duration) -> Measured {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let config = begin(directory.path());
    let ledger = Ledger::open(&config).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let sealed = prepare(load);
    let before = cpu();
    let start = Instant::now();
    let until = start + time;
    let threads: Vec<_> = (0..load.writers)
        .zip(sealed)
        .map(|(writer, sealed)| {
            let (ledger, handle) = (ledger.clone(), runtime.handle().clone());
            let name = format!("writer-{writer}");
            let body = move || {
                let mut from = Writer::new(writer);
                let mut batches = 0;
                let meanwhile = std::iter::from_fn(|| {
                    if let Some(pace) = load.pace {
                        let events = f64::from(batches) * load.size as f64 * f64::from(load.writers);
                        let due = start + Duration::from_secs_f64(events / pace);
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    }
                    batches += 1;
                    Some(from.next(load.size))
                });
                match sealed {
                    Some(sealed) => handle.block_on(write(ledger, sealed.into_iter(), load.window, until)),
                    None => handle.block_on(write(ledger, meanwhile, load.window, until)),
                }
            };
            std::thread::Builder::new().name(name).spawn(body).unwrap()
        })
        .collect();
    let mut waits = Vec::new();
    let mut used = BTreeMap::new();
    for thread in threads {
        // The last look before a writer's thread is gone.
        while !thread.is_finished() {
            std::thread::sleep(Duration::from_millis(50));
            used = cpu();
        }
        waits.extend(thread.join().unwrap());
    }
    let seconds = start.elapsed().as_secs_f64();
    let batches = waits.len() as f64;
    let events = batches * load.size as f64;
    let head = ledger.shared().head().size().0;
    let memory = resident_bytes();
    ledger.clone().shutdown();
    drop(ledger);
    // The first seal is shorter: it names none before it.
    let mut sizes = Writer::new(0);
    let seal_bytes = sizes.next(1).seal.0.len().max(sizes.next(1).seal.0.len()) as f64;
    let entry_bytes = events * EVENT_BYTES as f64 + batches * seal_bytes;
    let disk = walk(directory.path());
    let journals = walk_journals(directory.path());
    waits.sort();
    let place = |part: f64| {
        waits
            .get((waits.len() as f64 * part) as usize)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{}: {:.0} events/s, {:.0} batches/s for {seconds:.1} s, receipt p50 {:?} p99 {:?}",
        load.name,
        events / seconds,
        batches / seconds,
        place(0.5),
        place(0.99),
    );
    println!(
        "  disk/entries {:.3}, without journals {:.3} ({head} entries, {:.0} MB), resident {:.0} MB",
        disk as f64 / entry_bytes,
        (disk - journals) as f64 / entry_bytes,
        entry_bytes / 1e6,
        memory as f64 / 1e6
    );
    let mut ledger_cpu_us = 0.0;
    let mut parts = Vec::new();
    for (name, ticks) in used {
        let ticks = ticks - before.get(&name).copied().unwrap_or(0).min(ticks);
        let us = ticks as f64 * 10_000.0 / batches;
        if !name.starts_with("writer") {
            ledger_cpu_us += us;
        }
        parts.push(format!("{name} {us:.1}"));
    }
    println!("  CPU us per batch: {}", parts.join(", "));
    Measured {
        batches_per_second: batches / seconds,
        median: place(0.5),
        ledger_cpu_us,
    }
}

/// CPU ticks of 10 ms (`USER_HZ` is 100 everywhere on Linux) of the threads alive, by the first part of their names.
fn cpu() -> BTreeMap<String, u64> {
    let mut used = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let Ok(stat) = std::fs::read_to_string(task.unwrap().path().join("stat")) else {
            continue;
        };
        let (name, rest) = stat.split_once('(').unwrap().1.rsplit_once(')').unwrap();
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        let name = name.split(['-', ':']).next().unwrap();
        *used.entry(name.to_owned()).or_insert(0) += ticks;
    }
    used
}

fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

/// Journals of the store: a fixed amount that does not grow with the log.
fn walk_journals(directory: &Path) -> u64 {
    let children = std::fs::read_dir(directory.join("store")).unwrap();
    let journals = children
        .map(|child| child.unwrap())
        .filter(|child| child.path().extension().is_some_and(|extension| extension == "jnl"));
    journals.map(|child| child.metadata().unwrap().len()).sum()
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

/// Strict checks of one signature over a seal-sized message on that many cores at once: a second, and CPU time of one.
fn verify_rate(cores: usize) -> (f64, f64) {
    let before = cpu();
    let one = || {
        let signer = key(1);
        let message = [7; 250];
        let signature = signer.sign(&message).unwrap();
        let public = signer.public_key();
        let start = Instant::now();
        let mut count = 0u32;
        let mut used = before.clone();
        while start.elapsed() < Duration::from_secs(2) {
            for _ in 0..1_000 {
                public.verify(&message, &signature).unwrap();
                count += 1;
            }
            used = cpu();
        }
        (f64::from(count), start.elapsed().as_secs_f64(), used)
    };
    let ran: Vec<_> = std::thread::scope(|scope| {
        let name = |number: usize| std::thread::Builder::new().name(format!("verify{cores}-{number}"));
        let threads: Vec<_> = (0..cores)
            .map(|number| name(number).spawn_scoped(scope, one).unwrap())
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count: f64 = ran.iter().map(|(count, ..)| count).sum();
    let most = |used: &BTreeMap<String, u64>| used.get(&format!("verify{cores}")).copied().unwrap_or(0);
    let ticks = ran.iter().map(|(.., used)| most(used)).max().unwrap_or(0);
    let rate = ran.iter().map(|(count, seconds, _)| count / seconds).sum();
    (rate, ticks as f64 * 10_000.0 / count)
}

/// Median of appending 600 bytes to a file and fdatasync, where the ledger's store is.
fn sync_time() -> Duration {
    use std::io::Write as _;
    let mut file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
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
    let sustained = std::env::args().any(|text| text == "sustained");
    let numbers: Vec<u64> = std::env::args().filter_map(|text| text.parse().ok()).collect();
    let seconds = numbers.first().copied().unwrap_or(10);
    let time = Duration::from_secs(seconds);
    let cores = std::thread::available_parallelism().unwrap().get();
    let ((one, _), (all, verify_us), sync) = (verify_rate(1), verify_rate(cores), sync_time());
    println!(
        "this machine: {cores} cores, {one:.0} verify_strict/s on one, {all:.0} on all at once ({verify_us:.1} us of CPU \
         each), fdatasync p50 {sync:?}"
    );
    let enough = |batches: f64| (!sustained).then_some((batches * seconds as f64) as usize);
    let ones = Load {
        name: "batches of 1, 4 writers",
        writers: WRITERS,
        size: 1,
        window: WINDOW,
        prepared: enough(one * cores as f64),
        pace: None,
    };
    let many = Load {
        name: "batches of 64, 4 writers",
        size: 64,
        prepared: enough(5_000.0),
        pace: numbers.get(1).map(|rate| *rate as f64),
        ..ones
    };
    if many.pace.is_some() {
        run(many, time);
        return;
    }
    let ran = run(ones, time);
    println!(
        "  = {:.2} x verify_strict on all cores; the ledger's CPU is {:.2} x verify_strict",
        ran.batches_per_second / all,
        ran.ledger_cpu_us / verify_us
    );
    run(many, time);
    let alone = Load {
        name: "one writer that waits for each receipt",
        writers: 1,
        window: 1,
        ..ones
    };
    let ran = run(alone, time.min(Duration::from_mins(1)));
    println!("  = {:.2} x fdatasync", ran.median.as_secs_f64() / sync.as_secs_f64());
}
