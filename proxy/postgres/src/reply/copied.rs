//! What is copied out on its way to the agent: as it is where no column has a mask and no net holds, row by row otherwise. Where
//! a column names patients, rows are read in any case.
//!
//! Not here: the formats of rows (see [`crate::copy`]).

use exhibit_policy::mask::RowMasker;
use exhibit_schemas::event::access::Frame;

use super::Replies;
use super::window::CHUNK_BYTES;
use crate::analysis::{Copy, CopyForm as Form};
use crate::config::Masking;
use crate::copy::CopyMasker;
use crate::group::Expected;
use crate::message::Raw;
use crate::message::backend::Field;
use crate::netted;
use crate::session::SessionError;

/// What is copied out.
pub(super) enum Copying {
    /// No column has a mask, and no net holds; and whether the next message is a line of names.
    Whole(RowMasker, bool),
    /// The same, and some column names the patients whose records the rows are: they are read, and leave as they are.
    Seen(CopyMasker),
    /// At least one has a mask, or one holds.
    Rows(CopyMasker),
}

impl Replies<'_> {
    /// Copying out begins: where masks hold, and where the proxy could ask, the columns were asked for before.
    pub(super) async fn copy_out(
        &mut self,
        raw: &Raw,
        binary: bool,
        columns: usize,
        copy: Option<Copy>,
        expected: Option<&Expected>,
    ) -> Result<(), SessionError> {
        let key = self.session.gate().mask_key().clone();
        let netted = !self.session.net().is_empty();
        // Where the database masks, what it copies out is masked.
        let hides = self.masked() && self.masking.by == Masking::Proxy;
        let form = copy.as_ref().and_then(|copy| copy.form.as_ref());
        let heading = form.is_some_and(Form::has_names);
        let probed = self.probed.take();
        if !hides && !netted && (probed.is_none() || form.is_none()) {
            let masker = RowMasker::new(Vec::new(), key).identified(self.unidentified());
            self.copying = Some(Copying::Whole(masker, heading));
            return self.frame(raw.bytes().to_vec()).await;
        }
        let copy = copy.ok_or(SessionError::Origin)?;
        let (names, masker) = match probed {
            Some(fields) => self.copied_columns(fields, binary, columns, &copy, expected).await?,
            None if hides => return Err(SessionError::Origin),
            // Nobody could be asked: cells of columns of which nothing is known.
            None => {
                let masker = RowMasker::new(vec![None; columns], key).identified(self.unidentified());
                (vec![String::new(); columns], masker)
            }
        };
        let rows = netted || masker.columns().iter().any(Option::is_some);
        self.copying = Some(match copy.form {
            Some(form) if rows => Copying::Rows(CopyMasker::new(&form, &names, masker)),
            None if rows => return Err(SessionError::Origin),
            Some(form) if masker.identifies() => Copying::Seen(CopyMasker::new(&form, &names, masker)),
            // Its rows are counted, and where it is not known how they are written, nobody reads whose they are.
            Some(_) | None => Copying::Whole(masker, heading),
        });
        self.frame(raw.bytes().to_vec()).await
    }

    /// The columns of what is copied out, as the server described them for the statement that stands for it.
    async fn copied_columns(
        &mut self,
        fields: Vec<Field>,
        binary: bool,
        columns: usize,
        copy: &Copy,
        expected: Option<&Expected>,
    ) -> Result<(Vec<String>, RowMasker), SessionError> {
        // `COPY` of a relation leaves its generated columns out.
        let kept = fields
            .into_iter()
            .filter(|field| !copy.whole_relation || !self.masking.generated(field));
        let mut kept: Vec<Field> = kept.map(|field| Field { binary, ..field }).collect();
        if kept.len() != columns {
            return Err(SessionError::Origin);
        }
        super::Masking::agrees(&kept, super::outputs(expected))?;
        let names = kept.iter().map(|field| field.name.clone()).collect();
        netted::names(self.session.net(), &mut kept);
        let (described, masker) = self.described(&kept, expected)?;
        if !self.frames.is_empty() || self.columns.is_some() {
            self.release().await?;
        }
        self.columns = Some(described);
        Ok((names, masker))
    }

    pub(super) async fn copied(&mut self, raw: &Raw) -> Result<(), SessionError> {
        match self.copying.as_mut().ok_or(SessionError::Unexpected)? {
            Copying::Whole(_, heading) => {
                let is_heading = std::mem::take(heading);
                self.whole_rows += u64::from(!is_heading && has_row(raw.body()));
                self.whole.extend_from_slice(raw.bytes());
                if self.whole.len() >= CHUNK_BYTES {
                    self.settle().await?;
                }
                Ok(())
            }
            Copying::Seen(masker) => {
                let frame = masker.seen(raw, self.session.net())?;
                self.push(frame, raw.bytes().len()).await
            }
            Copying::Rows(masker) => {
                for frame in masker.take(raw.body(), self.session.net())? {
                    let size = match frame.get() {
                        Frame::Verbatim(bytes) => bytes.0.len(),
                        Frame::Row(_) => return Err(SessionError::Unexpected),
                    };
                    self.push(frame, size).await?;
                }
                Ok(())
            }
        }
    }

    /// Messages that were copied out since become one frame, before anything else does.
    pub(super) async fn settle(&mut self) -> Result<(), SessionError> {
        let bytes = std::mem::take(&mut self.whole);
        let rows = std::mem::take(&mut self.whole_rows);
        if let Some(Copying::Whole(masker, _)) = &self.copying
            && !bytes.is_empty()
        {
            let size = bytes.len();
            let frame = masker
                .whole(bytes, rows, None, self.session.net())
                .map_err(|_| SessionError::Unexpected)?;
            self.push(frame, size).await?;
        }
        Ok(())
    }

    pub(super) async fn copied_out(&mut self) -> Result<(), SessionError> {
        self.settle().await?;
        self.masker = Some(match self.copying.take().ok_or(SessionError::Unexpected)? {
            Copying::Whole(masker, _) => masker,
            Copying::Seen(masker) | Copying::Rows(masker) => masker.end()?,
        });
        self.plain(b'c').await?;
        Ok(())
    }
}

/// What the binary format begins with, before flags and the length of an extension (`BinarySignature` of `copyto.c`).
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Bytes of the binary format's header.
const HEADER_BYTES: usize = SIGNATURE.len() + 8;

/// What the binary format ends with.
const TRAILER: [u8; 2] = [0xff, 0xff];

/// Whether a message that was copied out has a row: the server sends one to a message, the binary format's header with the
/// first, and its trailer by itself.
fn has_row(body: &[u8]) -> bool {
    let header = if body.starts_with(SIGNATURE) { HEADER_BYTES } else { 0 };
    body.get(header..)
        .is_some_and(|rest| !rest.is_empty() && rest != TRAILER)
}
