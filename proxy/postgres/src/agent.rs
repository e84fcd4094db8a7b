//! The agent's socket: after start-up only what the ledger holds goes out here (P2).

use std::time::Duration;

use exhibit_gate::session::{Question, Recorded};
use exhibit_policy::mask::Masked;
use exhibit_schemas::event::access::Frame;
use tokio::io::{AsyncWriteExt as _, WriteHalf};

use crate::link::Connection;
use crate::message::encode::{self, Report};

/// How long an agent may leave what it asked for unread, or unacknowledged.
pub(crate) const UNREAD: Duration = Duration::from_mins(5);

/// The sending half of the connection to an agent.
pub(crate) struct Agent {
    // Invariant: after start-up nothing is written but recorded frames and words of the proxy's own.
    writer: WriteHalf<Connection>,
    /// A write was begun and given up: what follows on the wire would be read as the rest of its message.
    torn: bool,
}

/// Last words to an agent. They hold no value of the target; the event that closes the session tells the same.
pub(crate) struct LastWords {
    pub(crate) code: &'static str,
    pub(crate) text: String,
}

impl Agent {
    pub(crate) fn new(writer: WriteHalf<Connection>) -> Self {
        Self { writer, torn: false }
    }

    /// Sends frames whose events are durable, and which end in the middle of a message.
    pub(crate) async fn release_part(&mut self, frames: &Recorded<Vec<Masked<Frame>>>) -> std::io::Result<()> {
        let released = self.release(frames).await;
        self.torn = true;
        released
    }

    /// Sends frames whose events are durable.
    pub(crate) async fn release(&mut self, frames: &Recorded<Vec<Masked<Frame>>>) -> std::io::Result<()> {
        let frames = frames.frames();
        if let [frame] = frames
            && let Frame::Verbatim(bytes) = frame.get()
        {
            return self.write(&bytes.0).await;
        }
        let mut bytes = Vec::new();
        for frame in frames {
            encode::put_frame(frame.get(), &mut bytes);
        }
        self.write(&bytes).await
    }

    /// Tells that people are asked. All of it stands in the event of the question, which is durable.
    pub(crate) async fn waiting(&mut self, asked: &Question) -> std::io::Result<()> {
        // A notice is no part of another message; the question is in the ledger, and people are told there.
        if self.torn {
            return Ok(());
        }
        let text = format!(
            "approval {} is needed by {}; it expires at {}",
            asked.id(),
            asked.groups().join(" or "),
            asked.expires(),
        );
        let notice = Report {
            severity: "NOTICE",
            ..Report::error("00000", text)
        };
        self.write(&notice.notice()).await
    }

    /// Ends the session with a word to the agent, unless it would stand in the middle of a message.
    pub(crate) async fn last(mut self, words: &LastWords) -> std::io::Result<()> {
        if self.torn {
            return Ok(());
        }
        self.write(&Report::fatal(words.code, words.text.as_str()).response())
            .await?;
        self.end().await
    }

    /// Ends the connection as TLS does, so that its end is not taken for a network that broke.
    pub(crate) async fn end(mut self) -> std::io::Result<()> {
        if self.torn {
            return Ok(());
        }
        tokio::time::timeout(UNREAD, self.writer.shutdown()).await?
    }

    async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let write = async {
            self.writer.write_all(bytes).await?;
            self.writer.flush().await
        };
        self.torn = true;
        tokio::time::timeout(UNREAD, write).await??;
        self.torn = false;
        Ok(())
    }
}
