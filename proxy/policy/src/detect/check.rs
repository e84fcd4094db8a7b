//! Check digits and number plans, each a pure function of digits.
//!
//! A rule that holds raises the confidence of a finding and one that fails lowers it. None decides alone: people mistype,
//! and a test system's numbers break every rule on purpose.

/// The digits of a text, as numbers 0 to 9; other characters are left out.
pub(super) fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|one| one.to_digit(10)).collect()
}

/// Luhn's formula (ISO/IEC 7812-1, annex B).
pub(super) fn luhn(digits: &[u32]) -> bool {
    luhn_from(digits, 0)
}

/// The NPI's check digit: Luhn over the ten digits after the prefix 80840, whose own digits add 24 (45 CFR 162.406).
pub(super) fn npi(digits: &[u32]) -> bool {
    digits.len() == 10 && matches!(digits.first(), Some(1 | 2)) && luhn_from(digits, 24)
}

fn luhn_from(digits: &[u32], start: u32) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) => double / 10 + double % 10,
        })
        .sum();
    !digits.is_empty() && (sum + start).is_multiple_of(10)
}

/// Whether the Social Security Administration can have given these nine digits: no area 000, 666 or 900 and up, no group
/// 00, no serial 0000 (20 CFR 422.103; SSA, "Social Security Number Randomization").
pub(super) fn ssn(digits: &[u32]) -> bool {
    let (Some(area), Some(group), Some(serial)) = (digits.get(..3), digits.get(3..5), digits.get(5..9)) else {
        return false;
    };
    let area = area.iter().fold(0, |sum, digit| sum * 10 + digit);
    let zero = |part: &[u32]| part.iter().all(|digit| *digit == 0);
    digits.len() == 9 && area != 0 && area != 666 && area < 900 && !zero(group) && !zero(serial)
}

/// Whether a number has a prefix and a length of a card brand (ISO/IEC 7812; the brands' published ranges).
pub(super) fn card_brand(digits: &[u32]) -> bool {
    let prefix = |count: usize| digits.iter().take(count).fold(0, |sum, digit| sum * 10 + digit);
    let length = digits.len();
    match prefix(1) {
        4 => matches!(length, 13 | 16 | 19),
        5 if (51..=55).contains(&prefix(2)) => length == 16,
        2 if (2_221..=2_720).contains(&prefix(4)) => length == 16,
        3 if matches!(prefix(2), 34 | 37) => length == 15,
        3 if matches!(prefix(2), 30 | 36 | 38 | 39) => (14..=19).contains(&length),
        3 if (3_528..=3_589).contains(&prefix(4)) => (16..=19).contains(&length),
        6 if prefix(4) == 6_011 || prefix(2) == 65 || (644..=649).contains(&prefix(3)) => (16..=19).contains(&length),
        6 if prefix(2) == 62 => (16..=19).contains(&length),
        5 | 6 if matches!(prefix(2), 50 | 56..=59 | 60..=69) => (12..=19).contains(&length),
        1 | 2 if matches!(prefix(4), 1_800 | 2_131) => length == 15,
        _ => false,
    }
}

/// ISO 13616: country, two check digits, up to 30 letters and digits, and the remainder 1 by 97 (ISO 7064, MOD 97-10).
pub(super) fn iban(text: &str) -> bool {
    let compact: Vec<u8> = text
        .bytes()
        .filter(u8::is_ascii_alphanumeric)
        .map(|byte| byte.to_ascii_uppercase())
        .collect();
    if !(15..=34).contains(&compact.len()) {
        return false;
    }
    let (head, tail) = compact.split_at(4);
    let rest = tail.iter().chain(head).fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    rest == 1
}

/// The DEA number's check digit: (1st + 3rd + 5th) + 2 × (2nd + 4th + 6th), its last digit (DEA, 21 CFR 1301.13 numbers).
pub(super) fn dea(digits: &[u32]) -> bool {
    match digits {
        [first, second, third, fourth, fifth, sixth, check] => {
            (first + third + fifth + 2 * (second + fourth + sixth)) % 10 == *check
        }
        _ => false,
    }
}

/// The VIN's check digit in its ninth place (49 CFR 565.15(c)); European ones need not have it.
pub(super) fn vin(text: &str) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    if text.len() != WEIGHTS.len() {
        return false;
    }
    let sum: Option<u32> = text
        .bytes()
        .zip(WEIGHTS)
        .map(|(byte, weight)| vin_value(byte.to_ascii_uppercase()).map(|value| value * weight))
        .sum();
    let check = match text.as_bytes().get(8) {
        Some(b'X' | b'x') => 10,
        Some(byte) if byte.is_ascii_digit() => u32::from(byte - b'0'),
        _ => return false,
    };
    sum.is_some_and(|sum| sum % 11 == check)
}

