//! How the content of objects is read and masked, and what of HTTP changes with that: what is masked has another length, another
//! `ETag` and no checksums, so ranges and conditions are of what an agent gets and not of what a store has.
//!
//! | the policy's document | what becomes of an object |
//! | --- | --- |
//! | names it | read as that document and masked; refused where it cannot be read |
//! | names it and says that it holds no PHI | passed as it is; under nets it is read, and passed where it cannot be |
//! | none | refused, and so are copies of it to where it could be read |
//!
//! Not here: reading documents (`exhibit-documents`).

use exhibit_policy::decide::UNPROVEN;
use exhibit_policy::document::{Document, Reading};
use exhibit_policy::mask::MaskKey;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::event::access::Attribute;

use crate::address::Level;
use crate::analysis::Asked;
use crate::operation::Operation;
use crate::signature::time::UnixSeconds;

/// What becomes of the content of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// It is none, or passes as it is.
    AsItIs,
    /// It is masked as this document.
    Masked(Box<Document>),
    /// The same, and passes as it is where it cannot be read.
    MaskedOrPassed(Box<Document>),
}

/// What an agent asks of the object as it gets it, where that is not as the store has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    pub(crate) range: Option<Range>,
    pub(crate) if_match: Option<String>,
    pub(crate) if_none_match: Option<String>,
    pub(crate) if_modified_since: Option<UnixSeconds>,
    pub(crate) if_unmodified_since: Option<UnixSeconds>,
    /// The body itself is not asked for.
    pub(crate) head: bool,
}

/// Bytes of an object (RFC 9110 section 14.1.2); one range, as S3 takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    /// From the first to the last, which is included.
    FromTo(u64, u64),
    /// From there to the end.
    From(u64),
    /// So many at the end.
    Last(u64),
}

impl Range {
    /// Reads `bytes=0-99`; what is no range is one that nobody asked for (RFC 9110 section 14.2).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u64>().ok().filter(|_| digits)
        };
        match (first, last) {
            ("", last) => number(last).map(Self::Last),
            (first, "") => number(first).map(Self::From),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::FromTo(first, last))
            }
        }
    }

    /// The first byte and the number of bytes, of an object of so many; `None` where it has none of them.
    pub(crate) fn within(self, bytes: u64) -> Option<(u64, u64)> {
        match self {
            Self::FromTo(first, last) if first < bytes => Some((first, last.min(bytes - 1) - first + 1)),
            Self::From(first) if first < bytes => Some((first, bytes - first)),
            Self::Last(count) if count > 0 && bytes > 0 => Some((bytes.saturating_sub(count), count.min(bytes))),
            _ => None,
        }
    }
}

/// Whether anybody who may read an object may be told hashes of it, and copy it: nothing in it is masked or caught.
pub(crate) const fn is_open(reading: Reading<'_>, is_netted: bool) -> bool {
    matches!(reading, Reading::ReadOrPassed(_)) && !is_netted
}

/// What becomes of the content that a request asks for. Where it cannot be said, the request carries why, and every policy denies it.
/// `readable` shows a name as evidence does.
pub(crate) fn treat(
    policy: &Snapshot,
    target: &str,
    is_netted: bool,
    asked: &mut Asked,
    readable: impl Fn(&str) -> String,
) -> Treatment {
    let object = asked.address.resource().unwrap_or_default();
    let reading = policy.reading(target, &object);
    // Whoever reads the evidence has this name alone, and has to find the same document by it.
    if policy.reading(target, &readable(&object)) != reading {
        return unproven(asked, OTHERWISE);
    }
    let copied = asked.source.as_ref().map(crate::address::Source::resource);
    let source = copied.as_deref().map(|copied| policy.reading(target, copied));
    let shown = copied
        .as_deref()
        .map(|copied| policy.reading(target, &readable(copied)));
    if shown != source {
        return unproven(asked, OTHERWISE);
    }
    if let Some(cause) = refusal(policy, target, is_netted, asked.operation, &object, copied.as_deref()) {
        return unproven(asked, cause);
    }
    if asked.operation.reads_object() {
        return read(reading, is_netted, asked);
    }
    if let Some(source) = source {
        let headers = &asked.outgoing.headers;
        let guesses = ["x-amz-copy-source-if-match", "x-amz-copy-source-if-none-match"];
        let guesses = guesses.iter().any(|name| headers.contains_key(*name)) && !is_open(source, is_netted);
        if guesses || guesses_tag(asked) && !is_open(reading, is_netted) {
            return unproven(asked, GUESSED);
        }
        return Treatment::AsItIs;
    }
    let is_of_object = asked.address.level() == Level::Object;
    if !is_of_object || is_open(reading, is_netted) {
        return Treatment::AsItIs;
    }
    if guesses_tag(asked) {
        return unproven(asked, GUESSED);
    }
    Treatment::AsItIs
}

