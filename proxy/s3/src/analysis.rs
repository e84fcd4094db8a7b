//! What a signed request asks for: its operation, what that does to which resources, and the request that a store would get for it.
//!
//! ```text
//! Signed, Head ─▶ Asked { operation, address, facts, statement } ─▶ Outgoing: path style, written anew, no header that is not known
//! ```
//!
//! A store gets nothing of the agent's own bytes: path, parameters and the source of a copy are written from what was read, and
//! headers are those that the operation has and a list of HTTP's own.
//!
//! Not here: bodies but their declaration, whether anybody may do it (the gate), and how objects are masked ([`crate::reading`]).

use std::collections::BTreeMap;

use exhibit_schemas::event::access::{Access, Action, Attribute, Facts};

use crate::address::{Address, Source};
use crate::answer::Failure;
use crate::headers;
use crate::operation::{Body, Operation};
use crate::reading::Range;
use crate::signature::code::Code;
use crate::signature::head::Head;
use crate::signature::payload::Payload;
use crate::signature::target::{Parameter, Target};
use crate::signature::{Carrier, Signed};
use crate::xml::{Deleted, Deletion};

/// Headers of HTTP itself that go on to a store. All others without `x-` end here: they are hops' own, or say nothing to a store.
const PASSED: [&str; 13] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "expires",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
];

/// Headers of S3 that end here: they are of the agent's signature and of how its body was framed.
const ENDED: [&str; 7] = [
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-trailer",
    "x-amz-user-agent",
];

/// The coding that a body in chunks has, which no store gets.
const FRAMING: &str = "aws-chunked";

/// Parameters whose values are shown as they are: words and numbers of the protocol.
const PLAIN: [&str; 8] = [
    "encoding-type",
    "fetch-owner",
    "list-type",
    "max-keys",
    "max-parts",
    "max-uploads",
    "part-number-marker",
    "partNumber",
];

/// Parameters whose values are names of objects, or begin as such do, or are ids of a store's own that an agent may write otherwise.
const NAMES: [&str; 8] = [
    "delimiter",
    "key-marker",
    "marker",
    "prefix",
    "start-after",
    "uploadId",
    "version-id-marker",
    "versionId",
];

/// Parameters that say where a list goes on: names of objects, which may hold a line end.
const LISTED: [&[u8]; 8] = [
    b"continuation-token",
    b"delimiter",
    b"key-marker",
    b"marker",
    b"prefix",
    b"start-after",
    b"upload-id-marker",
    b"version-id-marker",
];

/// Bytes of a configuration that are shown at the most; with more, what people are asked is cut, and says so.
const SHOWN_BYTES_MAX: usize = 24 << 10;

/// Versions that a statement names at the most.
const VERSIONS_SHOWN_MAX: usize = 100;

/// How much of a request's document is shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// All of it.
    Whole,
    /// Its beginning.
    InPart,
    /// What it says stands in accesses and facts, or there is none.
    AsFacts,
}

/// A text in one line, with runs of blanks as one: nothing can be pushed out of sight.
fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How much of a body an operation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// None.
    Nothing,
    /// A document, which is read before anything is decided.
    Document,
    /// An object, which streams.
    Object,
}

impl Operation {
    /// What body it has.
    pub(crate) const fn content(self) -> Content {
        match self {
            Self::PutObject | Self::UploadPart => Content::Object,
            _ if self.has_document() => Content::Document,
            _ => Content::Nothing,
        }
    }
}

/// A request to a store before it has a host, a signature and a body.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) method: String,
    pub(crate) target: Target,
    /// Names in small letters, ascending, each once.
    pub(crate) headers: BTreeMap<String, Vec<u8>>,
}

impl Outgoing {
    /// What the store would get, but for what every request of ours has anew: the bytes that are decided about. `declared` is what
    /// the agent's signature says of its body.
    pub(crate) fn exact(&self, declared: Payload, body: Option<&[u8]>) -> Vec<u8> {
        let mut exact = format!("{} {}", self.method, self.target.canonical_path()).into_bytes();
        let query = self.target.canonical_query();
        if !query.is_empty() {
            exact.push(b'?');
            exact.extend(query.as_bytes());
        }
        exact.push(b'\n');
        for (name, value) in &self.headers {
            exact.extend([name.as_bytes(), b":", value, b"\n"].concat());
        }
        // A body that streams is part of the command only where the agent said before which one it is.
        if let (Payload::Sha256(_), None) = (declared, body) {
            exact.extend(format!("x-amz-content-sha256:{}\n", declared.as_text()).as_bytes());
        }
        exact.push(b'\n');
        exact.extend(body.unwrap_or_default());
        exact
    }
}

