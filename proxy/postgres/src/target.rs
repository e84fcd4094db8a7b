//! The server's socket: what agents send goes out here, and only once the gate has cleared it (P1).

use exhibit_gate::session::Cleared;
use tokio::io::{AsyncWriteExt as _, WriteHalf};

use crate::link::Connection;
use crate::message::encode;

/// The sending half of the connection to the server.
pub(crate) struct Target {
    // Invariant: after start-up nothing is written but cleared commands and queries that are constants of this crate.
    writer: WriteHalf<Connection>,
}

impl Target {
    pub(crate) fn new(writer: WriteHalf<Connection>) -> Self {
        Self { writer }
    }

    /// Sends commands that are cleared.
    pub(crate) async fn forward(&mut self, commands: &[Cleared]) -> std::io::Result<()> {
        for command in commands {
            self.writer.write_all(command.exact()).await?;
        }
        self.writer.flush().await
    }

    /// Sends a query of the proxy's own, after a statement that makes ready for it.
    pub(crate) async fn own(&mut self, before: &'static str, query: &'static str) -> std::io::Result<()> {
        let message = encode::message(b'Q', &[before.as_bytes(), query.as_bytes(), &[0]].concat());
        self.writer.write_all(&message).await?;
        self.writer.flush().await
    }
}
