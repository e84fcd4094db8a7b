//! What the server answers to a group, on its way to the agent: masked, recorded, released, in that order (P2, P4).
//!
//! Rows are taken one at a time, and chunks of some 32 KiB are under way to the ledger while the next ones are read, so
//! memory does not grow with the reply; when the window is full, the server waits.
//!
//! Not here: what the group does (see [`crate::group`]), what is copied out (`copied`), and chunks under way (`window`).

mod copied;
mod identified;
mod masking;
mod told;
mod window;
mod within;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use exhibit_gate::session::{Cleared, EndStatus, ROW_BYTES_MAX, Releasing, Reply, Session};
use exhibit_policy::mask::{CellKind, Masked, RowMasker};
use exhibit_policy::net::{Channel, Known, NetColumn};
use exhibit_schemas::event::access::{Column, Frame};
use tokio::io::AsyncRead;
use tokio::sync::Notify;

use self::copied::Copying;
pub(crate) use self::masking::Masking;
use self::masking::masked_there;
use self::told::told;
use self::window::Ends;
pub(crate) use self::within::Own;
use crate::agent::Agent;
use crate::analysis::Output;
use crate::encoding::Encoding;
use crate::group::{Answer, Expected, Item};
use crate::link::Incoming;
use crate::message::Raw;
use crate::message::backend::{Backend, Cells, Field, TransactionStatus};
use crate::message::encode;
use crate::names::Names;
use crate::netted;
use crate::notified;
use crate::session::SessionError;
use crate::types;
use crate::upstream::{ASIDE_MAX, ENCODING, STRINGS};

/// How long a command that ran ahead waits for its reply, to be recorded with it in one flush: longer than most answers
/// from memory take, and little against a sync of the disk under load.
const HOLD: Duration = Duration::from_millis(2);

/// How long the server may send nothing before what it sent so far is released: long enough that chunks of a flowing reply
/// fill, short enough that nobody notices.
const QUIET: Duration = Duration::from_millis(20);

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
    /// The encoding of the agent's text, where the server told of another one.
    pub(crate) encoding: Option<Encoding>,
    /// Notifications that are decided on by a policy which came into force meanwhile.
    pub(crate) aside: Vec<Raw>,
}

/// The replies to one group.
pub(crate) struct Replies<'a> {
    session: &'a mut Session,
    agent: &'a mut Agent,
    names: &'a mut Names,
    masking: Masking<'a>,
    /// The transaction of the proxy's own that it runs in.
    own: Own,
    /// That a statement is complete, and was not told yet.
    complete: Option<Vec<u8>>,
    /// What follows that, and is told with it.
    late: Vec<Vec<u8>>,
    /// The agent asked to cancel what is under way.
    cancelled: &'a Notify,
    open: VecDeque<(usize, Reply)>,
    frames: Vec<Masked<Frame>>,
    bytes: usize,
    columns: Option<Vec<Column>>,
    masker: Option<RowMasker>,
    /// The masks of columns of the last table that the database has masked, with their places.
    masked_there: Vec<(usize, String)>,
    /// Columns of what is copied out next, as the server described them.
    probed: Option<Vec<Field>>,
    copying: Option<Copying>,
    /// What is copied out changes nothing, although it is counted alike.
    copies_out: bool,
    /// Messages without a mask that were copied out and are no frame yet.
    whole: Vec<u8>,
    /// Rows among them.
    whole_rows: u64,
    counts: BTreeMap<String, u64>,
    window: VecDeque<(Releasing, Ends)>,
    status: EndStatus,
    code: Option<String>,
    failed: bool,
    ready: Option<TransactionStatus>,
    fatal: bool,
    encoding: Option<Encoding>,
    aside: Vec<Raw>,
}

/// Where the answers to a group stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// All are there.
    Done,
    /// The server takes copied data.
    CopyIn,
}

impl<'a> Replies<'a> {
    pub(crate) fn new(
        session: &'a mut Session,
        agent: &'a mut Agent,
        names: &'a mut Names,
        masking: Masking<'a>,
        own: Own,
        cancelled: &'a Notify,
        commands: &[Cleared],
    ) -> Self {
        let replies = commands.iter().map(Cleared::reply).enumerate();
        Self {
            open: replies.collect(),
            session,
            agent,
            names,
            masking,
            own,
            complete: None,
            late: Vec::new(),
            cancelled,
            frames: Vec::new(),
            bytes: 0,
            columns: None,
            masker: None,
            masked_there: Vec::new(),
            probed: None,
            copying: None,
            copies_out: false,
            whole: Vec::new(),
            whole_rows: 0,
            counts: BTreeMap::new(),
            window: VecDeque::new(),
            status: EndStatus::Complete,
            code: None,
            failed: false,
            ready: None,
            fatal: false,
            encoding: None,
            aside: Vec::new(),
        }
    }

