//! What counts as a leak: a canary as it is, or in a form that anybody turns back.
//!
//! What was heard is read in several *orders*: cell after cell; column after column; column after column once more without
//! what all of its cells begin and end with; and the rows of a table sorted by each column of whole numbers. In each order
//! are looked for, without regard to case, a piece of a canary
//!
//! - as it is and reversed, whatever stands between its letters and digits (so also split, or one to a cell, row, error,
//!   notice, notification or statement);
//! - as hexadecimal digits, also reversed, also in capitals or small letters;
//! - in base64, at each of its three alignments, also reversed;
//! - as the codes of its characters: decimal, hexadecimal, octal or in bits, one after the other or in one run, also reversed;
//! - as bytes of PostgreSQL's binary formats, either end first, also in hexadecimal digits;
//! - in base32, at each of its five alignments;
//! - with all of its letters moved by as many places of the alphabet, or its digits, where [`MOVED_PIECE`] stand in a row;
//! - among digits that are no part of it, such as lengths before its parts, where it has [`MOVED_PIECE`] letters in a row;
//! - as what the server makes of it (`digests.rs`): [`DIGEST_PIECE`] characters of a digest in hexadecimal digits or base64, or the
//!   number that a hash is, as a cell of its own.
//!
//! A piece is [`PIECE`] letters and digits in a row, or [`NUMBER_PIECE`] where all are hexadecimal digits, which other
//! numbers could happen to hold; a whole canary where that is shorter, and wherever whole files are searched.
//!
//! Not found: yes and no (`probes.sql` has those), digests and ciphers under other keys and salts than the corpus has, and what
//! only time tells.

use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::AhoCorasick;
use base64::Engine as _;

use crate::canaries::Canary;
use crate::digests::{Digest, Made};

/// Letters and digits in a row that make a leak.
const PIECE: usize = 6;

/// The same of a run that could be a number.
const NUMBER_PIECE: usize = 9;

/// Letters in a row that make a leak where there are many ways to read them.
const MOVED_PIECE: usize = 9;

/// Characters of a digest that nothing else could happen to be.
const DIGEST_PIECE: usize = 12;

/// Where cells of one kind come from: the type of a message, and a field of it where it has any.
pub(crate) type Kind = (u8, u8);

/// A row of what was heard.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) kind: Kind,
    pub(crate) cells: Vec<Vec<u8>>,
}

/// Everything that somebody heard, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) rows: Vec<Row>,
    /// All bytes, for binary formats.
    pub(crate) raw: Vec<u8>,
}

/// Looks for canaries.
pub(crate) struct Finder {
    names: Vec<&'static str>,
    letters: Needles,
    codes: Needles,
    raw: Needles,
    /// Among letters alone, where there are no digits.
    alone: Needles,
    /// Cells that are the letters and digits of one form, whole.
    cells: BTreeMap<Vec<u8>, usize>,
}

/// Byte strings, and the canary that each is a form of.
struct Needles {
    automaton: AhoCorasick,
    canaries: Vec<usize>,
}

/// How long a piece of a canary has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pieces {
    /// Some letters in a row.
    Short,
    /// The whole canary: for files, whose random bytes would hold short pieces.
    Whole,
}

impl Heard {
    /// One text, or one file.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let row = Row {
            kind: (0, 0),
            cells: vec![bytes.to_vec()],
        };
        Self {
            rows: vec![row],
            raw: bytes.to_vec(),
        }
    }

    /// Adds bytes of no form that is known.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.rows.extend(Self::of(bytes).rows);
        self.raw.extend_from_slice(bytes);
    }

    /// The text in each order.
    fn orders(&self) -> Vec<Vec<u8>> {
        let mut orders = vec![join(self.rows.iter().flat_map(|row| &row.cells))];
        let mut tables: BTreeMap<(Kind, usize), Vec<&Row>> = BTreeMap::new();
        let mut columns: BTreeMap<(Kind, usize), Vec<&Vec<u8>>> = BTreeMap::new();
        for row in &self.rows {
            tables.entry((row.kind, row.cells.len())).or_default().push(row);
            for (column, cell) in row.cells.iter().enumerate() {
                columns.entry((row.kind, column)).or_default().push(cell);
            }
        }
        for cells in columns.values().filter(|cells| cells.len() > 1) {
            orders.push(join(cells.iter().copied()));
            orders.push(join(bare(cells).iter()));
        }
        for ((_, width), rows) in tables.iter().filter(|((_, width), rows)| *width > 1 && rows.len() > 1) {
            for by in 0..*width {
                let numbers: Option<Vec<i64>> = rows.iter().map(|row| number(&row.cells[by])).collect();
                let Some(numbers) = numbers else { continue };
                let mut sorted: Vec<(i64, &&Row)> = numbers.into_iter().zip(rows).collect();
                sorted.sort_by_key(|(number, _)| *number);
                for column in (0..*width).filter(|column| *column != by) {
                    orders.push(join(sorted.iter().map(|(_, row)| &row.cells[column])));
                }
            }
        }
        orders
    }
}

