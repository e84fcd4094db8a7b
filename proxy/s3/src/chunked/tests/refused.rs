//! Every error of a body by name, with S3's code and status, and the limits, each with one past it.

use super::upload::{Plan, digest, put};
use super::{Outcome, send};
use crate::chunked::checksum::Algorithm;
use crate::chunked::{
    Body, BodyError, CHUNK_HEADER_BYTES_MAX, ChecksumHeaders, Decoded, OBJECT_BYTES_MAX, SIGNED_CHUNK_BYTES_MAX,
    TRAILER_BYTES_MAX,
};
use crate::signature::payload::Payload;
use crate::signature::tests::forms::form;

const LENGTH: &str = "x-amz-decoded-content-length";

fn check(outcome: &Outcome, error: &BodyError, code: &str, status: u16) {
    assert_eq!(outcome.end.as_ref().err(), Some(error));
    assert_eq!(
        (error.code().as_str(), error.code().status()),
        (code, status),
        "{error}"
    );
}

/// A head with headers of a test, and a body.
fn of(payload: Payload, headers: &[(&str, &str)], body: &[u8]) -> Outcome {
    send(&put(payload, headers).0, [body])
}

fn plan(payload: Payload, object: &[u8]) -> Plan<'_> {
    Plan {
        payload,
        object,
        chunk: 4,
        algorithm: Algorithm::Crc32,
        lenient: false,
    }
}

/// An unsigned upload of `12345` whose end is another.
fn ending(end: &str) -> Outcome {
    let headers = [(LENGTH, "5"), ("x-amz-trailer", "x-amz-checksum-crc32")];
    of(
        Payload::UnsignedChunksTrailer,
        &headers,
        format!("5\r\n12345\r\n0\r\n{end}").as_bytes(),
    )
}

/// A store that looks at the header would take out frames that nobody has checked.
#[test]
fn frames_that_nothing_checks() {
    for payload in [Payload::Unsigned, Payload::Sha256([7; 32])] {
        for coding in ["aws-chunked", "gzip, AWS-Chunked"] {
            let outcome = of(
                payload,
                &[("content-encoding", coding), ("content-length", "5")],
                b"0\r\n\r\n",
            );
            check(&outcome, &BodyError::Framed, "InvalidRequest", 400);
        }
    }
}

