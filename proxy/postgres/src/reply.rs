//! What the server answers to a group, on its way to the agent: masked, recorded, released, in that order (P2, P4).
//!
//! Rows are taken one at a time, and chunks of some 32 KiB are under way to the ledger while the next ones are read, so
//! memory does not grow with the reply; when the window is full, the server waits.
//!
//! Not here: what the group does (see [`crate::group`]).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use exhibit_gate::session::{Cleared, EndStatus, ROW_BYTES_MAX, Releasing, Reply, Session};
use exhibit_policy::mask::{ColumnMask, Masked, RowMasker};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::event::access::{Column, Frame};
use tokio::io::AsyncRead;

use crate::agent::Agent;
use crate::catalog::Catalog;
use crate::group::{Answer, Item, Names};
use crate::link::Incoming;
use crate::message::Raw;
use crate::message::backend::{Backend, Cells, Field, TransactionStatus};
use crate::message::encode::{self, Report};
use crate::session::SessionError;
use crate::types;

/// Bytes of frames that are recorded together: half of what one event holds, so that a chunk is one event.
const CHUNK_BYTES: usize = 32 * 1_024;

/// Chunks under way to the ledger: enough to keep it busy, few enough to hold in memory.
const WINDOW: usize = 4;

/// How long a command that ran ahead waits for its reply, to be recorded with it in one flush: longer than most answers
/// from memory take, and little against a sync of the disk under load.
const HOLD: Duration = Duration::from_millis(2);

/// Bytes that a cell costs beside its value.
const CELL_BYTES: usize = 5;

/// How a group ended.
pub(crate) struct Outcome {
    /// The state of the transaction, where the server told it.
    pub(crate) status: Option<TransactionStatus>,
    /// Whether anything failed.
    pub(crate) failed: bool,
    /// The server ended the session.
    pub(crate) fatal: bool,
}

/// What replies are masked by.
pub(crate) struct Masking<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) policy: &'a Snapshot,
    pub(crate) target: &'a str,
}

/// The replies to one group.
pub(crate) struct Replies<'a> {
    session: &'a mut Session,
    agent: &'a mut Agent,
    names: &'a mut Names,
    masking: Masking<'a>,
    /// The agent is told that its transaction failed, because a part of it was refused.
    aborted: bool,
    open: VecDeque<(usize, Reply)>,
    frames: Vec<Masked<Frame>>,
    bytes: usize,
    columns: Option<Vec<Column>>,
    masker: Option<RowMasker>,
    counts: BTreeMap<String, u64>,
    window: VecDeque<Releasing>,
    status: EndStatus,
    code: Option<String>,
    failed: bool,
}

impl<'a> Replies<'a> {
    pub(crate) fn new(
        session: &'a mut Session,
        agent: &'a mut Agent,
        names: &'a mut Names,
        masking: Masking<'a>,
        aborted: bool,
        commands: &[Cleared],
    ) -> Self {
        let replies = commands.iter().map(Cleared::reply).enumerate();
        Self {
            open: replies.collect(),
            session,
            agent,
            names,
            masking,
            aborted,
            frames: Vec::new(),
            bytes: 0,
            columns: None,
            masker: None,
            counts: BTreeMap::new(),
            window: VecDeque::new(),
            status: EndStatus::Complete,
            code: None,
            failed: false,
        }
    }

    /// Takes the answers to all items.
    pub(crate) async fn run<R: AsyncRead + Unpin>(
        mut self,
        incoming: &mut Incoming<R>,
        items: Vec<Item>,
    ) -> Result<Outcome, SessionError> {
        let mut items: VecDeque<Item> = items.into();
        let mut outcome = Outcome {
            status: None,
            failed: false,
            fatal: false,
        };
        loop {
            while items.front().is_some_and(|item| item.answer == Answer::Nothing) {
                items.pop_front();
            }
            let Some(item) = items.front() else { break };
            self.reach(item.owner).await?;
            let message = Backend::parse(&self.raw(incoming).await?)?;
            if let Some(end) = self.take(message, &mut items).await? {
                match end {
                    End::Ready(status) => outcome.status = Some(status),
                    End::Fatal => {
                        outcome.fatal = true;
                        break;
                    }
                }
            }
        }
        outcome.failed = self.failed;
        self.reach(usize::MAX).await?;
        while let Some(releasing) = self.window.pop_front() {
            self.agent.release(&releasing.durable().await?).await?;
        }
        Ok(outcome)
    }

