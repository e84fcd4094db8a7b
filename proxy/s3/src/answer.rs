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
use crate::chunked::BodyError;
use crate::headers::HeaderError;
use crate::operation::OperationError;
use crate::signature::SignatureError;
use crate::signature::code::Code;

/// An error of the gateway's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// S3's name of it.
    pub code: Code,
    /// What to do, without values.
    pub message: String,
    /// The region that is expected, where the request named another: clients of several regions go by it.
    pub region: Option<String>,
}

impl Failure {
    /// Of what policy or people do not let pass.
    pub(crate) fn denied(message: String) -> Self {
        Self {
            code: Code::AccessDenied,
            message,
            region: None,
        }
    }

    /// Of an operation that is never passed on.
    pub(crate) fn refused(operation: &str, why: &str) -> Self {
        Self {
            code: Code::NotImplemented,
            message: format!("{operation} is not served: {why}"),
            region: None,
        }
    }

    /// Of a store that does not answer as stores do, or evidence that cannot be had.
    pub(crate) fn unavailable(message: String) -> Self {
        Self {
            code: Code::ServiceUnavailable,
            message,
            region: None,
        }
    }

    /// The document. A `HEAD` is answered by the status alone.
    pub fn xml(&self, request_id: &str) -> String {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
        let parts = [
            ("Code", self.code.as_str()),
            ("Message", self.message.as_str()),
            ("RequestId", request_id),
        ];
        let region = self.region.as_deref().map(|region| ("Region", region));
        for (name, text) in parts.into_iter().chain(region) {
            let _ = write!(xml, "<{name}>{}</{name}>", escaped(text)); // a String takes everything
        }
        xml.push_str("</Error>");
        xml
    }
}

impl From<SignatureError> for Failure {
    fn from(error: SignatureError) -> Self {
        let code = error.code();
        let message = error.to_string();
        let region = match error {
            SignatureError::Region { expected, .. } => Some(expected),
            _ => None,
        };
        Self { code, message, region }
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
            region: None,
        }
    }
}

impl From<HeaderError> for Failure {
    fn from(error: HeaderError) -> Self {
        let code = match error {
            HeaderError::Unknown { .. } | HeaderError::Refused { .. } => Code::NotImplemented,
            HeaderError::Repeated { .. } => Code::InvalidArgument,
        };
        Self {
            code,
            message: error.to_string(),
            region: None,
        }
    }
}

impl From<AddressError> for Failure {
    fn from(error: AddressError) -> Self {
        let code = match error {
            AddressError::Bucket | AddressError::Reserved => Code::InvalidBucketName,
            AddressError::KeyLength => Code::KeyTooLong,
            AddressError::KeyText | AddressError::KeyXml | AddressError::KeyEmpty | AddressError::KeyPath => {
                Code::InvalidUri
            }
            AddressError::Host => Code::InvalidRequest,
            AddressError::Source | AddressError::SourceKey => Code::InvalidArgument,
        };
        Self {
            code,
            message: error.to_string(),
            region: None,
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
            region: None,
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
    use crate::signature::{Carrier, SignatureError};

    #[test]
    fn an_error_is_the_document_that_clients_of_s3_read() {
        let failure = Failure {
            code: Code::AccessDenied,
            message: "a <b> & \"c\"\r\u{0}]]>".to_owned(),
            region: None,
        };
        let xml = failure.xml("r-1");
        assert_eq!(
            xml,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code><Message>a &lt;b&gt; &amp; \"c\"&#13;\u{fffd}]]&gt;</Message>\
             <RequestId>r-1</RequestId></Error>"
        );
    }

    #[test]
    fn who_signs_for_another_region_is_told_which() {
        let error = SignatureError::Region {
            carrier: Carrier::Header,
            sent: "us-east-1".to_owned(),
            expected: "eu-central-1".to_owned(),
        };
        let xml = Failure::from(error).xml("r-1");
        assert!(xml.contains("<Code>AuthorizationHeaderMalformed</Code>"), "{xml}");
        assert!(
            xml.ends_with("<RequestId>r-1</RequestId><Region>eu-central-1</Region></Error>"),
            "{xml}"
        );
    }

    #[test]
    fn a_bad_name_is_told_by_the_code_that_clients_know() {
        let failure = Failure::from(AddressError::Bucket);
        assert_eq!((failure.code, failure.code.status()), (Code::InvalidBucketName, 400));
        assert_eq!(Failure::from(AddressError::KeyLength).code.as_str(), "KeyTooLongError");
    }
}
