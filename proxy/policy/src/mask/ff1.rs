//! Format-preserving encryption: FF1 of NIST SP 800-38G under AES-256, over the letters and digits of a value.
//!
//! What is no letter and no digit stays where it is (`123-45-6789` has another number with the same dashes), and so does
//! whether letters are capital. The domain has at least 10^6 values (SP 800-38G Revision 1, 5.1); shorter values are NULL, and
//! so is what has letters or digits outside of the alphabet: a part that stays would be told.
//!
//! Whoever has the key can decrypt, so FF1 is no de-identification.

use aes::Aes256;
use fpe::ff1::{FF1, FlexibleNumeralString};

use super::key::MaskKey;

/// Characters that are encrypted at the most; identifiers are shorter, and the cost grows with the square.
pub const CHARACTERS_MAX: usize = 64;

/// Which characters are encrypted, into each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// `0` to `9`: at least six.
    Digits,
    /// `a` to `z`, capital where they were: at least five.
    Letters,
    /// `0` to `9` and `a` to `z`; all letters are capital where none is small: at least four.
    Alphanumeric,
}

impl Alphabet {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Digits, Self::Letters, Self::Alphanumeric];

    /// The word in policy files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Letters => "letters",
            Self::Alphanumeric => "alphanumeric",
        }
    }

    const fn radix(self) -> u32 {
        match self {
            Self::Digits => 10,
            Self::Letters => 26,
            Self::Alphanumeric => 36,
        }
    }

    /// The numeral of a character.
    fn numeral(self, character: char) -> Option<u16> {
        let digit = character.to_digit(36)?;
        let numeral = match self {
            Self::Digits | Self::Alphanumeric => digit,
            Self::Letters => digit.checked_sub(10)?,
        };
        u16::try_from(numeral).ok().filter(|_| numeral < self.radix())
    }

    /// The character of a numeral.
    fn character(self, numeral: u16) -> Option<char> {
        let digit = match self {
            Self::Digits | Self::Alphanumeric => u32::from(numeral),
            Self::Letters => u32::from(numeral) + 10,
        };
        char::from_digit(digit, 36)
    }
}

/// The text with its letters and digits encrypted.
pub(super) fn text(text: &str, alphabet: Alphabet, domain: &str, key: &MaskKey) -> Option<String> {
    let of_value = |character: &char| character.is_alphanumeric();
    let letters = || text.chars().filter(char::is_ascii_alphabetic);
    let capitals = letters().all(|letter| letter.is_ascii_uppercase());
    if alphabet == Alphabet::Alphanumeric && !capitals && letters().any(|letter| letter.is_ascii_uppercase()) {
        return None; // which letters were capital could not be kept where digits become letters
    }
    let numerals = text
        .chars()
        .filter(of_value)
        .map(|character| alphabet.numeral(character));
    let encrypted = encrypt(numerals.collect::<Option<Vec<_>>>()?, alphabet, domain, key)?;
    let mut encrypted = encrypted.into_iter();
    let masked = text.chars().map(|character| {
        if !of_value(&character) {
            return Some(character);
        }
        let masked = alphabet.character(encrypted.next()?)?;
        let capital = match alphabet {
            Alphabet::Letters => character.is_ascii_uppercase(),
            Alphabet::Digits | Alphabet::Alphanumeric => capitals,
        };
        Some(if capital { masked.to_ascii_uppercase() } else { masked })
    });
    masked.collect()
}

/// A number as one of the same type: of nine digits, with zeros before it, or of 18 where the type has so many. Different
/// numbers stay different.
pub(super) fn number(number: i64, max: i64, domain: &str, key: &MaskKey) -> Option<i64> {
    let width = match max {
        0x7fff => return None, // fewer than 10^6
        0x7fff_ffff => 9,
        _ => 18,
    };
    let digits = format!("{number:0width$}");
    if number < 0 || digits.len() > width {
        return None;
    }
    text(&digits, Alphabet::Digits, domain, key)?.parse().ok()
}

