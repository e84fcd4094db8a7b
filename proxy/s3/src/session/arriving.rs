//! Bodies of agents as they arrive: read in pieces, or whole where they are documents.
//!
//! Not here: what becomes of a body that nobody reads any more ([`crate::rest`]).

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;

use crate::analysis::Content;
use crate::answer::Failure;
use crate::chunked::{Body, Checksum};
use crate::rest::Rest;
use crate::signature::code::Code;

/// Bytes of a document that an agent sends, at the most: the list of ten thousand parts with their checksums has some 2 MiB.
const DOCUMENT_BYTES_MAX: usize = 4 << 20;

/// How long an agent may be silent in the middle of a body.
const SILENT: Duration = Duration::from_mins(1);

/// How long a document of an agent may take.
const ARRIVES: Duration = Duration::from_mins(1);

/// The body of a request on its way in.
pub(crate) struct Arriving {
    /// Taken once it is over.
    body: Option<Incoming>,
    rest: Rest,
}

impl Arriving {
    /// What nobody reads of it goes to `rest`.
    pub(crate) const fn new(body: Incoming, rest: Rest) -> Self {
        Self { body: Some(body), rest }
    }

    /// The next bytes; trailers of HTTP are passed over, as no form of S3's has any.
    ///
    /// # Errors
    /// [`Failure`], where it was cut off, or the agent is silent for so long that it has gone.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let Some(body) = &mut self.body else { return Ok(None) };
        self.rest.is_read();
        let next = loop {
            match tokio::time::timeout(SILENT, body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
                Ok(None) => break Ok(None),
                Ok(Some(Err(_))) | Err(_) => break Err(incomplete()),
            }
        };
        self.body = None;
        next
    }

    /// A document, whole and checked, and the checksum that came with it; `None` where the request has none.
    ///
    /// # Errors
    /// [`Failure`], where it is not what was signed, too long, or not wanted.
    pub(super) async fn collected(
        mut self,
        mut checked: Body,
        content: Content,
    ) -> Result<(Option<Vec<u8>>, Option<Checksum>), Failure> {
        let limit = match content {
            Content::Document => DOCUMENT_BYTES_MAX,
            Content::Nothing | Content::Object => 0,
        };
        let too_large = || Failure {
            code: Code::EntityTooLarge,
            message: format!("the body of this request has more than the {limit} bytes that it may have"),
            region: None,
        };
        // A chunk that is signed is kept until its signature is right: what says before that it is too long is not waited for.
        let said = checked
            .length()
            .map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if said.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut document = Vec::new();
        let begun = Instant::now();
        while let Some(bytes) = self.next().await? {
            if begun.elapsed() > ARRIVES {
                return Err(incomplete());
            }
            document.extend(checked.push(&bytes)?.into_bytes());
            if document.len() > limit {
                return Err(too_large());
            }
        }
        let whole = checked.finish()?;
        document.extend(whole.last().as_bytes());
        if document.len() > limit {
            return Err(Failure {
                code: Code::InvalidRequest,
                message: "the request has a body, and its operation has none".to_owned(),
                region: None,
            });
        }
        let checksum = whole.checksum().cloned();
        Ok(((content == Content::Document).then_some(document), checksum))
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            self.rest.keep(body);
        }
    }
}

fn incomplete() -> Failure {
    Failure {
        code: Code::IncompleteBody,
        message: "the body of the request ended before its end".to_owned(),
        region: None,
    }
}
