//! What stands in a store's documents in the place of what they may not tell: hashes of objects that are not open, and ids of uploads to them.

use exhibit_policy::mask::MaskKey;
use exhibit_policy::net::{Channel, SessionNet};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::event::access::Principal;

use super::Exchange;
use crate::address::Bucket;
use crate::operation::Operation;
use crate::signature::time::UnixSeconds;
use crate::{reading, upload_id, xml};

/// Elements of answers that hold a time.
const TIMES: [&str; 4] = ["CreationDate", "Date", "Initiated", "LastModified"];

/// Elements of answers that hold a number.
const NUMBERS: [&str; 9] = [
    "KeyCount",
    "MaxKeys",
    "MaxParts",
    "MaxUploads",
    "NextPartNumberMarker",
    "ObjectSize",
    "PartNumber",
    "PartNumberMarker",
    "Size",
];

/// Elements of lists with which an agent asks for the next page. Where one is not what the store wrote, that page would begin elsewhere.
pub(super) const MARKERS: [&str; 3] = ["NextContinuationToken", "NextKeyMarker", "NextMarker"];

/// Whether the net would change an element of a document.
pub(super) fn is_caught(net: &mut SessionNet, document: &[u8], element: &str) -> bool {
    let text = xml::text_of(document, element);
    text.is_some_and(|text| net.text(Channel::Cell, text.as_bytes()).is_some())
}

/// What stands in a document in the place of what it may not tell.
pub(super) struct Hidden<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) policy: &'a Snapshot,
    pub(super) key: &'a MaskKey,
    pub(super) principal: &'a Principal,
    pub(super) is_netted: bool,
    pub(super) lists: bool,
    pub(super) is_encoded: bool,
}

impl Hidden<'_> {
    pub(super) fn instead(&self, place: &xml::Place<'_>, text: &str) -> Option<String> {
        let is_hash = place.element == "ETag"
            || place.element.starts_with("Checksum") && !matches!(place.element, "ChecksumAlgorithm" | "ChecksumType");
        if self.exchange.operation == Operation::CreateMultipartUpload && place.element == "UploadId" {
            return Some(self.upload(text));
        }
        let is_upload = self.exchange.operation == Operation::ListMultipartUploads
            && matches!(place.element, "UploadId" | "NextUploadIdMarker");
        if (self.lists || self.exchange.operation.copies()) && (is_hash || is_upload) {
            return Some(self.hash(place, text, is_upload));
        }
        let is_time = TIMES.contains(&place.element) && UnixSeconds::parse_extended(text).is_some();
        let is_number = NUMBERS.contains(&place.element) && text.bytes().all(|byte| byte.is_ascii_digit());
        (is_time || is_number || is_hash).then(|| text.to_owned())
    }

    /// The id of an upload that was begun: of use to whoever began it alone, where its object is not open.
    fn upload(&self, id: &str) -> String {
        let object = self.exchange.object.as_deref().unwrap_or_default();
        let reading = self.policy.reading(&self.exchange.serving.shared.target, object);
        if reading::is_open(reading, self.is_netted) {
            return id.to_owned();
        }
        upload_id::bound(self.key, self.principal, object, id)
    }

    /// What stands for a hash of an object, or for the id of an upload, by which parts of it could be guessed.
    fn hash(&self, place: &xml::Place<'_>, text: &str, is_upload: bool) -> String {
        let target = &self.exchange.serving.shared.target;
        let beside = if place.element == "NextUploadIdMarker" {
            &place.next_key
        } else {
            &place.key
        };
        let listed = beside.as_deref().and_then(|listed| {
            if self.is_encoded {
                xml::decoded(listed)
            } else {
                Some(listed.to_owned())
            }
        });
        let bucket = self.exchange.bucket.as_ref().map(Bucket::as_str).unwrap_or_default();
        let name = match &self.exchange.object {
            Some(object) => Some(object.clone()),
            None => listed.map(|key| format!("{bucket}/{key}")),
        };
        // Of a copy it is what was copied that may not be told.
        let about = self.exchange.source.as_ref().or(name.as_ref());
        let is_open = about.is_some_and(|object| {
            let reading = self.policy.reading(target, object);
            reading::is_open(reading, self.is_netted)
        });
        if is_open {
            return text.to_owned();
        }
        if is_upload {
            return "hidden".to_owned();
        }
        let modified = place.modified.as_deref().and_then(UnixSeconds::parse_extended);
        reading::tag(self.key, self.policy, name.as_deref().unwrap_or_default(), modified)
    }
}
