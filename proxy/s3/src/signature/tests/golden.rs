//! AWS's published examples, byte for byte: `sig-v4-header-based-auth`, `sigv4-query-string-auth`, `sigv4-streaming` and
//! `sigv4-streaming-trailers` of the Amazon S3 API reference.

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{KEY_ID, Request, SECRET, TIME, example, presigned, region, time};
use crate::signature::canonical::Canonical;
use crate::signature::credential::AccessKeyId;
use crate::signature::key::SecretKey;
use crate::signature::payload::Payload;
use crate::signature::sign::{Credentials, SignedBody, sign};
use crate::signature::target::Target;
use crate::signature::{Carrier, Signed};

/// An example of the header: what is sent, the SHA-256 of its canonical request, and its signature.
struct Example {
    method: &'static str,
    target: &'static str,
    /// Headers beyond host, date and hash.
    headers: &'static [(&'static str, &'static str)],
    signed: &'static str,
    payload: &'static str,
    canonical: &'static str,
    signature: &'static str,
}

const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const EXAMPLES: &[Example] = &[
    Example {
        method: "GET",
        target: "/test.txt",
        headers: &[("Range", "bytes=0-9")],
        signed: "host;range;x-amz-content-sha256;x-amz-date",
        payload: NOTHING,
        canonical: "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
        signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    },
    Example {
        method: "PUT",
        target: "/test$file.text",
        headers: &[
            ("Date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ],
        signed: "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        // "Welcome to Amazon S3."
        payload: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
        canonical: "9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d",
        signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    },
    Example {
        method: "GET",
        target: "/?lifecycle",
        headers: &[],
        signed: "host;x-amz-content-sha256;x-amz-date",
        payload: NOTHING,
        canonical: "9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
        signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    },
    Example {
        method: "GET",
        target: "/?max-keys=2&prefix=J",
        headers: &[],
        signed: "host;x-amz-content-sha256;x-amz-date",
        payload: NOTHING,
        canonical: "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
        signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    },
];

const HOST: &str = "examplebucket.s3.amazonaws.com";

impl Example {
    fn authorization(&self) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential={KEY_ID}/20130524/us-east-1/s3/aws4_request, SignedHeaders={}, Signature={}",
            self.signed, self.signature
        )
    }

    fn request(&self) -> Request {
        let fixed = [
            ("Host", HOST),
            ("x-amz-date", TIME),
            ("x-amz-content-sha256", self.payload),
        ];
        let headers: Vec<_> = self.headers.iter().copied().chain(fixed).collect();
        Request::new(self.method, self.target, &headers).with("Authorization", &self.authorization())
    }
}

fn canonical_digest(signed: &Signed) -> String {
    let canonical = Canonical {
        method: signed.method(),
        path: &signed.target().canonical_path(),
        query: &signed.target().canonical_query(),
        headers: signed.headers(),
        payload: &signed.payload().as_text(),
    };
    hex::encode(Sha256::digest(canonical.bytes()))
}

#[test]
fn the_examples_of_the_header_are_verified() {
    for example in EXAMPLES {
        let signed = example.request().verify().expect(example.target);
        assert_eq!(canonical_digest(&signed), example.canonical, "{}", example.target);
        assert_eq!(signed.carrier(), Carrier::Header);
        assert_eq!(signed.access_key_id().as_str(), KEY_ID);
        assert_eq!(signed.scope().to_string(), "20130524/us-east-1/s3/aws4_request");
        assert_eq!(signed.time(), time(TIME));
        assert_eq!(signed.token(), None);
        assert_eq!(signed.header("host"), Some(HOST.as_bytes()));
        assert_eq!(signed.header("authorization"), None);
    }
}

#[test]
fn the_examples_of_the_header_are_signed() {
    let credentials = Credentials {
        access_key_id: AccessKeyId::new(KEY_ID).expect("an id"),
        secret: SecretKey::new(Zeroizing::new(SECRET.to_owned())),
        token: None,
    };
    for example in EXAMPLES {
        let target = Target::parse(example.target).expect("a target");
        let given = example.headers.iter().copied().chain([("Host", HOST)]);
        let headers: Vec<_> = given.map(|(name, value)| (name, value.as_bytes())).collect();
        let mut digest = [0; 32];
        hex::decode_to_slice(example.payload, &mut digest).expect("32 bytes");
        let body = SignedBody::Sha256(digest);
        let added = sign(
            example.method,
            &target,
            &headers,
            body,
            &credentials,
            &region(),
            time(TIME),
        )
        .expect("it signs");
        let added: Vec<_> = added
            .iter()
            .map(|header| (header.name, header.value.as_str()))
            .collect();
        let authorization = example.authorization();
        assert_eq!(
            added,
            [
                ("x-amz-content-sha256", example.payload),
                ("x-amz-date", TIME),
                ("authorization", authorization.as_str()),
            ]
        );
    }
}

#[test]
fn the_example_of_the_query_is_verified() {
    let signed = presigned().verify().expect("the example");
    assert_eq!(signed.carrier(), Carrier::Query);
    assert_eq!(signed.payload(), Payload::Unsigned);
    assert_eq!(signed.target().path(), b"/test.txt");
    assert!(
        signed.target().parameters().is_empty(),
        "those of the signature do not go on"
    );
}

#[test]
fn the_seeds_of_the_chunked_examples_are_verified() {
    for (more, payload, canonical, seed) in [
        (
            "",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "cee3fed04b70f867d036f722359b0b1f2f0e5dc0efadbc082b76c4c60e316455",
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        ),
        (
            ";x-amz-trailer",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            "44d48b8c2f70eae815a0198cc73d7a546a73a93359c070abbaa5e6c7de112559",
            "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        ),
    ] {
        let request = chunked(more, payload, seed);
        let signed = request.verify().expect(payload);
        assert_eq!(canonical_digest(&signed), canonical, "{payload}");
        assert_eq!(signed.seed().2.to_string(), seed);
    }
}

/// The head of AWS's chunked examples. The first has `content-length` among its signed headers, the second has not.
pub(crate) fn chunked(more: &str, payload: &str, seed: &str) -> Request {
    let trailer = !more.is_empty();
    let length = if trailer { "" } else { "content-length;" };
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={KEY_ID}/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;{length}host;\
         x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class{more},Signature={seed}"
    );
    let request = Request::new(
        "PUT",
        "/examplebucket/chunkObject.txt",
        &[
            ("Host", "s3.amazonaws.com"),
            ("x-amz-date", TIME),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("Authorization", &authorization),
            ("x-amz-content-sha256", payload),
            ("Content-Encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
            ("Content-Length", if trailer { "66946" } else { "66824" }),
        ],
    );
    if trailer {
        request.with("x-amz-trailer", "x-amz-checksum-crc32c")
    } else {
        request
    }
}

#[test]
fn a_changed_byte_of_an_example_is_refused() {
    let request = example();
    assert!(request.verify().is_ok());
    let changed = request.clone().with("Range", "bytes=0-8").verify();
    assert_eq!(
        changed.err().map(|error| error.code().as_str()),
        Some("SignatureDoesNotMatch")
    );
    let changed = request.to("/Test.txt").verify();
    assert_eq!(
        changed.err().map(|error| error.code().as_str()),
        Some("SignatureDoesNotMatch")
    );
}