impl Outgoing {
    /// The value of a parameter; `None` where it has none, or several.
    pub(crate) fn parameter(&self, name: &str) -> Option<&[u8]> {
        let mut values = self
            .target
            .parameters()
            .iter()
            .filter(|parameter| parameter.name == name.as_bytes());
        let first = values.next()?;
        values.next().is_none().then_some(first.value.as_slice())
    }

    /// Replaces the value of a parameter that is there.
    pub(crate) fn set_parameter(&mut self, name: &str, value: &[u8]) {
        self.target.set(name, value);
    }

    /// Reads the exact bytes of a command again; gives the body, too.
    pub(crate) fn read(exact: &[u8]) -> Option<(Self, &[u8])> {
        let line = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'\n');
        let (first, mut rest) = exact.split_at_checked(line(exact)?)?;
        rest = rest.get(1..)?;
        let (method, target) = str::from_utf8(first).ok()?.split_once(' ')?;
        let mut headers = BTreeMap::new();
        loop {
            let (header, after) = rest.split_at_checked(line(rest)?)?;
            rest = after.get(1..)?;
            if header.is_empty() {
                break;
            }
            let colon = header.iter().position(|byte| *byte == b':')?;
            let (name, value) = header.split_at_checked(colon)?;
            let name = str::from_utf8(name).ok()?.to_owned();
            // Of the agent's signature, and no header of ours.
            if !ENDED.contains(&name.as_str()) {
                headers.insert(name, value.get(1..)?.to_vec());
            }
        }
        let outgoing = Self {
            method: method.to_owned(),
            target: Target::parse(target).ok()?,
            headers,
        };
        Some((outgoing, rest))
    }
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Outgoing({})", self.method)
    }
}

/// What a request asks for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) operation: Operation,
    pub(crate) address: Address,
    /// Of a copy, what is copied.
    pub(crate) source: Option<Source>,
    pub(crate) facts: Facts,
    pub(crate) outgoing: Outgoing,
    /// Parameters and headers that a reader of the evidence has to know, without values that nobody may see.
    details: Vec<Detail>,
}

impl Asked {
    /// Reads a signed request. `hosts` are our own names.
    ///
    /// # Errors
    /// [`Failure`], where it is nothing that is served.
    pub(crate) fn read(signed: &Signed, head: &Head<'_>, hosts: &[String]) -> Result<Self, Failure> {
        let host = signed.header("host").unwrap_or_default();
        let address = Address::parse(host, hosts, signed.target())?;
        let source = head.text("x-amz-copy-source").map_err(Failure::from)?;
        let source = source.map(|text| Source::parse(text.as_bytes())).transpose()?;
        let body = match &source {
            Some(source) => Body::Copied(source),
            None if is_form(head) => Body::Form,
            None => Body::Own,
        };
        let operation = Operation::parse(signed.method(), address.level(), signed.target(), body)?;
        if operation == Operation::PostObject {
            return Err(Failure::refused(
                operation.as_str(),
                "forms of browsers are not; put the object instead",
            ));
        }
        if let Some(why) = operation.refused() {
            return Err(Failure::refused(operation.as_str(), why));
        }
        let mut parameters = signed.target().parameters().iter();
        let is_name = |parameter: &Parameter| LISTED.contains(&parameter.name.as_slice());
        if parameters.any(|parameter| !is_name(parameter) && parameter.value.iter().any(u8::is_ascii_control)) {
            // Stores write some of them into the head of their answer.
            return Err(Failure {
                code: Code::InvalidArgument,
                message: "a parameter of the query holds a control character".to_owned(),
                region: None,
            });
        }
        let actions = headers::actions(operation, head.headers)?;
        let outgoing = outgoing(signed, head, &address, source.as_ref())?;
        let mut accesses: Vec<Access> = Vec::new();
        for action in actions {
            // What a copy reads is its source; everything else is about where it goes.
            let read = operation.copies() && action == Action::Read;
            let resource = match &source {
                Some(source) if read => Some(source.resource()),
                _ => address.resource(),
            };
            accesses.push(Access(action, resource));
        }
        let mut attributes = attributes(operation, signed, &outgoing);
        if source.as_ref().is_some_and(|source| source.version.is_some()) {
            attributes.insert("version".to_owned(), Attribute::Bool(true));
        }
        Ok(Self {
            details: details(signed, operation, &outgoing),
            operation,
            address,
            source,
            facts: Facts {
                accesses,
                attributes,
                columns: None,
            },
            outgoing,
        })
    }

