//! Patterns of a policy: `*` matches any run of characters, everything else matches itself.

mod inclusion;

pub(crate) use self::inclusion::covered;

/// Bytes of a pattern at the most; names in the targets are shorter.
pub const PATTERN_BYTES_MAX: usize = 1_024;

/// A pattern over names of resources, subjects or groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
}

/// The pattern is longer than [`PATTERN_BYTES_MAX`], or empty.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a pattern has 1 to {PATTERN_BYTES_MAX} bytes, this one {bytes}")]
pub struct PatternError {
    /// Its length.
    pub bytes: usize,
}

impl Pattern {
    /// Takes the text of a pattern.
    ///
    /// # Errors
    /// [`PatternError`] for an empty or very long one.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() || text.len() > PATTERN_BYTES_MAX {
            return Err(PatternError { bytes: text.len() });
        }
        Ok(Self { text: text.to_owned() })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before its first star, and what stands behind its last one; the whole of it twice where it has none.
    pub(crate) fn ends(&self) -> (&str, &str) {
        let whole = self.text.as_str();
        let first = whole.split_once('*').map_or(whole, |(first, _)| first);
        let last = whole.rsplit_once('*').map_or(whole, |(_, last)| last);
        (first, last)
    }

    /// Whether the whole of `name` matches. At most `pattern × name` steps, and no recursion.
    pub fn matches(&self, name: &str) -> bool {
        // Of hundreds of rules most name something that begins or ends otherwise; these are told before anything is split.
        let ends = |text: &str| (text.as_bytes().first().copied(), text.as_bytes().last().copied());
        let (pattern, whole) = (ends(&self.text), ends(name));
        let differs = |own: Option<u8>, other: Option<u8>| own != Some(b'*') && own != other;
        if differs(pattern.0, whole.0) || differs(pattern.1, whole.1) {
            return false;
        }
        let mut pieces = self.text.split('*');
        // What stands before the first star must begin the name; `split` gives at least one piece.
        let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else {
            return false;
        };
        let Some(last) = pieces.next_back() else {
            return rest.is_empty(); // no star at all
        };
        // Between two stars the leftmost place is always good enough.
        for piece in pieces {
            match rest.find(piece) {
                Some(place) => rest = rest.get(place + piece.len()..).unwrap_or(""),
                None => return false,
            }
        }
        rest.ends_with(last)
    }

    /// Whether a name of at least one character more than `prefix`, which it begins with, can match.
    pub fn can_match_below(&self, prefix: &str) -> bool {
        // All places of the pattern at which `prefix` can end; a star stays where it is and also lets go.
        let pattern: Vec<char> = self.text.chars().collect();
        let star = |place: usize| pattern.get(place) == Some(&'*');
        let past_stars = |mut places: Vec<usize>| {
            let mut next = 0;
            while let Some(place) = places.get(next).copied() {
                if star(place) && !places.contains(&(place + 1)) {
                    places.push(place + 1);
                }
                next += 1;
            }
            places
        };
        let mut places = past_stars(vec![0]);
        for character in prefix.chars() {
            let mut after = Vec::new();
            for place in places {
                let next = match pattern.get(place) {
                    Some('*') => place,
                    Some(own) if *own == character => place + 1,
                    _ => continue,
                };
                if !after.contains(&next) {
                    after.push(next);
                }
            }
            places = past_stars(after);
        }
        // What is left of the pattern can be written out in full; only its very end leaves nothing to add.
        places.iter().any(|place| *place < pattern.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Pattern;

    /// The definition: a star is nothing, or one character and the star again.
    fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => by_definition(rest, name) || (!name.is_empty() && by_definition(pattern, &name[1..])),
            Some((byte, rest)) => name.first() == Some(byte) && by_definition(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn matches_as_defined(pattern in "[ab*]{1,8}", name in "[ab]{0,10}") {
            let wanted = by_definition(pattern.as_bytes(), name.as_bytes());
            prop_assert_eq!(Pattern::new(&pattern).unwrap().matches(&name), wanted);
        }

        #[test]
        fn can_match_below_as_defined(pattern in "[ab*]{1,6}", prefix in "[ab]{0,6}") {
            // Six letters write out what is left of any such pattern.
            let mut tails: Vec<Vec<u8>> = vec![vec![]];
            let wanted = (0..6).any(|_| {
                tails = tails.iter().flat_map(|tail| [b'a', b'b'].map(|end| [&tail[..], &[end]].concat())).collect();
                tails.iter().any(|tail| by_definition(pattern.as_bytes(), &[prefix.as_bytes(), &tail[..]].concat()))
            });
            prop_assert_eq!(Pattern::new(&pattern).unwrap().can_match_below(&prefix), wanted);
        }
    }

    #[test]
    fn only_the_star_is_special() {
        let check = |pattern: &str, name: &str, wanted| {
            assert_eq!(Pattern::new(pattern).unwrap().matches(name), wanted, "{pattern} {name}");
        };
        check("public.*", "public.notes", true);
        check("public.*", "publicxnotes", false);
        check("*.ssn", "public.patients.ssn", true);
        check("a?", "ab", false);
        check("[a]", "a", false);
        check("é*é", "é", false);
        check("*", "", true);
    }

    #[test]
    fn limits_hold_at_and_past_the_edge() {
        assert!(Pattern::new("").is_err());
        assert!(Pattern::new(&"a".repeat(1_024)).is_ok());
        assert!(Pattern::new(&"a".repeat(1_025)).is_err());
    }
}
