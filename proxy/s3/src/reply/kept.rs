//! Which headers of a store's answer an agent gets: of objects that are not open, those alone that tell nothing of what is masked in them.

use crate::agent::AnswerHead;
use crate::signature::time::UnixSeconds;

/// Headers that say how a message goes from hop to hop (RFC 9110 section 7.6.1), what a store says of itself, and `Date`, which the answer has
/// anew.
pub(super) const HOPS: [&str; 13] = [
    "alt-svc",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "server",
    "set-cookie",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "date",
];

/// Headers that are words of the protocol. All others hold what somebody chose, and go through the net.
pub(super) const PROTOCOL: [&str; 18] = [
    "accept-ranges",
    "allow",
    "content-length",
    "content-md5",
    "content-range",
    "etag",
    "last-modified",
    "retry-after",
    "x-amz-bucket-region",
    "x-amz-checksum-type",
    "x-amz-copy-source-version-id",
    "x-amz-delete-marker",
    "x-amz-id-2",
    "x-amz-mp-parts-count",
    "x-amz-request-id",
    "x-amz-storage-class",
    "x-amz-tagging-count",
    "x-amz-version-id",
];

/// Headers that the answer with an object has that is not open, beside metadata: all others may say something of the object as the store has it.
const OF_OBJECTS: [&str; 17] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "last-modified",
    "x-amz-delete-marker",
    "x-amz-expiration",
    "x-amz-id-2",
    "x-amz-missing-meta",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-request-id",
    "x-amz-storage-class",
    "x-amz-tagging-count",
    "x-amz-version-id",
];

/// Those of them whose values whoever writes an object chooses.
const CHOSEN: [&str; 5] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
];

/// Metadata of objects.
const METADATA: &str = "x-amz-meta-";

/// Metadata of an object that is not open which passes: times and owners of files, which clients that copy directories write and read; each
/// with the digits that it has at the most, before a point.
const METADATA_KEPT: [(&str, usize); 6] = [
    ("atime", 10),
    ("btime", 10),
    ("gid", 7),
    ("mode", 7),
    ("mtime", 10),
    ("uid", 7),
];

/// Takes from the head of an answer about an object that is not open what may be a hash of it, or a value.
pub(super) fn of_closed(head: &mut AnswerHead) {
    let tells_hash = |name: &str| {
        matches!(
            name,
            "etag" | "content-md5" | "digest" | "content-digest" | "repr-digest"
        ) || ["checksum", "hash", "crc", "sha", "md5"]
            .iter()
            .any(|word| name.contains(word))
    };
    let is_error = head.status >= 300;
    head.headers
        .retain_mut(|(name, value)| match name.strip_prefix(METADATA) {
            // What somebody writes beside an object may be a hash of it in any spelling, or a value.
            Some(name) => METADATA_KEPT
                .iter()
                .any(|(kept, digits)| *kept == name && is_number(value, *digits)),
            // An error says more than the object: where to go, and when to come again.
            None if is_error => !tells_hash(name),
            None if name == "expires" => is_time(value),
            None if CHOSEN.contains(&name.as_str()) => plain(value),
            None => OF_OBJECTS.contains(&name.as_str()),
        });
}

/// Whether metadata is a time, an owner or a mode: a number, and no more of it than a time in nanoseconds has.
fn is_number(value: &[u8], digits: usize) -> bool {
    let mut parts = value.split(|byte| *byte == b'.');
    let (whole, places) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let are_digits = |part: &[u8], most: usize| part.len() <= most && part.iter().all(u8::is_ascii_digit);
    are_digits(whole, digits) && are_digits(places, PLACES_MAX) && parts.next().is_none()
}

fn is_time(value: &[u8]) -> bool {
    str::from_utf8(value).is_ok_and(|value| UnixSeconds::parse_http(value).is_some())
}

/// Cuts a value that somebody chose to what stands before its first parameter; whether that is words alone, without room for a hash or a number
/// of somebody.
fn plain(value: &mut Vec<u8>) -> bool {
    let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
    value.truncate(end);
    let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || b" ,=*/+.-_".contains(byte);
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let words = value.split(|byte| !byte.is_ascii_alphanumeric());
    value.len() <= CHOSEN_BYTES_MAX
        && value.iter().all(is_of_word)
        && digits <= CHOSEN_DIGITS_MAX
        && words.map(<[u8]>::len).all(|letters| letters <= WORD_LETTERS_MAX)
}

/// Digits behind the point of a time, which are nanoseconds.
const PLACES_MAX: usize = 9;

/// What a value that somebody chose has at the most: `application/vnd.openxmlformats-officedocument.spreadsheetml.sheet` has 65 bytes, that of
/// texts a word of 16 letters, `max-age=31536000` eight digits.
const CHOSEN_BYTES_MAX: usize = 96;
const CHOSEN_DIGITS_MAX: usize = 8;
const WORD_LETTERS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::{is_number, is_time, plain};

    #[test]
    fn beside_a_masked_object_stand_words_and_times_alone() {
        for (value, kept) in [
            (
                "text/csv; charset=utf-8; x=900150983cd24fb0d6963f7d28e17f72",
                Some("text/csv"),
            ),
            (
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                Some(""),
            ),
            (
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                Some(""),
            ),
            ("max-age=31536000", Some("")),
            ("attachment; filename=\"123-45-6789.csv\"", Some("attachment")),
            ("900150983cd24fb0d6963f7d28e17f72", None),
            ("kAFQmDzST7DWlj99KOF/cg", None),
            ("sha/1234-5678-9", None),
            ("a\"b", None),
        ] {
            let mut cut = value.as_bytes().to_vec();
            let is_kept = plain(&mut cut);
            let wanted = kept.map(|kept| if kept.is_empty() { value } else { kept });
            assert_eq!(is_kept.then_some(cut.as_slice()), wanted.map(str::as_bytes), "{value}");
        }
        for (value, kept) in [
            ("1700000000.123456789", true),
            ("0644", true),
            ("-1", false),
            ("1.2.3", false),
            ("12345678901", false),
            ("900150983c", false),
        ] {
            assert_eq!(is_number(value.as_bytes(), 10), kept, "{value}");
        }
        assert!(is_time(b"Thu, 01 Dec 1994 16:00:00 GMT") && !is_time(b"0"));
    }
}