    /// The next message. Commands that ran ahead are handed over when their reply lets itself be waited for.
    async fn raw<R: AsyncRead + Unpin>(&mut self, incoming: &mut Incoming<R>) -> Result<Raw, SessionError> {
        if self.session.holds() {
            if let Ok(raw) = tokio::time::timeout(HOLD, incoming.raw()).await {
                return raw.map_err(SessionError::target);
            }
            self.session.flush()?;
        }
        incoming.raw().await.map_err(SessionError::target)
    }

    async fn take(&mut self, message: Backend, items: &mut VecDeque<Item>) -> Result<Option<End>, SessionError> {
        let answer = items.front().map(|item| item.answer);
        let done = match (message, answer) {
            (Backend::ParameterStatus { name, value }, _) => {
                if name == "client_encoding" && value != "UTF8"
                    || name == "standard_conforming_strings" && value != "on"
                {
                    return Err(SessionError::Setting);
                }
                let body = [name.as_bytes(), &[0], value.as_bytes(), &[0]].concat();
                self.frame(encode::message(b'S', &body)).await?;
                return Ok(None);
            }
            (Backend::Notice(fields), _) => {
                if !self.masked() {
                    self.frame(encode::message(b'N', &raw_fields(&fields))).await?;
                }
                return Ok(None);
            }
            (Backend::Notification, _) => return Ok(None),
            (Backend::Error(fields), _) => return self.error(&fields, items).await,
            (Backend::Ready(status), Some(Answer::Query | Answer::Sync)) => {
                items.pop_front();
                return self.ready(status).await.map(Some);
            }
            (Backend::ParseComplete, Some(Answer::Parse)) => self.plain(b'1').await?,
            (Backend::BindComplete, Some(Answer::Bind)) => self.plain(b'2').await?,
            (Backend::CloseComplete, Some(Answer::Close)) => self.plain(b'3').await?,
            (Backend::ParameterDescription(oids), Some(Answer::Describe)) => {
                let count = u16::try_from(oids.len()).unwrap_or(u16::MAX).to_be_bytes();
                let body = count.into_iter().chain(oids.into_iter().flat_map(u32::to_be_bytes));
                self.frame(encode::message(b't', &body.collect::<Vec<_>>())).await?;
                false
            }
            (Backend::RowDescription(fields), Some(Answer::Describe)) => {
                self.frame(description(&fields)).await?;
                true
            }
            (Backend::NoData, Some(Answer::Describe)) => self.plain(b'n').await?,
            (Backend::RowDescription(fields), Some(Answer::OwnDescribe)) => {
                self.table(&fields).await?;
                true
            }
            (Backend::NoData, Some(Answer::OwnDescribe)) => {
                self.masker = None;
                true
            }
            (Backend::RowDescription(fields), Some(Answer::Query)) => {
                self.table(&fields).await?;
                self.frame(description(&fields)).await?;
                false
            }
            (Backend::DataRow(cells), Some(Answer::Query | Answer::Execute)) => {
                self.row(cells).await?;
                false
            }
            (Backend::CommandComplete { tag }, Some(answer @ (Answer::Query | Answer::Execute))) => {
                self.count();
                self.frame(encode::message(b'C', &[tag.as_bytes(), &[0]].concat()))
                    .await?;
                answer == Answer::Execute
            }
            (Backend::EmptyQuery, Some(answer @ (Answer::Query | Answer::Execute))) => {
                self.plain(b'I').await?;
                answer == Answer::Execute
            }
            (Backend::PortalSuspended, Some(Answer::Execute)) => {
                self.count();
                self.plain(b's').await?
            }
            _ => return Err(SessionError::Unexpected),
        };
        if done && let Some(change) = items.pop_front().and_then(|item| item.change) {
            self.names.apply(change);
        }
        Ok(None)
    }

