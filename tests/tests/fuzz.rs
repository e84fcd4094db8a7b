//! The bodies of the fuzz targets over golden vectors, changed copies of them, and bytes of no form, on the stable toolchain.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails, in its helpers too"
)]

use std::path::Path;

use proptest::prelude::*;

#[path = "../fuzz/src/lib.rs"]
#[allow(
    unreachable_pub,
    clippy::must_use_candidate,
    reason = "a library of its own for cargo-fuzz, which the stable toolchain reads as a module"
)]
mod bodies;

/// A format: its name in the vectors and its reader.
type Body = (&'static str, fn(&[u8]) -> bool);

const BODIES: &[Body] = &[
    ("event", bodies::event),
    ("seal", bodies::seal),
    ("checkpoint", bodies::checkpoint),
    ("key", bodies::key),
    ("tile", bodies::tile),
    ("entries", bodies::bundle_of_entries),
    ("wire", bodies::wire),
    ("proof", bodies::proof),
    ("disclosed", bodies::disclosed),
    ("scope", bodies::scope),
    ("file", bodies::file),
    ("trust", bodies::trust),
    ("policy", bodies::policy),
    ("postgres", bodies::postgres),
    ("statement", bodies::statement),
    ("recipient", bodies::recipient),
    ("copy", bodies::copy),
    ("view", bodies::view),
    ("document", bodies::document),
    ("upload", bodies::upload),
];

/// Formats whose samples are not vectors of `schemas`.
const SAMPLES: &[(&str, &[u8])] = &[
    ("policy", include_bytes!("../src/policy.toml")),
    ("postgres", b"Q\x00\x00\x00\x0dSELECT 1\x00Z\x00\x00\x00\x05I"),
    (
        "postgres",
        b"P\x00\x00\x00\x12s\x00SELECT $1\x00\x00\x00X\x00\x00\x00\x04",
    ),
    ("statement", b"SELECT a, 'x' FROM t WHERE b = 1; -- c"),
    ("statement", b"UPDATE t SET a = $$b$$ WHERE c IN (1, 2)"),
    (
        "recipient",
        b"age1apdu77hwunkk6ynkekenhz770754fhlqlf95dd6s2vscx3ctgp0qqyx3sd",
    ),
    (
        "copy",
        b"age-encryption.org/v1\n-> X25519 kwbvH3UDJEOg2nKsZ5F0cJgSvXFKHBwrtKYv8yPRUUM\n\
          2Ff6bZXGhEbZYNEmfwyhyTMfmkr1WyOv9l8hJ2vvRFk\n-> x;-grease a\nAAAA\n\
          --- 6l2rMlnoFZT4sC1ZrEV8nQ7rDaMzYh5vh9cQnO2qO4Q\n0123456789abcdef0123456789abcdef",
    ),
    ("view", VIEW.as_bytes()),
    ("document", b"\x00\x03a,b\r\n\"1\"\"\n\",2\n,\n"),
    ("document", b"\x01\x01a\tb\n1\t2"),
    ("document", b"\x02\x05{\"a\":[1,{\"b\":\"c\"}],\"d\":null}"),
    ("document", b"\x03\x02[\"a\",true]\n\n{\"a\":1.5}"),
    (
        "document",
        b"\x04\x07{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"name\":\"a\",\"resourceType\":\"Patient\"}}]}",
    ),
    ("document", b"\x05\x07{\"resourceType\":\"Patient\",\"name\":[\"a\"],\"text\":{\"div\":\"b\"}}"),
    ("document", b"\x06\x04MSH|^~\\&|A\rPID|1||2~3&4||a\\T\\b^\"\"\r\n"),
    ("document", b"\x07\x02a\r\n\nb"),
    ("upload", b"\x02a,tok_0123456789abcdef0123456789abcdef"),
    ("upload", b"\x05x[redacted]"),
];

/// The tree of `SELECT b = c FROM t` as a server writes it, cut down to the fields that are read.
const VIEW: &str = "({QUERY :commandType 1 :rtable ({RANGETBLENTRY :rtekind 0 :relid 7}) :targetList ({TARGETENTRY :expr \
    {OPEXPR :opno 98 :opfuncid 67 :args ({VAR :varno 1 :varattno 2 :varlevelsup 0} {VAR :varno 1 :varattno 3 :varlevelsup 0})} \
    :resno 1 :ressortgroupref 0 :resjunk false}) :utilityStmt <> :hasTargetSRFs false :hasModifyingCTE false :cteList <> \
    :jointree {FROMEXPR :fromlist ({RANGETBLREF :rtindex 1}) :quals <>} :havingQual <> :windowClause <> :limitOffset <> \
    :limitCount <> :setOperations <>})";

/// Every valid sample, with the index of its body.
fn samples() -> Vec<(usize, Vec<u8>)> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/vectors/valid");
    let of = |format: &str| {
        BODIES
            .iter()
            .position(|(name, _)| *name == format)
            .expect("a body for every format")
    };
    let mut samples: Vec<_> = SAMPLES
        .iter()
        .map(|(format, bytes)| (of(format), bytes.to_vec()))
        .collect();
    for entry in std::fs::read_dir(vectors).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "hex") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let bytes = hex::decode(std::fs::read_to_string(&path).unwrap().trim()).unwrap();
            samples.push((of(name.split('-').next().unwrap()), bytes));
        }
    }
    samples
}

#[test]
fn every_body_takes_its_samples() {
    let samples = samples();
    for (index, bytes) in &samples {
        let (name, body) = BODIES[*index];
        assert!(body(bytes), "{name}: {}", bytes.escape_ascii());
    }
    for (index, (name, _)) in BODIES.iter().enumerate() {
        assert!(samples.iter().any(|(of, _)| *of == index), "{name} has a sample");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(10_000) })]

    #[test]
    fn no_changed_sample_breaks_a_body(
        sample in proptest::sample::select(samples()),
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), 0..4u8, any::<u8>()), 1..4),
    ) {
        let (body, mut bytes) = sample;
        for (place, edit, byte) in edits {
            let place = place.index(bytes.len() + 1);
            match (edit, place < bytes.len()) {
                (0, true) => bytes[place] = byte,
                (1, true) => drop(bytes.remove(place)),
                (2, _) => bytes.truncate(place),
                _ => bytes.insert(place, byte),
            }
        }
        BODIES[body].1(&bytes);
    }

    #[test]
    fn no_bytes_break_a_body(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for (_, body) in BODIES {
            body(&bytes);
        }
    }
}