#[test]
fn what_headers_have_to_say() {
    let crc = ("x-amz-trailer", "x-amz-checksum-crc32");
    let streaming = Payload::UnsignedChunksTrailer;
    check(
        &of(streaming, &[crc], b""),
        &BodyError::DecodedLengthMissing,
        "MissingContentLength",
        411,
    );
    for length in ["", "-1", "+1", "01", "1 2", "0x1", "99999999999999999999"] {
        let error = BodyError::LengthMalformed { header: LENGTH };
        check(
            &of(streaming, &[crc, (LENGTH, length)], b""),
            &error,
            "InvalidArgument",
            400,
        );
    }
    check(
        &of(streaming, &[(LENGTH, "1")], b""),
        &BodyError::TrailerMissing,
        "InvalidRequest",
        400,
    );
    for name in [
        "",
        "x-amz-checksum-md5",
        "content-md5",
        "x-amz-checksum-crc32,x-amz-checksum-sha1",
        "x-amz-meta-a",
    ] {
        check(
            &of(streaming, &[(LENGTH, "1"), ("x-amz-trailer", name)], b""),
            &BodyError::TrailerUnknown,
            "InvalidRequest",
            400,
        );
    }
    for payload in [Payload::SignedChunks, Payload::Unsigned] {
        check(
            &of(payload, &[(LENGTH, "1"), crc], b""),
            &BodyError::TrailerUnexpected,
            "InvalidRequest",
            400,
        );
    }
    let sha1 = ("x-amz-checksum-sha1", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    check(
        &of(streaming, &[(LENGTH, "1"), crc, sha1], b""),
        &BodyError::ManyChecksums,
        "InvalidRequest",
        400,
    );
    let crc32 = ("x-amz-checksum-crc32", "AAAAAA==");
    check(
        &of(Payload::Unsigned, &[crc32, sha1], b""),
        &BodyError::ManyChecksums,
        "InvalidRequest",
        400,
    );
    let error = BodyError::ChecksumMalformed {
        header: "x-amz-checksum-crc32",
    };
    check(
        &of(Payload::Unsigned, &[("x-amz-checksum-crc32", "AAAA")], b""),
        &error,
        "InvalidRequest",
        400,
    );
    check(
        &of(Payload::Unsigned, &[("content-md5", "AAAA")], b""),
        &BodyError::Md5Malformed,
        "InvalidDigest",
        400,
    );
    let mut twice = put(Payload::Unsigned, &[]).0;
    twice.headers.extend([
        ("Content-MD5".to_owned(), String::new()),
        ("Content-MD5".to_owned(), String::new()),
    ]);
    assert!(matches!(send(&twice, []).end, Err(BodyError::Head(error)) if error.code().status() == 400));
}

#[test]
fn lengths_hold() {
    let of_length = |length: &str, body: &[u8]| of(Payload::Unsigned, &[("content-length", length)], body);
    assert!(of_length("3", b"abc").end.is_ok());
    check(
        &of_length("3", b"abcd"),
        &BodyError::TooLong { announced: 3 },
        "IncompleteBody",
        400,
    );
    let short = BodyError::TooShort {
        received: 2,
        announced: 3,
    };
    check(&of_length("3", b"ab"), &short, "IncompleteBody", 400);
    check(
        &of_length("3", b""),
        &BodyError::TooShort {
            received: 0,
            announced: 3,
        },
        "IncompleteBody",
        400,
    );
    let signed = put(Payload::Unsigned, &[("content-length", &OBJECT_BYTES_MAX.to_string())]).0;
    let body = signed.head(|head| Body::new(&signed.verify().expect("signed"), head, ChecksumHeaders::OfTheBody));
    assert_eq!(body.expect("5 GiB").length(), Some(OBJECT_BYTES_MAX));
    check(
        &of_length(&(OBJECT_BYTES_MAX + 1).to_string(), b""),
        &BodyError::TooLarge,
        "EntityTooLarge",
        400,
    );
    // A chunk that would go beyond is refused by its line, before a byte of it.
    let headers = [(LENGTH, "5"), ("x-amz-trailer", "x-amz-checksum-crc32")];
    let outcome = of(Payload::UnsignedChunksTrailer, &headers, b"3\r\nabc\r\n3\r\n");
    check(&outcome, &BodyError::TooLong { announced: 5 }, "IncompleteBody", 400);
    let outcome = of(
        Payload::UnsignedChunksTrailer,
        &headers,
        b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n",
    );
    check(
        &outcome,
        &BodyError::TooShort {
            received: 3,
            announced: 5,
        },
        "IncompleteBody",
        400,
    );
}

#[test]
fn digests_hold() {
    let mut hash = [0; 32];
    hex::decode_to_slice(digest(b"abc"), &mut hash).expect("32 bytes");
    assert!(of(Payload::Sha256(hash), &[], b"abc").end.is_ok());
    check(
        &of(Payload::Sha256(hash), &[], b"abd"),
        &BodyError::Sha256,
        "XAmzContentSHA256Mismatch",
        400,
    );
    let md5 = [("content-md5", "kAFQmDzST7DWlj99KOF/cg==")];
    assert!(of(Payload::Unsigned, &md5, b"abc").end.is_ok());
    check(&of(Payload::Unsigned, &md5, b"abd"), &BodyError::Md5, "BadDigest", 400);
    let crc = [("x-amz-checksum-crc32", "NSRBwg==")];
    assert!(of(Payload::Unsigned, &crc, b"abc").end.is_ok());
    let error = BodyError::Checksum {
        header: "x-amz-checksum-crc32",
    };
    check(&of(Payload::Unsigned, &crc, b"abd"), &error, "BadDigest", 400);
    // Of a list of parts, the checksum is that of the object.
    let request = put(Payload::Unsigned, &crc).0;
    let signed = request.verify().expect("signed");
    let mut body = request
        .head(|head| Body::new(&signed, head, ChecksumHeaders::OfTheObject))
        .expect("a body");
    assert_eq!(body.push(b"<parts/>").map(Decoded::into_bytes), Ok(b"<parts/".to_vec()));
    assert!(body.finish().is_ok());
}

#[test]
fn lines_before_chunks() {
    let check_line = |payload: Payload, line: &str, says: &str| {
        let headers: &[_] = match payload {
            Payload::SignedChunks => &[(LENGTH, "5")],
            _ => &[(LENGTH, "5"), ("x-amz-trailer", "x-amz-checksum-crc32")],
        };
        let error = of(payload, headers, line.as_bytes()).end.expect_err(line);
        assert!(
            matches!(error, BodyError::ChunkHeader { .. }) && error.to_string().contains(says),
            "{line:?}: {error}"
        );
        assert_eq!((error.code().as_str(), error.code().status()), ("InvalidRequest", 400));
    };
    let zeros = "0".repeat(64);
    let signed = Payload::SignedChunks;
    check_line(signed, "5\r\n", "no chunk-signature");
    check_line(signed, "5;\r\n", "chunk-signature=");
    check_line(signed, &format!("5; chunk-signature={zeros}\r\n"), "chunk-signature=");
    check_line(
        signed,
        &format!("5;chunk-signature={}\r\n", "A".repeat(64)),
        "lower-case",
    );
    check_line(signed, &format!("5;chunk-signature={zeros};a\r\n"), "lower-case");
    check_line(signed, &format!("5;chunk-signature={zeros}\n"), "\\r\\n");
    for size in ["", "05", "+5", "-5", "5 ", " 5", "0x5", "g", "11111111111111111"] {
        check_line(
            signed,
            &format!("{size};chunk-signature={zeros}\r\n"),
            "hexadecimal digits without zeros",
        );
        check_line(
            Payload::UnsignedChunksTrailer,
            &format!("{size}\r\n"),
            "hexadecimal digits without zeros",
        );
    }
    check_line(Payload::UnsignedChunksTrailer, "5;a=b\r\n", "not signed");
    check_line(
        Payload::UnsignedChunksTrailer,
        &format!("5;chunk-signature={zeros}\r\n"),
        "not signed",
    );
    let outcome = of(signed, &[(LENGTH, "5")], &[b'1'; CHUNK_HEADER_BYTES_MAX]);
    check(&outcome, &BodyError::Unfinished, "IncompleteBody", 400);
    let outcome = of(signed, &[(LENGTH, "5")], &[b'1'; CHUNK_HEADER_BYTES_MAX + 1]);
    check(&outcome, &BodyError::ChunkHeaderLength, "InvalidRequest", 400);
}

#[test]
fn chunks() {
    let upload = plan(Payload::SignedChunks, b"12345").upload();
    let body = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut parts = upload.parts.clone();
        change(&mut parts);
        send(&upload.request, [parts.concat().as_slice()])
    };
    assert_eq!(body(&|_| {}).object(), Some(b"12345".to_vec()));
    let forged = body(&|parts| parts[0][85] ^= 1);
    check(&forged, &BodyError::ChunkSignature, "SignatureDoesNotMatch", 403);
    assert!(forged.early.is_empty());
    check(
        &body(&|parts| parts.swap(0, 1)),
        &BodyError::ChunkSignature,
        "SignatureDoesNotMatch",
        403,
    );
    check(
        &body(&|parts| parts[0].truncate(89)),
        &BodyError::ChunkEnd,
        "InvalidRequest",
        400,
    );
    check(
        &body(&|parts| parts.truncate(2)),
        &BodyError::Unfinished,
        "IncompleteBody",
        400,
    );
    let more = SIGNED_CHUNK_BYTES_MAX + 1;
    let line = format!("{more:x};chunk-signature={}\r\n", "0".repeat(64));
    check(
        &of(Payload::SignedChunks, &[(LENGTH, "20000000")], line.as_bytes()),
        &BodyError::ChunkSize,
        "InvalidChunkSizeError",
        403,
    );
    let line = format!("{SIGNED_CHUNK_BYTES_MAX:x};chunk-signature={}\r\n", "0".repeat(64));
    check(
        &of(Payload::SignedChunks, &[(LENGTH, "20000000")], line.as_bytes()),
        &BodyError::Unfinished,
        "IncompleteBody",
        400,
    );
}