/// Why a request about an object is denied before any rule, by what it does and the names that it is about alone: `bucket/key`, and of a copy
/// what is copied. What its headers say may add to that.
pub fn refusal(
    policy: &Snapshot,
    target: &str,
    is_netted: bool,
    operation: Operation,
    object: &str,
    source: Option<&str>,
) -> Option<&'static str> {
    let reading = policy.reading(target, object);
    match operation {
        Operation::GetObject | Operation::HeadObject => (reading == Reading::Refused).then_some(UNNAMED),
        Operation::GetObjectAttributes | Operation::GetObjectTagging | Operation::ListParts => {
            (!is_open(reading, is_netted)).then_some(ATTRIBUTES)
        }
        Operation::CopyObject | Operation::UploadPartCopy => {
            let from = policy.reading(target, source.unwrap_or_default());
            // Where it goes it is as it was. A part of it is no whole document, and its hash would tell what it is.
            let is_same = from == reading && operation == Operation::CopyObject;
            // What is open may hold marks of ours, which no upload may carry to where masks are.
            let is_outward = is_open(from, is_netted) && !matches!(reading, Reading::Read(_));
            (!is_same && !is_outward).then_some(COPIED)
        }
        _ => None,
    }
}

/// What becomes of an object that is read.
fn read(reading: Reading<'_>, is_netted: bool, asked: &mut Asked) -> Treatment {
    let treatment = match reading {
        // [`refusal`] has said so before; closed all the same.
        Reading::Refused => return unproven(asked, UNNAMED),
        Reading::ReadOrPassed(_) if !is_netted => Treatment::AsItIs,
        Reading::ReadOrPassed(document) => Treatment::MaskedOrPassed(Box::new(document.clone())),
        Reading::Read(document) => Treatment::Masked(Box::new(document.clone())),
    };
    if let Some(document) = reading.document() {
        let name = Attribute::Text(document.name.clone());
        asked.facts.attributes.insert("document".to_owned(), name);
    }
    let mut parameters = asked.outgoing.target.parameters().iter();
    if treatment != Treatment::AsItIs && parameters.any(|parameter| parameter.name == b"partNumber") {
        return unproven(asked, PART);
    }
    treatment
}

/// Writes the id of an upload as its store knows it. `unbound` gives that, where whoever asks began the upload of the object; of objects that are
/// not open no other id is taken.
pub(crate) fn upload(
    policy: &Snapshot,
    target: &str,
    is_netted: bool,
    asked: &mut Asked,
    unbound: impl Fn(&str, &str) -> Option<String>,
) {
    let Some(told) = asked.outgoing.parameter("uploadId") else {
        return;
    };
    let object = asked.address.resource().unwrap_or_default();
    let id = str::from_utf8(told).ok().and_then(|told| unbound(&object, told));
    match id {
        Some(id) => asked.outgoing.set_parameter("uploadId", id.as_bytes()),
        None if is_open(policy.reading(target, &object), is_netted) => {}
        None => {
            unproven(asked, UPLOAD);
        }
    }
}

/// Whether a request goes by the tag that an object has at the store, which is a hash of what is masked in it: who may try tags finds out what
/// it holds. That there is none, or any, is no guess.
fn guesses_tag(asked: &Asked) -> bool {
    let names = ["if-match", "if-none-match"];
    let mut values = names.iter().filter_map(|name| asked.outgoing.headers.get(*name));
    values.any(|value| value.as_slice() != b"*")
}

