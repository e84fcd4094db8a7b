//! Every format: what is masked, what is refused, that no cut of the input changes anything, and that no planted value comes out.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::format_collect,
    reason = "a test that cannot go on fails, in its helpers too"
)]

use exhibit_documents::{DocumentError, Masker};
use exhibit_policy::mask::{MaskKey, Masked};
use exhibit_policy::net::SessionNet;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::event::access::Frame;

#[path = "formats/canaries.rs"]
mod canaries;
#[path = "formats/hidden.rs"]
mod hidden;
#[path = "formats/hl7.rs"]
mod hl7;
#[path = "formats/json.rs"]
mod json;
#[path = "formats/length.rs"]
mod length;
#[path = "formats/marks.rs"]
mod marks;
#[path = "formats/packed.rs"]
mod packed;
#[path = "formats/pieces.rs"]
mod pieces;
#[path = "formats/resources.rs"]
mod resources;
#[path = "formats/table.rs"]
mod table;
#[path = "formats/text.rs"]
mod text;

/// A policy with one document `d`, whose lines follow, and more.
fn policy(document: &str, more: &str) -> Snapshot {
    let text = format!(
        "version = 1\n[[targets]]\nname = \"lake\"\nprotocol = \"s3\"\n[[documents]]\nname = \"d\"\ntargets = [\"lake\"]\nresources = \
         [\"*\"]\n{document}\n{more}"
    );
    Snapshot::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Masks, each by what it names and its technique with what that takes.
fn masks(list: &[(&str, &str)]) -> String {
    let masks = list.iter().map(|(resource, technique)| {
        format!(
            "[[masks]]\nname = \"m-{resource}\"\ntargets = [\"lake\"]\nresources = [\"{resource}\"]\ntechnique = {technique}\n"
        )
    });
    masks.collect()
}

fn format(word: &str) -> String {
    format!("format = \"{word}\"")
}

/// A net of some categories.
fn net(categories: &str) -> String {
    format!("[[nets]]\nname = \"n\"\ntargets = [\"lake\"]\ncategories = [{categories}]\n")
}

fn masker(policy: &Snapshot) -> (Masker, SessionNet) {
    let document = policy.reading("lake", "bucket/key").document().unwrap();
    let masker = Masker::new(policy, "lake", document, MaskKey::new([7; 32]));
    (masker, SessionNet::new(policy, "lake"))
}

/// The bytes of frames, and how many records begin in them.
fn bytes(frames: Vec<Masked<Frame>>) -> (Vec<u8>, u64) {
    let mut all = (Vec::new(), 0);
    for frame in frames {
        all.1 += frame.rows();
        match frame.into_inner() {
            Frame::Verbatim(Bytes(bytes)) => all.0.extend(bytes),
            Frame::Row(_) => panic!("no rows"),
        }
    }
    all
}

/// What comes of a document in pieces.
fn in_pieces<'a>(policy: &Snapshot, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, DocumentError> {
    let (mut masker, mut net) = masker(policy);
    let (mut released, mut records) = (Vec::new(), 0);
    for piece in pieces {
        let (more, begun) = bytes(masker.push(piece, &mut net)?);
        released.extend(more);
        records += begun;
    }
    let (more, begun) = bytes(masker.finish(&mut net)?);
    released.extend(more);
    assert_eq!(
        records + begun,
        masker.records(),
        "every record is counted with a frame"
    );
    Ok(released)
}

/// What comes of a document.
fn masked(policy: &Snapshot, document: &[u8]) -> Result<Vec<u8>, DocumentError> {
    in_pieces(policy, [document])
}

fn check(policy: &Snapshot, document: &str, wanted: &str) {
    let found = masked(policy, document.as_bytes()).unwrap_or_else(|error| panic!("{error}: {document}"));
    assert_eq!(String::from_utf8(found).unwrap(), wanted, "{document}");
    // In single bytes, too.
    let found = in_pieces(policy, document.as_bytes().chunks(1)).unwrap();
    assert_eq!(String::from_utf8(found).unwrap(), wanted, "in bytes: {document}");
}

fn refused(policy: &Snapshot, document: &[u8], wanted: &str) {
    for pieces in [document.len().max(1), 1] {
        let error = in_pieces(policy, document.chunks(pieces)).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}, wanted {wanted}");
    }
}
