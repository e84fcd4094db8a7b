//! Objects of a store: that each was read as the document that its policy says, and that what was released of one looks masked.
//!
//! ```text
//! verbatim frames   HTTP/1.1 200, a line for each header, an empty line
//!                   the object's bytes as they went out, which are read again as that document
//! ```
//!
//! The name of an object in evidence selects the same document as its own name does, or the proxy would not have let it pass; so policy and
//! evidence alone say as what it had to be read. What stands at a masked place is told by the code that masks
//! (`exhibit-documents`), and whether it could be what the mask leaves by the code for cells ([`super::look`]).
//!
//! Not here, because no reader of evidence can see it: whether the value in a mask's place is the right one; what a range holds that does
//! not begin with the object's first byte; that a raw value which has the form of its mask (an age below 90, a short text under `partial`,
//! anything under `detect`) was masked; answers that are errors; and objects of documents with `phi = false`, which may pass as they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use exhibit_documents::{DocumentError, Masker, Reason};
use exhibit_policy::document::{Document, Reading};
use exhibit_policy::mask::Technique;
use exhibit_policy::mask::path::{self, Step};
use exhibit_policy::net::{Channel, SessionNet};
use exhibit_policy::snapshot::{Mask, Snapshot};
use exhibit_schemas::event::access::{Access, Action, Attribute, Command, ResponseEnd};
use exhibit_schemas::merkle::Index;

use super::look::stands;
use crate::finding::{Code, Findings, Place};

/// What stands behind a head.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// The protocol of targets that have objects.
const PROTOCOL: &str = "s3";

/// Operations that read the content of an object, or tell of it.
const OPERATIONS: [&str; 2] = ["GetObject", "HeadObject"];

/// Bytes of an answer's head at the most; hyper takes 400 KiB of a store's.
const HEAD_BYTES_MAX: usize = 1 << 20;

/// Objects that are read again at once, over all sessions; each may take a record and a window of Zstandard, 8 MiB each. A log can have more of
/// them under way than a proxy has room for.
const READ_MAX: usize = 256;

/// What a statement says where a range was asked for.
const RANGE: &str = " range=";

/// What a statement says that was cut.
const CUT: &str = "the digest covers them]";

/// Objects that are read again at the moment: one share is for each, and one is its own.
#[derive(Default)]
pub(crate) struct UnderWay(Arc<()>);

/// The answer to a command that reads an object.
pub(crate) struct Object {
    /// Whether the command passed.
    passed: bool,
    /// As what its policy reads it; `None` where that refuses it.
    document: Option<Named>,
    /// Whether its statement says that a range was asked for.
    is_of_range: bool,
    /// A net changed the name of a place, so masks of places may be told wrongly.
    renamed: bool,
    state: State,
    under_way: Weak<()>,
    /// What was told: each is told once of an answer.
    told: Vec<Code>,
}

/// A document of a policy, as far as its objects are held to it.
struct Named {
    /// What masks call it.
    name: String,
    /// Masks and nets that may count something in it.
    counted: Vec<String>,
    /// What says the type of a resource is masked itself, so a resource that is rightly masked may be none any more.
    masks_types: bool,
}

/// How far it was read.
enum State {
    /// A part of its head; and by what the object is read, where its policy masks it.
    Head(Vec<u8>, Option<Box<Masker>>),
    /// The head; whether its end has to be the object's, and its share of [`UnderWay`].
    Body(Box<Masker>, Whole, Arc<()>),
    /// Nothing more is looked at.
    Passed,
}

/// How much of an object an answer has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// All of it.
    All,
    /// Its beginning, of which nobody has counted the masked values.
    Beginning {
        /// The beginning is all.
        is_all: bool,
    },
    /// No more than what was read before a fault.
    Unread,
}

/// The head of an answer.
struct Head {
    status: u16,
    /// First and last byte and all bytes, of a range.
    range: Option<(u64, u64, u64)>,
}

