//! What follows the empty chunk.
//!
//! ```text
//! \r\n                                                                                   where nothing is announced
//! x-amz-checksum-crc32:<base64>\r\n\r\n                                                  not signed
//! x-amz-checksum-crc32:<base64>\r\nx-amz-trailer-signature:<64 digits>\r\n\r\n           signed
//! ```
//!
//! Specification: `sigv4-streaming-trailers`. That page also has `\n\r\n` behind a checksum, and minio-go sends `\n\r\n` there and, where
//! trailers are not signed, `\n\r\n\r\n`: both are taken.

use super::chain::Chain;
use super::checksum::{Algorithm, Checksum};
use super::error::BodyError;
use crate::signature::key::Signature;

/// The name of the signature's line.
const SIGNATURE: &str = "x-amz-trailer-signature:";

/// Reads all of it: the checksum that was announced, and nothing that was not.
pub(super) fn read(bytes: &[u8], announced: Option<Algorithm>, chain: Option<&mut Chain>) -> Result<Option<Checksum>, BodyError> {
    let text = str::from_utf8(bytes).map_err(|_| malformed("it is no text"))?;
    let Some(algorithm) = announced else {
        return if text == "\r\n" { Ok(None) } else { Err(malformed("a line end alone has to follow, and nothing else")) };
    };
    let (line, rest) = text.split_once('\n').ok_or(malformed("it has no line"))?;
    // The lenient form: a bare line feed, and then an empty line.
    let (line, rest, lenient) = match line.strip_suffix('\r') {
        Some(line) => (line, rest, false),
        None => {
            let rest = rest.strip_prefix("\r\n");
            (line, rest.ok_or(malformed("a line does not end in \\r\\n"))?, true)
        }
    };
    let (name, value) = line.split_once(':').ok_or(malformed("a line has no `:`"))?;
    if Algorithm::of_header(name) != Some(algorithm) {
        return Err(malformed("it is not the header that x-amz-trailer names"));
    }
    let value = value.trim_matches(' ');
    match chain {
        Some(chain) => {
            let signature = rest.strip_prefix(SIGNATURE).and_then(|rest| rest.strip_suffix("\r\n\r\n"));
            let signature = signature.and_then(|digits| Signature::parse(digits.trim_matches(' ')));
            let signature = signature.ok_or(malformed("x-amz-trailer-signature does not follow, or does not end it"))?;
            chain.check_trailer(&format!("{}:{value}\n", algorithm.header()), signature)?;
        }
        None if rest == "\r\n" || lenient && rest.is_empty() => {}
        None => return Err(malformed("an empty line has to follow, and nothing else")),
    }
    let checksum = Checksum::parse(algorithm, value);
    let header = algorithm.header();
    checksum.map(Some).ok_or(BodyError::ChecksumMalformed { header })
}

const fn malformed(why: &'static str) -> BodyError {
    BodyError::Trailer { why }
}