const UNNAMED: &str = "no document of the policy names the object, so nobody can say what in it has to be masked";
const OTHERWISE: &str = "the object's name holds an identifier, and another document names it without that";
const PART: &str = "a part of an object cannot be masked by itself; ask for a range of the object";
const ATTRIBUTES: &str = "it may tell hashes of what is masked in the object; ask for its head";
const UPLOAD: &str = "whoever asks did not begin this upload";
const GUESSED: &str = "it goes by the tag that the object has at the store, which tells what is masked in it";
const COPIED: &str = "the copy would stand where other masks hold than for what it is a copy of";

fn unproven(asked: &mut Asked, cause: &str) -> Treatment {
    let cause = Attribute::Text(cause.to_owned());
    asked.facts.attributes.insert(UNPROVEN.to_owned(), cause);
    Treatment::AsItIs
}

impl Conditions {
    /// Takes from a request for a masked object what is not for the store: it is asked for the whole object, whatever it says of it.
    pub(crate) fn take(asked: &mut Asked) -> Self {
        let head = asked.operation == Operation::HeadObject;
        let headers = &mut asked.outgoing.headers;
        // A value that is no text is one that no tag and no time is.
        let mut text = |name: &str| {
            let value = headers.remove(name)?;
            Some(String::from_utf8(value).unwrap_or_else(|_| "?".to_owned()))
        };
        let range = text("range").as_deref().and_then(Range::parse);
        let if_range = text("if-range");
        let (if_match, if_none_match) = (text("if-match"), text("if-none-match"));
        let mut time = |name: &str| text(name).as_deref().and_then(UnixSeconds::parse_http);
        let (modified, unmodified) = (time("if-modified-since"), time("if-unmodified-since"));
        headers.remove("x-amz-checksum-mode");
        "GET".clone_into(&mut asked.outgoing.method);
        Self {
            // What is wanted of one version alone is not given of another: then the whole is.
            range: range.filter(|_| !head && if_range.is_none()),
            // The weaker condition of each pair does not count beside the other (RFC 9110 section 13.2.2).
            if_unmodified_since: unmodified.filter(|_| if_match.is_none()),
            if_modified_since: modified.filter(|_| if_none_match.is_none()),
            if_match,
            if_none_match,
            head,
        }
    }

    /// The status with which a request ends whose conditions an object of that tag and time does not meet.
    pub(crate) fn unmet(&self, tag: &str, modified: Option<UnixSeconds>) -> Option<u16> {
        let names = |list: &str, weak: bool| {
            let mut tags = list.split(',').map(str::trim);
            tags.any(|one| {
                let bare = if weak {
                    one.strip_prefix("W/").unwrap_or(one)
                } else {
                    one
                };
                one == "*" || bare.trim_matches('"') == tag.trim_matches('"')
            })
        };
        let unmatched = self.if_match.as_deref().is_some_and(|list| !names(list, false));
        let later = |since: UnixSeconds| modified.is_none_or(|modified| modified > since);
        if unmatched || self.if_unmodified_since.is_some_and(later) {
            return Some(412);
        }
        let known = self.if_none_match.as_deref().is_some_and(|list| names(list, true));
        (known || self.if_modified_since.is_some_and(|since| !later(since))).then_some(304)
    }
}