fn encrypt(numerals: Vec<u16>, alphabet: Alphabet, domain: &str, key: &MaskKey) -> Option<Vec<u16>> {
    if numerals.len() > CHARACTERS_MAX {
        return None;
    }
    // The crate refuses strings of a domain below 10^6.
    let key = key.subkey(&["ff1", alphabet.as_str(), domain]);
    let cipher = FF1::<Aes256>::new(key.as_slice(), alphabet.radix()).ok()?;
    let encrypted = cipher.encrypt(&[], &FlexibleNumeralString::from(numerals)).ok()?;
    Some(encrypted.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aes::{Aes128, Aes192, Aes256};
    use fpe::ff1::{FF1, FlexibleNumeralString};
    use proptest::prelude::*;

    use super::{Alphabet, CHARACTERS_MAX, number, text};
    use crate::mask::MaskKey;

    fn key() -> MaskKey {
        MaskKey::new([7; 32])
    }

    /// The published samples of SP 800-38G, so that another version of the crate cannot change what tokens are.
    #[test]
    fn ff1_is_that_of_nist() {
        let key = "2b7e151628aed2a6abf7158809cf4f3cef4359d8d580aa4f7f036d6f04fc6a94";
        let longer = "2b7e151628aed2a6abf7158809cf4f3cef4359d8d580aa4f";
        let tweak = "39383736353433323130";
        let other = "3737373770717273373737";
        let digits = "0123456789";
        let mixed = "0123456789abcdefghi";
        for (key, radix, tweak, from, to) in [
            (&key[..32], 10, "", digits, "2433477484"),
            (&key[..32], 10, tweak, digits, "6124200773"),
            (&key[..32], 36, other, mixed, "a9tv40mll9kdu509eum"),
            (longer, 10, "", digits, "2830668132"),
            (longer, 10, tweak, digits, "2496655549"),
            (longer, 36, other, mixed, "xbj3kv35jrawxv32ysr"),
            (key, 10, "", digits, "6657667009"),
            (key, 10, tweak, digits, "1001623463"),
            (key, 36, other, mixed, "xs8a0azh2avyalyzuwd"),
        ] {
            let numerals = |text: &str| -> Vec<u16> {
                text.chars()
                    .map(|one| u16::try_from(one.to_digit(36).unwrap()).unwrap())
                    .collect()
            };
            let from = FlexibleNumeralString::from(numerals(from));
            let (key, tweak) = (hex::decode(key).unwrap(), hex::decode(tweak).unwrap());
            let found = match key.len() {
                16 => FF1::<Aes128>::new(&key, radix).unwrap().encrypt(&tweak, &from),
                24 => FF1::<Aes192>::new(&key, radix).unwrap().encrypt(&tweak, &from),
                _ => FF1::<Aes256>::new(&key, radix).unwrap().encrypt(&tweak, &from),
            };
            assert_eq!(Vec::from(found.unwrap()), numerals(to), "{to}");
        }
    }

    #[test]
    fn what_has_no_domain_of_a_million_or_another_alphabet_is_null() {
        for (alphabet, value, passes) in [
            (Alphabet::Digits, "12345", false),
            (Alphabet::Digits, "123-456", true),
            (Alphabet::Digits, "", false),
            (Alphabet::Digits, "A1234567", false),
            (Alphabet::Digits, "١٢٣٤٥٦٧", false),
            (Alphabet::Digits, &"7".repeat(CHARACTERS_MAX), true),
            (Alphabet::Digits, &"7".repeat(CHARACTERS_MAX + 1), false),
            (Alphabet::Letters, "abcd", false),
            (Alphabet::Letters, "abc De", true),
            (Alphabet::Letters, "abcdé", false),
            (Alphabet::Letters, "abcdef1", false),
            (Alphabet::Alphanumeric, "a12", false),
            (Alphabet::Alphanumeric, "A-123", true),
            (Alphabet::Alphanumeric, "aB1234", false),
        ] {
            assert_eq!(
                text(value, alphabet, "d", &key()).is_some(),
                passes,
                "{alphabet:?} {value}"
            );
        }
        for (value, max, passes) in [
            (7, 0x7fff, false),
            (0, 0x7fff_ffff, true),
            (-1, 0x7fff_ffff, false),
            (999_999_999, 0x7fff_ffff, true),
            (1_000_000_000, 0x7fff_ffff, false),
            (999_999_999_999_999_999, i64::MAX, true),
            (1_000_000_000_000_000_000, i64::MAX, false),
        ] {
            assert_eq!(number(value, max, "d", &key()).is_some(), passes, "{value} of {max}");
        }
    }

    #[test]
    fn different_numbers_stay_different_and_domains_too() {
        let masked: BTreeSet<_> = (0..2_000)
            .map(|one| number(one, 0x7fff_ffff, "d", &key()).unwrap())
            .collect();
        assert_eq!(masked.len(), 2_000);
        let of = |domain, alphabet| text("1234567", alphabet, domain, &key());
        assert_ne!(of("a", Alphabet::Digits), of("b", Alphabet::Digits));
        assert_ne!(of("a", Alphabet::Digits), of("a", Alphabet::Alphanumeric));
    }

    proptest! {
        #[test]
        fn the_form_stays(value in "[A-Za-z0-9 ./-]{0,20}", place in 0_usize..3) {
            let alphabet = Alphabet::ALL[place];
            if let Some(masked) = text(&value, alphabet, "d", &key()) {
                prop_assert_eq!(masked.len(), value.len());
                for (from, to) in value.chars().zip(masked.chars()) {
                    prop_assert_eq!(from.is_alphanumeric(), to.is_alphanumeric());
                    if alphabet == Alphabet::Alphanumeric {
                        prop_assert!(!to.is_ascii_lowercase() || !value.contains(|one: char| one.is_ascii_uppercase()));
                    } else {
                        prop_assert_eq!(from.is_ascii_digit(), to.is_ascii_digit());
                        prop_assert_eq!(from.is_ascii_uppercase(), to.is_ascii_uppercase());
                    }
                    prop_assert!(from.is_alphanumeric() || from == to);
                }
            }
        }
    }
}