impl Finder {
    /// Looks for these.
    pub(crate) fn new(canaries: &[Canary], pieces: Pieces) -> Self {
        Self::knowing(canaries, pieces, &[])
    }

    /// The same, and what the server makes of them.
    pub(crate) fn knowing(canaries: &[Canary], pieces: Pieces, digests: &[Digest]) -> Self {
        let (mut letters, mut codes, mut raw) = (Vec::new(), Vec::new(), Vec::new());
        let (mut alone, mut cells) = (Vec::new(), BTreeMap::new());
        for (place, canary) in canaries.iter().enumerate() {
            for written in canary.written {
                for text in [(*written).to_owned(), written.to_uppercase(), written.to_lowercase()] {
                    let reversed: String = text.chars().rev().collect();
                    for text in [text, reversed] {
                        letters.extend(spelled(&text, pieces).into_iter().map(|needle| (needle, place)));
                        codes.extend(windows(text.as_bytes(), &text, pieces).map(|codes| (codes.to_vec(), place)));
                    }
                }
            }
            raw.extend(canary.binary.iter().map(|bytes| (bytes.clone(), place)));
            letters.extend(
                canary
                    .binary
                    .iter()
                    .map(|bytes| (hex::encode(bytes).into_bytes(), place)),
            );
            for written in canary.written {
                let plain = letters_of(written.as_bytes());
                let reversed: Vec<u8> = plain.iter().rev().copied().collect();
                for text in [&plain, &reversed] {
                    letters.extend(moved(text).map(|needle| (needle, place)));
                    cells.extend((1..10).map(|by| (moved_digits(text, by), place)));
                    let words = text
                        .windows(MOVED_PIECE.min(text.len()))
                        .filter(|piece| all_letters(piece));
                    alone.extend(words.map(|piece| (piece.to_vec(), place)));
                }
                for text in [(*written).to_owned(), written.to_uppercase(), written.to_lowercase()] {
                    letters.extend((0..5).map(|before| (base32_of(&text, before), place)));
                }
            }
        }
        alone.retain(|(piece, _)| piece.len() == MOVED_PIECE);
        cells.retain(|cell, _| cell.len() >= MOVED_PIECE && !all_letters(cell));
        for (place, made) in digests {
            match made {
                Made::Bytes(bytes) => {
                    raw.push((bytes[..DIGEST_PIECE].to_vec(), *place));
                    let base64 = base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes);
                    for text in [hex::encode(bytes), base64] {
                        let text = letters_of(text.as_bytes());
                        letters.extend(text.windows(DIGEST_PIECE).map(|piece| (piece.to_vec(), *place)));
                    }
                }
                Made::Text(text) => letters.push((letters_of(text.as_bytes()), *place)),
                Made::Number(number) => drop(cells.insert(letters_of(number.as_bytes()), *place)),
            }
        }
        Self {
            names: canaries.iter().map(|canary| canary.name).collect(),
            letters: Needles::new(letters),
            codes: Needles::new(codes),
            raw: Needles::new(raw),
            alone: Needles::new(alone),
            cells,
        }
    }

    /// How many values are looked for.
    pub(crate) fn count(&self) -> usize {
        self.names.len()
    }

    /// The names of canaries in what was heard.
    pub(crate) fn found(&self, heard: &Heard) -> BTreeSet<&'static str> {
        let mut found: BTreeSet<usize> = self.raw.found(&heard.raw);
        let cells = heard.rows.iter().flat_map(|row| &row.cells);
        found.extend(cells.filter_map(|cell| self.cells.get(&letters_of(cell))));
        for order in heard.orders() {
            let letters = letters_of(&order);
            found.extend(self.letters.found(&letters));
            let alone: Vec<u8> = letters.into_iter().filter(u8::is_ascii_alphabetic).collect();
            found.extend(self.alone.found(&alone));
            for codes in codes_of(&order) {
                found.extend(self.codes.found(&codes));
            }
        }
        found.into_iter().map(|place| self.names[place]).collect()
    }
}

impl Needles {
    fn new(needles: Vec<(Vec<u8>, usize)>) -> Self {
        let needles: BTreeSet<(Vec<u8>, usize)> = needles.into_iter().collect();
        let (bytes, canaries): (Vec<_>, Vec<_>) = needles.into_iter().unzip();
        assert!(
            bytes.iter().all(|needle| needle.len() >= PIECE),
            "a needle is too short to mean anything"
        );
        Self {
            automaton: AhoCorasick::new(&bytes).unwrap(),
            canaries,
        }
    }

    fn found(&self, hay: &[u8]) -> BTreeSet<usize> {
        let matches = self.automaton.find_overlapping_iter(hay);
        matches.map(|found| self.canaries[found.pattern().as_usize()]).collect()
    }
}

/// Pieces of `units`, which are the letters, bytes or codes of `text`.
fn windows<'a>(units: &'a [u8], text: &str, pieces: Pieces) -> impl Iterator<Item = &'a [u8]> {
    let numeric = text
        .bytes()
        .filter(u8::is_ascii_alphanumeric)
        .all(|letter| letter.is_ascii_hexdigit());
    let wanted = match (pieces, numeric) {
        (Pieces::Whole, _) => units.len(),
        (Pieces::Short, true) => NUMBER_PIECE,
        (Pieces::Short, false) => PIECE,
    };
    units.windows(wanted.min(units.len()))
}