    /// Takes the answers to all items but so many at the end, or up to where the server begins to copy in.
    pub(crate) async fn run<R: AsyncRead + Unpin>(
        &mut self,
        incoming: &mut Incoming<R>,
        items: &mut VecDeque<Item>,
        after: usize,
    ) -> Result<Step, SessionError> {
        while items.len() > after {
            let Some(item) = items.front() else { break };
            if item.answer == Answer::Nothing {
                items.pop_front();
                continue;
            }
            self.reach(item.owner).await?;
            let raw = self.raw(incoming).await?;
            match self.take(&raw, items).await? {
                None => {}
                Some(End::Ready(status)) => self.ready = Some(status),
                Some(End::Within) => return Ok(Step::Done),
                Some(End::Fatal) => {
                    self.fatal = true;
                    return Ok(Step::Done);
                }
                Some(End::CopyIn) => {
                    self.flush().await?;
                    return Ok(Step::CopyIn);
                }
            }
        }
        Ok(Step::Done)
    }

    /// Whether the server has ended the session.
    pub(crate) const fn is_over(&self) -> bool {
        self.fatal
    }

    /// The next message. Commands that ran ahead are handed over when their reply lets itself be waited for.
    async fn raw<R: AsyncRead + Unpin>(&mut self, incoming: &mut Incoming<R>) -> Result<Raw, SessionError> {
        if self.session.holds() {
            if let Some(raw) = incoming.raw_within(HOLD).await {
                return raw.map_err(SessionError::target);
            }
            self.session.room().await?;
            self.session.flush()?;
        }
        if let Some(raw) = incoming.raw_within(QUIET).await {
            return raw.map_err(SessionError::target);
        }
        self.flush().await?;
        incoming.raw().await.map_err(SessionError::target)
    }

    /// Ends the replies to the group.
    pub(crate) async fn end(mut self) -> Result<Outcome, SessionError> {
        self.reach(usize::MAX).await?;
        self.drain().await?;
        Ok(Outcome {
            status: self.ready,
            failed: self.failed,
            fatal: self.fatal,
            encoding: self.encoding,
            aside: self.aside,
        })
    }

