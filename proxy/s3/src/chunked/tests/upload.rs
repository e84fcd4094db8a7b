//! Uploads in every form, whose chunks are signed with the primitives of AWS's own library.

use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use sha2::{Digest as _, Sha256};

use crate::chunked::checksum::{Algorithm, Hasher};
use crate::signature::credential::Scope;
use crate::signature::payload::Payload;
use crate::signature::tests::{KEY_ID, Request, SECRET, TIME, put_string_to_sign, region, time};

const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The forms of a body in chunks.
pub(super) const STREAMING: [Payload; 3] = [
    Payload::SignedChunks,
    Payload::SignedChunksTrailer,
    Payload::UnsignedChunksTrailer,
];

/// An upload: a head that is right, and the body in parts of its framing.
#[derive(Clone)]
pub(super) struct Upload {
    pub(super) request: Request,
    /// Each chunk with its line and its end, and what follows the last.
    pub(super) parts: Vec<Vec<u8>>,
}

impl Upload {
    pub(super) fn body(&self) -> Vec<u8> {
        self.parts.concat()
    }
}

/// How an upload is made.
pub(super) struct Plan<'a> {
    pub(super) payload: Payload,
    pub(super) object: &'a [u8],
    pub(super) chunk: usize,
    pub(super) algorithm: Algorithm,
    /// Whether lines end as minio-go's.
    pub(super) lenient: bool,
}

pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

pub(super) fn checksum(algorithm: Algorithm, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish().as_text()
}

fn hmac(string: &str) -> String {
    let seconds = u64::try_from(time(TIME).seconds()).expect("after 1970");
    let key = generate_signing_key(SECRET, UNIX_EPOCH + Duration::from_secs(seconds), "us-east-1", "s3");
    calculate_signature(key, string.as_bytes())
}

/// A signed `PUT` with headers beyond those of every request, and its signature.
pub(super) fn put(payload: Payload, headers: &[(&str, &str)]) -> (Request, String) {
    let payload = payload.as_text();
    let fixed = [
        ("host", "bucket.example"),
        ("x-amz-content-sha256", &payload),
        ("x-amz-date", TIME),
    ];
    let mut all: Vec<_> = headers.iter().copied().chain(fixed).collect();
    all.sort_unstable();
    let signed: Vec<_> = all
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
        .collect();
    let scope = Scope::new(time(TIME), region());
    let signature = hmac(&put_string_to_sign(&signed, &payload));
    let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={KEY_ID}/{scope}, SignedHeaders={names}, Signature={signature}");
    (
        Request::new("PUT", "/object", &all).with("authorization", &authorization),
        signature,
    )
}

impl Plan<'_> {
    pub(super) fn upload(&self) -> Upload {
        let length = self.object.len().to_string();
        let signs = self.payload != Payload::UnsignedChunksTrailer;
        let follows = self.payload != Payload::SignedChunks;
        let mut headers = vec![("x-amz-decoded-content-length", length.as_str())];
        if follows {
            headers.push(("x-amz-trailer", self.algorithm.header()));
        }
        let (request, mut previous) = put(self.payload, &headers);
        let mut parts = Vec::new();
        for chunk in self.object.chunks(self.chunk).chain([&[][..]]) {
            let mut part = format!("{:x}", chunk.len());
            if signs {
                let scope = "20130524/us-east-1/s3/aws4_request";
                let string = format!(
                    "AWS4-HMAC-SHA256-PAYLOAD\n{TIME}\n{scope}\n{previous}\n{NOTHING}\n{}",
                    digest(chunk)
                );
                previous = hmac(&string);
                part = format!("{part};chunk-signature={previous}");
            }
            let mut part = format!("{part}\r\n").into_bytes();
            if !chunk.is_empty() {
                part.extend_from_slice(chunk);
                part.extend(b"\r\n");
            }
            parts.push(part);
        }
        parts.push(self.trailer(&previous, signs, follows));
        Upload { request, parts }
    }

    fn trailer(&self, previous: &str, signs: bool, follows: bool) -> Vec<u8> {
        if !follows {
            return b"\r\n".to_vec();
        }
        let line = format!(
            "{}:{}\n",
            self.algorithm.header(),
            checksum(self.algorithm, self.object)
        );
        let end = if self.lenient { "\n\r\n" } else { "\r\n" };
        let mut trailer = line.replace('\n', end);
        if signs {
            let scope = "20130524/us-east-1/s3/aws4_request";
            let string = format!(
                "AWS4-HMAC-SHA256-TRAILER\n{TIME}\n{scope}\n{previous}\n{}",
                digest(line.as_bytes())
            );
            trailer = format!("{trailer}x-amz-trailer-signature:{}\r\n", hmac(&string));
        }
        format!("{trailer}\r\n").into_bytes()
    }
}