/// What stands in the letters of a text that holds a form of this one.
fn spelled(text: &str, pieces: Pieces) -> Vec<Vec<u8>> {
    let plain = letters_of(text.as_bytes());
    let mut forms: Vec<Vec<u8>> = windows(&plain, text, pieces).map(<[u8]>::to_vec).collect();
    for bytes in windows(text.as_bytes(), text, pieces) {
        forms.push(hex::encode(bytes).into_bytes());
        let run = |code: fn(&u8) -> String| bytes.iter().map(code).collect::<Vec<_>>().concat().into_bytes();
        forms.push(run(u8::to_string));
        forms.push(run(|code| format!("{code:03}")));
        forms.push(run(|code| format!("{code:03o}")));
        forms.push(run(|code| format!("{code:08b}")));
    }
    forms.extend((0..3).map(|before| letters_of(base64_of(text, before).as_bytes())));
    forms
}

/// The characters of base64 that this text decides, when so many bytes modulo three stand before it.
fn base64_of(text: &str, before: usize) -> String {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(text.as_bytes());
    let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&bytes);
    let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    encoded[first..end].to_owned()
}

/// Pieces of a text with each of its letters so many places further in the alphabet.
fn moved(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let pieces = text.windows(MOVED_PIECE).filter(|piece| all_letters(piece));
    pieces
        .flat_map(|piece| (1..26).map(move |by| piece.iter().map(|letter| (letter - b'a' + by) % 26 + b'a').collect()))
}

/// The same of its digits, all of it.
fn moved_digits(text: &[u8], by: u8) -> Vec<u8> {
    let digit = |letter: &u8| match letter {
        b'0'..=b'9' => (letter - b'0' + by) % 10 + b'0',
        other => *other,
    };
    text.iter().map(digit).collect()
}

fn all_letters(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_alphabetic)
}

/// The characters of base32 (RFC 4648, 6) that this text decides, when so many bytes modulo five stand before it.
fn base32_of(text: &str, before: usize) -> Vec<u8> {
    let bits = text
        .bytes()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    // Up to the first character that is this text's alone.
    let skipped = (5 - before * 8 % 5) % 5;
    let bits: Vec<u8> = bits.skip(skipped).collect();
    let character =
        |five: &[u8]| b"abcdefghijklmnopqrstuvwxyz234567"[five.iter().fold(0, |all, bit| all * 2 + usize::from(*bit))];
    bits.chunks_exact(5).map(character).collect()
}

/// Letters and digits in small letters, without the `\x` that stands before digits of bytes.
fn letters_of(text: &[u8]) -> Vec<u8> {
    let mut before = 0;
    let kept = text.iter().filter(|byte| {
        let sign = (before, **byte) == (b'\\', b'x');
        before = **byte;
        byte.is_ascii_alphanumeric() && !sign
    });
    kept.map(u8::to_ascii_lowercase).collect()
}

/// The words of a text read as codes: as decimal, hexadecimal and octal numbers and as bits, whichever of its words can be.
fn codes_of(text: &[u8]) -> [Vec<u8>; 4] {
    let words: Vec<&str> = text
        .split(|byte| !byte.is_ascii_alphanumeric())
        .filter_map(|word| std::str::from_utf8(word).ok())
        .filter(|word| !word.is_empty() && word.len() <= 8)
        .map(|word| {
            word.trim_start_matches("u00")
                .trim_start_matches("0x")
                .trim_start_matches('x')
        })
        .collect();
    let read = |radix: u32, lengths: std::ops::RangeInclusive<usize>| -> Vec<u8> {
        let fits = words.iter().filter(|word| lengths.contains(&word.len()));
        fits.filter_map(|word| u8::from_str_radix(word, radix).ok()).collect()
    };
    [read(10, 1..=3), read(16, 2..=2), read(8, 2..=3), read(2, 6..=8)]
}

/// Cells in a row, with something between that is no letter.
fn join<'a>(cells: impl Iterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    let mut all = Vec::new();
    for cell in cells {
        all.extend_from_slice(cell);
        all.push(b'\n');
    }
    all
}

/// Cells without what all of them begin and end with.
fn bare(cells: &[&Vec<u8>]) -> Vec<Vec<u8>> {
    let shortest = cells.iter().map(|cell| cell.len()).min().unwrap_or(0);
    let alike = |at: &dyn Fn(&[u8], usize) -> u8| {
        (0..shortest)
            .take_while(|place| cells.iter().all(|cell| at(cell, *place) == at(cells[0], *place)))
            .count()
    };
    let head = alike(&|cell, place| cell[place]);
    let tail = alike(&|cell, place| cell[cell.len() - 1 - place]).min(shortest - head);
    cells
        .iter()
        .map(|cell| cell[head..cell.len() - tail].to_vec())
        .collect()
}

fn number(cell: &[u8]) -> Option<i64> {
    std::str::from_utf8(cell).ok()?.trim().parse().ok()
}