impl Object {
    /// The answer to a command of a session with that target; `None` where it reads no object. Says where the command may not have read it so.
    pub(crate) fn of(
        index: Index,
        command: &Command,
        passed: bool,
        target: &str,
        policy: &Snapshot,
        (under_way, findings): (&UnderWay, &mut Findings),
    ) -> Option<Box<Self>> {
        let mut targets = policy.targets().iter();
        targets.find(|own| own.name == target && own.protocol == PROTOCOL)?;
        let attribute = |name: &str| match command.facts.attributes.get(name) {
            Some(Attribute::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        // What does not say what it does may read an object as well.
        let operation = attribute("operation").unwrap_or("GetObject");
        OPERATIONS.iter().find(|known| **known == operation)?;
        let mut accesses = command.facts.accesses.iter();
        let read = accesses.find_map(|Access(action, resource)| match (action, resource) {
            (Action::Read, Some(resource)) => Some(resource.as_str()),
            _ => None,
        });
        let reading = policy.reading(target, read.unwrap_or_default());
        let fault = match reading.document() {
            None => Some((Code::ObjectRefused, format!("operation {operation}"))),
            Some(document) if attribute("document") != Some(&document.name) => {
                let detail = format!("its policy reads it as `{}`", document.name);
                Some((Code::ObjectDocument, detail))
            }
            Some(_) => None,
        };
        if let Some((code, detail)) = fault.filter(|_| passed) {
            findings.add(code, Place::Entry(index), detail);
        }
        let again = match reading {
            Reading::Read(document) => Some(Box::new(Masker::again(policy, target, document, stands))),
            Reading::ReadOrPassed(_) | Reading::Refused => None,
        };
        let statement = &command.statement;
        Some(Box::new(Self {
            passed,
            document: reading.document().map(|document| Named {
                name: document.name.clone(),
                counted: counted_of(policy, target, document),
                masks_types: masks_types(policy, target, document),
            }),
            is_of_range: statement.contains(RANGE) || statement.ends_with(CUT),
            renamed: false,
            state: State::Head(Vec::new(), again),
            under_way: Arc::downgrade(&under_way.0),
            told: Vec::new(),
        }))
    }

    /// Takes a detection in the channel of that word.
    pub(super) fn detection(&mut self, channel: &str) {
        self.renamed |= channel == Channel::Column.as_str();
    }

    /// Takes the next bytes that were released.
    pub(super) fn frame(&mut self, index: Index, bytes: &[u8], findings: &mut Findings) {
        match std::mem::replace(&mut self.state, State::Passed) {
            State::Head(mut begun, again) => {
                // What was there before ends with no more than a part of it.
                let from = begun.len().saturating_sub(HEAD_END.len());
                begun.extend_from_slice(bytes);
                let mut rest = begun.get(from..).unwrap_or_default().windows(HEAD_END.len());
                let Some(end) = rest.position(|window| window == HEAD_END).map(|end| from + end) else {
                    if begun.len() > HEAD_BYTES_MAX {
                        return self.headless(index, again.is_some(), findings);
                    }
                    self.state = State::Head(begun, again);
                    return;
                };
                let (head, body) = begun.split_at(end);
                self.head(index, head, again, findings);
                let body = body.get(HEAD_END.len()..).unwrap_or_default();
                if !body.is_empty() {
                    self.frame(index, body, findings);
                }
            }
            State::Body(mut again, whole, under_way) => {
                let read = again.push(bytes, &mut SessionNet::default());
                let is_good = self.judged(index, &again, read.err(), findings);
                self.state = State::Body(again, if is_good { whole } else { Whole::Unread }, under_way);
            }
            State::Passed => {}
        }
    }

    fn head(&mut self, index: Index, bytes: &[u8], again: Option<Box<Masker>>, findings: &mut Findings) {
        let Some(head) = Head::read(bytes) else {
            return self.headless(index, again.is_some(), findings);
        };
        if !(200..300).contains(&head.status) {
            return;
        }
        if !self.passed {
            let detail = "an object, or what is known of one";
            return self.tell(Code::ResponseDenied, index, detail, findings);
        }
        let Some(again) = again else { return };
        let whole = match (head.status, head.range) {
            (206, Some(_)) if !self.is_of_range => {
                let detail = "a part of it, and nobody asked for one";
                return self.tell(Code::ObjectForm, index, detail, findings);
            }
            (206, Some((0, last, bytes))) => Whole::Beginning {
                is_all: last.checked_add(1) == Some(bytes),
            },
            // Where in a record it begins nobody can say who has not what stands before.
            (206, Some(_)) => return,
            (206, None) => return self.tell(Code::ObjectForm, index, "a part of it, without its place", findings),
            _ => Whole::All,
        };
        match self.under_way.upgrade() {
            // One share is that of who counts them, and one this.
            Some(share) if Arc::strong_count(&share) <= READ_MAX + 1 => self.state = State::Body(again, whole, share),
            _ => {
                let detail = "too many objects are under way at once";
                self.tell(Code::ObjectUnread, index, detail, findings);
            }
        }
    }

    fn headless(&mut self, index: Index, is_masked: bool, findings: &mut Findings) {
        if self.passed && is_masked {
            self.tell(Code::ObjectForm, index, "its answer begins with no head", findings);
        }
    }

    /// Takes the end; gives which masks something stood under. `complete` is an answer that nothing cut off.
    pub(super) fn end(
        &mut self,
        index: Index,
        end: &ResponseEnd,
        complete: bool,
        findings: &mut Findings,
    ) -> Vec<(String, String)> {
        if let Some(Named { name, counted, .. }) = &self.document {
            let foreign = |mask: &&String| !counted.contains(mask);
            if let Some(mask) = end.masked.keys().find(foreign) {
                let detail = format!("mask `{mask}`, document `{name}`");
                findings.add(Code::ObjectMask, Place::Entry(index), detail);
            }
        }
        let State::Body(mut again, whole, _) = std::mem::replace(&mut self.state, State::Passed) else {
            return Vec::new();
        };
        let is_all = complete && matches!(whole, Whole::All | Whole::Beginning { is_all: true });
        if whole != Whole::Unread {
            let read = if is_all {
                again.finish(&mut SessionNet::default())
            } else {
                again.break_off(&mut SessionNet::default())
            };
            self.judged(index, &again, read.err(), findings);
        }
        let found = again.masked();
        if complete && !matches!(whole, Whole::Beginning { .. }) {
            self.counts(index, &found, end, findings);
        }
        let document = self.document.as_ref().map_or("", |document| document.name.as_str());
        found.into_keys().map(|mask| (document.to_owned(), mask)).collect()
    }

    /// No end comes, as far as the log goes: what of it was released is looked at.
    pub(super) fn left_open(&mut self, index: Index, findings: &mut Findings) {
        if let State::Body(mut again, Whole::All | Whole::Beginning { .. }, _) =
            std::mem::replace(&mut self.state, State::Passed)
        {
            let read = again.break_off(&mut SessionNet::default());
            self.judged(index, &again, read.err(), findings);
        }
    }

    /// Holds that the end states no fewer masked values than stand there. More it may: a value that became NULL is none any more.
    fn counts(&mut self, index: Index, found: &BTreeMap<String, u64>, end: &ResponseEnd, findings: &mut Findings) {
        for (mask, found) in found {
            let stated = end.masked.get(mask).copied().unwrap_or(0);
            if stated < *found {
                let detail = format!("mask `{mask}`: it states {stated} values, {found} stand there");
                self.tell(Code::ObjectCount, index, &detail, findings);
            }
        }
    }

    /// Says what is wrong with what was read so far; whether it can be read further.
    fn judged(&mut self, index: Index, again: &Masker, fault: Option<DocumentError>, findings: &mut Findings) -> bool {
        if let Some((mask, count)) = again.unlike().next() {
            let detail = match mask {
                "" => format!("{count} values for which the format says what stands in their place"),
                mask => format!("mask `{mask}`, {count} values"),
            };
            self.tell(Code::ObjectValue, index, &detail, findings);
        }
        let Some(DocumentError { record, reason }) = fault else {
            return true;
        };
        let masks_types = self.document.as_ref().is_some_and(|document| document.masks_types);
        let of_type = matches!(reason, Reason::Resource | Reason::UnmaskedResource) && masks_types;
        let code = if of_type || may_be_of_masks(&reason) {
            Code::ObjectUnread
        } else {
            Code::ObjectForm
        };
        self.tell(code, index, &format!("record {record}: {reason}"), findings);
        false
    }

    /// Tells a fault once of an answer. Where a net has changed names of places, masks may be told to the wrong ones: then it is that nobody
    /// can tell.
    fn tell(&mut self, code: Code, index: Index, detail: &str, findings: &mut Findings) {
        let code = match code {
            Code::ObjectValue | Code::ObjectCount | Code::ObjectForm if self.renamed => Code::ObjectUnread,
            code => code,
        };
        if !self.told.contains(&code) {
            self.told.push(code);
            findings.add(code, Place::Entry(index), detail);
        }
    }
}

impl Head {
    /// Reads the first frame of an answer.
    fn read(bytes: &[u8]) -> Option<Self> {
        let text = bytes.strip_prefix(b"HTTP/1.1 ")?;
        let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
        let status = str::from_utf8(lines.next()?).ok()?.parse().ok()?;
        let mut ranges = lines.filter_map(|line| str::from_utf8(line).ok()?.strip_prefix("content-range: "));
        Some(Self {
            status,
            range: ranges.next().and_then(range),
        })
    }
}

/// Reads `bytes 0-9/100` (RFC 9110 section 14.4).
fn range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, bytes) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, bytes.parse().ok()?))
}

