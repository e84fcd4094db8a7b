//! What reading a statement costs, the first time and again. Run by hand: `cargo bench --workspace --bench read`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use exhibit_policy::snapshot::Snapshot;
use exhibit_postgres::Masking;
use exhibit_postgres::catalog::Catalog;
use exhibit_postgres::read::Read;

/// Runs of which the median is taken.
const RUNS: usize = 100;

/// Readings in a run.
const READINGS: u32 = 1_000;

const POLICY: &str = "version = 1\n[[targets]]\nname = \"clinic\"\nprotocol = \"postgres\"\n";

const STATEMENTS: &[(&str, &str)] = &[
    (
        "pgbench, select-only",
        "SELECT abalance FROM pgbench_accounts WHERE aid = 4711;",
    ),
    (
        "a join of four relations",
        "SELECT p.id, p.name, v.at, d.name, sum(c.amount) FROM patients p JOIN visits v ON v.patient = p.id \
         JOIN doctors d ON d.id = v.doctor LEFT JOIN charges c ON c.visit = v.id WHERE v.at > '2024-01-01' \
         AND p.clinic IN (SELECT id FROM clinics WHERE region = 'north') GROUP BY 1, 2, 3, 4 ORDER BY 3 DESC LIMIT 50",
    ),
];

/// The median cost of one reading.
fn median(mut read: impl FnMut()) -> Duration {
    let mut runs: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let begun = Instant::now();
            (0..READINGS).for_each(|_| read());
            begun.elapsed() / READINGS
        })
        .collect();
    runs.sort_unstable();
    runs.get(RUNS / 2).copied().unwrap_or_default()
}

#[allow(clippy::print_stdout, reason = "it is what a bench is for")]
fn main() {
    let policy = Snapshot::parse(POLICY.as_bytes()).unwrap_or_else(|error| unreachable!("{error}"));
    let catalog = Catalog::default();
    let mut read = Read::default();
    for (name, sql) in STATEMENTS {
        let once = |read: &mut Read| {
            let analysis = read.analysis(black_box(sql), &catalog, &policy, "clinic", Masking::Proxy);
            black_box(analysis.unwrap_or_else(|error| unreachable!("{error}")));
        };
        let first = median(|| {
            read.forget();
            once(&mut read);
        });
        let again = median(|| once(&mut read));
        println!(
            "{name}: {:.1} us the first time, {} ns again",
            first.as_secs_f64() * 1e6,
            again.as_nanos()
        );
    }
}
