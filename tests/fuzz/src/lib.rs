//! What every reader of foreign bytes keeps, whatever the bytes: it does not panic, and what it takes has one form.
//!
//! Each function is the body of a fuzz target and returns whether the bytes were taken. `tests/tests/fuzz.rs` runs the same
//! functions over the golden vectors and changed copies of them, on the stable toolchain.

pub mod s3;

use exhibit_documents::{Marks, Masker};
use exhibit_policy::document::{Document, Format};
use exhibit_policy::mask::MaskKey;
use exhibit_policy::net::SessionNet;
use exhibit_policy::sealed::{Recipient, recipients};
use exhibit_policy::snapshot::Snapshot;
use exhibit_postgres::analysis::{Columns, analyse};
use exhibit_postgres::catalog::Catalog;
use exhibit_postgres::message::Decoder;
use exhibit_postgres::message::backend::Backend;
use exhibit_postgres::message::frontend::Frontend;
use exhibit_postgres::redact::redact;
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::checkpoint::{Checkpoint, Origin, VerifierKey};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Event;
use exhibit_schemas::event::access::Frame;
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::proof::EventProof;
use exhibit_schemas::reading::{Operation, QUESTION_BYTES_MAX, Question};
use exhibit_schemas::scoped::{Scope, ScopedFile, push_record, records};
use exhibit_schemas::seal::UnverifiedSeal;
use exhibit_schemas::tile::{Tile, entries, push_entry};
use exhibit_schemas::wire::Message;

/// Bytes of a PostgreSQL message at the most, here; small, so that lengths over it occur.
const MESSAGE_BYTES_MAX: usize = 1_024;

/// Bytes of a planted literal at the most, below the limit of a statement.
const LITERAL_BYTES_MAX: usize = 4_096;

/// An event is encoded to the bytes that it was read from.
pub fn event(bytes: &[u8]) -> bool {
    let Ok(event) = Event::decode(bytes) else { return false };
    assert_eq!(event.encode().expect("what was read can be written").0, bytes);
    true
}

/// A seal names one emitter, and no key that did not sign it verifies it.
pub fn seal(bytes: &[u8]) -> bool {
    let Ok(seal) = UnverifiedSeal::read(bytes) else {
        return false;
    };
    assert_eq!(seal.claimed_emitter(), seal.claimed().emitter);
    assert!(seal.verify(&SecretKey::from_seed(&[99; 32]).public_key()).is_err());
    true
}