/// The tag of an object that is not open: its name and when it was last changed, under this key and this policy. Nothing of its content is in
/// it, nor the store's own tag: who makes two objects at one time finds out nothing of one from the other. So two changes within one
/// second have one tag. Lists, heads and objects tell the same one, which clients rely on that go from one to the other. Behind the
/// hyphen it does not look like an MD5, which clients would compare.
pub(crate) fn tag(key: &MaskKey, policy: &Snapshot, name: &str, modified: Option<UnixSeconds>) -> String {
    let policy = policy.digest().to_string();
    let modified = modified.map_or(-1, UnixSeconds::seconds).to_string();
    let parts = [policy.as_bytes(), name.as_bytes(), modified.as_bytes()];
    let bytes = key.token_bytes("exhibit etag", &parts.join(&b"\0"[..]));
    format!("\"{}-x\"", hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use exhibit_policy::mask::MaskKey;

    use exhibit_policy::snapshot::Snapshot;

    use super::{Conditions, Range, tag};
    use crate::signature::time::UnixSeconds;

    #[test]
    fn a_range_is_of_what_an_agent_gets() {
        for (text, bytes, wanted) in [
            ("bytes=0-0", 1, Some((0, 1))),
            ("bytes=0-99", 10, Some((0, 10))),
            ("bytes=5-", 10, Some((5, 5))),
            ("bytes=-3", 10, Some((7, 3))),
            ("bytes=-30", 10, Some((0, 10))),
            ("bytes=10-", 10, None),
            ("bytes=0-1", 0, None),
            ("bytes=-0", 10, None),
            ("bytes=-1", 0, None),
        ] {
            let range = Range::parse(text).unwrap();
            assert_eq!(range.within(bytes), wanted, "{text} of {bytes}");
        }
        for text in [
            "bytes=",
            "bytes=-",
            "bytes=2-1",
            "bytes=0-1,3-4",
            "bytes=+1-2",
            "items=0-1",
            "bytes=a-b",
        ] {
            assert_eq!(Range::parse(text), None, "{text}");
        }
        let most = Range::FromTo(0, u64::MAX);
        assert_eq!(most.within(u64::MAX), Some((0, u64::MAX)));
    }

    #[test]
    fn conditions_are_of_the_tag_that_an_agent_got() {
        let own = |if_match: Option<&str>, if_none_match: Option<&str>| Conditions {
            if_match: if_match.map(str::to_owned),
            if_none_match: if_none_match.map(str::to_owned),
            ..Conditions::default()
        };
        let unmet = |conditions: Conditions| conditions.unmet("\"a\"", UnixSeconds::new(100));
        assert_eq!(unmet(own(None, None)), None);
        assert_eq!(unmet(own(Some("\"a\""), None)), None);
        assert_eq!(unmet(own(Some("W/\"a\""), None)), Some(412));
        assert_eq!(unmet(own(Some("\"b\", \"c\""), None)), Some(412));
        assert_eq!(unmet(own(Some("*"), None)), None);
        assert_eq!(unmet(own(None, Some("W/\"a\""))), Some(304));
        assert_eq!(unmet(own(None, Some("\"b\""))), None);
        assert_eq!(unmet(own(Some("\"b\""), Some("\"a\""))), Some(412));
        let times = |modified: Option<i64>, unmodified: Option<i64>| Conditions {
            if_modified_since: modified.and_then(UnixSeconds::new),
            if_unmodified_since: unmodified.and_then(UnixSeconds::new),
            ..Conditions::default()
        };
        for (conditions, wanted) in [
            (times(Some(100), None), Some(304)),
            (times(Some(99), None), None),
            (times(None, Some(100)), None),
            (times(None, Some(99)), Some(412)),
        ] {
            assert_eq!(unmet(conditions), wanted);
        }
    }

    #[test]
    fn a_tag_is_of_one_object_at_one_time_under_one_policy() {
        let policy = |text: &str| Snapshot::parse(format!("version = 1\n{text}").as_bytes()).unwrap();
        let (one, other) = (policy(""), policy("# other\n"));
        let key = MaskKey::new([7; 32]);
        let at = UnixSeconds::new;
        let first = tag(&key, &one, "b/a", at(5));
        assert_eq!(first, tag(&key, &one, "b/a", at(5)));
        assert_eq!(first.len(), 36);
        for (key, policy, name, modified) in [
            (&key, &other, "b/a", at(5)),
            (&key, &one, "b/b", at(5)),
            (&key, &one, "b/a", at(6)),
            (&key, &one, "b/a", None),
            (&MaskKey::new([8; 32]), &one, "b/a", at(5)),
        ] {
            assert_ne!(first, tag(key, policy, name, modified));
        }
    }
}
