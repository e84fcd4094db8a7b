//! A sample of a control's population, drawn by what each of the two sides says.
//!
//! ```text
//! seed  = SHA-256(root ‖ nonce)                 the log's root is fixed before the auditor says the nonce
//! rank  = HMAC-SHA-256(seed, "ID:LABEL")        ID of the control, LABEL of one of its population
//! ```
//!
//! The sample is the `n` of the population with the lowest ranks, in the order of these. Anybody computes it again with a tool for
//! HMAC. Who made the log cannot choose what is drawn, as the nonce is not known then; nor can the auditor who says the nonce before the
//! root is known. That it was said before is not shown here. A label is the entry's index; of a period to be reviewed
//! it is `SCHEDULE FROM..TO`. Log-ins that were refused alike within a minute stand in one entry, and are one here.
//!
//! The checks are of everything, the sample's among it. An exception is one of what was drawn where it stands at its entry, or at
//! another entry of its session: a wrong chunk speaks against its session, and which of its commands are sound is for people to see. Where
//! some exception can be of anything that was drawn, because it is of no session or was not listed, nothing is bounded.
//! How many exceptions there can be in the population at 95 % is the upper limit of Clopper and Pearson (Biometrika 26, 1934), which
//! for no exception is 1 − 0.05^(1/n). The conclusion is the auditor's.

mod bound;
mod page;

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::{Event, SessionId};
use exhibit_schemas::merkle::Index;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

pub use self::bound::upper_percent;
use crate::VERIFIER_VERSION;
use crate::census::Exception;
use crate::report::cells::Cell;
use crate::report::control::{Control, is_told_once};
use crate::report::matrix::{self, Row, State};
use crate::verify::Bundle;

/// Name and version of the JSON.
pub const SAMPLE_FORMAT: &str = "exhibit-sample/1";

/// How many are drawn at the most; workpapers of more are the whole population.
pub const SIZE_MAX: u16 = 10_000;

/// Bytes of a nonce at the least: fewer can be tried out.
const NONCE_BYTES_MIN: usize = 8;

/// Bytes of a nonce at the most.
const NONCE_BYTES_MAX: usize = 64;

/// What to draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Of whose population.
    pub control: Control,
    /// How many.
    pub size: u16,
    /// What the auditor says.
    pub nonce: Nonce,
}

/// Bytes that the auditor chose: 8 to 64 of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(Vec<u8>);

/// Why a text is no nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NonceError {
    /// It is not hexadecimal.
    #[error("a nonce is hexadecimal digits, two to a byte")]
    Form,
    /// It is too short or too long.
    #[error("a nonce has {NONCE_BYTES_MIN} to {NONCE_BYTES_MAX} bytes, not {0}")]
    Length(usize),
}

impl Nonce {
    /// Reads hexadecimal digits.
    ///
    /// # Errors
    /// [`NonceError`].
    pub fn parse(text: &str) -> Result<Self, NonceError> {
        let bytes = hex::decode(text).map_err(|_| NonceError::Form)?;
        if (NONCE_BYTES_MIN..=NONCE_BYTES_MAX).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(NonceError::Length(bytes.len()))
        }
    }
}

impl std::fmt::Display for Nonce {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&hex::encode(&self.0))
    }
}

/// A draw under way.
#[derive(Debug)]
pub(crate) struct Draw {
    sampling: Sampling,
    seed: [u8; 32],
    population: u64,
    /// The lowest ranks so far, the highest of them on top.
    drawn: BinaryHeap<([u8; 32], String)>,
}

impl Draw {
    /// A draw from a log of this root.
    pub(crate) fn new(sampling: Sampling, root: Digest) -> Self {
        let mut seed = Sha256::new();
        seed.update(root.0);
        seed.update(&sampling.nonce.0);
        Self {
            sampling,
            seed: seed.finalize().into(),
            population: 0,
            drawn: BinaryHeap::new(),
        }
    }

