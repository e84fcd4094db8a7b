//! Measures the detectors on labelled texts, and holds floors a little under what they reach.
//!
//! The texts are `../shared/data/pii/synth_v2_tuning.json` (presidio-research, MIT): everyday English with names and
//! addresses of many countries, so harder for names than clinical notes and easier for numbers. Templates are split in two
//! by their order: rules and word lists were tuned on the even ones, and the odd ones are the held-out half. Spans match
//! where they share at least half of their union (`IoU` 0.5). Run with `--nocapture` to see the tables.

#![expect(clippy::print_stdout, reason = "the tables are what a person runs this for")]
#![expect(
    clippy::indexing_slicing,
    reason = "places come from the labels, and a wrong one must fail the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use exhibit_policy::detect::{Category, Confidence, Detectors, Hints};
use serde::Deserialize;

#[derive(Deserialize)]
struct Sample {
    full_text: String,
    spans: Vec<Label>,
    template_id: u32,
}

#[derive(Deserialize)]
struct Label {
    entity_type: String,
    start_position: usize,
    end_position: usize,
}

/// A folder of `shared/data` beside one of the folders around this crate.
fn shared(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|above| above.join("shared/data").join(folder))
        .find(|path| path.exists())
        .expect("shared/data stands beside the repository")
}

fn samples() -> Vec<Sample> {
    let text = std::fs::read_to_string(shared("pii/synth_v2_tuning.json")).expect("it reads");
    serde_json::from_str(&text).expect("it parses")
}

/// Whether a template belongs to the half that the rules were tuned on.
fn tuned(templates: &BTreeSet<u32>, template: u32) -> bool {
    templates.range(..template).count().is_multiple_of(2)
}

/// The byte at which each character begins, and the end.
fn bytes_of(text: &str) -> Vec<usize> {
    text.char_indices().map(|(byte, _)| byte).chain([text.len()]).collect()
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> f64 {
    let common = one.end.min(other.end).saturating_sub(one.start.max(other.start));
    let union = one.len() + other.len() - common;
    as_float(common) / as_float(union.max(1))
}

fn as_float(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("counts are small"))
}

/// The categories that find a type of the labels.
fn categories(kind: &str) -> &'static [Category] {
    match kind {
        "CREDIT_CARD" => &[Category::Card],
        "EMAIL_ADDRESS" => &[Category::Email],
        "IBAN_CODE" => &[Category::Iban],
        "US_SSN" => &[Category::Ssn],
        "PHONE_NUMBER" => &[Category::Phone, Category::Fax],
        "DOMAIN_NAME" => &[Category::Url],
        "IP_ADDRESS" => &[Category::Ip],
        "PERSON" | "ORGANIZATION" | "TITLE" => &[Category::Name],
        "STREET_ADDRESS" => &[Category::Address, Category::Place, Category::Zip],
        "GPE" | "NRP" => &[Category::Place, Category::Address],
        "ZIP_CODE" => &[Category::Zip],
        "DATE_TIME" => &[Category::Date],
        "AGE" => &[Category::Age],
        _ => &[],
    }
}

const STRUCTURED: &[&str] = &[
    "CREDIT_CARD",
    "EMAIL_ADDRESS",
    "IBAN_CODE",
    "US_SSN",
    "PHONE_NUMBER",
    "DOMAIN_NAME",
    "IP_ADDRESS",
];

#[derive(Default, Clone, Copy)]
struct Score {
    hit: usize,
    missed: usize,
    false_alarm: usize,
}

impl Score {
    fn recall(self) -> f64 {
        as_float(self.hit) / as_float((self.hit + self.missed).max(1))
    }

    fn precision(self) -> f64 {
        as_float(self.hit) / as_float((self.hit + self.false_alarm).max(1))
    }

    /// F with recall four times as heavy as precision.
    fn f2(self) -> f64 {
        let (recall, precision) = (self.recall(), self.precision());
        5.0 * precision * recall / (4.0 * precision + recall).max(1e-9)
    }
}

