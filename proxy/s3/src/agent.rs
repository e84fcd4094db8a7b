//! The agent's side: answers are made of what the ledger holds (P2), or of words of our own.
//!
//! The head of an answer is a frame like its body: its status and headers as lines. What HTTP adds to send it (`Date`, how the body
//! is framed) derives from no data of the store.

use bytes::Bytes;
use exhibit_gate::session::Recorded;
use exhibit_policy::mask::Masked;
use exhibit_schemas::event::access::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::mpsc;

use crate::answer::Failure;
use crate::channel::{Cut, Part, Parts};

/// What an agent is sent.
pub(crate) type Sent = BoxBody<Bytes, Cut>;

/// Frames that an agent may get, on their way to it.
pub(crate) type Released = Recorded<Vec<Masked<Frame>>>;

/// The head of an answer, before it is a frame.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AnswerHead {
    pub(crate) status: u16,
    /// Names in small letters, in their order.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

impl std::fmt::Debug for AnswerHead {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "AnswerHead({})", self.status)
    }
}

impl AnswerHead {
    /// The frame: `HTTP/1.1 200`, a line for each header, and an empty line.
    pub(crate) fn lines(&self) -> Vec<u8> {
        let mut lines = format!("HTTP/1.1 {}\r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            lines.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        lines.extend(b"\r\n");
        lines
    }

    /// Reads the frame again.
    fn read(lines: &[u8]) -> Option<Self> {
        let text = lines.strip_prefix(b"HTTP/1.1 ")?;
        let mut rest = text;
        let mut line = || {
            let end = memchr::memmem::find(rest, b"\r\n")?;
            let (line, after) = rest.split_at_checked(end)?;
            rest = after.get(2..)?;
            Some(line)
        };
        let status = str::from_utf8(line()?).ok()?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let header = line()?;
            if header.is_empty() {
                return Some(Self { status, headers });
            }
            let colon = header.iter().position(|byte| *byte == b':')?;
            let (name, value) = header.split_at_checked(colon)?;
            headers.push((str::from_utf8(name).ok()?.to_owned(), value.get(2..)?.to_vec()));
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        let header = self.headers.iter().find(|(own, _)| own == name);
        header.map(|(_, value)| value.as_slice())
    }
}

/// The bytes of frames, in order.
fn bytes(frames: &[Masked<Frame>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        match frame.get() {
            Frame::Verbatim(verbatim) => bytes.extend_from_slice(&verbatim.0),
            // No object has rows: its documents are released as they are written.
            Frame::Row(_) => {}
        }
    }
    bytes
}

/// An answer whose first frame is its head and whose others are its body.
pub(crate) fn whole(released: &Released) -> Option<Response<Sent>> {
    let (head, body) = released.frames().split_first()?;
    let body = Full::new(Bytes::from(bytes(body))).map_err(|never| match never {});
    answer(head, body.boxed())
}

/// An answer whose only frame is its head, and whose body comes as it is released.
pub(crate) fn begun(released: &Released, body: mpsc::Receiver<Part<Released>>) -> Option<Response<Sent>> {
    let head = released.frames().first()?;
    let body = Parts::new(body, |part: Released| Bytes::from(bytes(part.frames())));
    answer(head, body.boxed())
}

fn answer(head: &Masked<Frame>, body: Sent) -> Option<Response<Sent>> {
    let Frame::Verbatim(lines) = head.get() else {
        return None;
    };
    let AnswerHead { status, headers } = AnswerHead::read(&lines.0)?;
    let mut answer = Response::builder().status(StatusCode::from_u16(status).ok()?);
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        answer = answer.header(name, HeaderValue::from_bytes(&value).ok()?);
    }
    answer.body(body).ok()
}

/// Words of our own where nothing of a session is answered. They hold no value of a store.
pub(crate) fn words(failure: &Failure, request_id: &str, is_head: bool, ends: bool) -> Response<Sent> {
    let text = if is_head {
        String::new()
    } else {
        failure.xml(request_id)
    };
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
    own(failure.code.status(), "application/xml", body, ends)
}

/// An answer of our own that is no failure.
pub(crate) fn own(status: u16, content_type: &'static str, body: Sent, ends: bool) -> Response<Sent> {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if ends {
        answer
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// A text of our own as a body.
pub(crate) fn text(text: String) -> Sent {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed()
}

#[cfg(test)]
mod tests {
    use super::AnswerHead;

    #[test]
    fn a_head_is_read_as_it_was_recorded() {
        let head = AnswerHead {
            status: 206,
            headers: vec![
                ("content-range".to_owned(), b"bytes 0-1/2".to_vec()),
                ("x-amz-meta-a".to_owned(), b"b: \xff".to_vec()),
                ("x-empty".to_owned(), Vec::new()),
            ],
        };
        assert_eq!(AnswerHead::read(&head.lines()), Some(head.clone()));
        assert_eq!(AnswerHead::read(b"HTTP/1.1 200\r\n"), None);
        assert_eq!(head.header("x-amz-meta-a"), Some(&b"b: \xff"[..]));
    }
}