    fn masked(&self) -> bool {
        self.masking.policy.masks_target(self.masking.target)
    }

    async fn plain(&mut self, tag: u8) -> Result<bool, SessionError> {
        self.frame(encode::message(tag, &[])).await?;
        Ok(true)
    }

    async fn ready(&mut self, status: TransactionStatus) -> Result<End, SessionError> {
        let shown = match status {
            TransactionStatus::Open if self.aborted => TransactionStatus::Failed,
            status => status,
        };
        self.frame(encode::message(b'Z', &[shown.byte()])).await?;
        Ok(End::Ready(status))
    }

    /// An error: what may be told of it, and the rest of the group up to its `Sync` is not answered.
    async fn error(
        &mut self,
        fields: &[(u8, String)],
        items: &mut VecDeque<Item>,
    ) -> Result<Option<End>, SessionError> {
        let report = |code: u8| {
            fields
                .iter()
                .find(|(field, _)| *field == code)
                .map(|(_, text)| text.as_str())
        };
        let fatal = matches!(report(b'V').or(report(b'S')), Some("FATAL" | "PANIC"));
        self.count();
        self.failed = true;
        self.status = EndStatus::Failed;
        self.code = report(b'C').map(str::to_owned);
        let bytes = if self.masked() {
            told(fields).response()
        } else {
            encode::message(b'E', &raw_fields(fields))
        };
        self.frame(bytes).await?;
        while items
            .front()
            .is_some_and(|item| !matches!(item.answer, Answer::Query | Answer::Sync))
        {
            items.pop_front();
        }
        Ok(fatal.then_some(End::Fatal))
    }

    /// Rows of these columns follow.
    async fn table(&mut self, fields: &[Field]) -> Result<(), SessionError> {
        if !self.frames.is_empty() || self.columns.is_some() {
            self.release().await?;
        }
        self.count();
        let mut columns = Vec::new();
        let mut masks = Vec::new();
        for field in fields {
            let (column, mask) = self.masking.column(field)?;
            columns.push(column);
            masks.push(mask);
        }
        self.columns = Some(columns);
        self.masker = Some(RowMasker::new(masks, self.session.gate().mask_key().clone()));
        Ok(())
    }

    async fn row(&mut self, cells: Cells) -> Result<(), SessionError> {
        let masker = self.masker.as_mut().ok_or(SessionError::Unexpected)?;
        let mut frame = masker.row(cells).map_err(|_| SessionError::Unexpected)?;
        let size = match frame.get() {
            Frame::Row(cells) => {
                let values: usize = cells.iter().flatten().map(|cell| cell.0.len()).sum();
                values + CELL_BYTES * (cells.len() + 1)
            }
            Frame::Verbatim(bytes) => bytes.0.len(),
        };
        if size > ROW_BYTES_MAX {
            frame = frame.framed(encode::frame);
        }
        self.push(frame, size).await
    }

    async fn frame(&mut self, bytes: Vec<u8>) -> Result<(), SessionError> {
        let size = bytes.len();
        self.push(Masked::framing(bytes), size).await
    }

    async fn push(&mut self, frame: Masked<Frame>, size: usize) -> Result<(), SessionError> {
        self.frames.push(frame);
        self.bytes += size;
        if self.bytes >= CHUNK_BYTES {
            self.release().await?;
        }
        Ok(())
    }

    /// Adds what the masker of the last table masked to the counts of the command.
    fn count(&mut self) {
        if let Some(masker) = self.masker.take() {
            for (mask, cells) in masker.masked() {
                *self.counts.entry(mask.clone()).or_default() += cells;
            }
        }
    }

    async fn release(&mut self) -> Result<(), SessionError> {
        let frames = std::mem::take(&mut self.frames);
        self.bytes = 0;
        let columns = self.columns.take();
        let Some((_, reply)) = self.open.front_mut() else {
            return Err(SessionError::Unexpected);
        };
        let releasing = self.session.release(reply, columns, frames);
        self.under_way(releasing).await
    }