struct Measured {
    /// Any finding counts for any label.
    all: Score,
    /// Only findings of the label's own categories count.
    typed: Score,
    structured: Score,
    by_type: BTreeMap<String, Score>,
}

/// Matches one to one, the best overlap first; returns for each label whether it was hit and for each finding whether it hit.
fn matched(
    labels: &[(Range<usize>, &str)],
    findings: &[(Range<usize>, Category)],
    fits: impl Fn(&str, Category) -> bool,
) -> (Vec<bool>, Vec<bool>) {
    let mut pairs = Vec::new();
    for (label, (span, kind)) in labels.iter().enumerate() {
        for (finding, (found, category)) in findings.iter().enumerate() {
            let share = overlap(span, found);
            if share >= 0.5 && fits(kind, *category) {
                pairs.push((share, label, finding));
            }
        }
    }
    pairs.sort_by(|one, other| other.0.total_cmp(&one.0));
    let (mut hit, mut used) = (vec![false; labels.len()], vec![false; findings.len()]);
    for (_, label, finding) in pairs {
        if !hit[label] && !used[finding] {
            hit[label] = true;
            used[finding] = true;
        }
    }
    (hit, used)
}

fn measure(detectors: &Detectors, samples: &[&Sample], floor: Confidence, show: bool) -> Measured {
    let mut measured = Measured {
        all: Score::default(),
        typed: Score::default(),
        structured: Score::default(),
        by_type: BTreeMap::new(),
    };
    for sample in samples {
        let bytes = bytes_of(&sample.full_text);
        let labels: Vec<_> = sample
            .spans
            .iter()
            .map(|label| {
                (
                    bytes[label.start_position]..bytes[label.end_position],
                    label.entity_type.as_str(),
                )
            })
            .collect();
        let findings: Vec<_> = detectors
            .find(&sample.full_text, &Hints::none())
            .into_iter()
            .filter(|finding| finding.confidence >= floor)
            .map(|finding| (finding.span, finding.category))
            .collect();
        let count = |score: &mut Score, hit: &[bool], used: &[bool]| {
            score.hit += hit.iter().filter(|one| **one).count();
            score.missed += hit.iter().filter(|one| !**one).count();
            score.false_alarm += used.iter().filter(|one| !**one).count();
        };
        let (hit, used) = matched(&labels, &findings, |_, _| true);
        count(&mut measured.all, &hit, &used);
        for ((_, kind), hit) in labels.iter().zip(&hit) {
            let score = measured.by_type.entry((*kind).to_owned()).or_default();
            score.hit += usize::from(*hit);
            score.missed += usize::from(!*hit);
        }
        if show {
            for ((span, kind), _) in labels.iter().zip(&hit).filter(|(_, hit)| !**hit) {
                println!(
                    "MISS {kind} {:?} in {:?}",
                    &sample.full_text[span.clone()],
                    sample.full_text
                );
            }
            for ((span, category), _) in findings.iter().zip(&used).filter(|(_, used)| !**used) {
                println!(
                    "FALSE {} {:?} in {:?}",
                    category.as_str(),
                    &sample.full_text[span.clone()],
                    sample.full_text
                );
            }
        }
        let (hit, used) = matched(&labels, &findings, |kind, category| {
            categories(kind).contains(&category)
        });
        count(&mut measured.typed, &hit, &used);
        let structured = |kind: &str| STRUCTURED.contains(&kind);
        let labels: Vec<_> = labels.into_iter().filter(|(_, kind)| structured(kind)).collect();
        let wanted: Vec<Category> = STRUCTURED.iter().flat_map(|kind| categories(kind)).copied().collect();
        let findings: Vec<_> = findings
            .into_iter()
            .filter(|(_, category)| wanted.contains(category))
            .collect();
        let (hit, used) = matched(&labels, &findings, |kind, category| {
            categories(kind).contains(&category)
        });
        count(&mut measured.structured, &hit, &used);
        if show {
            for ((span, kind), _) in labels.iter().zip(&hit).filter(|(_, hit)| !**hit) {
                println!(
                    "STRUCTURED MISS {kind} {:?} in {:?}",
                    &sample.full_text[span.clone()],
                    sample.full_text
                );
            }
            for ((span, category), _) in findings.iter().zip(&used).filter(|(_, used)| !**used) {
                println!(
                    "STRUCTURED FALSE {} {:?} in {:?}",
                    category.as_str(),
                    &sample.full_text[span.clone()],
                    sample.full_text
                );
            }
        }
    }
    measured
}

