//! Strict reading of the parts of a message: integers, strings, lengths. Every reader ends with [`Reader::end`].

use super::MessageError;

/// The rest of a message's body.
#[derive(Debug)]
pub struct Reader<'a> {
    tag: u8,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads the body of a message with that tag.
    pub fn new(tag: u8, body: &'a [u8]) -> Self {
        Self { tag, rest: body }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`MessageError::Shape`] when there are not as many.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], MessageError> {
        let split = self.rest.split_at_checked(count);
        let (taken, rest) = split.ok_or(self.shape("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`MessageError::Shape`].
    pub fn byte(&mut self) -> Result<u8, MessageError> {
        self.take(1).map(|bytes| bytes.first().copied().unwrap_or_default())
    }

    /// Two bytes, signed.
    ///
    /// # Errors
    /// [`MessageError::Shape`].
    pub fn int16(&mut self) -> Result<i16, MessageError> {
        let bytes = self.take(2)?;
        bytes
            .try_into()
            .map(i16::from_be_bytes)
            .map_err(|_| self.shape("it ends too early"))
    }

    /// Four bytes, signed.
    ///
    /// # Errors
    /// [`MessageError::Shape`].
    pub fn int32(&mut self) -> Result<i32, MessageError> {
        let bytes = self.take(4)?;
        bytes
            .try_into()
            .map(i32::from_be_bytes)
            .map_err(|_| self.shape("it ends too early"))
    }

    /// Four bytes, unsigned: the number of an object.
    ///
    /// # Errors
    /// [`MessageError::Shape`].
    pub fn oid(&mut self) -> Result<u32, MessageError> {
        self.int32().map(i32::cast_unsigned)
    }

    /// Two bytes, unsigned: a count of columns or parameters.
    ///
    /// # Errors
    /// [`MessageError::Shape`].
    pub fn count(&mut self) -> Result<usize, MessageError> {
        self.int16().map(|count| usize::from(count.cast_unsigned()))
    }

    /// A value with its length before it; `None` is NULL.
    ///
    /// # Errors
    /// [`MessageError::Shape`].
    pub fn value(&mut self) -> Result<Option<&'a [u8]>, MessageError> {
        match self.int32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| self.shape("a length is below zero"))?;
                self.take(length).map(Some)
            }
        }
    }

    /// A string up to its zero byte.
    ///
    /// # Errors
    /// [`MessageError::Shape`], also when it is not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, MessageError> {
        std::str::from_utf8(self.string()?).map_err(|_| self.shape("a string is not UTF-8"))
    }

    /// A string in whatever encoding the agent has: UTF-8, or each byte for a letter.
    ///
    /// # Errors
    /// [`MessageError::Shape`].
    pub fn any_text(&mut self) -> Result<String, MessageError> {
        let bytes = self.string()?;
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().copied().map(char::from).collect(),
        })
    }

    /// The bytes of a string.
    ///
    /// # Errors
    /// [`MessageError::Shape`].
    pub fn string(&mut self) -> Result<&'a [u8], MessageError> {
        let end = self.rest.iter().position(|byte| *byte == 0);
        let end = end.ok_or(self.shape("a string has no end"))?;
        let text = self.take(end)?;
        self.take(1)?;
        Ok(text)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Proves that nothing is left.
    ///
    /// # Errors
    /// [`MessageError::Shape`].
    pub fn end(self) -> Result<(), MessageError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.shape("bytes follow its end"))
        }
    }

    /// The error of a message that is not as it must be.
    pub fn shape(&self, what: &'static str) -> MessageError {
        MessageError::Shape { tag: self.tag, what }
    }
}

/// A stated length, within its limit.
///
/// # Errors
/// [`MessageError::Length`].
pub fn length(bytes: &[u8], limit: usize) -> Result<usize, MessageError> {
    let stated = bytes.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let broken = MessageError::Length { length: stated, limit };
    match usize::try_from(stated) {
        Ok(length) if (4..=limit).contains(&length) => Ok(length),
        _ => Err(broken),
    }
}
