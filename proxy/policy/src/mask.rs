//! Masks: what becomes of a cell before it may be recorded or released.
//!
//! A mask names resources (`schema.relation.column` by pattern) and a technique. A protocol asks [`Snapshot::mask`] for
//! each column that a reply has, builds a [`RowMasker`] from the answers, and sends every row through it. What comes out
//! is a [`Masked`] value; the agent's socket and the events take nothing else, so no row can pass by.
//!
//! Tokens are HMAC-SHA-256 (RFC 2104) under the proxy's mask key, over the mask's domain, a zero byte and the value: equal
//! values of one domain give equal tokens, so that joins still work. None of partial, token and year-only is called
//! de-identified (45 CFR 164.514(b)).
//!
//! Not here: which column a value comes from (each protocol knows), and what detectors find ([`crate::detect`]).
//!
//! [`Snapshot::mask`]: crate::snapshot::Snapshot::mask

use std::collections::BTreeMap;

use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::event::access::Frame;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::detect::{Confidence, Detectors, Hints};

/// What stands in the place of a redacted text.
pub const REDACTED: &str = "[redacted]";

/// How sure a detector must be for [`Technique::Detect`] to mask what it finds.
pub const DETECT_FLOOR: Confidence = Confidence::Likely;

/// Bytes of the HMAC that a token shows; 128 bits, so that two values of one domain never meet by chance.
pub const TOKEN_BYTES: usize = 16;

/// Bytes of a block of SHA-256, which HMAC fills its keys up to.
const HMAC_BLOCK_BYTES: usize = 64;

/// How a mask changes a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Technique {
    /// A fixed text in its place.
    Redact,
    /// NULL in its place.
    Null,
    /// Every letter and digit but the last `keep` becomes `*`.
    Partial {
        /// Letters and digits that stay, counted from the end.
        keep: usize,
    },
    /// A keyed token.
    Token {
        /// Values of one domain share their tokens.
        domain: String,
    },
    /// The first day of the date's year.
    Year,
    /// A typed token in the place of each identifier that detectors find in a text or a JSON document; the rest stays. A net
    /// and no proof: it suits columns of free text, and no column that holds an identifier by itself.
    Detect,
}

impl Technique {
    /// The word in policy files, events and reports.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Redact => "redact",
            Self::Null => "null",
            Self::Partial { .. } => "partial",
            Self::Token { .. } => "token",
            Self::Year => "year",
            Self::Detect => "detect",
        }
    }
}

/// What kind of value a cell holds, as far as a mask must know to keep it valid for its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    /// UTF-8 text.
    Text,
    /// A JSON document in text form.
    Json,
    /// A date as ISO 8601 text (`YYYY-MM-DD`, anything may follow).
    Date,
    /// Anything else: no technique but NULL keeps it valid, so every mask makes it NULL.
    Opaque,
}

/// The mask of one column of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnMask {
    /// Name of the mask in the policy.
    pub mask: String,
    /// How it changes a value.
    pub technique: Technique,
    /// What kind of value the column has.
    pub kind: CellKind,
}

/// The key of tokens; wiped when dropped, never printed.
#[derive(Clone)]
pub struct MaskKey(zeroize::Zeroizing<[u8; 32]>);

impl MaskKey {
    /// Takes 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(zeroize::Zeroizing::new(bytes))
    }

    /// The token of a value.
    pub fn token(&self, domain: &str, value: &[u8]) -> String {
        token(domain, value, self)
    }

    /// The key as the two blocks that HMAC-SHA-256 hashes before the message and before the inner digest (RFC 2104, 2), for
    /// a target that makes tokens itself. They are as secret as the key.
    pub fn pads(&self) -> [zeroize::Zeroizing<[u8; HMAC_BLOCK_BYTES]>; 2] {
        [0x36, 0x5c].map(|pad| {
            let mut block = zeroize::Zeroizing::new([pad; HMAC_BLOCK_BYTES]);
            for (byte, key) in block.iter_mut().zip(self.0.iter()) {
                *byte ^= key;
            }
            block
        })
    }
}