    /// One message.
    pub(crate) async fn take(&mut self, raw: &Raw, items: &mut VecDeque<Item>) -> Result<Option<End>, SessionError> {
        let answer = items.front().map(|item| item.answer);
        let Some(message) = self.aside(raw).await? else {
            return Ok(None);
        };
        let done = match (message, answer) {
            (Backend::Error(fields), _) => return self.error(raw, &fields, items).await,
            (Backend::Ready(status), Some(Answer::Query)) if self.own != Own::None => {
                self.own = Own::Ended(status);
                return Ok(Some(End::Within));
            }
            (Backend::Ready(status), Some(Answer::Query | Answer::Sync)) => {
                items.pop_front();
                return self.ready(status).await.map(Some);
            }
            (Backend::Ready(_), Some(Answer::OwnSync))
            | (Backend::ParseComplete, Some(Answer::OwnParse))
            | (Backend::CloseComplete, Some(Answer::OwnClose)) => true,
            (Backend::ParseComplete, Some(Answer::Parse)) => self.plain(b'1').await?,
            (Backend::BindComplete, Some(Answer::Bind)) => self.plain(b'2').await?,
            (Backend::CloseComplete, Some(Answer::Close)) => self.plain(b'3').await?,
            (Backend::ParameterDescription(_), Some(Answer::OwnProbe)) => false,
            (Backend::RowDescription(fields), Some(Answer::OwnProbe)) => {
                self.probed = Some(fields);
                true
            }
            (Backend::NoData, Some(Answer::OwnProbe)) => {
                self.probed = None;
                true
            }
            (Backend::ParameterDescription(oids), Some(Answer::Describe)) => {
                if let Some(prepared) = items.front().and_then(|item| item.prepared.as_ref()) {
                    prepared.describe(&oids);
                }
                self.frame(encode::parameter_description(&oids)).await?;
                false
            }
            (Backend::RowDescription(mut fields), Some(Answer::Describe)) => {
                let named = self.named(raw, &mut fields);
                self.frame(named).await?;
                true
            }
            (Backend::NoData, Some(Answer::Describe)) => self.plain(b'n').await?,
            (
                Backend::RowDescription(fields),
                Some(answer @ (Answer::OwnDescribe | Answer::DescribeNext | Answer::Query)),
            ) => {
                let named = self.proven(raw, fields, expected(items)).await?;
                if answer != Answer::OwnDescribe {
                    self.frame(named).await?;
                }
                answer != Answer::Query
            }
            (Backend::NoData, Some(answer @ (Answer::OwnDescribe | Answer::DescribeNext))) => {
                self.masker = None;
                answer == Answer::OwnDescribe || self.plain(b'n').await?
            }
            (Backend::DataRow(cells), Some(Answer::Query | Answer::Execute)) => {
                self.row(cells).await?;
                false
            }
            (Backend::CopyOut { binary, columns }, Some(Answer::Query | Answer::Execute)) => {
                let copy = items.front_mut().and_then(|item| item.copy.take());
                self.copies_out = true;
                self.copy_out(raw, binary, columns, copy, expected(items).as_ref())
                    .await?;
                false
            }
            (Backend::CopyData, Some(Answer::Query | Answer::Execute)) => {
                self.copied(raw).await?;
                false
            }
            (Backend::CopyDone, Some(Answer::Query | Answer::Execute)) => {
                self.copied_out().await?;
                false
            }
            (Backend::CopyIn, Some(Answer::Query | Answer::Execute)) => {
                self.frame(raw.bytes().to_vec()).await?;
                return Ok(Some(End::CopyIn));
            }
            (Backend::CommandComplete { tag }, Some(answer @ (Answer::Query | Answer::Execute))) => {
                self.completed(&tag, items).await?;
                answer == Answer::Execute
            }
            (Backend::EmptyQuery, Some(answer @ (Answer::Query | Answer::Execute))) => {
                self.plain(b'I').await?;
                answer == Answer::Execute
            }
            (Backend::PortalSuspended, Some(Answer::Execute)) => self.suspended().await?,
            _ => return Err(SessionError::Unexpected),
        };
        if done && let Some(mut item) = items.pop_front() {
            let statement = matches!(item.answer, Answer::Query | Answer::Execute);
            if !statement {
                self.confirmed(Some(&mut item));
            }
        }
        Ok(None)
    }

    /// Takes what may come at any time; gives back what answers something.
    async fn aside(&mut self, raw: &Raw) -> Result<Option<Backend>, SessionError> {
        match Backend::parse(raw)? {
            Backend::ParameterStatus { name, value } => {
                let told = check_setting(&name, &value, self.masked())?;
                self.encoding = told.or(self.encoding);
                let bytes = netted::setting(self.session.net(), raw);
                // The server tells it after what is complete by then.
                match self.complete {
                    None => self.frame(bytes).await?,
                    Some(_) if self.late.len() < ASIDE_MAX => self.late.push(bytes),
                    // To tell it now would tell that the change is committed.
                    Some(_) => return Err(SessionError::Unexpected),
                }
            }
            Backend::Notice(_) => {
                if !self.masked() {
                    let bytes = netted::report(self.session.net(), Channel::Notice, raw);
                    // What a commit says comes before what it completes.
                    match self.own {
                        Own::Ended(_) => self.frame_at_once(bytes).await?,
                        Own::None | Own::Begun => self.frame(bytes).await?,
                    }
                }
            }
            Backend::Notification { .. } => {
                // What another session says is no part of this reply, which ends by the policy that it began with.
                self.flush().await?;
                if self.session.goes_by_policy_in_force().await {
                    let masked = self.masked();
                    notified::deliver(self.session, self.agent, masked, raw).await?;
                } else if self.aside.len() < ASIDE_MAX {
                    self.aside.push(Raw::again(raw.bytes().to_vec()));
                } else {
                    return Err(SessionError::Unexpected);
                }
            }
            message => return Ok(Some(message)),
        }
        Ok(None)
    }

    /// The first change of names that waits for a confirmation has got it.
    fn confirmed(&mut self, item: Option<&mut Item>) {
        let changes = item.and_then(|item| item.changes.pop_front());
        for change in changes.into_iter().flatten() {
            self.names.apply(change);
        }
    }

    /// The session that the replies are recorded in.
    pub(crate) fn session(&mut self) -> &mut Session {
        self.session
    }

    fn masked(&self) -> bool {
        self.masking.policy.masks_target(self.masking.target)
    }

