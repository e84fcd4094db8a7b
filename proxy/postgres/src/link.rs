//! A socket as messages.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use crate::message::{Decoder, LONG_BYTES, MESSAGE_BYTES_MAX, MessageError, Raw};

/// Bytes that are read at once at the most: a record of TLS.
const READ_BYTES: usize = 16 * 1_024;

/// Either way of a connection, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection.
pub(crate) type Connection = Box<dyn Stream>;

/// Silence after which the other side's machine is asked whether it is there, how often it is asked again, and how many
/// times. On Linux the time that something may stay unacknowledged holds in place of the count.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_mins(1), Duration::from_secs(10), 6);

/// Makes a socket ready for messages: they go out at once, and a machine that vanished without a word is noticed, also while
/// something is under way, when nothing is asked for: what is not acknowledged for so long (`TCP_USER_TIMEOUT`), nobody will.
/// Linux takes the same limit for the answers to keepalive.
pub(crate) fn tune(socket: &TcpStream, unacknowledged: Duration) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let (time, interval, retries) = KEEPALIVE;
    let keepalive = TcpKeepalive::new()
        .with_time(time)
        .with_interval(interval)
        .with_retries(retries);
    let socket = SockRef::from(socket);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(unacknowledged))
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

/// Room for the long messages of all sessions of a listener, in one direction: one of the longest, or many of some megabytes.
///
/// A session has at most one long message at a time in each direction, and what comes from the server never waits for what
/// comes from an agent; so nobody waits for what waits for it.
#[derive(Clone)]
pub(crate) struct Room(Arc<Semaphore>);

/// Room of one message, and until when the message has to be here: nobody keeps it from others by silence.
struct Taken {
    _room: OwnedSemaphorePermit,
    until: Instant,
}

/// How long a long message may take to come, and how much more for each mebibyte.
const LONG_TAKES: (Duration, Duration) = (Duration::from_mins(1), Duration::from_secs(1));

/// The unit that room is shared in.
const ROOM_BYTES: usize = 1 << 10;

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MESSAGE_BYTES_MAX / ROOM_BYTES + 1)))
    }
}

impl Room {
    async fn take(&self, bytes: usize) -> Option<Taken> {
        let units = u32::try_from(bytes.div_ceil(ROOM_BYTES)).ok()?;
        let room = Arc::clone(&self.0).acquire_many_owned(units).await.ok()?;
        let (least, more) = LONG_TAKES;
        Some(Taken {
            _room: room,
            until: Instant::now() + least + more * (units / 1_024),
        })
    }
}

/// The receiving half of a link.
pub(crate) struct Incoming<R> {
    half: R,
    decoder: Decoder,
    shared: Room,
    /// Room of the message that is read, or was given last.
    taken: Option<Taken>,
    /// The message that has the room was given: its room is free when the next one is asked for.
    given: bool,
    alarm: Alarm,
    /// Where the socket reads to; a reader that was given fresh room would clear all of it each time.
    room: Box<[u8]>,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    pub(crate) fn new(half: R, shared: Room) -> Self {
        Self {
            half,
            decoder: Decoder::new(MESSAGE_BYTES_MAX),
            shared,
            taken: None,
            given: false,
            alarm: Alarm::default(),
            room: vec![0; READ_BYTES].into_boxed_slice(),
        }
    }

    /// The next message; the one before it was dealt with. Nothing is lost when the future is dropped.
    pub(crate) async fn raw(&mut self) -> Result<Raw, LinkError> {
        loop {
            self.room().await?;
            if let Some(raw) = self.decoder.message()? {
                self.given = true;
                return Ok(raw);
            }
            self.more_in_time().await?;
        }
    }

    /// The next message as of [`Incoming::raw`]; `None` when it does not come in time.
    pub(crate) async fn raw_within(&mut self, wait: Duration) -> Option<Result<Raw, LinkError>> {
        let mut alarm = std::mem::take(&mut self.alarm);
        let mut waited = false;
        let raw = {
            let late = async {
                waited = true;
                alarm.after(wait).await;
            };
            tokio::select! {
                biased;
                raw = self.raw() => Some(raw),
                () = late => None,
            }
        };
        if waited {
            alarm.ignore();
        }
        self.alarm = alarm;
        raw
    }

    /// Waits for room, where the next message is long.
    async fn room(&mut self) -> Result<(), LinkError> {
        if self.given {
            self.taken = None;
            self.given = false;
        }
        if self.taken.is_none()
            && let Some((bytes, here)) = self.decoder.announced()?
            && bytes >= LONG_BYTES
        {
            self.taken = self.shared.take(bytes).await;
            self.decoder.buffer().reserve(bytes - here);
        }
        Ok(())
    }