impl std::fmt::Debug for MaskKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("MaskKey(..)")
    }
}

/// Something that may be recorded and released: it went through the masks of its policy, or holds no value of the target.
///
/// **Invariant:** only this module makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked<T>(T);

impl<T> Masked<T> {
    /// What may be released.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// What may be released, by value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl Masked<Frame> {
    /// Bytes of the protocol that hold no value of the target's data: descriptions of columns, completion tags, states,
    /// and errors that the protocol has already cut down to their code and the texts that policy lets through.
    pub fn framing(bytes: Vec<u8>) -> Self {
        Self(Frame::Verbatim(Bytes(bytes)))
    }

    /// The same bytes in pieces of at most `bytes`; a row is one piece.
    pub fn pieces(self, bytes: usize) -> impl Iterator<Item = Self> {
        let (row, verbatim) = match self.0 {
            Frame::Row(cells) => (Some(Self(Frame::Row(cells))), Vec::new()),
            Frame::Verbatim(Bytes(verbatim)) => (None, verbatim),
        };
        let mut start = 0;
        let pieces = std::iter::from_fn(move || {
            let end = verbatim.len().min(start + bytes.max(1));
            let piece = verbatim.get(start..end).filter(|piece| !piece.is_empty())?.to_vec();
            start = end;
            Some(Self(Frame::Verbatim(Bytes(piece))))
        });
        row.into_iter().chain(pieces)
    }

    /// The same frame as the bytes that `wire` makes of it, for a row that is too long for one event.
    #[must_use]
    pub fn framed(self, wire: impl FnOnce(&Frame) -> Vec<u8>) -> Self {
        Self(Frame::Verbatim(Bytes(wire(&self.0))))
    }
}

/// Why a row is not released.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MaskError {
    /// The row has another number of cells than the reply's description.
    #[error("a row has {found} cells where its description has {wanted} columns")]
    Width {
        /// Cells in the row.
        found: usize,
        /// Columns described.
        wanted: usize,
    },
    /// The data comes as a whole, but a column of it has a mask.
    #[error("data comes as a whole where the mask {mask} holds for a column")]
    Mask {
        /// Name of the mask in the policy.
        mask: String,
    },
}

/// Masks the rows of one table of a reply.
#[derive(Clone, Debug)]
pub struct RowMasker {
    columns: Vec<Option<ColumnMask>>,
    key: MaskKey,
    masked: BTreeMap<String, u64>,
}

impl RowMasker {
    /// A masker for rows of these columns; `None` for a column that is released as it is.
    pub fn new(columns: Vec<Option<ColumnMask>>, key: MaskKey) -> Self {
        Self {
            columns,
            key,
            masked: BTreeMap::new(),
        }
    }

    /// Masks one row.
    ///
    /// # Errors
    /// [`MaskError::Width`]: a row that does not fit its description is not released.
    pub fn row(&mut self, cells: Vec<Option<Vec<u8>>>) -> Result<Masked<Frame>, MaskError> {
        if cells.len() != self.columns.len() {
            return Err(MaskError::Width {
                found: cells.len(),
                wanted: self.columns.len(),
            });
        }
        let mut row = Vec::with_capacity(cells.len());
        for (cell, column) in cells.into_iter().zip(&self.columns) {
            let cell = match (cell, column) {
                (Some(value), Some(column)) => {
                    *self.masked.entry(column.mask.clone()).or_default() += 1;
                    apply(&column.technique, column.kind, &value, &self.key)
                }
                (cell, _) => cell,
            };
            row.push(cell.map(Bytes));
        }
        Ok(Masked(Frame::Row(row)))
    }