#[test]
fn what_follows_the_last_chunk() {
    assert_eq!(
        ending("x-amz-checksum-crc32:y/U6HA==\r\n\r\n").object(),
        Some(b"12345".to_vec())
    );
    assert_eq!(
        ending("X-Amz-Checksum-CRC32: y/U6HA==\r\n\r\n").object(),
        Some(b"12345".to_vec())
    );
    assert_eq!(
        ending("x-amz-checksum-crc32:y/U6HA==\n\r\n\r\n").object(),
        Some(b"12345".to_vec())
    );
    for end in [
        "",
        "\r\n",
        "x-amz-checksum-crc32:y/U6HA==",
        "x-amz-checksum-crc32:y/U6HA==\r\n",
        "x-amz-checksum-crc32:y/U6HA==\n\n",
        "x-amz-checksum-crc32:y/U6HA==\n\r\n",
        "x-amz-checksum-crc32:y/U6HA==\r\n\r\n\r\n",
        "x-amz-checksum-crc32:y/U6HA==\r\nx-amz-checksum-crc32:y/U6HA==\r\n\r\n",
        "x-amz-checksum-crc32c:y/U6HA==\r\n\r\n",
        "x-amz-checksum-crc32\r\n\r\n",
        "\u{e4}:y/U6HA==\r\n\r\n",
    ] {
        let error = ending(end).end.expect_err(end);
        assert!(matches!(error, BodyError::Trailer { .. }), "{end:?}: {error}");
        assert_eq!(
            (error.code().as_str(), error.code().status()),
            ("MalformedTrailerError", 400)
        );
    }
    let error = BodyError::ChecksumMalformed {
        header: "x-amz-checksum-crc32",
    };
    check(
        &ending("x-amz-checksum-crc32:y/U6\r\n\r\n"),
        &error,
        "InvalidRequest",
        400,
    );
    let error = BodyError::Checksum {
        header: "x-amz-checksum-crc32",
    };
    check(
        &ending("x-amz-checksum-crc32:y/U6HQ==\r\n\r\n"),
        &error,
        "BadDigest",
        400,
    );
    let full = "a".repeat(TRAILER_BYTES_MAX);
    assert!(matches!(ending(&full).end, Err(BodyError::Trailer { .. })));
    check(
        &ending(&format!("{full}a")),
        &BodyError::TrailerLength,
        "MalformedTrailerError",
        400,
    );
}

