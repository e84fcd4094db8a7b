//! What an agent sends next, as groups of messages; what the server sends on its own meanwhile is delivered.

use super::{Driver, SessionError};
use crate::greeting::code;
use crate::last::silent;
use crate::link::LinkError;
use crate::message::backend::Backend;
use crate::message::frontend::Frontend;
use crate::message::{LONG_BYTES, Raw, encode};
use crate::upstream::UpstreamError;

/// Messages of a group at the most: their events fit one batch of the ledger. Longer pipelines go in several groups.
const GROUP_MESSAGES_MAX: usize = 256;

/// Bytes of a group after which it ends; so a long message is the last of its group, and a session holds one at a time.
const GROUP_BYTES_MAX: usize = LONG_BYTES;

impl Driver {
    /// The messages of the next group; `None` when the agent ends the session.
    pub(super) async fn messages(&mut self) -> Result<Option<Vec<(Frontend, Vec<u8>)>>, SessionError> {
        let mut messages = Vec::new();
        let mut bytes = 0;
        loop {
            let raw = self.message().await?;
            let message = match Frontend::parse_in(&raw, self.upstream.encoding) {
                Ok(message) => message,
                // What goes before it may set the encoding that it is in.
                Err(_) if !messages.is_empty() => {
                    self.state.held.push_front(raw);
                    messages.push((Frontend::Flush, encode::message(b'H', &[])));
                    return Ok(Some(messages));
                }
                Err(error) => return Err(SessionError::Protocol(error)),
            };
            let exact = raw.into_bytes();
            match message {
                Frontend::Terminate => return Ok(None),
                // Of a copy that has failed or was refused; the server passes over them, too.
                Frontend::CopyData | Frontend::CopyDone | Frontend::CopyFail => continue,
                Frontend::Sync => {}
                // That a question of the proxy's own has failed the pipeline, the agent hears in answer to this.
                _ if self.state.skipping.is_some() && !self.state.cancelled => continue,
                _ => {}
            }
            if message == Frontend::Flush && messages.is_empty() && !self.state.unsynced {
                // Nothing waits for it. libpq sends one after the `Sync` of a pipeline.
                continue;
            }
            let ends = matches!(
                message,
                Frontend::Query { .. } | Frontend::FunctionCall | Frontend::Sync | Frontend::Flush
            );
            bytes += exact.len();
            messages.push((message, exact));
            if ends {
                return Ok(Some(messages));
            }
            if messages.len() >= GROUP_MESSAGES_MAX || bytes >= GROUP_BYTES_MAX {
                messages.push((Frontend::Flush, encode::message(b'H', &[])));
                return Ok(Some(messages));
            }
        }
    }

    /// The agent's next message, when it is known how to read it.
    async fn message(&mut self) -> Result<Raw, SessionError> {
        let raw = match self.state.held.pop_front() {
            Some(held) => held,
            None => self.next().await?,
        };
        if self.state.stale || self.state.path_unsure {
            self.refresh().await?;
        } else if self.state.text_unsure && Frontend::may_depend_on_settings(&raw) {
            self.check_held().await?;
        }
        self.deliver_aside().await?;
        Ok(raw)
    }

    /// The agent's next message. What the server sends meanwhile on its own is delivered.
    async fn next(&mut self) -> Result<Raw, SessionError> {
        loop {
            let raw = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return Err(SessionError::Shutdown),
                raw = self.incoming.raw() => match raw {
                    Ok(raw) => raw,
                    Err(LinkError::Io(error)) => return Err(error.into()),
                    Err(LinkError::Message(error)) => return Err(SessionError::Protocol(error)),
                },
                raw = self.upstream.incoming.raw() => {
                    let raw = raw.map_err(SessionError::target)?;
                    match Backend::parse(&raw)? {
                        Backend::Error(fields) => {
                            let code = code(&fields);
                            return Err(SessionError::Target(UpstreamError::Ended { code }));
                        }
                        message => {
                            self.upstream.told(&message)?;
                            self.deliver(&raw).await?;
                        }
                    }
                    continue;
                }
                // What it asks for next is decided by it, or it ends at once.
                () = self.changes.next() => {
                    self.take_up().await?;
                    self.session.let_go_of_policy();
                    continue;
                }
                () = silent(self.last.clone()) => return Err(SessionError::Idle),
            };
            return Ok(raw);
        }
    }
}