    /// Data of a table none of whose columns has a mask, as the protocol framed it.
    ///
    /// # Errors
    /// [`MaskError::Mask`] when a column has one.
    pub fn whole(&self, bytes: Vec<u8>) -> Result<Masked<Frame>, MaskError> {
        match self.columns.iter().flatten().next() {
            None => Ok(Masked(Frame::Verbatim(Bytes(bytes)))),
            Some(column) => Err(MaskError::Mask {
                mask: column.mask.clone(),
            }),
        }
    }

    /// The columns, in order; `None` for one that is released as it is.
    pub fn columns(&self) -> &[Option<ColumnMask>] {
        &self.columns
    }

    /// Cells masked so far, by name of the mask.
    pub fn masked(&self) -> &BTreeMap<String, u64> {
        &self.masked
    }
}

/// The masked form of a value; `None` is NULL.
fn apply(technique: &Technique, kind: CellKind, value: &[u8], key: &MaskKey) -> Option<Vec<u8>> {
    let text = match (technique, kind) {
        (Technique::Year, CellKind::Date | CellKind::Text) => return year(value),
        // A technique that cannot keep the type valid gives NULL: less is released, never more.
        (Technique::Null, _) | (_, CellKind::Opaque | CellKind::Date) | (Technique::Year, CellKind::Json) => {
            return None;
        }
        (Technique::Detect, _) => return detect(kind, value),
        (Technique::Redact, _) => REDACTED.to_owned(),
        (Technique::Partial { keep }, _) => partial(std::str::from_utf8(value).ok()?, *keep),
        (Technique::Token { domain }, _) => token(domain, value, key),
    };
    match kind {
        CellKind::Json => serde_json::to_vec(&text).ok(),
        _ => Some(text.into_bytes()),
    }
}

/// The first day of the year of an ISO date; anything that is not one becomes NULL.
fn year(value: &[u8]) -> Option<Vec<u8>> {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (year, rest) = value.split_at_checked(digits)?;
    // Years of 4 to 6 digits, as PostgreSQL writes them; a date BC has a suffix that would be lost, so it is NULL.
    let shape = (4..=6).contains(&digits) && rest.first() == Some(&b'-') && !value.ends_with(b"BC");
    shape.then(|| [year, b"-01-01"].concat())
}

/// The text with a token in place of each identifier; a value that is not UTF-8 becomes NULL.
fn detect(kind: CellKind, value: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(value).ok()?;
    let masked = match kind {
        CellKind::Json => Detectors::shared().mask_json(text, &Hints::none(), DETECT_FLOOR),
        CellKind::Text => Detectors::shared().mask(text, &Hints::none(), DETECT_FLOOR),
        CellKind::Date | CellKind::Opaque => return None,
    };
    Some(masked.map_or_else(|| value.to_vec(), String::into_bytes))
}

/// Stars for every letter and digit but the last `keep`; for all of them where fewer than twice `keep` there are.
fn partial(text: &str, keep: usize) -> String {
    let letters = text.chars().filter(|character| character.is_alphanumeric()).count();
    let shown = if letters < keep.saturating_mul(2) { 0 } else { keep };
    let mut left = letters;
    text.chars()
        .map(|character| {
            if !character.is_alphanumeric() {
                return character;
            }
            let show = left <= shown;
            left -= 1;
            if show { character } else { '*' }
        })
        .collect()
}

