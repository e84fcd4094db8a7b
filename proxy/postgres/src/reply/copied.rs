//! What is copied out on its way to the agent: as it is where no column has a mask, row by row where one has.
//!
//! Not here: the formats of rows (see [`crate::copy`]).

use exhibit_policy::mask::RowMasker;
use exhibit_schemas::event::access::Frame;

use super::{CHUNK_BYTES, Replies};
use crate::analysis::Copy;
use crate::config::Masking;
use crate::copy::CopyMasker;
use crate::message::Raw;
use crate::session::SessionError;

/// What is copied out.
pub(super) enum Copying {
    /// No column has a mask.
    Whole(RowMasker),
    /// At least one has.
    Rows(CopyMasker),
}

impl Replies<'_> {
    /// Copying out begins: where masks hold, the columns were asked for before.
    pub(super) async fn copy_out(
        &mut self,
        raw: &Raw,
        binary: bool,
        columns: usize,
        copy: Option<Copy>,
    ) -> Result<(), SessionError> {
        let key = self.session.gate().mask_key().clone();
        // Where the database masks, what it copies out is masked.
        if !self.masked() || self.masking.by == Masking::Database {
            self.copying = Some(Copying::Whole(RowMasker::new(Vec::new(), key)));
            return self.frame(raw.bytes().to_vec()).await;
        }
        let (Some(fields), Some(copy)) = (self.probed.take(), copy) else {
            return Err(SessionError::Origin);
        };
        let mut described = Vec::new();
        let mut masks = Vec::new();
        let mut names = Vec::new();
        for mut field in fields {
            // `COPY` of a relation leaves its generated columns out.
            if copy.whole_relation && self.masking.generated(&field) {
                continue;
            }
            field.binary = binary;
            let (column, mask) = self.masking.column(&field)?;
            names.push(field.name);
            described.push(column);
            masks.push(mask);
        }
        if names.len() != columns {
            return Err(SessionError::Origin);
        }
        if !self.frames.is_empty() || self.columns.is_some() {
            self.release().await?;
        }
        self.columns = Some(described);
        let hides = masks.iter().any(Option::is_some);
        let masker = RowMasker::new(masks, key);
        self.copying = Some(if hides {
            let form = copy.form.ok_or(SessionError::Origin)?;
            Copying::Rows(CopyMasker::new(&form, &names, masker))
        } else {
            Copying::Whole(masker)
        });
        self.frame(raw.bytes().to_vec()).await
    }

    pub(super) async fn copied(&mut self, raw: &Raw) -> Result<(), SessionError> {
        match self.copying.as_mut().ok_or(SessionError::Unexpected)? {
            Copying::Whole(_) => {
                self.whole.extend_from_slice(raw.bytes());
                if self.whole.len() >= CHUNK_BYTES {
                    self.settle().await?;
                }
                Ok(())
            }
            Copying::Rows(masker) => {
                for frame in masker.take(raw.body())? {
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
        if let Some(Copying::Whole(masker)) = &self.copying
            && !bytes.is_empty()
        {
            let size = bytes.len();
            let frame = masker.whole(bytes).map_err(|_| SessionError::Unexpected)?;
            self.push(frame, size).await?;
        }
        Ok(())
    }

    pub(super) async fn copied_out(&mut self) -> Result<(), SessionError> {
        self.settle().await?;
        self.masker = Some(match self.copying.take().ok_or(SessionError::Unexpected)? {
            Copying::Whole(masker) => masker,
            Copying::Rows(masker) => masker.end()?,
        });
        self.plain(b'c').await?;
        Ok(())
    }
}
