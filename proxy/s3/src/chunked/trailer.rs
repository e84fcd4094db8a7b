//! What follows the empty chunk.
//!
//! ```text
//! \r\n                                                                                   where nothing is announced
//! x-amz-checksum-crc32:<base64>\r\n\r\n                                                  not signed
//! x-amz-checksum-crc32:<base64>\r\nx-amz-trailer-signature:<64 digits>\r\n\r\n           signed
//! ```
//!
//! Specification: `sigv4-streaming-trailers`. minio-go ends the checksum's line with `\n\r\n` (`pkg/signer/request-signature-streaming.go`
//! and its `-unsigned-trailer` in minio/minio-go), which S3 takes, and so it is taken here.

use super::chain::Chain;
use super::checksum::{Algorithm, Checksum};
use super::error::BodyError;
use crate::signature::key::Signature;

/// The name of the signature's line.
const SIGNATURE: &str = "x-amz-trailer-signature:";

/// Reads all of it: the checksum that was announced, and nothing that was not.
pub(super) fn read(
    bytes: &[u8],
    announced: Option<Algorithm>,
    chain: Option<&mut Chain>,
) -> Result<Option<Checksum>, BodyError> {
    let text = str::from_utf8(bytes).map_err(|_| malformed("it is no text"))?;
    let Some(algorithm) = announced else {
        return if text == "\r\n" {
            Ok(None)
        } else {
            Err(malformed("a line end alone has to follow, and nothing else"))
        };
    };
    let (line, rest) = text.split_once('\n').ok_or(malformed("it has no line"))?;
    // The second form is minio-go's.
    let (line, rest) = match line.strip_suffix('\r') {
        Some(line) => (line, rest),
        None => (
            line,
            rest.strip_prefix("\r\n")
                .ok_or(malformed("a line does not end in \\r\\n"))?,
        ),
    };
    let (name, value) = line.split_once(':').ok_or(malformed("a line has no `:`"))?;
    if Algorithm::of_header(name) != Some(algorithm) {
        return Err(malformed("it is not the header that x-amz-trailer names"));
    }
    let value = value.trim_matches(' ');
    match chain {
        Some(chain) => {
            let signature = rest
                .strip_prefix(SIGNATURE)
                .and_then(|rest| rest.strip_suffix("\r\n\r\n"));
            let signature = signature.and_then(|digits| Signature::parse(digits.trim_matches(' ')));
            let signature =
                signature.ok_or(malformed("x-amz-trailer-signature does not follow, or does not end it"))?;
            chain.check_trailer(&format!("{}:{value}\n", algorithm.header()), signature)?;
        }
        None if rest == "\r\n" => {}
        None => return Err(malformed("an empty line has to follow, and nothing else")),
    }
    let checksum = Checksum::parse(algorithm, value);
    let header = algorithm.header();
    checksum.map(Some).ok_or(BodyError::ChecksumMalformed { header })
}

const fn malformed(why: &'static str) -> BodyError {
    BodyError::Trailer { why }
}