fn token(domain: &str, value: &[u8], key: &MaskKey) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.0.as_slice()).expect("HMAC takes keys of every length");
    mac.update(domain.as_bytes());
    mac.update(&[0]);
    mac.update(value);
    let digest = mac.finalize().into_bytes();
    format!("tok_{}", hex::encode(digest.get(..TOKEN_BYTES).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::event::access::Frame;
    use proptest::prelude::*;

    use super::{CellKind, ColumnMask, MaskError, MaskKey, Masked, RowMasker, Technique};

    fn masked(technique: Technique, kind: CellKind, value: &str) -> Option<String> {
        let column = ColumnMask {
            mask: "m".into(),
            technique,
            kind,
        };
        let mut masker = RowMasker::new(vec![Some(column)], MaskKey::new([7; 32]));
        let row = masker.row(vec![Some(value.as_bytes().to_vec())]).unwrap();
        assert_eq!(masker.masked()["m"], 1);
        match row.into_inner() {
            Frame::Row(cells) => cells[0].as_ref().map(|cell| String::from_utf8(cell.0.clone()).unwrap()),
            Frame::Verbatim(_) => panic!("a row stays a row"),
        }
    }

    #[test]
    fn pieces_are_the_same_bytes_and_rows_stay_whole() {
        let bytes: Vec<u8> = (0..=255).collect();
        for size in [1, 7, 255, 256, 257] {
            let whole = Masked::framing(bytes.clone());
            let pieces: Vec<Frame> = whole.pieces(size).map(Masked::into_inner).collect();
            let verbatim = |frame: &Frame| match frame {
                Frame::Verbatim(piece) => piece.0.clone(),
                Frame::Row(_) => panic!("it was none"),
            };
            assert!(pieces.iter().all(|piece| (1..=size).contains(&verbatim(piece).len())));
            assert_eq!(pieces.iter().flat_map(verbatim).collect::<Vec<u8>>(), bytes);
        }
        let mut masker = RowMasker::new(vec![None, None], MaskKey::new([7; 32]));
        let row = masker.row(vec![Some(bytes), None]).unwrap();
        assert_eq!(row.clone().pieces(1).collect::<Vec<_>>(), [row]);
    }

    #[test]
    fn each_technique_keeps_the_type_valid() {
        let check = |technique: Technique, kind, value: &str, wanted: Option<&str>| {
            assert_eq!(masked(technique, kind, value).as_deref(), wanted, "{value}");
        };
        check(Technique::Redact, CellKind::Text, "Ann", Some("[redacted]"));
        check(Technique::Redact, CellKind::Json, "{\"a\":1}", Some("\"[redacted]\""));
        check(Technique::Redact, CellKind::Opaque, "12", None);
        check(Technique::Redact, CellKind::Date, "1970-02-03", None);
        check(Technique::Null, CellKind::Text, "Ann", None);
        check(Technique::Year, CellKind::Date, "1970-02-03", Some("1970-01-01"));
        check(Technique::Year, CellKind::Date, "0044-03-15 BC", None);
        check(Technique::Year, CellKind::Date, "infinity", None);
        check(
            Technique::Partial { keep: 4 },
            CellKind::Text,
            "123-45-6789",
            Some("***-**-6789"),
        );
        check(Technique::Partial { keep: 4 }, CellKind::Text, "12-345", Some("**-***"));
        let note = "Dr. Young called 212-555-0123 about the CT.";
        let shown = "Dr. [name] called [phone] about the CT.";
        check(Technique::Detect, CellKind::Text, note, Some(shown));
        check(Technique::Detect, CellKind::Text, "stable", Some("stable"));
        check(
            Technique::Detect,
            CellKind::Json,
            "{\"ssn\": 1,  \"n\": \"a@b.org\"}",
            Some("{\"ssn\": \"[ssn]\",  \"n\": \"[email]\"}"),
        );
        check(Technique::Detect, CellKind::Date, "1970-02-03", None);
        check(Technique::Detect, CellKind::Opaque, "12", None);
    }

    #[test]
    fn what_is_no_text_has_no_identifiers_to_find_and_is_null() {
        let column = ColumnMask {
            mask: "m".into(),
            technique: Technique::Detect,
            kind: CellKind::Text,
        };
        let mut masker = RowMasker::new(vec![Some(column)], MaskKey::new([7; 32]));
        let row = masker.row(vec![Some(vec![b'a', 0xff])]).unwrap();
        assert_eq!(row.into_inner(), Frame::Row(vec![None]));
    }

    #[test]
    fn tokens_are_stable_in_a_domain_and_differ_between_domains() {
        let token =
            |domain: &str, value: &str| masked(Technique::Token { domain: domain.into() }, CellKind::Text, value);
        assert_eq!(token("mrn", "1"), token("mrn", "1"));
        assert_ne!(token("mrn", "1"), token("mrn", "2"));
        assert_ne!(token("mrn", "1"), token("ssn", "1"));
        assert_ne!(token("a", "b"), token("a\0", "b"));
    }

    #[test]
    fn the_pads_of_a_key_make_its_tokens() {
        use sha2::{Digest as _, Sha256};
        let key = MaskKey::new([7; 32]);
        let [inner, outer] = key.pads();
        let hash = |parts: &[&[u8]]| Sha256::digest(parts.concat());
        let inner = hash(&[&*inner, b"mrn", &[0], b"4711"]);
        let mac = hash(&[&*outer, &inner]);
        assert_eq!(key.token("mrn", b"4711"), format!("tok_{}", hex::encode(&mac[..16])));
    }

    #[test]
    fn a_row_of_another_width_is_not_released() {
        let mut masker = RowMasker::new(vec![None], MaskKey::new([7; 32]));
        let wanted = Err(MaskError::Width { found: 2, wanted: 1 });
        assert_eq!(masker.row(vec![None, None]), wanted);
    }

    #[test]
    fn data_comes_as_a_whole_only_where_no_column_has_a_mask() {
        let column = ColumnMask {
            mask: "m".into(),
            technique: Technique::Null,
            kind: CellKind::Text,
        };
        let masker = |columns| RowMasker::new(columns, MaskKey::new([7; 32]));
        assert!(masker(vec![None, None]).whole(b"x".to_vec()).is_ok());
        let refused = masker(vec![None, Some(column)]).whole(b"x".to_vec());
        assert_eq!(refused, Err(MaskError::Mask { mask: "m".into() }));
    }

    /// Any technique and kind of cell.
    fn column() -> impl Strategy<Value = (Technique, CellKind)> {
        let technique = prop_oneof![
            Just(Technique::Redact),
            Just(Technique::Null),
            Just(Technique::Year),
            Just(Technique::Detect),
            (1_usize..=8).prop_map(|keep| Technique::Partial { keep }),
            Just(Technique::Token { domain: "d".into() }),
        ];
        let kind = prop_oneof![
            Just(CellKind::Text),
            Just(CellKind::Json),
            Just(CellKind::Date),
            Just(CellKind::Opaque),
        ];
        (technique, kind)
    }

    proptest! {
        #[test]
        fn no_bytes_make_masking_panic((technique, kind) in column(), value: Vec<u8>) {
            let column = ColumnMask { mask: "m".into(), technique, kind };
            let mut masker = RowMasker::new(vec![Some(column)], MaskKey::new([7; 32]));
            prop_assert!(masker.row(vec![Some(value)]).is_ok());
        }

        #[test]
        fn redact_and_token_never_hold_the_value(value in "[A-Z][g-z]{3,40}") {
            // Capitals and letters past `f` stand in neither a token nor the redacted mark.
            for technique in [Technique::Redact, Technique::Token { domain: "d".into() }] {
                for kind in [CellKind::Text, CellKind::Json, CellKind::Date, CellKind::Opaque] {
                    let shown = masked(technique.clone(), kind, &value).unwrap_or_default();
                    prop_assert!(!shown.contains(&value), "{technique:?} {kind:?}");
                }
            }
        }

        #[test]
        fn partial_shows_at_most_keep_letters_and_half_of_them(value in "[a-z0-9é.-]{0,40}", keep in 1_usize..=8) {
            let shown = masked(Technique::Partial { keep }, CellKind::Text, &value).unwrap();
            let letters = |text: &str| text.chars().filter(|one| one.is_alphanumeric()).count();
            prop_assert!(letters(&shown) <= keep);
            prop_assert!(letters(&shown) * 2 <= letters(&value));
            prop_assert_eq!(shown.chars().count(), value.chars().count());
        }
    }
}