    /// The command as it may be read; `readable` shows a name that is data.
    pub(crate) fn statement(&self, document: Option<&[u8]>, readable: impl Fn(&str) -> String) -> String {
        let mut statement = self.operation.as_str().to_owned();
        if let Some(resource) = self.address.resource() {
            statement.push(' ');
            statement.push_str(&quoted(&readable(&resource)));
        }
        if let Some(source) = &self.source {
            statement.push_str(" from ");
            statement.push_str(&quoted(&readable(&source.resource())));
            if let Some(version) = &source.version {
                statement.push_str(" versionId=");
                statement.push_str(version);
            }
        }
        for parameter in self.outgoing.target.parameters() {
            statement.push(' ');
            statement.push_str(&shown(parameter, &readable));
        }
        for detail in &self.details {
            statement.push(' ');
            match detail {
                Detail::Plain(text) => statement.push_str(text),
                Detail::Named(name, value) => {
                    statement.push_str(name);
                    statement.push('=');
                    statement.push_str(&quoted(&readable(value)));
                }
            }
        }
        // What is configured is no data of any object, and people who are asked about it have to see it.
        if let Some(document) = document.filter(|document| self.shows(Some(document)) != Shown::AsFacts) {
            statement.push_str(" document=");
            let shown = document.get(..SHOWN_BYTES_MAX).unwrap_or(document);
            statement.push_str(&folded(&readable(&String::from_utf8_lossy(shown))));
            if shown.len() < document.len() {
                statement.push_str(" …");
            }
        }
        statement
    }

    /// How much of a document people see who are asked about it.
    pub(crate) fn shows(&self, document: Option<&[u8]>) -> Shown {
        let lists = matches!(
            self.operation,
            Operation::DeleteObjects | Operation::CompleteMultipartUpload
        );
        match document {
            None => Shown::AsFacts,
            Some(_) if lists => Shown::AsFacts,
            // What is no text is shown as something else, and longer.
            Some(document) if document.len() > SHOWN_BYTES_MAX || str::from_utf8(document).is_err() => Shown::InPart,
            Some(_) => Shown::Whole,
        }
    }

    /// Notes which versions a `DeleteObjects` names: the accesses have the keys alone.
    pub(crate) fn deletes(&mut self, deletion: &Deletion) {
        let versions = deletion
            .objects
            .iter()
            .filter_map(|Deleted { key, version }| Some((key, version.as_ref()?)));
        let versions: Vec<String> = versions
            .map(|(key, version)| format!("{} {version}", key.as_str()))
            .collect();
        let more = versions.len().saturating_sub(VERSIONS_SHOWN_MAX);
        let shown = versions.into_iter().take(VERSIONS_SHOWN_MAX);
        self.details
            .extend(shown.map(|version| Detail::Named("versionId", version)));
        if more > 0 {
            self.details.push(Detail::Plain(format!("and {more} versions more")));
        }
    }
}

impl Address {
    /// What policies and evidence call it: `bucket` or `bucket/key`; `None` for the service.
    pub(crate) fn resource(&self) -> Option<String> {
        match self {
            Self::Service => None,
            Self::Bucket(bucket) => Some(bucket.as_str().to_owned()),
            Self::Object(bucket, key) => Some(format!("{}/{}", bucket.as_str(), key.as_str())),
        }
    }
}

impl Source {
    /// What policies and evidence call it.
    pub(crate) fn resource(&self) -> String {
        format!("{}/{}", self.bucket.as_str(), self.key.as_str())
    }
}

/// A form of a browser.
fn is_form(head: &Head<'_>) -> bool {
    head.method == "POST"
        && head.values("content-type").any(|value| {
            value
                .trim_ascii()
                .to_ascii_lowercase()
                .starts_with(b"multipart/form-data")
        })
}

fn outgoing(signed: &Signed, head: &Head<'_>, address: &Address, source: Option<&Source>) -> Result<Outgoing, Failure> {
    let mut headers = BTreeMap::new();
    for (name, value) in head.headers {
        let name = name.to_ascii_lowercase();
        let goes_on = PASSED.contains(&name.as_str()) || name.starts_with("x-") && !ENDED.contains(&name.as_str());
        if !goes_on {
            continue;
        }
        let value = match name.as_str() {
            "x-amz-copy-source" => source.map(Source::header).unwrap_or_default().into_bytes(),
            "content-encoding" => match unframed(value) {
                Some(value) => value,
                None => continue,
            },
            _ => value.trim_ascii().to_vec(),
        };
        if headers.insert(name, value).is_some() {
            return Err(Failure {
                code: Code::InvalidArgument,
                message: "a header that is for the store is there more than once; send it once".to_owned(),
                region: None,
            });
        }
    }
    let parameters = signed.target().parameters().iter();
    // The operation that an SDK means is for whoever reads its requests.
    let parameters = parameters
        .filter(|parameter| parameter.name != b"x-id")
        .cloned()
        .collect();
    let target =
        Target::new(address.path(), parameters).map_err(|_| Failure::from(crate::address::AddressError::Host))?;
    Ok(Outgoing {
        method: signed.method().to_owned(),
        target,
        headers,
    })
}

