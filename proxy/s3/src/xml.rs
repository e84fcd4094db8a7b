//! What stores answer in XML: every text in it goes through the session's net, and tags of masked objects in lists are replaced. All
//! other bytes stay as they are.
//!
//! Specification: XML 1.0; answers of S3 have no document type and no entities but its own five.
//!
//! Not here: documents that agents send, but for the keys of `DeleteObjects`.

use std::ops::Range;

use exhibit_policy::net::{Channel, SessionNet};
use roxmltree::{Document, Node, ParsingOptions};

use crate::address::{Bucket, Key};
use crate::answer::escaped;
use crate::signature::target::Target;

/// Bytes of a document at the most: a list of a thousand keys with their versions has some 2 MiB.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 16 << 20;

/// How deep elements stand in each other at the most; answers of S3 have 5 levels.
const DEPTH_MAX: usize = 16;

/// Attributes of one element, and namespaces that one declares, at the most: a grantee in an answer of S3 has `xmlns:xsi` and `xsi:type`, and a
/// parser compares each with all others.
const ATTRIBUTES_MAX: usize = 8;
const NAMESPACES_MAX: usize = 3;

/// Elements, attributes and texts of a document at the most; a list of a thousand versions has some 30,000.
const NODES_MAX: u32 = 400_000;

/// Objects that one `DeleteObjects` names at the most (`DeleteObjects` of the API reference).
const DELETED_MAX: usize = 1_000;

/// Bytes of its document at the most: a thousand keys of 1,024 letters with their versions.
const DELETION_BYTES_MAX: usize = 3 << 20;

/// Why a document is not taken. Nothing of it is repeated.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub(crate) enum XmlError {
    /// It is no XML.
    #[error("it is no well-formed XML without a document type")]
    Form,
    /// It is not what it has to be.
    #[error("it is no list of 1 to {DELETED_MAX} objects, each with a key and perhaps a version")]
    Deleted,
}

/// What a text stands for.
pub(crate) struct Place<'a> {
    /// The element that it is in.
    pub(crate) element: &'a str,
    /// The key that stands beside it, where one does.
    pub(crate) key: Option<String>,
    /// The key with which the next page begins, where it stands beside it.
    pub(crate) next_key: Option<String>,
    /// The time that stands beside it, where one does.
    pub(crate) modified: Option<String>,
}

/// The document with every text through the net; `instead` says first what stands in the place of one, or that it stays.
///
/// # Errors
/// [`XmlError::Form`].
pub(crate) fn netted(
    document: &[u8],
    net: &mut SessionNet,
    channel: Channel,
    mut instead: impl FnMut(&Place<'_>, &str) -> Option<String>,
) -> Result<Vec<u8>, XmlError> {
    let parsed = parse(document)?;
    let mut edits: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
    for node in parsed.descendants() {
        for attribute in node.attributes() {
            if let Some(other) = net.text(channel, attribute.value().as_bytes()) {
                edits.push((attribute.range_value(), quoted(&other)));
            }
        }
        let Some(said) = node.text().filter(|_| node.is_text()) else {
            continue;
        };
        let other = match place(&node).and_then(|place| instead(&place, said)) {
            Some(other) => (other != said).then(|| other.into_bytes()),
            None => net.text(channel, said.as_bytes()),
        };
        if let Some(other) = other {
            edits.push((node.range(), escaped(&String::from_utf8_lossy(&other)).into_bytes()));
        }
    }
    edits.sort_by_key(|(range, _)| range.start);
    let document = parsed.input_text().as_bytes();
    let mut written = Vec::with_capacity(document.len());
    let mut at = 0;
    for (range, other) in edits {
        written.extend(document.get(at..range.start).unwrap_or_default());
        written.extend(other);
        at = range.end;
    }
    written.extend(document.get(at..).unwrap_or_default());
    Ok(written)
}

/// Reads a document whose parsing takes no more time than its length lets expect: the parser's grows with the cube of namespaces that are in
/// force, and with the square of an element's attributes.
fn parse(document: &[u8]) -> Result<Document<'_>, XmlError> {
    let text = str::from_utf8(document).map_err(|_| XmlError::Form)?;
    // AWS sends blanks before a document while it still works.
    let text = text.trim_start();
    if deepest(text.as_bytes()).is_none_or(|depth| depth > DEPTH_MAX) {
        return Err(XmlError::Form);
    }
    let options = ParsingOptions {
        nodes_limit: NODES_MAX,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).map_err(|_| XmlError::Form)
}

