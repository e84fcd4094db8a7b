//! What masking CSV costs: rows of ten columns, three of which have masks, as `docs/performance.md` says. Run by hand:
//! `cargo bench -p exhibit-documents --profile stack --bench mask`.

use divan::Bencher;
use divan::counter::BytesCount;
use exhibit_documents::Masker;
use exhibit_policy::mask::MaskKey;
use exhibit_policy::net::SessionNet;
use exhibit_policy::snapshot::Snapshot;

/// Bytes that come at once, as a socket gives them.
const PIECE_BYTES: usize = 64 * 1024;

/// Rows of one object, some megabytes.
const ROWS: usize = 40_000;

const HEAD: &str = "version = 1\n[[targets]]\nname = \"lake\"\nprotocol = \"s3\"\n[[documents]]\nname = \"d\"\ntargets = [\"lake\"]\n\
                    resources = [\"*\"]\nformat = \"csv\"\n";

const NET: &str =
    "[[nets]]\nname = \"n\"\ntargets = [\"lake\"]\ncategories = [\"ssn\", \"card\", \"email\", \"phone\"]\n";

fn masks(techniques: [&str; 3]) -> String {
    let columns = ["ssn", "last", "address"];
    let masks = columns.iter().zip(techniques).map(|(column, technique)| {
        format!("[[masks]]\nname = \"{column}\"\ntargets = [\"lake\"]\nresources = [\"d.{column}\"]\ntechnique = {technique}\n")
    });
    masks.collect()
}

/// Rows as an export of patients has them; two of the cells are quoted.
fn rows() -> Vec<u8> {
    let mut rows = String::from("id,birthdate,ssn,first,last,gender,city,address,zip,expenses\n");
    for row in 0..ROWS {
        let line = format!(
            "{row:08x}-4b7c-8d1e-{:04x},19{:02}-{:02}-{:02},999-{:02}-{:04},Aurelia{},Kowalczyk{},F,\"Springfield, MA\",\"{} Main \
             Street, Unit {}\",0{:04},{}.{:02}\n",
            row % 65_536,
            row % 90 + 10,
            row % 12 + 1,
            row % 28 + 1,
            row % 90 + 10,
            row % 10_000,
            row % 100,
            row % 1_000,
            row % 900 + 100,
            row % 90,
            row % 10_000,
            row % 90_000,
            row % 100,
        );
        rows.push_str(&line);
    }
    rows.into_bytes()
}

fn run(bencher: Bencher<'_, '_>, policy: &str) {
    let policy = Snapshot::parse(policy.as_bytes()).expect("the policy reads");
    let rows = rows();
    let document = policy.reading("lake", "b/k").document().expect("one is for it").clone();
    bencher.counter(BytesCount::new(rows.len())).bench_local(|| {
        let mut net = SessionNet::new(&policy, "lake");
        let mut masker = Masker::new(&policy, "lake", &document, MaskKey::new([7; 32]));
        let mut bytes = 0;
        for piece in rows.chunks(PIECE_BYTES) {
            let frames = masker.push(piece, &mut net).expect("it is a table");
            bytes += frames.len();
        }
        bytes + masker.finish(&mut net).expect("it is whole").len()
    });
}

#[divan::bench]
fn no_masks(bencher: Bencher<'_, '_>) {
    run(bencher, &(HEAD.to_owned() + "phi = false\n"));
}

#[divan::bench]
fn redact_partial_null(bencher: Bencher<'_, '_>) {
    run(
        bencher,
        &(HEAD.to_owned() + &masks(["\"partial\"\nkeep = 4", "\"redact\"", "\"null\""])),
    );
}

#[divan::bench]
fn token_partial_redact(bencher: Bencher<'_, '_>) {
    run(
        bencher,
        &(HEAD.to_owned() + &masks(["\"token\"", "\"partial\"\nkeep = 1", "\"redact\""])),
    );
}

#[divan::bench]
fn three_tokens(bencher: Bencher<'_, '_>) {
    run(
        bencher,
        &(HEAD.to_owned() + &masks(["\"token\"", "\"token\"", "\"token\""])),
    );
}

#[divan::bench]
fn token_partial_redact_and_a_net(bencher: Bencher<'_, '_>) {
    run(
        bencher,
        &(HEAD.to_owned() + &masks(["\"token\"", "\"partial\"\nkeep = 1", "\"redact\""]) + NET),
    );
}

fn main() {
    divan::main();
}