fn vin_value(byte: u8) -> Option<u32> {
    Some(match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'H' => u32::from(byte - b'A') + 1,
        b'J'..=b'N' => u32::from(byte - b'J') + 1,
        b'P' => 7,
        b'R' => 9,
        b'S'..=b'Z' => u32::from(byte - b'S') + 2,
        _ => return None,
    })
}

/// Whether the text has the form of a Medicare Beneficiary Identifier, without dashes: C A AN N A AN N A A N N, no letter
/// S, L, O, I, B or Z (CMS, "Understanding the MBI format").
pub(super) fn mbi(text: &str) -> bool {
    const FORM: &[u8; 11] = b"CAXNAXNAANN";
    let letter = |byte: u8| byte.is_ascii_uppercase() && !b"SLOIBZ".contains(&byte);
    text.len() == FORM.len()
        && text
            .bytes()
            .map(|byte| byte.to_ascii_uppercase())
            .zip(FORM)
            .all(|(byte, form)| match form {
                b'C' => (b'1'..=b'9').contains(&byte),
                b'A' => letter(byte),
                b'N' => byte.is_ascii_digit(),
                _ => letter(byte) || byte.is_ascii_digit(),
            })
}

/// Whether ten digits fit the North American Numbering Plan: area and exchange begin with 2 to 9 and are no service code
/// such as 911 (NANPA, "NANP number structure").
pub(super) fn nanp(digits: &[u32]) -> bool {
    let digits = match digits {
        [1, rest @ ..] if rest.len() == 10 => rest,
        whole => whole,
    };
    let part = |from: usize| match digits.get(from..from + 3) {
        Some([first, second, third]) => *first >= 2 && (*second, *third) != (1, 1),
        _ => false,
    };
    digits.len() == 10 && part(0) && part(3)
}

#[cfg(test)]
mod tests {
    use super::{card_brand, dea, digits, iban, luhn, mbi, nanp, npi, ssn, vin};

    #[test]
    fn check_digits_hold_for_published_examples_and_not_one_off() {
        let check = |rule: &dyn Fn(&str) -> bool, good: &str, bad: &str| {
            assert!(rule(good), "{good}");
            assert!(!rule(bad), "{bad}");
        };
        let of = |rule: fn(&[u32]) -> bool| move |text: &str| rule(&digits(text));
        check(&of(luhn), "4111 1111 1111 1111", "4111 1111 1111 1112");
        check(&of(luhn), "79927398713", "79927398710");
        check(&of(npi), "1234567893", "1234567890"); // the NPPES example
        check(&of(npi), "1245319599", "3245319599");
        check(&of(dea), "1234563", "1234562");
        check(&of(ssn), "123-45-6789", "666-45-6789");
        check(&of(ssn), "899-01-0001", "900-01-0001");
        check(&of(ssn), "123-45-6789", "123-00-6789");
        check(&of(ssn), "123-45-6789", "123-45-0000");
        check(&of(ssn), "001-01-0001", "000-01-0001");
        check(&of(card_brand), "378282246310005", "37828224631000");
        check(&of(card_brand), "5555555555554444", "1555555555554444");
        check(&of(nanp), "212-555-0123", "112-555-0123");
        check(&of(nanp), "1 212 555 0123", "911-555-0123");
        check(&of(nanp), "212-555-0123", "212-155-0123");
        check(&iban, "GB82 WEST 1234 5698 7654 32", "GB82 WEST 1234 5698 7654 33");
        check(&iban, "NO93 8601 1117 947", "NO94 8601 1117 947");
        check(&vin, "1M8GDM9AXKP042788", "1M8GDM9A1KP042788");
        check(&vin, "11111111111111111", "1111111111111111I");
        check(&mbi, "1EG4TE5MK73", "1SG4TE5MK73");
        check(&mbi, "1eg4te5mk73", "0EG4TE5MK73");
    }

    #[test]
    fn rules_take_any_length() {
        for count in 0..40 {
            let many = "9".repeat(count);
            let numbers = digits(&many);
            let _ = (
                luhn(&numbers),
                npi(&numbers),
                ssn(&numbers),
                card_brand(&numbers),
                dea(&numbers),
            );
            let _ = (nanp(&numbers), iban(&many), vin(&many), mbi(&many));
        }
    }
}