/// How deep elements stand in each other, by one walk over the bytes; `None` for what no store writes: comments, sections of characters, tags
/// that do not end, and elements with more attributes than any has.
fn deepest(text: &[u8]) -> Option<usize> {
    let (mut depth, mut deepest, mut at) = (0_usize, 0_usize, 0);
    // A declaration, and no other instruction, in which quotes mean nothing.
    if text.starts_with(b"<?xml ") {
        at = memchr::memmem::find(text, b"?>")? + 2;
    }
    while let Some(place) = text.get(at..).and_then(|rest| memchr::memchr(b'<', rest)) {
        let start = at + place + 1;
        let kind = *text.get(start)?;
        // A `>` in quotes is a part of a value.
        let (mut quote, mut end, mut attributes) = (None, start, 0);
        loop {
            let byte = *text.get(end)?;
            match (quote, byte) {
                (None, b'>') => break,
                (None, b'<') => return None,
                (None, b'"' | b'\'') => quote = Some(byte),
                (None, b'=') => attributes += 1,
                (Some(open), byte) if open == byte => quote = None,
                _ => {}
            }
            end += 1;
        }
        let namespaces = memchr::memmem::find_iter(text.get(start..end)?, b"xmlns").count();
        if attributes > ATTRIBUTES_MAX || namespaces > NAMESPACES_MAX {
            return None;
        }
        match kind {
            b'/' => depth = depth.saturating_sub(1),
            b'!' | b'?' => return None,
            _ => {
                deepest = deepest.max(depth + 1);
                let is_closed = text.get(end - 1) == Some(&b'/');
                depth += usize::from(!is_closed);
            }
        }
        at = end + 1;
    }
    Some(deepest)
}

/// Whether a document has an element of that name.
pub(crate) fn has(document: &[u8], name: &str) -> bool {
    parse(document).is_ok_and(|parsed| parsed.descendants().any(|node| node.has_tag_name_in_any(name)))
}

/// The text of the first element of a name.
pub(crate) fn text_of(document: &[u8], name: &str) -> Option<String> {
    let parsed = parse(document).ok()?;
    let mut found = parsed.descendants().filter(|node| node.has_tag_name_in_any(name));
    found.next().and_then(|node| node.text()).map(str::to_owned)
}

fn quoted(value: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(value);
    escaped(&text)
        .replace('"', "&quot;")
        .replace('\'', "&apos;")
        .into_bytes()
}

fn place<'a>(text: &Node<'a, '_>) -> Option<Place<'a>> {
    let element = text.parent()?;
    let beside = element.parent()?;
    let text_of = |name: &str| {
        let other = beside.children().find(|child| child.has_tag_name_in_any(name))?;
        other.text().map(str::to_owned)
    };
    Some(Place {
        element: element.tag_name().name(),
        key: text_of("Key"),
        next_key: text_of("NextKeyMarker"),
        modified: text_of("LastModified"),
    })
}

trait InAnyNamespace {
    fn has_tag_name_in_any(&self, name: &str) -> bool;
}

impl InAnyNamespace for Node<'_, '_> {
    /// Stores differ in whether they name S3's namespace.
    fn has_tag_name_in_any(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

/// A key as a list has it, where keys are URL-encoded there.
pub(crate) fn decoded(key: &str) -> Option<String> {
    let target = Target::parse(&format!("/?k={key}")).ok()?;
    let [parameter] = target.parameters() else { return None };
    String::from_utf8(parameter.value.clone()).ok()
}

/// Whether a list says that its keys are URL-encoded.
pub(crate) fn is_encoded(document: &[u8]) -> bool {
    let said = b"<EncodingType>url</EncodingType>";
    memchr::memmem::find(document, said).is_some()
}

/// An object that is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deleted {
    pub(crate) key: Key,
    pub(crate) version: Option<String>,
}

/// What a `DeleteObjects` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deletion {
    pub(crate) objects: Vec<Deleted>,
    pub(crate) quiet: bool,
}

impl Deletion {
    /// Reads the body of a `DeleteObjects`; every element in it has to be known.
    ///
    /// # Errors
    /// [`XmlError`].
    pub(crate) fn parse(document: &[u8]) -> Result<Self, XmlError> {
        let namespaces = memchr::memmem::find_iter(document, b"xmlns").count();
        if namespaces > NAMESPACES_MAX || document.len() > DELETION_BYTES_MAX {
            return Err(XmlError::Form);
        }
        let parsed = parse(document)?;
        let root = parsed.root_element();
        if !root.has_tag_name_in_any("Delete") {
            return Err(XmlError::Deleted);
        }
        let mut deletion = Self {
            objects: Vec::new(),
            quiet: false,
        };
        for child in elements(&root)? {
            match child.tag_name().name() {
                "Quiet" => deletion.quiet = only_text(&child)? == "true",
                "Object" => deletion.objects.push(Deleted::read(&child)?),
                _ => return Err(XmlError::Deleted),
            }
        }
        if !(1..=DELETED_MAX).contains(&deletion.objects.len()) {
            return Err(XmlError::Deleted);
        }
        Ok(deletion)
    }

