//! ZIP codes cut to their first three digits (45 CFR 164.514(b)(2)(i)(B)).
//!
//! The rule lets the first three digits stand where more than 20,000 people live behind them, by what the Bureau of the Census
//! has published, and wants `000` for all others. No list of HHS is newer than that of its guidance, which is of the census of
//! 2000, so both that one and the list of the census of 2010 that hospitals go by are held back here.

/// First three digits behind which 20,000 people live or fewer: in the census of 2000 by the guidance of HHS ("Guidance
/// Regarding Methods for De-identification", 2012), or in that of 2010.
pub const RESTRICTED: [u16; 23] = [
    36, 59, 63, 102, 202, 203, 204, 205, 369, 556, 692, 753, 772, 790, 821, 823, 830, 831, 878, 879, 884, 890, 893,
];

/// `12345`, `12345-6789` or `123456789` as `12300`; `None` for what is no ZIP code.
pub(super) fn text(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digits = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_digit);
    let (code, more) = bytes.split_at_checked(5)?;
    let more = more.strip_prefix(b"-").unwrap_or(more);
    let shape = digits(code) && digits(more) && matches!((bytes.len(), more.len()), (5, 0) | (9 | 10, 4));
    let code = text.get(..5)?.parse().ok().filter(|_| shape)?;
    Some(format!("{:05}", number(code)?))
}

/// The same of a ZIP code that is kept as a number, without its leading zeros.
pub(super) fn number(code: i64) -> Option<i64> {
    if !(0..=99_999).contains(&code) {
        return None;
    }
    let first = code / 100;
    let restricted = RESTRICTED.iter().any(|one| i64::from(*one) == first);
    Some(if restricted { 0 } else { first * 100 })
}

/// Whether a masked code could be one of these: five digits of which the last two are zero, and not restricted.
pub fn looks_masked(text: &str) -> bool {
    text.len() == 5 && self::text(text).as_deref() == Some(text)
}
