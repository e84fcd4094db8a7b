//! What was released of a document, read again: whether what stands at each masked place could be what its mask leaves there.
//!
//! Who reads it has neither key nor value, and makes nothing. It is read by the same code as the document itself was, so the places are
//! the same ones, as long as no net has changed the name of a place.
//!
//! Not here: how what a technique leaves looks ([`Looks`], the verifier's).

use std::collections::BTreeMap;

use super::STAR;
use crate::mask::Technique;
use crate::mask::apply::quoted;

/// What stands at a masked place.
#[derive(Clone, Copy)]
pub enum Standing<'a> {
    /// A text.
    Text(&'a str),
    /// A string, a number or a truth value, as JSON writes it; never `null`.
    Json(&'a str),
}

/// Whether what stands there could be what the technique leaves.
pub type Looks = fn(&Technique, Standing<'_>) -> bool;

/// What was found at masked places.
pub(super) struct Again {
    looks: Looks,
    keep_length: bool,
    /// Values that do not look as they have to, by the name of the mask.
    unlike: BTreeMap<String, u64>,
}

/// What a value is called that no mask of the policy is for, but the format of its document.
const BY_FORMAT: &str = "";

impl Again {
    pub(super) const fn new(looks: Looks, keep_length: bool) -> Self {
        Self {
            looks,
            keep_length,
            unlike: BTreeMap::new(),
        }
    }

    /// Looks at a value under a mask.
    pub(super) fn under(&mut self, mask: &str, technique: &Technique, standing: Standing<'_>) {
        let is_right = self.keep_length && is_filled(standing) || (self.looks)(technique, standing);
        if !is_right {
            self.add(mask);
        }
    }

    /// Looks at a value of which its format says what stands in its place, as a JSON string.
    pub(super) fn by_format(&mut self, mask: Option<&str>, wanted: &str, raw: &str) {
        if raw != quoted(wanted) && !(self.keep_length && is_filled(Standing::Json(raw))) {
            self.add(mask.unwrap_or(BY_FORMAT));
        }
    }

    pub(super) fn unlike(&self) -> impl Iterator<Item = (&str, u64)> {
        self.unlike.iter().map(|(mask, count)| (mask.as_str(), *count))
    }

    fn add(&mut self, mask: &str) {
        match self.unlike.get_mut(mask) {
            Some(count) => *count = count.saturating_add(1),
            None => {
                self.unlike.insert(mask.to_owned(), 1);
            }
        }
    }
}

/// Whether it is what stands for a value that had to keep its length, and holds nothing of it.
fn is_filled(standing: Standing<'_>) -> bool {
    let is_star = |text: &str| text.bytes().all(|byte| byte == STAR);
    match standing {
        Standing::Text(text) => is_star(text),
        Standing::Json("0") => true,
        Standing::Json(raw) => raw
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .is_some_and(is_star),
    }
}
