//! The server's socket: what agents send goes out here, and only once the gate has cleared it (P1).

use exhibit_gate::preview::Preview;
use exhibit_gate::session::{Cleared, Data, Recorded};
use tokio::io::{AsyncWriteExt as _, WriteHalf};

use crate::estimate::Question;
use crate::link::Connection;
use crate::message::encode;

/// Bytes of commands that go out in one write at the most; more is not copied for it.
const TOGETHER_BYTES: usize = 64 << 10;

/// The name of a question for a plan, of its statement and its portal.
const PLAN: &str = "exhibit.plan";

/// The name of a command that is run and rolled back, of its statement and its portal.
pub(crate) const PREVIEW: &str = "exhibit.preview";

/// The name of queries of the proxy's own in the extended protocol.
const OWN: &str = "exhibit.own";

/// A `Sync`.
const SYNC: [u8; 5] = [b'S', 0, 0, 0, 4];

/// The sending half of the connection to the server.
pub(crate) struct Target {
    // Invariant: after start-up nothing is written but cleared commands, previews whose event is durable (`preview.rs`), queries that
    // are constants of this crate, and questions for plans (`estimate.rs`), which are proven to run no code but the server's own.
    writer: WriteHalf<Connection>,
}

impl Target {
    pub(crate) fn new(writer: WriteHalf<Connection>) -> Self {
        Self { writer }
    }

    /// Sends commands that are cleared.
    pub(crate) async fn forward(&mut self, commands: &[Cleared]) -> std::io::Result<()> {
        match commands {
            [command] => self.writer.write_all(command.exact()).await?,
            commands if commands.iter().map(|command| command.exact().len()).sum::<usize>() < TOGETHER_BYTES => {
                let exact: Vec<&[u8]> = commands.iter().map(Cleared::exact).collect();
                self.writer.write_all(&exact.concat()).await?;
            }
            commands => {
                for command in commands {
                    self.writer.write_all(command.exact()).await?;
                }
            }
        }
        self.writer.flush().await
    }

    /// The same without the `Sync` that they end with, by which the server would commit what they change; it answers them all the same.
    /// [`Target::sync`] follows.
    pub(crate) async fn forward_unsynced(&mut self, commands: &[Cleared]) -> std::io::Result<()> {
        for (place, command) in commands.iter().enumerate() {
            let last = place + 1 == commands.len();
            let exact = command.exact();
            let exact = exact.strip_suffix(&SYNC).filter(|_| last).unwrap_or(exact);
            self.writer.write_all(exact).await?;
        }
        self.flush().await
    }

    /// Has the server answer what it has so far.
    pub(crate) async fn flush(&mut self) -> std::io::Result<()> {
        self.writer.write_all(&encode::message(b'H', &[])).await?;
        self.writer.flush().await
    }

    /// Sends the `Sync` that was left out.
    pub(crate) async fn sync(&mut self) -> std::io::Result<()> {
        self.writer.write_all(&SYNC).await?;
        self.writer.flush().await
    }

    /// Sends data of a command, whose event is durable.
    pub(crate) async fn send(&mut self, data: &Recorded<Data>) -> std::io::Result<()> {
        self.writer.write_all(data.exact()).await?;
        self.writer.flush().await
    }

    /// Makes the transaction that is under way fail: a statement that is none, and a `Sync` where one is due.
    pub(crate) async fn fail(&mut self, synced: bool) -> std::io::Result<()> {
        // Under a name, so that the agent's unnamed statement stays.
        let parse = encode::message(b'P', b"exhibit.refused\0refused by the proxy\0\0\0");
        self.writer.write_all(&parse).await?;
        let end = if synced { b'S' } else { b'H' };
        self.writer.write_all(&encode::message(end, &[])).await?;
        self.writer.flush().await
    }

    /// Sends queries of the proxy's own in a pipeline. The agent's unnamed statement and portal stay as they are.
    pub(crate) async fn own_within(&mut self, queries: &[&'static str]) -> std::io::Result<()> {
        let messages = [extended(queries), encode::message(b'H', &[])];
        self.writer.write_all(&messages.concat()).await?;
        self.writer.flush().await
    }

    /// Runs queries of the proxy's own, and prepares a question for a plan; its types are asked for.
    pub(crate) async fn prepare(&mut self, before: &[&'static str], question: &Question) -> std::io::Result<()> {
        let messages = [
            extended(before),
            question.parse(PLAN),
            encode::message(b'D', &[b"S", PLAN.as_bytes(), &[0]].concat()),
            encode::message(b'S', &[]),
        ];
        self.writer.write_all(&messages.concat()).await?;
        self.writer.flush().await
    }

    /// Asks the question that was prepared.
    pub(crate) async fn ask_prepared(&mut self, question: &Question) -> std::io::Result<()> {
        let messages = [
            question.bind(PLAN),
            encode::message(b'E', &[PLAN.as_bytes(), &[0; 5]].concat()),
            encode::message(b'S', &[]),
        ];
        self.writer.write_all(&messages.concat()).await?;
        self.writer.flush().await
    }

    /// Sends a part of a preview, whose event is durable.
    pub(crate) async fn preview(&mut self, preview: &Recorded<Preview>, part: usize) -> std::io::Result<()> {
        self.writer.write_all(preview.part(part)).await?;
        self.writer.flush().await
    }

    /// Asks queries of the proxy's own up to a `Sync`, in the agent's session as it is.
    pub(crate) async fn own_aside(&mut self, queries: &[&'static str]) -> std::io::Result<()> {
        let messages = [extended(queries), encode::message(b'S', &[])];
        self.writer.write_all(&messages.concat()).await?;
        self.writer.flush().await
    }

    /// Forgets the question or the preview, which a transaction that has failed takes, too, and runs queries of the proxy's own after it.
    pub(crate) async fn take_back(&mut self, after: &[&'static str]) -> std::io::Result<()> {
        // What failed before it was closed is there still.
        let close = |kind: &[u8], name: &[u8]| encode::message(b'C', &[kind, name, &[0]].concat());
        let left =
            [PLAN, PREVIEW, OWN].map(|name| [close(b"P", name.as_bytes()), close(b"S", name.as_bytes())].concat());
        let messages = [left.concat(), extended(after), encode::message(b'S', &[])];
        self.writer.write_all(&messages.concat()).await?;
        self.writer.flush().await
    }

    /// Sends queries of the proxy's own, each after a statement that makes ready for it.
    pub(crate) async fn own(&mut self, before: &'static str, queries: &[&'static str]) -> std::io::Result<()> {
        let query = |query: &&str| encode::message(b'Q', &[before.as_bytes(), query.as_bytes(), &[0]].concat());
        let messages: Vec<Vec<u8>> = queries.iter().map(query).collect();
        self.writer.write_all(&messages.concat()).await?;
        self.writer.flush().await
    }
}

/// Queries of the proxy's own as messages of the extended protocol, which leave the agent's unnamed statement as it is.
pub(crate) fn extended(queries: &[&'static str]) -> Vec<u8> {
    let name = [OWN.as_bytes(), &[0]].concat();
    let name = name.as_slice();
    let mut messages = Vec::new();
    for query in queries {
        messages.push(encode::message(b'P', &[name, query.as_bytes(), &[0, 0, 0]].concat()));
        messages.push(encode::message(b'B', &[name, name, &[0; 6]].concat()));
        messages.push(encode::message(b'E', &[name, &[0; 4]].concat()));
        messages.push(encode::message(b'C', &[b"P", name].concat()));
        messages.push(encode::message(b'C', &[b"S", name].concat()));
    }
    messages.concat()
}
