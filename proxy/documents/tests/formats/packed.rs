//! gzip and Zstandard.

use std::io::{Read as _, Write as _};

use exhibit_documents::{EXPANSION_FREE_BYTES, EXPANSION_MAX, Reason};
use exhibit_policy::snapshot::Snapshot;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{format, in_pieces, masked, masker, masks, policy, refused};

const ROWS: &str = "ssn,a\n999-12-3456,x\n";
const MASKED: &str = "ssn,a\n[redacted],x\n";

fn csv() -> Snapshot {
    policy(&format("csv"), &masks(&[("d.ssn", "\"redact\"")]))
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

pub(crate) fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    if bytes.starts_with(b"\x1f\x8b") {
        MultiGzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    } else {
        plain = zstd::decode_all(bytes).unwrap();
    }
    plain
}

fn check(packed: &[u8]) {
    for piece in [packed.len(), 1, 7] {
        let found = in_pieces(&csv(), packed.chunks(piece)).unwrap();
        assert_eq!(found[..2], packed[..2], "packed again, the same way");
        assert_eq!(unpacked(&found), MASKED.as_bytes());
    }
}

#[test]
fn what_is_packed_is_masked_and_packed_again() {
    check(&gzip(ROWS.as_bytes()));
    check(&zstd(ROWS.as_bytes()));
    // Members and frames one behind the other, empty ones among them, a row across two.
    let (first, second) = ROWS.split_at(9);
    for pack in [gzip, zstd] {
        check(&[pack(first.as_bytes()), pack(b""), pack(second.as_bytes())].concat());
    }
}

#[test]
fn the_header_of_gzip_may_have_all_that_it_can_and_none_of_it_comes_out() {
    let mut named = flate2::GzBuilder::new()
        .filename("duran.csv")
        .comment("of Ann Duran")
        .extra(&b"ab\x04\0Dura"[..])
        .mtime(1_700_000_000)
        .write(Vec::new(), Compression::default());
    named.write_all(ROWS.as_bytes()).unwrap();
    let named = named.finish().unwrap();
    check(&named);
    let found = masked(&csv(), &named).unwrap();
    assert!(!found.windows(4).any(|bytes| bytes.eq_ignore_ascii_case(b"dura")));
}

#[test]
fn what_is_broken_cut_or_has_more_behind_it_is_refused() {
    for pack in [gzip, zstd] {
        let packed = pack(ROWS.as_bytes());
        for end in 4..packed.len() {
            assert!(masked(&csv(), &packed[..end]).is_err(), "cut at {end}");
        }
        for more in [&b"x"[..], b"\0", &packed[..3], b"ssn,a\n"] {
            assert!(masked(&csv(), &[&packed[..], more].concat()).is_err(), "{more:?}");
        }
        refused(&csv(), &pack(&pack(ROWS.as_bytes())), "in what is packed already");
        refused(&csv(), &pack(b"PAR1"), "a Parquet file");
        let tar = [&b"patients.csv"[..], &[0; 245], b"ustar\x0000", ROWS.as_bytes()].concat();
        refused(&csv(), &tar, "a tar archive");
        refused(&csv(), &pack(&tar), "a tar archive");
        refused(&csv(), &pack(b"ssn,a\n1,2,3\n"), "record 2: it has 3 cells");
    }
    // Both of its sums are held to the bytes.
    let packed = gzip(ROWS.as_bytes());
    for byte in packed.len() - 8..packed.len() {
        let mut broken = packed.clone();
        broken[byte] ^= 1;
        refused(&csv(), &broken, "cannot be unpacked");
    }
}

#[test]
fn bombs_are_refused_and_what_is_well_packed_is_not() {
    let zeros = |bytes: u64| vec![b'a'; usize::try_from(bytes).unwrap()];
    let text = policy(&(format("text") + "\nphi = false"), "");
    for pack in [gzip, zstd] {
        // As much as is free, whatever it came from.
        let free = pack(&zeros(EXPANSION_FREE_BYTES));
        assert!(u64::try_from(free.len()).unwrap() * EXPANSION_MAX < EXPANSION_FREE_BYTES);
        assert!(masked(&text, &free).is_ok());
        let bomb = pack(&zeros(EXPANSION_FREE_BYTES + 1));
        assert_eq!(masked(&text, &bomb).unwrap_err().reason, Reason::Expansion);
    }
    // Memory stays that of a record: frames come as the bytes do.
    let (mut masker, mut net) = masker(&text);
    let packed = gzip(&zeros(EXPANSION_FREE_BYTES));
    let mut frames = 0;
    for piece in packed.chunks(64) {
        frames += masker.push(piece, &mut net).unwrap().len();
    }
    assert!(frames > 100, "{frames}");
}