    async fn under_way(&mut self, releasing: Releasing) -> Result<(), SessionError> {
        self.window.push_back(releasing);
        if self.window.len() > WINDOW
            && let Some(first) = self.window.pop_front()
        {
            self.agent.release(&first.durable().await?).await?;
        }
        Ok(())
    }

    /// Ends the replies to requests before that place.
    async fn reach(&mut self, owner: usize) -> Result<(), SessionError> {
        while self.open.front().is_some_and(|(place, _)| *place < owner) {
            self.count();
            if self.columns.is_some() {
                self.release().await?;
            }
            let Some((_, reply)) = self.open.pop_front() else {
                break;
            };
            let (frames, counts) = (std::mem::take(&mut self.frames), std::mem::take(&mut self.counts));
            self.bytes = 0;
            let code = self.code.take();
            let releasing = self.session.finish(reply, frames, self.status, code, counts);
            self.under_way(releasing).await?;
            if self.failed {
                self.status = EndStatus::Skipped;
            }
        }
        Ok(())
    }
}

enum End {
    Ready(TransactionStatus),
    Fatal,
}

impl Masking<'_> {
    /// A column as evidence has it, and its mask.
    fn column(&self, field: &Field) -> Result<(Column, Option<ColumnMask>), SessionError> {
        let origin = match field.relation {
            0 => None,
            relation => self.catalog.resource(relation, field.attribute),
        };
        if field.relation != 0 && origin.is_none() && self.policy.masks_target(self.target) {
            // The proxy does not know whose values these are, so it cannot know their mask.
            return Err(SessionError::Origin);
        }
        let mask = origin
            .as_deref()
            .and_then(|origin| self.policy.mask(self.target, origin));
        let column = Column {
            name: field.name.clone(),
            data_type: types::name(field.type_oid),
            origin,
            technique: mask.map(|mask| mask.technique.as_str().to_owned()),
            mask: mask.map(|mask| mask.name.clone()),
        };
        let mask = mask.map(|mask| ColumnMask {
            mask: mask.name.clone(),
            technique: mask.technique.clone(),
            kind: types::kind(field.type_oid, field.binary),
        });
        Ok((column, mask))
    }
}

/// What an agent may be told of an error where masks are: of errors about the statement and the server the primary text,
/// of errors about data (classes 21 to 23, 40, P0, XX, ...) only the code.
fn told(fields: &[(u8, String)]) -> Report {
    let field = |wanted: u8| fields.iter().find(|(code, _)| *code == wanted).map(|(_, text)| text);
    let code = field(b'C').map_or("XX000", String::as_str);
    let about_statement = ["42", "3D", "3F", "0A", "25", "26", "34", "53", "57", "08"];
    // 42804 and its like name types, not values; 42P18 and all of 42 are found before any row is read.
    let text = match field(b'M') {
        Some(text) if about_statement.contains(&code.get(..2).unwrap_or_default()) => text.as_str(),
        _ => "the statement failed; the text is withheld because masks hold for this target",
    };
    let severity = match field(b'V').or(field(b'S')).map(String::as_str) {
        Some("FATAL" | "PANIC") => "FATAL",
        _ => "ERROR",
    };
    Report {
        severity,
        position: field(b'P').and_then(|position| position.parse().ok()),
        ..Report::error(code, text)
    }
}

fn raw_fields(fields: &[(u8, String)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (code, text) in fields {
        body.push(*code);
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    body
}

/// `RowDescription`, as the server sent it.
fn description(fields: &[Field]) -> Vec<u8> {
    let mut body = u16::try_from(fields.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
    for field in fields {
        body.extend_from_slice(field.name.as_bytes());
        body.push(0);
        body.extend(field.relation.to_be_bytes());
        body.extend(field.attribute.to_be_bytes());
        body.extend(field.type_oid.to_be_bytes());
        body.extend(field.size.to_be_bytes());
        body.extend(field.modifier.to_be_bytes());
        body.extend(i16::from(field.binary).to_be_bytes());
    }
    encode::message(b'T', &body)
}