fn report(name: &str, measured: &Measured) {
    let line = |what: &str, score: Score| {
        let (recall, precision) = (score.recall(), score.precision());
        println!(
            "{name:<22} {what:<16} recall {recall:.3} precision {precision:.3} F2 {:.3} of {}",
            score.f2(),
            score.hit + score.missed
        );
    };
    line("structured", measured.structured);
    line("all spans", measured.all);
    line("all, own type", measured.typed);
    for (kind, score) in &measured.by_type {
        println!(
            "{name:<22}   {kind:<16} recall {:.3} of {}",
            score.recall(),
            score.hit + score.missed
        );
    }
}

/// Texts that describe and name nobody: conditions, drugs, tests and procedures of Synthea's synthetic hospital.
fn clinical() -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for table in [
        "allergies",
        "careplans",
        "conditions",
        "encounters",
        "imaging_studies",
        "immunizations",
        "medications",
        "observations",
        "procedures",
        "supplies",
    ] {
        let path = shared("synthea").join(format!("{table}.csv"));
        let mut reader = csv::Reader::from_path(path).expect("it opens");
        let headers = reader.headers().expect("it has headers").clone();
        for record in reader.records() {
            let record = record.expect("it reads");
            let described = headers.iter().zip(&record).filter(|(name, value)| {
                (name.contains("DESCRIPTION") || matches!(*name, "CODE" | "UNITS" | "CATEGORY" | "REASONCODE"))
                    && !value.is_empty()
            });
            texts.extend(described.map(|(_, value)| value.to_owned()));
        }
    }
    texts
}

#[test]
fn few_clinical_terms_and_codes_are_taken_for_identifiers() {
    let detectors = Detectors::new();
    let texts = clinical();
    assert!(texts.len() > 500, "{} texts", texts.len());
    let found: Vec<_> = texts
        .iter()
        .filter_map(|text| {
            detectors
                .mask(text, &Hints::none(), Confidence::Likely)
                .map(|masked| (text, masked))
        })
        .collect();
    for (text, masked) in &found {
        println!("{text} -> {masked}");
    }
    println!("{} of {} texts have a finding that is likely", found.len(), texts.len());
    assert!(found.len() * 100 <= texts.len(), "more than one in a hundred");
}

#[test]
fn detectors_hold_their_floors_on_labelled_texts() {
    let detectors = Detectors::new();
    let samples = samples();
    let templates: BTreeSet<u32> = samples.iter().map(|sample| sample.template_id).collect();
    let (tuning, held_out): (Vec<_>, Vec<_>) = samples.iter().partition(|sample| tuned(&templates, sample.template_id));
    let show = std::env::var_os("EXHIBIT_DETECT_SHOW").is_some();
    for floor in [Confidence::Possible, Confidence::Likely] {
        let tuned = measure(&detectors, &tuning, floor, show && floor == Confidence::Possible);
        let held = measure(&detectors, &held_out, floor, false);
        report(&format!("tuning {floor:?}"), &tuned);
        report(&format!("held-out {floor:?}"), &held);
        for half in [tuned, held] {
            assert!(half.structured.recall() >= 0.99, "structured recall at {floor:?}");
            assert!(half.structured.precision() >= 0.98, "structured precision at {floor:?}");
            if floor == Confidence::Possible {
                assert!(half.all.f2() >= 0.77, "F2 of all spans");
            }
        }
    }
}
