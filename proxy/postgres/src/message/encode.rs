//! Writing of messages: the few that the proxy makes itself, and rows.

use exhibit_schemas::event::access::Frame;

use super::backend::Field;

/// A message of that tag and body.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend(length_of(body.len() + 4));
    bytes.extend_from_slice(body);
    bytes
}

/// `Parse`: the name, the text, and the types of parameters.
pub fn parse(name: &str, sql: &str, types: &[u32]) -> Vec<u8> {
    let count = u16::try_from(types.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut body = [name.as_bytes(), &[0], sql.as_bytes(), &[0], &count].concat();
    body.extend(types.iter().flat_map(|oid| oid.to_be_bytes()));
    message(b'P', &body)
}

/// `ParameterDescription`: the types of a statement's parameters.
pub fn parameter_description(types: &[u32]) -> Vec<u8> {
    let count = u16::try_from(types.len()).unwrap_or(u16::MAX).to_be_bytes();
    let types = types.iter().flat_map(|oid| oid.to_be_bytes());
    message(b't', &count.into_iter().chain(types).collect::<Vec<_>>())
}

/// A message without a tag, as at start-up.
pub fn untagged(body: &[u8]) -> Vec<u8> {
    let mut bytes = length_of(body.len() + 4).to_vec();
    bytes.extend_from_slice(body);
    bytes
}

/// The wire form of a frame. A row is one `DataRow`: the number of cells, and each cell with its length before it.
pub fn frame(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_frame(frame, &mut bytes);
    bytes
}

/// The same behind what is there already.
pub fn put_frame(frame: &Frame, bytes: &mut Vec<u8>) {
    let cells = match frame {
        Frame::Verbatim(verbatim) => return bytes.extend_from_slice(&verbatim.0),
        Frame::Row(cells) => cells,
    };
    let values: usize = cells.iter().flatten().map(|value| value.0.len()).sum();
    let body = 2 + 4 * cells.len() + values;
    bytes.reserve(body + 5);
    bytes.push(b'D');
    bytes.extend(length_of(body + 4));
    let count = u16::try_from(cells.len()).unwrap_or(u16::MAX);
    bytes.extend(count.to_be_bytes());
    for cell in cells {
        match cell {
            None => bytes.extend((-1_i32).to_be_bytes()),
            Some(value) => {
                bytes.extend(length_of(value.0.len()));
                bytes.extend_from_slice(&value.0);
            }
        }
    }
}

/// `RowDescription` of these columns.
pub fn row_description(fields: &[Field]) -> Vec<u8> {
    let count = u16::try_from(fields.len()).unwrap_or(u16::MAX);
    let mut body = count.to_be_bytes().to_vec();
    for field in fields {
        body.extend(field.name.bytes().filter(|byte| *byte != 0));
        body.push(0);
        body.extend(field.relation.to_be_bytes());
        body.extend(field.attribute.to_be_bytes());
        body.extend(field.type_oid.to_be_bytes());
        body.extend(field.size.to_be_bytes());
        body.extend(field.modifier.to_be_bytes());
        body.extend(u16::from(field.binary).to_be_bytes());
    }
    message(b'T', &body)
}

/// What an error or notice says; texts of the proxy's own, or cut down to what may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `ERROR`, `FATAL`, `NOTICE`, ...
    pub severity: &'static str,
    /// SQLSTATE.
    pub code: String,
    /// The primary message.
    pub text: String,
    /// Character of the statement, where the error is about one.
    pub position: Option<u32>,
}

impl Report {
    /// An error of one command.
    pub fn error(code: &str, text: impl Into<String>) -> Self {
        Self {
            severity: "ERROR",
            code: code.to_owned(),
            text: text.into(),
            position: None,
        }
    }

    /// An error that ends the session.
    pub fn fatal(code: &str, text: impl Into<String>) -> Self {
        Self {
            severity: "FATAL",
            ..Self::error(code, text)
        }
    }

    /// `ErrorResponse`.
    pub fn response(&self) -> Vec<u8> {
        message(b'E', &self.fields())
    }

    /// `NoticeResponse`.
    pub fn notice(&self) -> Vec<u8> {
        message(b'N', &self.fields())
    }

    fn fields(&self) -> Vec<u8> {
        let position = self.position.map(|position| position.to_string());
        let fields = [
            (b'S', Some(self.severity)),
            (b'V', Some(self.severity)),
            (b'C', Some(self.code.as_str())),
            (b'M', Some(self.text.as_str())),
            (b'P', position.as_deref()),
        ];
        let mut body = Vec::new();
        for (field, text) in fields {
            if let Some(text) = text {
                body.push(field);
                // A zero byte would end the field.
                body.extend(text.bytes().filter(|byte| *byte != 0));
                body.push(0);
            }
        }
        body.push(0);
        body
    }
}

fn length_of(length: usize) -> [u8; 4] {
    // Bodies are bounded by the limits of messages, far below this.
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}
