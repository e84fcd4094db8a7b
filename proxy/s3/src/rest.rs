//! What is left of a request's body when its answer is there.
//!
//! Where a connection closed upon bytes that were not read, its reset would overtake the answer (RFC 9112 section 9.6), and the agent
//! would see a broken connection and not why. So what nobody reads is taken in and thrown away, but only behind the answer: an agent that
//! waits for a word before it sends its body (RFC 9110 section 10.1.1) must not be asked for it. Whether it sends it all the same is not
//! known, so what follows on its connection could be body or request, and the connection ends with the answer.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, HeaderValue};
use tokio_util::task::TaskTracker;

use crate::agent::Sent;
use crate::channel::Cut;

/// How long a body is taken in that nobody reads.
const UNREAD: Duration = Duration::from_secs(30);

/// How many bytes of it: of somebody who is known, and of anybody.
const UNREAD_BYTES_MAX: usize = 1 << 30;
const UNREAD_BYTES_OF_ANYBODY_MAX: usize = 1 << 20;

/// What nobody read of a body.
#[derive(Clone)]
pub(crate) struct Rest {
    left: Arc<Mutex<Option<Incoming>>>,
    most: Arc<AtomicUsize>,
    /// Whether the agent waits for a word, and did not have it.
    waits: Arc<AtomicBool>,
    tasks: TaskTracker,
}

impl Rest {
    /// `tasks` are where it is taken in; `waits` says that the agent waits for a word before it sends its body.
    pub(crate) fn new(tasks: TaskTracker, waits: bool) -> Self {
        Self {
            left: Arc::default(),
            most: Arc::new(AtomicUsize::new(UNREAD_BYTES_OF_ANYBODY_MAX)),
            waits: Arc::new(AtomicBool::new(waits)),
            tasks,
        }
    }

    /// Notes that the body is read, so that an agent that waits is asked for it.
    pub(crate) fn is_read(&self) {
        self.waits.store(false, Ordering::Relaxed);
    }

    /// Notes that whoever sends it is known.
    pub(crate) fn of_somebody(&self) {
        self.most.store(UNREAD_BYTES_MAX, Ordering::Relaxed);
    }

    /// Keeps what nobody reads.
    pub(crate) fn keep(&self, body: Incoming) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }

    /// The answer behind which it is taken in.
    pub(crate) fn behind(self, mut answer: Response<Sent>) -> Response<Sent> {
        let is_left = self.left.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if is_left && self.waits.load(Ordering::Relaxed) {
            answer
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer.map(|body| {
            Behind {
                answer: body,
                rest: self,
            }
            .boxed()
        })
    }

    fn take_in(&self) {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = left else { return };
        let most = self.most.load(Ordering::Relaxed);
        let rest = async move {
            let mut bytes = 0_usize;
            while let Some(Ok(frame)) = body.frame().await {
                bytes = bytes.saturating_add(frame.data_ref().map_or(0, Bytes::len));
                if bytes > most {
                    break;
                }
            }
        };
        self.tasks.spawn(tokio::time::timeout(UNREAD, rest));
    }
}

/// An answer, and what is left of the body of its request.
struct Behind {
    answer: Sent,
    rest: Rest,
}

impl Body for Behind {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        Pin::new(&mut self.answer).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }
}

impl Drop for Behind {
    // Whoever sends the answer drops it when its last byte is written.
    fn drop(&mut self) {
        self.rest.take_in();
    }
}