/// A list of codings without that of the chunks; `None` where nothing is left.
fn unframed(value: &[u8]) -> Option<Vec<u8>> {
    let codings = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let kept: Vec<&[u8]> = codings
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(FRAMING.as_bytes()))
        .collect();
    (!kept.is_empty()).then(|| kept.join(&b","[..]))
}

fn attributes(operation: Operation, signed: &Signed, outgoing: &Outgoing) -> BTreeMap<String, Attribute> {
    let mut attributes = BTreeMap::new();
    let word = |text: &str| Attribute::Text(text.to_owned());
    attributes.insert("operation".to_owned(), word(operation.as_str()));
    attributes.insert(
        "presigned".to_owned(),
        Attribute::Bool(signed.carrier() == Carrier::Query),
    );
    let versioned = outgoing
        .target
        .parameters()
        .iter()
        .any(|parameter| parameter.name == b"versionId");
    attributes.insert("version".to_owned(), Attribute::Bool(versioned));
    attributes
}

/// Headers whose values say what people who are asked have to know.
const TOLD: [&str; 16] = [
    "x-amz-acl",
    "x-amz-bypass-governance-retention",
    "x-amz-copy-source-range",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-website-redirect-location",
];

/// What headers say that belongs to the command, and how many more there are.
fn details(signed: &Signed, operation: Operation, outgoing: &Outgoing) -> Vec<Detail> {
    let mut details = Vec::new();
    if let Some(range) = outgoing.headers.get("range") {
        // What is no range is one that nobody asked for.
        let text = str::from_utf8(range).ok().filter(|text| Range::parse(text).is_some());
        // What is wanted of one version alone may come as a whole.
        let text = text.filter(|_| !outgoing.headers.contains_key("if-range"));
        details.push(Detail::Plain(format!("range={}", text.unwrap_or("{text}"))));
    }
    for name in TOLD {
        if let Some(value) = outgoing.headers.get(name) {
            details.push(Detail::Named(name, String::from_utf8_lossy(value).into_owned()));
        }
    }
    let count = |prefix: &str| outgoing.headers.keys().filter(|name| name.starts_with(prefix)).count();
    for (prefix, word) in [("x-amz-meta-", "metadata"), ("x-amz-tagging", "tags")] {
        let count = count(prefix);
        if count > 0 {
            details.push(Detail::Plain(format!("{word}={count}")));
        }
    }
    if operation.content() == Content::Object {
        // A hash of content would tell content that can be guessed; that there is one says that the command is bound to it.
        let declared = matches!(signed.payload(), Payload::Sha256(_));
        let word = if declared {
            "content=declared"
        } else {
            "content=undeclared"
        };
        details.push(Detail::Plain(word.to_owned()));
    }
    details
}

/// A part of a statement.
#[derive(Debug)]
enum Detail {
    /// Words and numbers of the protocol.
    Plain(String),
    /// A value that somebody chose, which is shown as names are.
    Named(&'static str, String),
}

/// A parameter as it may be read.
fn shown(parameter: &Parameter, readable: &impl Fn(&str) -> String) -> String {
    // Every name was found in the table of operations.
    let name = String::from_utf8_lossy(&parameter.name);
    match str::from_utf8(&parameter.value) {
        Ok("") => name.into_owned(),
        Ok(value) if PLAIN.contains(&name.as_ref()) && is_plain(value) => format!("{name}={value}"),
        Ok(value) if NAMES.contains(&name.as_ref()) => format!("{name}={}", quoted(&readable(value))),
        _ => format!("{name}={{text}}"),
    }
}

/// A name as a statement has it: in quotes where it holds what would pass for more of the statement.
fn quoted(name: &str) -> String {
    let imitates = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '"';
    if name.contains(imitates) {
        format!("{name:?}")
    } else {
        name.to_owned()
    }
}

fn is_plain(value: &str) -> bool {
    value.len() <= 16 && value.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