    /// A statement has ended with this tag.
    async fn completed(&mut self, tag: &str, items: &mut VecDeque<Item>) -> Result<(), SessionError> {
        self.count();
        self.changed(tag, expected(items).is_some_and(|expected| expected.changes))?;
        if let (COMMITTED, Some((_, reply))) = (tag, self.open.front()) {
            self.session.committed(reply);
        }
        self.completes(encode::message(b'C', &[tag.as_bytes(), &[0]].concat()))
            .await?;
        self.confirmed(items.front_mut());
        items.front_mut().and_then(|item| item.expected.pop_front());
        Ok(())
    }

    /// Takes the rows that a statement changed, by the tag that it ended with. One that `changes` rows may end with the tag of what gives
    /// them out (`FETCH`), which says nothing of that.
    fn changed(&mut self, tag: &str, changes: bool) -> Result<(), SessionError> {
        let copies_out = std::mem::take(&mut self.copies_out);
        let rows = rows_changed(tag).filter(|_| !copies_out);
        if let Some((_, reply)) = self.open.front()
            && (rows.is_some() || changes)
        {
            self.session.changed(reply, rows)?;
        }
        Ok(())
    }

    /// A statement gives its rows in parts: what it changes it has changed, and does not say how many rows it were.
    async fn suspended(&mut self) -> Result<bool, SessionError> {
        self.count();
        if let Some((_, reply)) = self.open.front() {
            self.session.changed(reply, None)?;
        }
        self.plain(b's').await
    }

    async fn plain(&mut self, tag: u8) -> Result<bool, SessionError> {
        self.frame(encode::message(tag, &[])).await?;
        Ok(true)
    }

    async fn ready(&mut self, status: TransactionStatus) -> Result<End, SessionError> {
        if status == TransactionStatus::Idle {
            self.session.settled();
        }
        self.frame(encode::message(b'Z', &[status.byte()])).await?;
        Ok(End::Ready(status))
    }

    /// An error: what may be told of it, and the rest of the group up to its `Sync` is not answered.
    async fn error(
        &mut self,
        raw: &Raw,
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
            let mut report = told(fields);
            if let Some(mapped) = items.front().and_then(|item| item.mapped.as_ref()) {
                report.position = report.position.map(|position| mapped.back(position));
            }
            report.text = netted::words(self.session.net(), report.text);
            report.response()
        } else {
            netted::report(self.session.net(), Channel::Error, raw)
        };
        self.frame(bytes).await?;
        if let Some(Copying::Rows(rows)) = self.copying.take() {
            self.masker = Some(rows.abandon());
            self.count();
        }
        self.probed = None;
        pass_over(items);
        Ok(fatal.then_some(End::Fatal))
    }

    /// Rows of these columns follow, which must be the ones that were proven; gives their description for the agent.
    async fn proven(
        &mut self,
        raw: &Raw,
        mut fields: Vec<Field>,
        expected: Option<Expected>,
    ) -> Result<Vec<u8>, SessionError> {
        Masking::agrees(&fields, outputs(expected.as_ref()))?;
        let named = self.named(raw, &mut fields);
        self.table(&fields, expected.as_ref()).await?;
        Ok(named)
    }

    /// Rows of these columns follow.
    async fn table(&mut self, fields: &[Field], expected: Option<&Expected>) -> Result<(), SessionError> {
        // What is no row may stand in the chunk that the table begins in.
        let rows = self.frames.iter().any(|frame| matches!(frame.get(), Frame::Row(_)));
        if rows || self.columns.is_some() {
            self.release().await?;
        }
        self.count();
        let (columns, masker) = self.described(fields, expected)?;
        self.columns = Some(columns);
        self.masker = Some(masker);
        Ok(())
    }

    /// Columns as evidence has them, and what masks their cells.
    fn described(
        &mut self,
        fields: &[Field],
        expected: Option<&Expected>,
    ) -> Result<(Vec<Column>, RowMasker), SessionError> {
        let (mut columns, masks) = self.masking.columns(fields, outputs(expected))?;
        let nets = fields
            .iter()
            .zip(&columns)
            .map(|(field, column)| self.netted(field, column))
            .collect();
        self.masked_there = masked_there(&columns, &masks);
        let identified = self.identified(fields, &mut columns, expected);
        let key = self.session.gate().mask_key().clone();
        let masker = RowMasker::new(masks, key).described(nets).identified(identified);
        Ok((columns, masker))
    }

    /// A column as the net sees it.
    fn netted(&mut self, field: &Field, column: &Column) -> NetColumn {
        // What the database has masked, or masks by its own technique, is no matter of the net.
        let kind = match column.mask {
            Some(_) => CellKind::Roomless,
            None => types::searched(field.type_oid, field.binary),
        };
        // The catalogs' own columns are named after what they describe, and an agent names what it computes.
        let origin = column.origin.as_deref();
        let own =
            origin.is_some_and(|origin| origin.starts_with("pg_catalog.") || origin.starts_with("information_schema."));
        let label = match origin.and_then(|origin| origin.rsplit_once('.')) {
            _ if own => None,
            Some((_, name)) => Some(name),
            // A name with a token in it is the agent's no more.
            None => Some(field.name.as_str()).filter(|name| !name.contains('[')),
        };
        let known = Known {
            name: &field.name,
            origin,
            label,
            meaning: types::meaning(field.type_oid),
        };
        self.session.net().column(known, kind)
    }

    /// A description of columns as the agent gets it; the fields get the same names.
    fn named(&mut self, raw: &Raw, fields: &mut [Field]) -> Vec<u8> {
        if netted::names(self.session.net(), fields) {
            encode::row_description(fields)
        } else {
            raw.bytes().to_vec()
        }
    }

    async fn row(&mut self, cells: Cells) -> Result<(), SessionError> {
        let masker = self.masker.as_mut().ok_or(SessionError::Unexpected)?;
        // As the proxy's own masks are counted: by the cells that are not NULL.
        for (place, mask) in &self.masked_there {
            if cells.get(*place).is_some_and(Option::is_some) {
                *self.counts.entry(mask.clone()).or_default() += 1;
            }
        }
        let mut frame = masker
            .row(cells, self.session.net())
            .map_err(|_| SessionError::Unexpected)?;
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
        self.complete().await?;
        self.frame_at_once(bytes).await
    }

    async fn frame_at_once(&mut self, bytes: Vec<u8>) -> Result<(), SessionError> {
        self.settle().await?;
        let size = bytes.len();
        self.push(Masked::framing(bytes), size).await
    }

    /// Adds what the masker of the last table masked to the counts of the command.
    fn count(&mut self) {
        if let Some(masker) = self.masker.take() {
            for (mask, cells) in masker.masked() {
                *self.counts.entry(mask.clone()).or_default() += cells;
            }
        }
    }
}

