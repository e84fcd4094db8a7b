//! Our own marks in what is written.

use exhibit_documents::{Mark, Marks};
use exhibit_policy::detect::Category;
use exhibit_policy::mask::MaskKey;

use super::packed::{gzip, zstd};

fn found(upload: &[u8], pieces: usize) -> Option<Mark> {
    let mut marks = Marks::default();
    for piece in upload.chunks(pieces) {
        marks.push(piece).unwrap();
    }
    marks.finish().unwrap()
}

#[test]
fn marks_are_found_wherever_they_are_cut_and_however_they_are_packed() {
    let token = MaskKey::new([7; 32]).token("d", b"999-12-3456");
    for (text, wanted) in [
        (token.clone(), Some(Mark::Token)),
        (format!("a,b\n1,{token}\n"), Some(Mark::Token)),
        (format!("ttok_tok_{token}"), Some(Mark::Token)),
        ("{\"a\":\"[redacted]\"}".to_owned(), Some(Mark::Redacted)),
        ("x [[ssn] y".to_owned(), Some(Mark::Found(Category::Ssn))),
        (token[..35].to_owned(), None),
        (token.to_uppercase(), None),
        (format!("tok_{}", "g".repeat(32)), None),
        ("[redact]".to_owned(), None),
        ("a,b\n1,2\n".to_owned(), None),
        (String::new(), None),
    ] {
        for upload in [text.clone().into_bytes(), gzip(text.as_bytes()), zstd(text.as_bytes())] {
            for pieces in [1, 2, 3, 5, 35, 36, 37, upload.len().max(1)] {
                assert_eq!(found(&upload, pieces), wanted, "{text} in {pieces}");
            }
        }
        let long = "x".repeat(100_000) + &text + &"y".repeat(1_000);
        assert_eq!(found(long.as_bytes(), 4_096), wanted, "{text}");
    }
}

#[test]
fn what_cannot_be_unpacked_is_not_said_to_hold_nothing() {
    let packed = gzip(b"a,b\n");
    let mut marks = Marks::default();
    marks.push(&packed[..packed.len() - 1]).unwrap();
    assert!(marks.finish().is_err());
    assert!(Marks::default().push(b"\x1f\x8b\x08\xff\0\0\0\0\0\0").is_err());
    // What is packed twice, or begins with a frame that is skipped, is not looked through.
    let skipped = [&b"\x5f*M\x18\x04\0\0\0abcd"[..], &zstd(b"[redacted]")].concat();
    let mut uploads = vec![skipped.clone(), gzip(&skipped), zstd(&skipped)];
    for pack in [gzip, zstd] {
        uploads.extend([gzip, zstd].map(|again| again(&pack(b"[redacted]"))));
    }
    for upload in uploads {
        for pieces in [1, 3, upload.len()] {
            let mut marks = Marks::default();
            let broken = upload.chunks(pieces).any(|piece| marks.push(piece).is_err());
            assert!(broken || marks.finish().is_err(), "{upload:?} in {pieces}");
            assert!(marks.push(b"more").is_err() && marks.finish().is_err(), "and stays so");
        }
    }
}