/// Masks and nets of a target that a reply with such a document may count.
fn counted_of(policy: &Snapshot, target: &str, document: &Document) -> Vec<String> {
    let masks = masks_of(policy, target, document).map(|mask| mask.name.clone());
    masks.chain(policy.nets(target).map(|net| net.name.clone())).collect()
}

/// Masks that can be for a place of such a document.
fn masks_of<'a>(policy: &'a Snapshot, target: &'a str, document: &'a Document) -> impl Iterator<Item = &'a Mask> {
    policy.masks().iter().filter(move |mask| {
        let mut resources = mask.resources().iter();
        mask.is_for(target) && resources.any(|pattern| document.can_be_named_by(pattern))
    })
}

/// Whether a mask of such a document is for the member of a resource that says its type.
fn masks_types(policy: &Snapshot, target: &str, document: &Document) -> bool {
    let place = [Step::Member("resourceType".to_owned())];
    let masks = masks_of(policy, target, document);
    masks.map(|mask| &mask.technique).any(|technique| match technique {
        Technique::Paths { paths, rest } => {
            path::technique(paths, rest.as_deref(), &place).is_some_and(|technique| *technique != Technique::Detect)
        }
        technique => *technique != Technique::Detect,
    })
}

/// Whether what was masked rightly may be unreadable for this reason: masks make records longer, and what is packed shorter.
const fn may_be_of_masks(reason: &Reason) -> bool {
    matches!(reason, Reason::RecordTooLong | Reason::Expansion | Reason::TooMuch)
}

#[cfg(test)]
mod tests {
    use super::Head;

    #[test]
    fn a_head_is_read_as_far_as_it_says_what_of_an_object_follows() {
        let read = |text: &str| Head::read(text.as_bytes()).map(|head| (head.status, head.range));
        for (text, wanted) in [
            ("HTTP/1.1 200", Some((200, None))),
            (
                "HTTP/1.1 206\r\netag: \"x\"\r\ncontent-range: bytes 0-9/100",
                Some((206, Some((0, 9, 100)))),
            ),
            ("HTTP/1.1 206\r\ncontent-range: bytes */100", Some((206, None))),
            ("HTTP/1.1 206\r\nx-content-range: bytes 0-9/100", Some((206, None))),
            ("HTTP/1.1 two", None),
            ("ssn,name", None),
            ("", None),
        ] {
            assert_eq!(read(text), wanted, "{text}");
        }
    }
}