/// The tag of a statement that has committed its transaction, and may have begun another (`COMMIT AND CHAIN`).
const COMMITTED: &str = "COMMIT";

/// Rows that a statement of such a tag has changed (PostgreSQL documentation, "Message Formats", `CommandComplete`).
pub(crate) fn rows_changed(tag: &str) -> Option<u64> {
    let (command, rows) = tag.split_once(' ')?;
    matches!(command, "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "COPY")
        .then(|| rows.rsplit(' ').next()?.parse().ok())
        .flatten()
}

/// What is known of the next reply to an item.
fn expected(items: &VecDeque<Item>) -> Option<Expected> {
    items.front()?.expected.front().cloned()
}

/// The columns that were proven.
fn outputs(expected: Option<&Expected>) -> Option<&[Output]> {
    expected?.outputs.as_deref()
}

/// Why the next message is not simply the next.
pub(crate) enum End {
    Ready(TransactionStatus),
    /// A query has ended within a transaction of the proxy's own.
    Within,
    Fatal,
    CopyIn,
}

/// After an error the server passes over messages up to the `Sync`; after one of a `Query` it is ready at once.
fn pass_over(items: &mut VecDeque<Item>) {
    if items.front().is_some_and(|item| item.answer == Answer::Query) {
        return;
    }
    let mut query = false;
    while let Some(item) = items.front_mut() {
        match item.answer {
            Answer::Sync => return,
            Answer::OwnSync => {
                // The `Query` that it follows was passed over, so the agent waits for this answer.
                if query {
                    item.answer = Answer::Sync;
                }
                return;
            }
            answer => query |= answer == Answer::Query,
        }
        items.pop_front();
    }
}

/// The proxy reads statements and values by these settings. Gives the encoding, where that is what the server tells of.
pub(crate) fn check_setting(name: &str, value: &str, masked: bool) -> Result<Option<Encoding>, SessionError> {
    match name {
        ENCODING => Encoding::held(value, masked).map(Some).ok_or(SessionError::Setting),
        STRINGS if value != "on" => Err(SessionError::Setting),
        _ => Ok(None),
    }
}
