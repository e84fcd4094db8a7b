//! Bodies of HTTP that are made part by part, by somebody who waits for the ledger before each.
//!
//! Not here: what the parts are.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::{mpsc, watch};

/// A body that ends before its end. Whoever reads it must not take it for whole.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("the body was cut off")]
pub(crate) struct Cut;

/// What comes through the channel of a body.
pub(crate) enum Part<T> {
    /// More of it.
    More(T),
    /// All of it was there.
    End,
}

/// A body of parts that come through a channel. When the channel closes without [`Part::End`], the body was cut.
pub(crate) struct Parts<T> {
    coming: mpsc::Receiver<Part<T>>,
    bytes: fn(T) -> Bytes,
    ended: bool,
    /// Told when the last part was taken.
    taken: Option<watch::Sender<bool>>,
}

impl<T> Parts<T> {
    pub(crate) const fn new(coming: mpsc::Receiver<Part<T>>, bytes: fn(T) -> Bytes) -> Self {
        Self {
            coming,
            bytes,
            ended: false,
            taken: None,
        }
    }

    /// The same, and says when the last part was taken.
    pub(crate) fn telling(self, taken: watch::Sender<bool>) -> Self {
        let taken = Some(taken);
        Self { taken, ..self }
    }
}

impl<T> Body for Parts<T> {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let bytes = self.bytes;
        self.coming.poll_recv(context).map(|part| match part {
            Some(Part::More(part)) => Some(Ok(Frame::data(bytes(part)))),
            Some(Part::End) => {
                self.ended = true;
                if let Some(taken) = self.taken.take() {
                    let _ = taken.send(true);
                }
                None
            }
            None => {
                self.ended = true;
                Some(Err(Cut))
            }
        })
    }
}
