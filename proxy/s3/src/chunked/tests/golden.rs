//! AWS's chunked examples, byte for byte (`sigv4-streaming`, `sigv4-streaming-trailers`): 66,560 times `a`, in 64 KiB and 1 KiB.

use super::send;
use crate::chunked::checksum::Algorithm;
use crate::signature::tests::Request;
use crate::signature::tests::golden::chunked;

/// The body of an example: its chunks' signatures, and what follows.
fn body(signatures: [&str; 3], end: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for (bytes, signature) in [65_536, 1_024, 0].into_iter().zip(signatures) {
        body.extend(format!("{bytes:x};chunk-signature={signature}\r\n").bytes());
        body.extend(std::iter::repeat_n(b'a', bytes));
        body.extend(if bytes == 0 { "" } else { "\r\n" }.bytes());
    }
    body.extend(end.bytes());
    body
}

fn plain() -> (Request, Vec<u8>) {
    let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    let signatures = [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ];
    (
        chunked("", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", seed),
        body(signatures, "\r\n"),
    )
}

fn with_trailer() -> (Request, Vec<u8>) {
    let seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
    let signatures = [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ];
    let end = "x-amz-checksum-crc32c:sOO8/Q==\r\n\
               x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";
    let request = chunked(";x-amz-trailer", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", seed);
    (request, body(signatures, end))
}

#[test]
fn the_examples_have_the_lengths_that_they_say() {
    assert_eq!((plain().1.len(), with_trailer().1.len()), (66_824, 66_946));
}

#[test]
fn the_examples_are_decoded() {
    for (request, body) in [plain(), with_trailer()] {
        let outcome = send(&request, [body.as_slice()]);
        assert_eq!(outcome.early.len(), 66_559, "the last byte waits for the end");
        assert_eq!(outcome.object(), Some(vec![b'a'; 66_560]));
        assert_eq!(outcome.end.expect("it is whole").length(), 66_560);
    }
}

#[test]
fn the_checksum_of_the_trailer_is_given() {
    let (request, body) = with_trailer();
    let whole = send(&request, [body.as_slice()]).end.expect("it is whole");
    let checksum = whole.checksum().expect("the trailer has one");
    assert_eq!(
        (checksum.algorithm(), checksum.as_text()),
        (Algorithm::Crc32c, "sOO8/Q==".to_owned())
    );
}

#[test]
fn a_chunk_is_released_with_its_own_signature_and_not_before() {
    let (request, body) = plain();
    let first = 88 + 65_536;
    assert_eq!(send(&request, [body.get(..first - 1).expect("there")]).early.len(), 0);
    assert_eq!(send(&request, [body.get(..first).expect("there")]).early.len(), 65_535);
}