#[test]
fn what_follows_the_last_chunk_is_signed() {
    let upload = plan(Payload::SignedChunksTrailer, b"12345").upload();
    let with_end = |from: &str, to: &str| {
        let mut parts = upload.parts.clone();
        let end = String::from_utf8(parts.pop().expect("the end")).expect("text");
        assert!(end.contains(from), "{end}");
        parts.push(end.replace(from, to).into_bytes());
        send(&upload.request, [parts.concat().as_slice()])
    };
    assert!(with_end("\r\n", "\r\n").end.is_ok());
    check(
        &with_end("y/U6HA==", "y/U6HQ=="),
        &BodyError::TrailerSignature,
        "SignatureDoesNotMatch",
        403,
    );
    for (from, to) in [
        ("x-amz-trailer-signature", "x-amz-trailer"),
        ("-signature:", "-signature:0"),
        ("\r\n\r\n", "\r\n"),
        ("\r\n\r\n", "\r\n\r\n\r\n"),
        ("\r\nx-amz-trailer", "\r\nx-amz-meta-a:b\r\nx-amz-trailer"),
    ] {
        let error = with_end(from, to).end.expect_err(to);
        assert!(matches!(error, BodyError::Trailer { .. }), "{to:?}: {error}");
    }
    // Where nothing is announced, nothing follows.
    let upload = plan(Payload::SignedChunks, b"12345").upload();
    for end in ["", "\n", "\r\n\r\n", "x-amz-checksum-crc32:y/U6HA==\r\n\r\n"] {
        let mut parts = upload.parts.clone();
        parts.pop();
        parts.push(end.as_bytes().to_vec());
        assert!(
            matches!(
                send(&upload.request, [parts.concat().as_slice()]).end,
                Err(BodyError::Trailer { .. })
            ),
            "{end:?}"
        );
    }
}

#[test]
fn the_file_of_a_form() {
    let of_file = |conditions: &str, fields: &[(&str, &str)], file: &[u8]| {
        let mut body = Body::of_file(&form(conditions, fields).expect("a form"))?;
        let early = body.push(file)?.into_bytes();
        assert!(early.len() < file.len().max(1));
        body.finish().map(|whole| whole.length())
    };
    let range = r#", ["content-length-range", 2, 3]"#;
    assert_eq!(of_file(range, &[], b"ab"), Ok(2));
    assert_eq!(of_file(range, &[], b"abc"), Ok(3));
    let (small, large) = (BodyError::BelowRange { min: 2 }, BodyError::AboveRange { max: 3 });
    assert_eq!(
        (small.code().as_str(), large.code().as_str()),
        ("EntityTooSmall", "EntityTooLarge")
    );
    assert_eq!(of_file(range, &[], b"a"), Err(small));
    assert_eq!(of_file(range, &[], b"abcd"), Err(large));
    let condition = r#", ["starts-with", "$x-amz-checksum-crc32", ""], ["starts-with", "$Content-MD5", ""]"#;
    let fields = [
        ("x-amz-checksum-crc32", "NSRBwg=="),
        ("Content-MD5", "kAFQmDzST7DWlj99KOF/cg=="),
    ];
    assert_eq!(of_file(condition, &fields, b"abc"), Ok(3));
    assert_eq!(of_file(condition, &fields, b"abd"), Err(BodyError::Md5));
    let fields = [
        ("x-amz-checksum-crc32", "NSRB"),
        ("Content-MD5", "kAFQmDzST7DWlj99KOF/cg=="),
    ];
    assert_eq!(
        of_file(condition, &fields, b""),
        Err(BodyError::ChecksumMalformed {
            header: "x-amz-checksum-crc32"
        })
    );
}