/// A checkpoint that the log of the golden vectors signed is kept as it came.
pub fn checkpoint(bytes: &[u8]) -> bool {
    let key = VerifierKey {
        origin: Origin::new("exhibit.example/vectors").expect("a name"),
        key: SecretKey::from_seed(&[2; 32]).public_key(),
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(checkpoint) = Checkpoint::verify(text, &key) else {
        return false;
    };
    assert_eq!(checkpoint.note(), text);
    let head = format!("{}\n{}\n", key.origin.as_str(), checkpoint.size().0);
    assert!(text.starts_with(&head));
    true
}

/// A verifier key has one form.
pub fn key(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(key) = VerifierKey::parse(text) else {
        return false;
    };
    assert_eq!(key.to_string(), text);
    true
}

/// The path of a tile has one form.
pub fn tile(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(tile) = Tile::parse(text) else { return false };
    assert_eq!(tile.path(), text);
    true
}

/// A bundle of entries, whatever number of them is asked for, is made of them again.
pub fn bundle_of_entries(bytes: &[u8]) -> bool {
    let mut taken = false;
    for width in [0, 1, 2, 3, 255, 256, 257, u16::MAX] {
        let Ok(found) = entries(bytes, width) else { continue };
        assert_eq!(found.len(), usize::from(width));
        let mut again = Vec::new();
        for entry in found {
            push_entry(&mut again, entry).expect("what was read can be written");
        }
        assert_eq!(again, bytes);
        taken = true;
    }
    taken
}

/// A message of the append protocol is encoded to the bytes that it was read from.
pub fn wire(bytes: &[u8]) -> bool {
    let Ok(message) = Message::decode(bytes) else {
        return false;
    };
    assert_eq!(message.encode(), bytes);
    true
}

/// The proof of an event has one form.
pub fn proof(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(proof) = EventProof::parse(text) else {
        return false;
    };
    assert_eq!(proof.to_text(), text);
    true
}

/// Records of a scoped bundle, whatever the width of their tile, are made of what they hold again.
pub fn disclosed(bytes: &[u8]) -> bool {
    let mut taken = false;
    for width in [0, 1, 2, 3, 255, 256, u16::MAX] {
        let Ok(found) = records(bytes, width) else { continue };
        let mut again = Vec::new();
        for (position, entry) in found {
            assert!(u16::from(position) < width);
            push_record(&mut again, position, entry).expect("what was read can be written");
        }
        assert_eq!(again, bytes);
        taken = true;
    }
    taken
}

/// A scope has one form, and so has the manifest that states it.
pub fn scope(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Some(scope) = Scope::parse(text) else {
        return false;
    };
    assert_eq!(scope.to_json(), text);
    assert!(!scope.to_string().chars().any(char::is_control));
    let question = format!("size:7 scope:{text}");
    let read = Question::parse(Operation::Export, &question);
    assert!(question.len() > QUESTION_BYTES_MAX || read.is_some_and(|read| read.scope() == question));
    true
}

/// The path of a file of a scoped bundle has one form, and leads nowhere else.
pub fn file(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Some(file) = ScopedFile::parse(text) else {
        return false;
    };
    assert_eq!(file.path(), text);
    assert!(!text.contains("..") && !text.starts_with('/'));
    true
}

/// Trust anchors survive being written.
pub fn trust(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(trust) = TrustAnchors::parse(text) else {
        return false;
    };
    let written = trust.to_toml();
    let again = TrustAnchors::parse(&written).expect("what was written can be read");
    assert_eq!(again.to_toml(), written);
    true
}

/// A policy is named by the digest of its exact bytes.
pub fn policy(bytes: &[u8]) -> bool {
    let Ok(snapshot) = Snapshot::parse(bytes) else {
        return false;
    };
    assert_eq!(snapshot.digest(), Digest::of(bytes));
    true
}

/// A recipient of sealed copies has one form, and no other last character of its checksum.
pub fn recipient(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(recipient) = Recipient::parse(text) else {
        return false;
    };
    assert_eq!(recipient.as_str(), text);
    let (rest, last) = text.split_at(text.len() - 1);
    let other = if last == "q" { "p" } else { "q" };
    assert!(Recipient::parse(&format!("{rest}{other}")).is_err());
    true
}

/// The recipients of a sealed copy are counted from its head alone, whatever is encrypted behind it.
pub fn copy(bytes: &[u8]) -> bool {
    let Some(count) = recipients(bytes) else { return false };
    assert_eq!(recipients(&[bytes, b"\n-> X25519 more\n"].concat()), Some(count));
    let head = bytes.windows(4).filter(|window| window == b"\n-> ").count();
    assert!(count <= head);
    true
}

/// A document is masked alike however it is cut, and what comes out is one of its format, in which nothing is left to mask.
/// The first byte is the format, the second the size of the pieces.
pub fn document(bytes: &[u8]) -> bool {
    let [word, size, bytes @ ..] = bytes else { return false };
    let Some(format) = Format::ALL.get(usize::from(*word) % Format::ALL.len()) else {
        return false;
    };
    let policy = masking(*format);
    let document = policy
        .reading("lake", "b/k")
        .document()
        .expect("it is for every object");
    let whole = masked(&policy, document, bytes, bytes.len().max(1));
    let pieces = masked(&policy, document, bytes, usize::from(*size).max(1));
    assert_eq!(whole.is_some(), pieces.is_some());
    let (Some((whole, false)), Some((pieces, _))) = (whole, pieces) else {
        return false;
    };
    assert_eq!(whole, pieces);
    let again = masked(&policy, document, &whole, whole.len().max(1)).expect("what is masked is of the same format");
    // Of resources some values are searched, and what is found a second time is no matter.
    if !matches!(format, Format::Fhir | Format::FhirNdjson) {
        assert_eq!(again.0, whole);
    }
    true
}

/// A policy that redacts something in documents of a format.
fn masking(format: Format) -> Snapshot {
    let paths = "\"paths\"\nrest = \"keep\"\npaths = [{ path = \"/*\", technique = \"redact\" }]";
    let resource = "\"paths\"\nrest = \"keep\"\npaths = [{ path = \"/name\", technique = \"redact\" }]";
    let (place, technique) = match format {
        Format::Csv | Format::Tsv => (".a", "\"redact\""),
        Format::Json | Format::Ndjson => ("", paths),
        Format::Fhir | Format::FhirNdjson => (".Patient", resource),
        Format::Hl7 => (".PID-*", "\"redact\""),
        Format::Text => ("", "\"redact\""),
    };
    let text = format!(
        "version = 1\n[[targets]]\nname = \"lake\"\nprotocol = \"s3\"\n[[documents]]\nname = \"d\"\ntargets = [\"lake\"]\n\
         resources = [\"*\"]\nformat = \"{}\"\n[[masks]]\nname = \"m\"\ntargets = [\"lake\"]\nresources = [\"d{place}\"]\n\
         technique = {technique}\n",
        format.as_str()
    );
    Snapshot::parse(text.as_bytes()).expect("it is a policy")
}

/// What comes of a document in pieces, and whether it was packed; nothing where it is none.
fn masked(policy: &Snapshot, document: &Document, bytes: &[u8], pieces: usize) -> Option<(Vec<u8>, bool)> {
    let mut net = SessionNet::new(policy, "lake");
    let mut masker = Masker::new(policy, "lake", document, MaskKey::new([7; 32]));
    let mut frames = Vec::new();
    for piece in bytes.chunks(pieces) {
        frames.extend(masker.push(piece, &mut net).ok()?);
    }
    let is_packed = masker.is_packed();
    frames.extend(masker.finish(&mut net).ok()?);
    let bytes = frames.into_iter().flat_map(|frame| match frame.into_inner() {
        Frame::Verbatim(Bytes(bytes)) => bytes,
        Frame::Row(_) => Vec::new(),
    });
    Some((bytes.collect(), is_packed))
}

/// Marks of ours are found in an upload however it is cut. The first byte is the size of the pieces.
pub fn upload(bytes: &[u8]) -> bool {
    let [size, bytes @ ..] = bytes else { return false };
    let found = |pieces: usize| {
        let mut marks = Marks::default();
        let broken = bytes.chunks(pieces).any(|piece| marks.push(piece).is_err());
        if broken { Err(()) } else { marks.finish().map_err(drop) }
    };
    let whole = found(bytes.len().max(1));
    assert_eq!(
        whole.map(|mark| mark.is_some()),
        found(usize::from(*size).max(1)).map(|mark| mark.is_some())
    );
    whole.is_ok_and(|mark| mark.is_some())
}

/// The server's tree of a view is understood whole or not at all: nothing may follow it.
pub fn view(bytes: &[u8]) -> bool {
    let Ok(tree) = std::str::from_utf8(bytes) else {
        return false;
    };
    if !Catalog::understands(tree) {
        return false;
    }
    assert!(!Catalog::understands(&format!("{tree} x")) && !Catalog::understands(&format!("{tree}{tree}")));
    true
}

/// PostgreSQL messages are cut from a stream without a byte lost, then read or refused.
pub fn postgres(bytes: &[u8]) -> bool {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    decoder.buffer().extend_from_slice(bytes);
    let (mut again, mut taken) = (Vec::new(), false);
    while let Ok(Some(raw)) = decoder.message() {
        assert!(raw.bytes().len() <= MESSAGE_BYTES_MAX + 1);
        taken |= Frontend::parse(&raw).is_ok();
        taken |= Backend::parse(&raw).is_ok();
        again.extend_from_slice(raw.bytes());
    }
    again.extend_from_slice(decoder.buffer());
    assert_eq!(again, bytes);
    taken
}

/// SQL is analysed or refused, with masks and without; a literal leaves nothing of itself in the evidence.
pub fn statement(bytes: &[u8]) -> bool {
    let Ok(sql) = std::str::from_utf8(bytes) else {
        return false;
    };
    let catalog = Catalog::default();
    let path = ["public".to_owned()];
    let all = Columns {
        masked: &|_| true,
        probed: &|_| true,
    };
    let taken = analyse(
        sql,
        &catalog,
        &path,
        Some(all),
        Some(&|relation| Some(format!("{relation}.id"))),
    )
    .is_ok();
    assert_eq!(taken, analyse(sql, &catalog, &path, None, None).is_ok());
    if !sql.contains('\0') && sql.len() <= LITERAL_BYTES_MAX {
        let planted = format!("SELECT '{}', 1", sql.replace('\'', "''"));
        let redacted = redact(&planted, &catalog).expect("a quoted literal is one token");
        assert_eq!(redacted, "SELECT <string>, <number>");
    }
    taken
}
