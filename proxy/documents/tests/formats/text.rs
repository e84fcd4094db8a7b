//! Plain text.

use exhibit_policy::mask::document::{TEXT_OVERLAP_BYTES, TEXT_WINDOW_BYTES};

use super::{check, format, in_pieces, masked, masks, net, policy, refused};

#[test]
fn a_text_is_searched_and_the_rest_stays() {
    let text = "\u{feff}Call 123-45-6789,\r\nor write to a@example.org.\n";
    let wanted = "\u{feff}Call [ssn],\r\nor write to [email].\n";
    check(&policy(&format("text"), &masks(&[("d", "\"detect\"")])), text, wanted);
    check(
        &policy(&(format("text") + "\nphi = false"), &net("\"ssn\", \"email\"")),
        text,
        wanted,
    );
    check(&policy(&(format("text") + "\nphi = false"), ""), text, text);
    check(&policy(&(format("text") + "\nphi = false"), &net("\"ssn\"")), "", "");
}

#[test]
fn with_another_technique_each_line_is_a_value() {
    let policy = policy(&format("text"), &masks(&[("d", "\"redact\"")]));
    check(&policy, "a\r\n\nb", "[redacted]\r\n\n[redacted]");
}

#[test]
fn what_is_no_text_is_refused() {
    for more in [masks(&[("d", "\"detect\"")]), masks(&[("d", "\"redact\"")])] {
        let policy = policy(&format("text"), &more);
        refused(&policy, b"a\xffb", "no UTF-8");
        refused(&policy, b"a\xe2\x82", "no UTF-8");
        refused(&policy, b"a\0b", "a zero byte");
        refused(&policy, b"%PDF-1.7", "a PDF file");
    }
}

/// Text without lines, blanks or anything to find, so that windows end where they must.
fn filler(bytes: usize, with: char) -> String {
    std::iter::repeat_n(with, bytes / with.len_utf8()).collect()
}

#[test]
fn an_identifier_is_found_wherever_windows_meet() {
    let policy = policy(&(format("text") + "\nphi = false"), &net("\"ssn\", \"card\", \"mrn\""));
    let words = |bytes: usize| "lorem ipsum\n".repeat(bytes / 12 + 1)[..bytes].to_owned();
    let edge = TEXT_WINDOW_BYTES;
    let overlap = edge - TEXT_OVERLAP_BYTES;
    // The last blank before a window's end may be one inside of a number, or behind what says what the number is.
    for (number, token) in [
        ("123-45-6789", "[ssn]"),
        ("4111 1111 1111 1111", "[card]"),
        ("MRN: 00482913", "MRN: [mrn]"),
    ] {
        for place in (edge - 40..edge + 10).chain(overlap - 40..overlap + 10).step_by(5) {
            for fill in [words(place), filler(place, '.')] {
                let rest = filler(2 * edge - place, '.');
                let text = format!("{fill} {number} {rest}");
                let found = masked(&policy, text.as_bytes()).unwrap();
                assert!(found == text.replace(number, token).as_bytes(), "{number} at {place}");
            }
        }
    }
}

#[test]
fn characters_of_several_bytes_are_whole_wherever_a_window_ends() {
    let policy = policy(&(format("text") + "\nphi = false"), &net("\"ssn\""));
    for character in ['\u{e9}', '\u{20ac}', '\u{1f600}'] {
        for shift in 0..4 {
            let text = "x".repeat(shift) + &filler(200_000, character);
            let found = in_pieces(&policy, text.as_bytes().chunks(1_013)).unwrap();
            assert!(found == text.as_bytes());
        }
    }
}