    /// Takes in one of a population.
    pub(crate) fn offer(&mut self, control: Control, label: impl FnOnce() -> String) {
        if control != self.sampling.control {
            return;
        }
        self.population += 1;
        let label = label();
        let rank = rank(&self.seed, control, &label);
        if self.drawn.len() < usize::from(self.sampling.size) {
            self.drawn.push((rank, label));
        } else if let Some(mut top) = self.drawn.peek_mut()
            && rank < top.0
        {
            *top = (rank, label);
        }
    }

    /// Indexes of the entries that were drawn.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = Index> {
        self.drawn.iter().filter_map(|(_, label)| label.parse().ok().map(Index))
    }
}

fn rank(seed: &[u8; 32], control: Control, label: &str) -> [u8; 32] {
    let mut rank = Hmac::<Sha256>::new_from_slice(seed).expect("HMAC takes keys of every length");
    rank.update(format!("{}:{label}", control.definition().id).as_bytes());
    rank.finalize().into_bytes().into()
}

/// One that was drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Its rank.
    pub rank: String,
    /// What stands for it in its rank.
    pub label: String,
    /// The entry; absent for a period.
    pub entry: Option<u64>,
    /// Kind of the event; absent for what is no event.
    pub kind: Option<&'static str>,
    /// When, by its emitter's clock.
    pub time: Option<String>,
    /// Its session.
    pub session: Option<String>,
    /// What the control's tests found in it; nothing speaks against it where this is empty.
    pub exceptions: Vec<String>,
}

/// A sample.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// [`SAMPLE_FORMAT`].
    pub format: &'static str,
    /// Version of the verifier.
    pub verifier: &'static str,
    /// `verified`, or `refused` where there are errors about what was done.
    pub result: &'static str,
    /// The log's name.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// The root.
    pub root: String,
    /// The period.
    pub period: String,
    /// The auditor's nonce.
    pub nonce: String,
    /// SHA-256 of root and nonce.
    pub seed: String,
    /// The control with its population, its tests and what all of it came to.
    pub control: Row,
    /// How many could be drawn.
    pub population: u64,
    /// How many were asked for.
    pub asked: u16,
    /// Those that were drawn, by rank.
    pub items: Vec<Item>,
    /// Of them those with exceptions.
    pub with_exceptions: u64,
    /// Exceptions to the control that may be of any of them: they stand at entries of no session, or are not listed.
    pub unplaced: u64,
    /// What the sample bounds, in words.
    pub bound: String,
}

impl Sample {
    /// What was drawn from a bundle whose record is sound; `None` where nothing was to be.
    pub fn of(bundle: &Bundle, result: &'static str) -> Option<Self> {
        let drawn = bundle.drawn.as_ref()?;
        let control = drawn.draw.sampling.control;
        let row = matrix::rows(bundle)
            .into_iter()
            .find(|row| row.id == control.definition().id)?;
        // What stands outside of the period may be of a session that something was drawn from.
        let all = matrix::in_whole_log(bundle, control);
        let items: Vec<_> = drawn
            .draw
            .drawn
            .clone()
            .into_sorted_vec()
            .into_iter()
            .map(|(rank, label)| item(bundle, drawn, &all, rank, label))
            .collect();
        let adrift = |exception: &&Exception| !is_placed(bundle, control, exception);
        let unplaced = count(all.iter().filter(adrift).count())
            .saturating_add(row.not_listed)
            .saturating_add(bundle.findings.not_kept())
            .saturating_add(bundle.evidence.not_counted);
        let with_exceptions = count(items.iter().filter(|item| !item.exceptions.is_empty()).count());
        Some(Self {
            format: SAMPLE_FORMAT,
            verifier: VERIFIER_VERSION,
            result,
            origin: bundle.origin.clone(),
            size: bundle.size.0,
            root: bundle.root.to_string(),
            period: bundle.census.period().to_string(),
            nonce: drawn.draw.sampling.nonce.to_string(),
            seed: hex::encode(drawn.draw.seed),
            population: drawn.draw.population,
            asked: drawn.draw.sampling.size,
            unplaced,
            bound: said(&row, &items, with_exceptions, unplaced, drawn.draw.population),
            control: row,
            items,
            with_exceptions,
        })
    }

