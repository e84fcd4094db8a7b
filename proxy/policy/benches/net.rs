//! What masks and the net cost a row of ten columns, against the evidence of the row alone: its encoding in a chunk and the
//! hash of that, which every released row costs. Run by hand: `cargo bench -p exhibit-policy --bench net`.
//!
//! The rows are what a query of encounters returns: three columns have masks, and in no other is anything to find.

use divan::counter::ItemsCount;
use exhibit_policy::mask::value::{Coding, Day, Decimal, Integer, Value};
use exhibit_policy::mask::{CellKind, ColumnMask, MaskKey, Masked, RowMasker, Technique};
use exhibit_policy::net::{Known, SessionNet};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::cbor;
use exhibit_schemas::digest::Digest;

const POLICY: &str = r#"
version = 1
[[targets]]
name = "clinic"
protocol = "postgres"
[[nets]]
name = "identifiers"
targets = ["clinic"]
categories = ["ssn", "card", "iban", "email", "phone", "fax", "mrn", "health-plan", "account", "licence", "npi", "dea", "vehicle", "device"]
"#;

/// Rows of one run: some chunks of a reply.
const ROWS: usize = 1_000;

const STATUS: &[&str] = &["finished", "in-progress", "cancelled", "planned"];
const KIND: &[&str] = &["ambulatory", "wellness", "outpatient", "emergency", "inpatient"];
const REASON: &[&str] = &[
    "Acute viral pharyngitis (disorder)",
    "Essential hypertension",
    "Perennial allergic rhinitis with seasonal variation",
    "Prediabetes",
    "Body mass index 30+ - obesity (finding)",
    "Medication reconciliation (procedure)",
    "Normal pregnancy",
    "Well child visit (procedure)",
];
const NOTE: &[&str] = &[
    "Patient reports sore throat and fever for",
    "Blood pressure improved on the current dose for",
    "Lungs clear to auscultation, no change over",
    "Discussed diet and exercise, symptoms for",
];

fn cells(row: usize) -> Vec<Option<Vec<u8>>> {
    let of = |list: &[&str], step: usize| (*list.get(row * step % list.len()).unwrap_or(&"")).to_owned();
    let cells = [
        format!("{}", 10_000 + row),
        format!("MRN{:08}", row * 7_919),
        "Kowalczyk".to_owned(),
        format!("19{:02}-{:02}-{:02}", row % 90, row % 12 + 1, row % 28 + 1),
        of(STATUS, 3),
        of(KIND, 7),
        of(REASON, 5),
        format!("{} {} days, plan unchanged, visit {row}.", of(NOTE, 11), row % 30),
        format!("{}.{:02}", row % 900, row % 100),
        format!("2024-{:02}-{:02} {:02}:15:00", row % 12 + 1, row % 28 + 1, row % 24),
    ];
    cells.into_iter().map(|cell| Some(cell.into_bytes())).collect()
}

fn masks() -> Vec<Option<ColumnMask>> {
    let mask = |technique, kind| {
        Some(ColumnMask {
            mask: "m".to_owned(),
            technique,
            kind,
        })
    };
    let mut masks = vec![None; 10];
    let own = [
        mask(
            Technique::Token {
                domain: "mrn".to_owned(),
            },
            CellKind::Text,
        ),
        mask(Technique::Redact, CellKind::Text),
        mask(Technique::Year, CellKind::Text),
    ];
    masks.splice(1..4, own);
    masks
}

/// Values of other types than text, in their text form.
#[derive(Debug)]
enum Written {
    Integer,
    Decimal,
    Date,
    Moment,
}

impl Coding for Written {
    fn read(&self, bytes: &[u8]) -> Option<Value> {
        let text = std::str::from_utf8(bytes).ok()?;
        match self {
            Self::Integer => Integer::new(text.parse().ok()?, i64::MAX).map(Value::Integer),
            Self::Decimal => Decimal::parse(text).map(Value::Decimal),
            Self::Date => Day::read_iso(text).map(|(day, _)| Value::Date(day)),
            Self::Moment => Some(Value::Other(text.to_owned())),
        }
    }

    fn write(&self, _: &Value) -> Option<Vec<u8>> {
        None
    }
}

fn main() {
    divan::main();
}

/// Rows through a masker, encoded and hashed as one chunk would be.
fn run(bencher: divan::Bencher<'_, '_>, masks: &[Option<ColumnMask>], mut net: SessionNet) {
    let kinds = [
        ("id", CellKind::Coded(&Written::Integer)),
        ("mrn", CellKind::Text),
        ("last_name", CellKind::Text),
        ("birth_date", CellKind::Coded(&Written::Date)),
        ("status", CellKind::Text),
        ("class", CellKind::Text),
        ("reason", CellKind::Text),
        ("note", CellKind::Text),
        ("cost", CellKind::Coded(&Written::Decimal)),
        ("start", CellKind::Coded(&Written::Moment)),
    ];
    let origin = |name: &str| format!("public.encounters.{name}");
    let columns = kinds.map(|(name, kind)| {
        let origin = origin(name);
        let known = Known {
            name,
            origin: Some(&origin),
            label: Some(name),
            meaning: None,
        };
        net.column(known, kind)
    });
    let rows: Vec<_> = (0..ROWS).map(cells).collect();
    bencher
        .counter(ItemsCount::new(ROWS))
        .with_inputs(|| rows.clone())
        .bench_local_values(|rows| {
            let mut masker = RowMasker::new(masks.to_vec(), MaskKey::new([7; 32])).described(columns.to_vec());
            let frames = rows.into_iter().map(|row| masker.row(row, &mut net));
            let frames: Vec<_> = frames.flatten().map(Masked::into_inner).collect();
            Digest::of(&cbor::encode(&frames))
        });
}

#[divan::bench]
fn evidence_alone(bencher: divan::Bencher<'_, '_>) {
    run(bencher, &vec![None; 10], SessionNet::default());
}

#[divan::bench]
fn masks_of_three_columns(bencher: divan::Bencher<'_, '_>) {
    run(bencher, &masks(), SessionNet::default());
}

#[divan::bench]
fn masks_and_net(bencher: divan::Bencher<'_, '_>) {
    let policy = Snapshot::parse(POLICY.as_bytes()).expect("the policy above is one");
    run(bencher, &masks(), SessionNet::new(&policy, "clinic"));
}
