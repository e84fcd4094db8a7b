//! How many bytes the detectors search in a second of one CPU. Run by hand: `cargo bench -p exhibit-policy --bench detect`.
//!
//! The rows are short and ordinary: ten columns of clinical text with few identifiers, as a query returns them. `notes` are
//! longer texts, and `hostile` is what costs the most for its size.

use divan::counter::BytesCount;
use exhibit_policy::detect::{Confidence, Detectors, Hints};

/// Ten columns a row.
const ROWS: &[[&str; 10]] = &[
    [
        "encounter for symptom",
        "Acute viral pharyngitis (disorder)",
        "final",
        "Patient reports sore throat and fever for three days, no cough.",
        "Loratadine 5 MG Chewable Tablet",
        "vital-signs",
        "Body Height",
        "127.9 cm",
        "Rest, fluids, and follow up in two weeks if symptoms persist.",
        "ambulatory",
    ],
    [
        "Well child visit (procedure)",
        "Perennial allergic rhinitis with seasonal variation",
        "active",
        "Lungs clear to auscultation, heart regular without murmur, abdomen soft.",
        "NDA020800 0.3 ML Epinephrine 1 MG/ML Auto-Injector",
        "laboratory",
        "Hemoglobin A1c/Hemoglobin.total in Blood",
        "6.1 %",
        "Discussed diet and exercise, repeat labs before the next visit.",
        "wellness",
    ],
    [
        "Medication Reconciliation (procedure)",
        "Essential hypertension",
        "completed",
        "Blood pressure improved on the current dose, denies chest pain or dyspnea.",
        "Lisinopril 10 MG Oral Tablet",
        "survey",
        "Pain severity - 0-10 verbal numeric rating [Score] - Reported",
        "3",
        "Continue current medication, call the clinic with any dizziness.",
        "outpatient",
    ],
];

const NOTE: &str = "History of Present Illness: The patient is a pleasant adult with a history of hypertension and \
    type 2 diabetes who presents for follow up. Blood sugars at home have run between 110 and 150. No chest pain, no \
    shortness of breath, no edema. Medications were reviewed and reconciled. Physical exam is unremarkable: lungs are \
    clear, heart is regular, abdomen is soft and not tender. Assessment and plan: continue metformin 500 mg twice daily, \
    repeat hemoglobin A1c in three months, refer to ophthalmology for annual eye exam, and return to clinic as needed. ";

fn main() {
    divan::main();
}

#[divan::bench]
fn short_rows(bencher: divan::Bencher<'_, '_>) {
    let detectors = Detectors::new();
    let bytes: usize = ROWS.iter().flatten().map(|cell| cell.len()).sum();
    bencher.counter(BytesCount::new(bytes)).bench(|| {
        for cell in divan::black_box(ROWS).iter().flatten() {
            divan::black_box(detectors.mask(cell, &Hints::none(), Confidence::Likely));
        }
    });
}

#[divan::bench]
fn notes(bencher: divan::Bencher<'_, '_>) {
    let detectors = Detectors::new();
    let text = NOTE.repeat(20);
    bencher
        .counter(BytesCount::new(text.len()))
        .bench(|| detectors.mask(divan::black_box(&text), &Hints::none(), Confidence::Likely));
}

#[divan::bench(args = ["12-", "Xu Yo ", "a@", "a::", "1.", "aB1/", "(", "9"])]
fn hostile(bencher: divan::Bencher<'_, '_>, unit: &str) {
    let detectors = Detectors::new();
    let text = unit.repeat(100_000 / unit.len());
    bencher
        .counter(BytesCount::new(text.len()))
        .bench(|| detectors.mask(divan::black_box(&text), &Hints::none(), Confidence::Likely));
}

#[divan::bench]
fn build() -> Detectors {
    Detectors::new()
}