    /// What the tests found in one that was drawn.
    pub fn found(&self, item: &Item) -> String {
        match (item.exceptions.as_slice(), self.unplaced) {
            ([], 0) => "no exception".to_owned(),
            ([], _) => "not told apart".to_owned(),
            (exceptions, _) => exceptions.join("; "),
        }
    }

    /// JSON, indented.
    pub fn json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("strings, numbers and lists are JSON");
        json.push('\n');
        json
    }

    /// What was drawn as CSV, with empty columns for who looks at it.
    pub fn csv(&self) -> String {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let head = [
            "label",
            "entry",
            "kind",
            "time",
            "session",
            "in_tree",
            "sealed",
            "exceptions",
            "looked_at_by",
            "remarks",
            "rank",
        ];
        let written = csv.write_record(head);
        written.expect("a vector takes every record");
        for item in &self.items {
            // A period is no entry.
            let yes = item.entry.map(|_| "yes");
            let cells = [
                Cell::from(&item.label),
                Cell::from(item.entry),
                Cell::from(item.kind),
                Cell::from(item.time.as_ref()),
                Cell::from(item.session.as_ref()),
                Cell::from(yes),
                Cell::from(yes),
                Cell::from(self.found(item)),
                Cell::Empty,
                Cell::Empty,
                Cell::from(&item.rank),
            ];
            let written = csv.write_record(cells.iter().map(Cell::field));
            written.expect("a vector takes every record");
        }
        let bytes = csv.into_inner().expect("a vector takes every record");
        String::from_utf8(bytes).expect("fields are text")
    }

    /// The workpaper as one HTML page that needs nothing else.
    pub fn html(&self) -> String {
        page::page(self).into_string()
    }
}

/// What was drawn, with the events of its entries.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(crate) draw: Draw,
    pub(crate) events: BTreeMap<Index, Event>,
}

fn item(bundle: &Bundle, drawn: &Drawn, all: &BTreeSet<Exception>, rank: [u8; 32], label: String) -> Item {
    let entry = label.parse().ok();
    let event = entry.and_then(|entry| drawn.events.get(&Index(entry)));
    let session = event.and_then(|event| event.session).map(|place| place.0);
    let speaks = |exception: &Exception| match entry {
        Some(entry) if exception.index == Some(entry) => Some(format!("{}: {}", exception.cause, exception.detail)),
        Some(_) => exception
            .index
            .filter(|index| session.is_some() && session_of(bundle, *index) == session)
            .map(|index| format!("{} at #{index} of its session: {}", exception.cause, exception.detail)),
        // What speaks against a period names its schedule and when it was.
        None => exception
            .detail
            .starts_with(&format!("{label},"))
            .then(|| format!("{}: {}", exception.cause, exception.detail)),
    };
    Item {
        rank: hex::encode(rank),
        entry,
        kind: event.map(|event| event.kind().as_str()),
        time: event.map(|event| event.time.to_string()),
        session: session.map(|session| session.to_string()),
        exceptions: all.iter().filter_map(speaks).collect(),
        label,
    }
}

fn session_of(bundle: &Bundle, index: u64) -> Option<SessionId> {
    bundle.cited.get(&Index(index)).and_then(|cited| cited.session)
}

/// Whether it shows of what was drawn which of it an exception is of.
fn is_placed(bundle: &Bundle, control: Control, exception: &Exception) -> bool {
    if is_told_once(&exception.cause) {
        return false;
    }
    match control {
        Control::Access
        | Control::Identity
        | Control::Emergency
        | Control::Logoff
        | Control::Audit
        | Control::Authorization
        | Control::MinimumNecessary => exception.index.is_some_and(|index| session_of(bundle, index).is_some()),
        // Those of a period are told by its name, all others by their entries.
        _ => true,
    }
}

