//! Errors as S3 tells them: a status and a short XML document.
//!
//! Specification: "Error responses" of the Amazon S3 API reference ("REST error responses").
//!
//! ```xml
//! <?xml version="1.0" encoding="UTF-8"?>
//! <Error><Code>AccessDenied</Code><Message>…</Message><RequestId>…</RequestId></Error>
//! ```
//!
//! `Resource` is left out, as the key of an object is data.
//!
//! Not here: what a store answers, which passes as it is.

use std::fmt::Write as _;

use crate::address::AddressError;
use crate::operation::OperationError;
use crate::signature::code::Code;

/// An error of the gateway's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// S3's name of it.
    pub code: Code,
    /// What to do, without values.
    pub message: String,
}

impl Failure {
    /// The document. A `HEAD` is answered by the status alone.
    pub fn xml(&self, request_id: &str) -> String {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
        let parts = [
            ("Code", self.code.as_str()),
            ("Message", self.message.as_str()),
            ("RequestId", request_id),
        ];
        for (name, text) in parts {
            let _ = write!(xml, "<{name}>{}</{name}>", escaped(text)); // a String takes everything
        }
        xml.push_str("</Error>");
        xml
    }
}

impl From<AddressError> for Failure {
    fn from(error: AddressError) -> Self {
        let code = match error {
            AddressError::Bucket | AddressError::Reserved => Code::InvalidBucketName,
            AddressError::KeyLength => Code::KeyTooLong,
            AddressError::KeyText | AddressError::KeyNul | AddressError::KeyEmpty | AddressError::KeyPath => {
                Code::InvalidUri
            }
            AddressError::Host => Code::InvalidRequest,
            AddressError::Source | AddressError::SourceKey => Code::InvalidArgument,
        };
        Self {
            code,
            message: error.to_string(),
        }
    }
}

impl From<OperationError> for Failure {
    fn from(error: OperationError) -> Self {
        let code = match error {
            OperationError::Method { .. } => Code::MethodNotAllowed,
            OperationError::Selectors { .. } | OperationError::Parameter { .. } => Code::NotImplemented,
            OperationError::Repeated { .. } | OperationError::Value { .. } | OperationError::Missing { .. } => {
                Code::InvalidArgument
            }
        };
        Self {
            code,
            message: error.to_string(),
        }
    }
}

/// A text as XML has it; what XML 1.0 has no way to write is U+FFFD (its section 2.2).
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => escaped.push(character),
            // A carriage return that stands there is read as a line feed.
            '\r' => escaped.push_str("&#13;"),
            _ => escaped.push('\u{fffd}'),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::Failure;
    use crate::address::AddressError;
    use crate::signature::code::Code;

    #[test]
    fn an_error_is_the_document_that_clients_of_s3_read() {
        let failure = Failure {
            code: Code::AccessDenied,
            message: "a <b> & \"c\"\r\u{0}]]>".to_owned(),
        };
        let xml = failure.xml("r-1");
        assert_eq!(
            xml,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code><Message>a &lt;b&gt; &amp; \"c\"&#13;\u{fffd}]]&gt;</Message>\
             <RequestId>r-1</RequestId></Error>"
        );
    }

    #[test]
    fn a_bad_name_is_told_by_the_code_that_clients_know() {
        let failure = Failure::from(AddressError::Bucket);
        assert_eq!((failure.code, failure.code.status()), (Code::InvalidBucketName, 400));
        assert_eq!(Failure::from(AddressError::KeyLength).code.as_str(), "KeyTooLongError");
    }
}
