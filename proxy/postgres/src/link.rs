//! A socket as messages.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpStream;

use crate::message::{Decoder, MessageError, Raw};

/// Bytes that are read at once at the most: a record of TLS.
const READ_BYTES: usize = 16 * 1_024;

/// Either way of a connection, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection.
pub(crate) type Connection = Box<dyn Stream>;

/// Silence after which the other side's machine is asked whether it is there, how often it is asked again, and how many
/// times: a server that vanished is missed after two minutes. For agents the listener sets a limit in place of the count.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_mins(1), Duration::from_secs(10), 6);

/// Makes a socket ready for messages: they go out at once, and a machine that vanished without a word is noticed.
pub(crate) fn tune(socket: &TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let (time, interval, retries) = KEEPALIVE;
    let keepalive = TcpKeepalive::new()
        .with_time(time)
        .with_interval(interval)
        .with_retries(retries);
    SockRef::from(socket).set_tcp_keepalive(&keepalive)
}

/// Why a link has no further message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The other side is gone.
    #[error("the connection is gone: {0}")]
    Io(#[from] std::io::Error),
    /// What it sent is not a message.
    #[error(transparent)]
    Message(#[from] MessageError),
}

/// The receiving half of a link.
pub(crate) struct Incoming<R> {
    half: R,
    decoder: Decoder,
    /// Where the socket reads to; a reader that was given fresh room would clear all of it each time.
    room: Box<[u8]>,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    pub(crate) fn new(half: R, limit: usize) -> Self {
        Self {
            half,
            decoder: Decoder::new(limit),
            room: vec![0; READ_BYTES].into_boxed_slice(),
        }
    }

    /// The next message. Nothing is lost when the future is dropped.
    pub(crate) async fn raw(&mut self) -> Result<Raw, LinkError> {
        loop {
            if let Some(raw) = self.decoder.message()? {
                return Ok(raw);
            }
            self.more().await?;
        }
    }

    /// The tag of the next message, once all of it is here; the message stays. Nothing is lost when the future is dropped.
    pub(crate) async fn tag(&mut self) -> Result<u8, LinkError> {
        loop {
            if let Some(tag) = self.decoder.tag()? {
                return Ok(tag);
            }
            self.more().await?;
        }
    }

    /// Resolves when the other side is gone. What it sends meanwhile is kept, up to `limit` bytes; with more it waits.
    pub(crate) async fn gone(&mut self, limit: usize) {
        while self.decoder.buffer().len() < limit {
            if self.more().await.is_err() {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    async fn more(&mut self) -> std::io::Result<()> {
        let read = self.half.read(&mut self.room).await?;
        match self.room.get(..read) {
            None | Some([]) => Err(std::io::ErrorKind::UnexpectedEof.into()),
            Some(read) => {
                self.decoder.buffer().extend_from_slice(read);
                Ok(())
            }
        }
    }
}