fn said(row: &Row, items: &[Item], with_exceptions: u64, unplaced: u64, population: u64) -> String {
    let size = count(items.len());
    if row.state == State::NotTested {
        return format!("This control is not tested: {}. Nothing is bounded.", row.result);
    }
    if size == 0 {
        return "0 instances in the period: there was nothing to draw from.".to_owned();
    }
    if unplaced > 0 {
        return format!(
            "{unplaced} exceptions to this control may be of anything that was drawn: they stand at entries of no session, are told once of \
             many alike, or are not listed. Nothing is bounded. The report lists them."
        );
    }
    let found = match with_exceptions {
        0 => "No exception".to_owned(),
        1 => "1 with an exception".to_owned(),
        many => format!("{many} with exceptions"),
    };
    if size == population {
        return format!("{found} in all {size} of the population; nothing is inferred.");
    }
    let narrow = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
    let upper = rounded_up(upper_percent(narrow(size), narrow(with_exceptions)));
    format!(
        "{found} by the tests in a sample of {size} of {population}: if people find none besides, with 95 % confidence no more than {upper} % \
         of the population have one (upper limit of Clopper and Pearson, of draws from a large population)."
    )
}

/// A limit with one digit behind the point, or with three below 1 %; never less than it is.
fn rounded_up(percent: f64) -> String {
    if percent < 1.0 {
        format!("{:.3}", (percent * 1_000.0).ceil() / 1_000.0)
    } else {
        format!("{:.1}", (percent * 10.0).ceil() / 10.0)
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::digest::Digest;

    use super::{Draw, Nonce, NonceError, Sampling};
    use crate::report::control::Control;

    fn draw(nonce: &str, size: u16, population: u64) -> Draw {
        let nonce = Nonce::parse(nonce).unwrap();
        let sampling = Sampling {
            control: Control::Access,
            size,
            nonce,
        };
        let mut draw = Draw::new(sampling, Digest([7; 32]));
        for index in 0..population {
            draw.offer(Control::Access, || index.to_string());
            draw.offer(Control::Audit, || index.to_string());
        }
        draw
    }

    #[test]
    fn the_lowest_ranks_are_drawn_and_none_of_another_control() {
        let (all, few) = (draw("0011223344556677", 500, 500), draw("0011223344556677", 25, 500));
        assert_eq!((all.population, all.drawn.len(), few.drawn.len()), (500, 500, 25));
        let first: Vec<_> = all.drawn.into_sorted_vec().into_iter().take(25).collect();
        assert_eq!(first, few.drawn.into_sorted_vec());
    }

    #[test]
    fn a_rank_is_what_another_tool_computes() {
        // printf 070707..07 0011223344556677 | xxd -r -p | sha256sum; printf 312.a.1:0 | openssl dgst -sha256 -mac HMAC -macopt hexkey:SEED
        let drawn = draw("0011223344556677", 1, 1);
        assert_eq!(
            hex::encode(drawn.seed),
            "9f60e130643d46a485fd513b9c05826dc9895240f0302330fbe0bd7177739cc4"
        );
        assert_eq!(
            hex::encode(drawn.drawn.into_sorted_vec().remove(0).0),
            "58be3678153ffa2bffaee5f64175216f86eb8f3b2c76231f3dd8ec06c04f8233"
        );
    }

    #[test]
    fn another_nonce_draws_others() {
        let labels = |nonce| draw(nonce, 25, 500).drawn.into_sorted_vec();
        assert_ne!(labels("0011223344556677"), labels("0011223344556678"));
    }

    #[test]
    fn limits_are_rounded_up() {
        for (percent, text) in [
            (11.2928, "11.3"),
            (17.6121, "17.7"),
            (0.0299, "0.030"),
            (0.0004, "0.001"),
            (100.0, "100.0"),
        ] {
            assert_eq!(super::rounded_up(percent), text);
        }
    }

    #[test]
    fn nonces_have_a_length() {
        assert_eq!(Nonce::parse("00112233445566"), Err(NonceError::Length(7)));
        assert_eq!(Nonce::parse(&"00".repeat(65)), Err(NonceError::Length(65)));
        assert_eq!(Nonce::parse("0x00112233445566"), Err(NonceError::Form));
        assert!(Nonce::parse(&"00".repeat(64)).is_ok());
    }
}
