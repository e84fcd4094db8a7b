//! What the headers of a request, or the fields of a form, say of the body that follows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::OBJECT_BYTES_MAX;
use super::checksum::{Algorithm, Checksum};
use super::error::BodyError;
use crate::signature::form::{LengthRange, SignedForm};
use crate::signature::head::Head;
use crate::signature::payload::Payload;
use crate::signature::{SignatureError, Signed};

/// What the `x-amz-checksum-` headers of a request are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumHeaders {
    /// The body, as in `PutObject` and `UploadPart`.
    OfTheBody,
    /// The object that the request is about, as in `CompleteMultipartUpload`, whose body is a list of parts.
    OfTheObject,
}

/// How long the object has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Exactly(u64),
    Within(LengthRange),
    Any,
}

/// What is said of a body.
pub(super) struct Declared {
    pub(super) length: Length,
    pub(super) sha256: Option<[u8; 32]>,
    pub(super) md5: Option<[u8; 16]>,
    pub(super) checksum: Option<Checksum>,
    /// The checksum that follows the last chunk.
    pub(super) trailer: Option<Algorithm>,
}

impl Declared {
    /// What begins with `x-amz-` is read from what was signed, the rest from the head.
    pub(super) fn of_request(signed: &Signed, head: &Head<'_>, headers: ChecksumHeaders) -> Result<Self, BodyError> {
        let payload = signed.payload();
        let framed = head.values("content-encoding").any(|value| {
            let mut codings = value.split(|byte| *byte == b',');
            codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"aws-chunked"))
        });
        if framed && matches!(payload, Payload::Sha256(_) | Payload::Unsigned) {
            return Err(BodyError::Framed);
        }
        let length = match payload {
            Payload::Sha256(_) | Payload::Unsigned => {
                length(head.text("content-length")?, "content-length")?.map_or(Length::Any, Length::Exactly)
            }
            Payload::SignedChunks | Payload::SignedChunksTrailer | Payload::UnsignedChunksTrailer => {
                let header = "x-amz-decoded-content-length";
                let length = length(text(signed, header)?, header)?;
                Length::Exactly(length.ok_or(BodyError::DecodedLengthMissing)?)
            }
        };
        let sha256 = match payload {
            Payload::Sha256(digest) => Some(digest),
            _ => None,
        };
        let mut checksum = None;
        if headers == ChecksumHeaders::OfTheBody {
            for algorithm in Algorithm::ALL {
                if let Some(value) = text(signed, algorithm.header())? {
                    add(&mut checksum, algorithm, value)?;
                }
            }
        }
        let trailer = trailer(signed)?;
        if checksum.is_some() && trailer.is_some() {
            return Err(BodyError::ManyChecksums);
        }
        Ok(Self {
            length,
            sha256,
            md5: head.text("content-md5")?.map(md5).transpose()?,
            checksum,
            trailer,
        })
    }

    pub(super) fn of_form(form: &SignedForm) -> Result<Self, BodyError> {
        let (mut checksum, mut digest) = (None, None);
        for (name, value) in form.fields() {
            if let Some(algorithm) = Algorithm::of_header(name) {
                add(&mut checksum, algorithm, value)?;
            }
            if name == "content-md5" {
                digest = Some(md5(value)?);
            }
        }
        Ok(Self {
            length: form.length().map_or(Length::Any, Length::Within),
            sha256: None,
            md5: digest,
            checksum,
            trailer: None,
        })
    }
}

/// A header under the signature, as text.
fn text<'a>(signed: &'a Signed, name: &str) -> Result<Option<&'a str>, BodyError> {
    let value = signed.header(name).map(str::from_utf8).transpose();
    value.map_err(|_| BodyError::Head(SignatureError::Value))
}

/// A second checksum is refused, as S3 does.
fn add(checksum: &mut Option<Checksum>, algorithm: Algorithm, text: &str) -> Result<(), BodyError> {
    let header = algorithm.header();
    let read = Checksum::parse(algorithm, text).ok_or(BodyError::ChecksumMalformed { header })?;
    match checksum.replace(read) {
        Some(_) => Err(BodyError::ManyChecksums),
        None => Ok(()),
    }
}

/// A number in digits, without a sign or zeros in front.
fn length(text: Option<&str>, header: &'static str) -> Result<Option<u64>, BodyError> {
    let Some(text) = text else { return Ok(None) };
    let digits = text == "0" || !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    let length = text.parse().ok().filter(|_| digits);
    let length: u64 = length.ok_or(BodyError::LengthMalformed { header })?;
    if length > OBJECT_BYTES_MAX {
        return Err(BodyError::TooLarge);
    }
    Ok(Some(length))
}

/// S3 takes one trailer, which is a checksum.
fn trailer(signed: &Signed) -> Result<Option<Algorithm>, BodyError> {
    let follows = matches!(
        signed.payload(),
        Payload::SignedChunksTrailer | Payload::UnsignedChunksTrailer
    );
    match text(signed, "x-amz-trailer")? {
        None if follows => Err(BodyError::TrailerMissing),
        None => Ok(None),
        Some(_) if !follows => Err(BodyError::TrailerUnexpected),
        Some(name) => Algorithm::of_header(name).map(Some).ok_or(BodyError::TrailerUnknown),
    }
}

fn md5(text: &str) -> Result<[u8; 16], BodyError> {
    let bytes = STANDARD.decode(text).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(BodyError::Md5Malformed)
}