    /// The tag of the next message, once all of it is here; the message stays. Nothing is lost when the future is dropped.
    pub(crate) async fn tag(&mut self) -> Result<u8, LinkError> {
        loop {
            self.room().await?;
            if let Some(tag) = self.decoder.tag()? {
                return Ok(tag);
            }
            self.more_in_time().await?;
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

    async fn more_in_time(&mut self) -> std::io::Result<()> {
        match self.taken.as_ref().map(|taken| taken.until) {
            Some(until) => timeout_at(until, self.more()).await?,
            None => self.more().await,
        }
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

/// A timer that is set again and again and seldom rings: it stays where it was set before, and only once it has rung it is set
/// to what is left. Setting a timer of the runtime that is earlier than all others wakes the thread that waits for sockets,
/// which is as much as a read costs.
#[derive(Default)]
struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Resolves after that time, counted from when this is first polled.
    async fn after(&mut self, wait: Duration) {
        let until = Instant::now() + wait;
        loop {
            let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if sleep.is_elapsed() || sleep.deadline() > until {
                sleep.as_mut().reset(until);
            }
            sleep.as_mut().await;
            if Instant::now() >= until {
                return;
            }
        }
    }

    /// Wakes nobody when it rings: what was waited for is here.
    fn ignore(&mut self) {
        if let Some(sleep) = &mut self.0 {
            let _ = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use socket2::SockRef;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::Instant;

    use super::{Incoming, Room};
    use crate::message::{LONG_BYTES, MESSAGE_BYTES_MAX, encode};

    const UNDER_WAY: Duration = Duration::from_secs(3);

    /// Whether the next message comes; paused time passes when everybody waits.
    async fn comes(incoming: &mut Incoming<tokio::io::DuplexStream>) -> bool {
        tokio::time::timeout(UNDER_WAY, incoming.raw())
            .await
            .is_ok_and(|raw| raw.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_waited_for_as_long_as_is_said_though_the_timer_stands_elsewhere() {
        let (mut sender, receiver) = tokio::io::duplex(1 << 16);
        let mut incoming = Incoming::new(receiver, Room::default());
        let (short, long) = (Duration::from_millis(2), Duration::from_millis(20));
        // Each wait finds the timer where the one before left it: earlier, later, rung, or not at all.
        for wait in [long, short, short, long, long, short] {
            let begun = Instant::now();
            assert!(incoming.raw_within(wait).await.is_none());
            let took = begun.elapsed();
            assert!(
                took >= wait && took < wait + Duration::from_millis(2),
                "{took:?} for {wait:?}"
            );
            let late = async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                sender.write_all(&encode::message(b'S', b"")).await.unwrap();
            };
            let (raw, ()) = tokio::join!(incoming.raw_within(wait), late);
            assert_eq!(raw.unwrap().unwrap().tag(), b'S');
        }
    }

    #[tokio::test]
    async fn whoever_vanishes_is_missed_whether_or_not_something_is_under_way() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let socket = SockRef::from(&stream);
        assert_eq!(socket.tcp_user_timeout().unwrap(), None);
        super::tune(&stream, Duration::from_mins(5)).unwrap();
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_mins(5)));
        assert_eq!(
            (socket.keepalive().unwrap(), socket.tcp_keepalive_time().unwrap()),
            (true, Duration::from_mins(1))
        );
        assert!(stream.nodelay().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn long_messages_wait_for_each_other_and_short_ones_do_not() {
        let room = Room::default();
        let ((mut one, first), (mut other, second)) = (tokio::io::duplex(1 << 16), tokio::io::duplex(1 << 16));
        let (mut first, mut second) = (Incoming::new(first, room.clone()), Incoming::new(second, room));
        let longest = u32::try_from(MESSAGE_BYTES_MAX).unwrap();
        one.write_all(&[&b"d"[..], &longest.to_be_bytes()].concat())
            .await
            .unwrap();
        assert!(!comes(&mut first).await, "it has the room, and is not whole");
        let long = encode::message(b'd', &vec![0; LONG_BYTES]);
        let sent = long.clone();
        let writer = tokio::spawn(async move {
            other
                .write_all(&encode::message(b'd', &vec![0; LONG_BYTES - 6]))
                .await
                .unwrap();
            other.write_all(&sent).await.unwrap();
            other.write_all(&encode::message(b'S', b"")).await.unwrap();
            other
        });
        assert!(comes(&mut second).await, "a byte less is not long");
        assert!(!comes(&mut second).await);
        assert!(first.raw().await.is_err(), "it has to come in time");
        drop(first);
        assert_eq!(second.raw().await.unwrap().bytes(), long);
        assert_eq!(
            second.raw().await.unwrap().tag(),
            b'S',
            "what follows a long message is still there"
        );
        drop(writer.await.unwrap());
        // The room was given back whole.
        assert_eq!(
            second.shared.0.available_permits(),
            MESSAGE_BYTES_MAX / super::ROOM_BYTES + 1
        );
    }
}