    /// The body that a store gets, written anew.
    pub(crate) fn document(&self) -> Vec<u8> {
        let mut xml = String::from("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        for Deleted { key, version } in &self.objects {
            xml.push_str("<Object><Key>");
            xml.push_str(&escaped(key.as_str()));
            xml.push_str("</Key>");
            if let Some(version) = version {
                xml.push_str("<VersionId>");
                xml.push_str(&escaped(version));
                xml.push_str("</VersionId>");
            }
            xml.push_str("</Object>");
        }
        if self.quiet {
            xml.push_str("<Quiet>true</Quiet>");
        }
        xml.push_str("</Delete>");
        xml.into_bytes()
    }

    /// The names of its objects in a bucket, ascending, each once.
    pub(crate) fn resources(&self, bucket: &Bucket) -> Vec<String> {
        let name = |deleted: &Deleted| format!("{}/{}", bucket.as_str(), deleted.key.as_str());
        let mut names: Vec<String> = self.objects.iter().map(name).collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Deleted {
    fn read(object: &Node<'_, '_>) -> Result<Self, XmlError> {
        let (mut key, mut version) = (None, None);
        for child in elements(object)? {
            let text = only_text(&child)?;
            let before = match child.tag_name().name() {
                "Key" => {
                    // What XML has no way to write would be another key.
                    let parsed = Key::parse(text.as_bytes())
                        .ok()
                        .filter(|_| !escaped(text).contains('\u{fffd}'));
                    key.replace(parsed.ok_or(XmlError::Deleted)?).map(drop)
                }
                "VersionId" => {
                    let plain = (1..=1_024).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
                    if !plain {
                        return Err(XmlError::Deleted);
                    }
                    version.replace(text.to_owned()).map(drop)
                }
                // Conditions (`ETag`, `LastModifiedTime`, `Size`) that a store may not know would not hold there.
                _ => return Err(XmlError::Deleted),
            };
            if before.is_some() {
                return Err(XmlError::Deleted);
            }
        }
        let key = key.ok_or(XmlError::Deleted)?;
        Ok(Self { key, version })
    }
}

/// The elements in an element, which has nothing else but blanks.
fn elements<'a, 'i>(node: &Node<'a, 'i>) -> Result<Vec<Node<'a, 'i>>, XmlError> {
    let is_blank = |child: &Node<'_, '_>| child.is_text() && child.text().is_some_and(|text| text.trim().is_empty());
    let children: Vec<_> = node.children().filter(|child| !is_blank(child)).collect();
    if children.iter().all(Node::is_element) {
        Ok(children)
    } else {
        Err(XmlError::Deleted)
    }
}

/// The text of an element that has nothing else.
fn only_text<'a>(node: &Node<'a, '_>) -> Result<&'a str, XmlError> {
    let mut children = node.children();
    let text = match children.next() {
        None => Ok(""),
        Some(child) if child.is_text() => child.text().ok_or(XmlError::Deleted),
        Some(_) => Err(XmlError::Deleted),
    };
    match children.next() {
        None => text,
        Some(_) => Err(XmlError::Deleted),
    }
}

#[cfg(test)]
mod tests {
    use exhibit_policy::net::{Channel, SessionNet};
    use exhibit_policy::snapshot::Snapshot;

    use super::{Deletion, XmlError, decoded, is_encoded, netted};
    use crate::address::Bucket;

    const POLICY: &str = "version = 1\n[[targets]]\nname = \"lake\"\nprotocol = \"s3\"\n[[nets]]\nname = \"n\"\ntargets = [\"lake\"]\n\
                          categories = [\"ssn\"]\nfloor = \"strong\"\n";

    fn net() -> SessionNet {
        SessionNet::new(&Snapshot::parse(POLICY.as_bytes()).unwrap(), "lake")
    }

    #[test]
    fn texts_go_through_the_net_and_all_other_bytes_stay() {
        let list =
            "<?xml version=\"1.0\"?>\n<L xmlns=\"u\">\n  <Key>a &amp; b</Key><Key>ssn: 123-45-6789 &lt;</Key><E/></L>";
        let masked = netted(list.as_bytes(), &mut net(), Channel::Cell, |_, _| None).unwrap();
        assert_eq!(String::from_utf8(masked).unwrap(), list.replace("123-45-6789", "[ssn]"));
        let same = netted(list.as_bytes(), &mut SessionNet::default(), Channel::Cell, |_, _| None).unwrap();
        assert_eq!(same, list.as_bytes());
    }

    #[test]
    fn a_text_is_replaced_by_the_key_beside_it() {
        let list = "<L><Contents><Key>a</Key><ETag>&quot;1&quot;</ETag></Contents><Contents><ETag>\"2\"</ETag><Key>b</Key></Contents></L>";
        let mut net = SessionNet::default();
        let masked = netted(list.as_bytes(), &mut net, Channel::Cell, |place, text| {
            (place.element == "ETag").then(|| format!("<{} {text}>", place.key.as_deref().unwrap_or("?")))
        });
        assert_eq!(
            String::from_utf8(masked.unwrap()).unwrap(),
            "<L><Contents><Key>a</Key><ETag>&lt;a \"1\"&gt;</ETag></Contents><Contents><ETag>&lt;b \"2\"&gt;</ETag><Key>b</Key></Contents></L>"
        );
    }

    #[test]
    fn what_is_no_plain_document_is_refused() {
        let nested = format!("{}{}", "<a>".repeat(17), "</a>".repeat(17));
        for text in [
            nested.as_str(),
            "<a><!-- --></a>",
            "<a b='/>'><a b='/>'>",
            "<x</<x</",
            "<?a ' ?><a></a>",
            "<a/><?xml ?>",
            "<a b=\"",
            "<a>1<![CDATA[2]]></a>",
            "<a><?b?></a>",
            "",
            "<a>",
            "<a/><b/>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
            "<a>\u{0}</a>",
        ] {
            let written = netted(text.as_bytes(), &mut net(), Channel::Cell, |_, _| None);
            assert_eq!(written, Err(XmlError::Form), "{text}");
        }
    }

    #[test]
    fn a_deletion_is_read_and_written_anew() {
        let sent = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n <Object><Key>b &lt;</Key></Object>\
                    <Object><Key>a</Key><VersionId>v1</VersionId></Object><Object><Key>a</Key></Object><Quiet>true</Quiet></Delete>";
        let deletion = Deletion::parse(sent.as_bytes()).unwrap();
        assert_eq!(Deletion::parse(&deletion.document()).unwrap(), deletion);
        let bucket = Bucket::parse(b"reports").unwrap();
        assert_eq!(deletion.resources(&bucket), ["reports/a", "reports/b <"]);
        assert!(deletion.quiet && deletion.objects[1].version.as_deref() == Some("v1"));
    }

    #[test]
    fn a_deletion_that_stores_could_read_otherwise_is_refused() {
        for inner in [
            "",
            "<Object/>",
            "<Object><Key/></Object>",
            "<Object><Key>a</Key><Key>b</Key></Object>",
            "<Object><Key>a<!-- -->b</Key></Object>",
            "<Object><Key>a<b/></Key></Object>",
            "<Object><Key>a/../b</Key></Object>",
            "<Object><Key>a</Key><ETag>1</ETag></Object>",
            "<Object><Key>a</Key></Object><Other/>",
            "<Object><Key>a</Key></Object>text",
        ] {
            let parsed = Deletion::parse(format!("<Delete>{inner}</Delete>").as_bytes());
            assert!(parsed.is_err(), "{inner}");
        }
        let many = "<Object><Key>a</Key></Object>".repeat(1_001);
        assert!(Deletion::parse(format!("<Delete>{many}</Delete>").as_bytes()).is_err());
    }

    #[test]
    fn keys_of_lists_are_decoded_where_they_are_encoded() {
        assert_eq!(decoded("a%20b+c%2Fd").as_deref(), Some("a b c/d"));
        assert_eq!(decoded("a%zz"), None);
        assert!(is_encoded(b"<L><EncodingType>url</EncodingType></L>") && !is_encoded(b"<L/>"));
    }

    /// A parser's time grows with the cube of namespaces and the square of attributes, so such documents never get to it.
    #[test]
    fn what_would_take_a_parser_long_is_not_read() {
        let repeated = |count: usize, part: &dyn Fn(usize) -> String| (0..count).map(part).collect::<String>();
        let namespaces = repeated(4, &|n| format!(" xmlns:p{n}='u'"));
        let attributes = repeated(9, &|n| format!(" a{n}='u'"));
        for document in [
            format!("<Delete{namespaces}/>"),
            format!("<Delete><a{namespaces}></a></Delete>"),
            format!("<Delete{attributes}/>"),
            format!("{}{}", "<a>".repeat(17), "</a>".repeat(17)),
            format!("{}{}", "<a x='/>'>".repeat(17), "</a>".repeat(17)),
            "<?a ' ?><a>'></a></a>".to_owned(),
            "<x</".repeat(1_000),
        ] {
            assert_eq!(Deletion::parse(document.as_bytes()), Err(XmlError::Form), "{document}");
        }
        // What stores write is read.
        let grantee = "<A xmlns=\"u\"><Grantee xmlns:xsi=\"v\" xsi:type=\"CanonicalUser\"/></A>";
        assert!(super::has(grantee.as_bytes(), "Grantee"));
        assert!(super::parse(format!("{}{}", "<a>".repeat(16), "</a>".repeat(16)).as_bytes()).is_ok());
    }
}
