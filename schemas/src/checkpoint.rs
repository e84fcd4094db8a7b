//! Checkpoints: the log's signed head, as a C2SP signed note.
//!
//! ```text
//! <origin>\n<size, decimal>\n<root, base64>\n          the note text (C2SP tlog-checkpoint)
//! \n
//! — <origin> <base64(key hash[4] || Ed25519 signature[64])>\n   one line to each signature (C2SP signed-note)
//! ```
//!
//! A note of ours has no extension lines. Signatures of other keys (witnesses) may follow the log's own and are kept as
//! they are. The text form of a public key is the note verifier key `origin+hash+base64(0x01 || key)`.
//!
//! Not here: cosignature timestamps (C2SP tlog-cosignature).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::digest::Digest;
use crate::key::{KeyBytes, KeyError, PlainSignature, PublicKey, Signature, Signer};
use crate::merkle::TreeSize;

/// Bytes of a note at the most: the text and some dozens of witness signatures.
pub const NOTE_BYTES_MAX: usize = 16_384;

/// Bytes of an origin at the most; it stands on every signature line.
pub const ORIGIN_BYTES_MAX: usize = 200;

const ALGORITHM_ED25519: u8 = 0x01; // C2SP signed-note, signature types
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// Why a checkpoint, a note or a verifier key is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CheckpointError {
    /// The note breaks a rule of its format.
    #[error("not a checkpoint: {rule}")]
    Format {
        /// The rule.
        rule: &'static str,
    },
    /// The note is of another log.
    #[error("the checkpoint is of the log `{found}`, not of `{wanted}`")]
    OtherLog {
        /// Origin in the note.
        found: String,
        /// Origin of the key.
        wanted: String,
    },
    /// There is no signature of the log's key.
    #[error("the checkpoint has no signature of the log key of `{0}`")]
    NotSigned(String),
    /// The log's key or signature is refused.
    #[error("the checkpoint is not accepted: {0}")]
    Key(#[from] KeyError),
}

/// A log's name: one line of printable text without spaces and plus signs, as signed notes want key names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

impl Origin {
    /// Takes a name.
    ///
    /// # Errors
    /// [`CheckpointError::Format`] for an empty or long name, white space, control characters and `+`.
    pub fn new(name: &str) -> Result<Self, CheckpointError> {
        let bad = |character: char| character.is_whitespace() || character.is_control() || character == '+';
        if name.is_empty() || name.len() > ORIGIN_BYTES_MAX || name.contains(bad) {
            return Err(CheckpointError::Format {
                rule: "an origin is 1 to 200 bytes without spaces, control characters and `+`",
            });
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The public key of a log, under the log's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    /// The log's name.
    pub origin: Origin,
    /// Its key.
    pub key: PublicKey,
}

impl VerifierKey {
    /// The four bytes that name this key on a signature line: SHA-256(name || 0x0a || 0x01 || key) cut short.
    pub fn hash(&self) -> [u8; 4] {
        let text = [
            self.origin.0.as_bytes(),
            &[b'\n', ALGORITHM_ED25519],
            &self.key.to_bytes().0,
        ]
        .concat();
        *Digest::of(&text)
            .0
            .first_chunk()
            .expect("a SHA-256 digest has 32 bytes, more than 4")
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`CheckpointError::Format`] and [`CheckpointError::Key`].
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let format = |rule| CheckpointError::Format { rule };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(format("a verifier key is `origin+hash+base64`"));
        };
        let bytes = BASE64.decode(key).map_err(|_| format("the key is not base64"))?;
        let Some((&ALGORITHM_ED25519, bytes)) = bytes.split_first() else {
            return Err(format("the key is not of the Ed25519 kind (0x01)"));
        };
        let bytes = KeyBytes::try_from(bytes).map_err(|_| format("an Ed25519 key has 32 bytes"))?;
        let key = Self {
            origin: Origin::new(name)?,
            key: PublicKey::from_bytes(bytes)?,
        };
        if hex::encode(key.hash()) != hash {
            return Err(format("the hash is not that of the name and the key"));
        }
        Ok(key)
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = [&[ALGORITHM_ED25519][..], &self.key.to_bytes().0].concat();
        write!(
            formatter,
            "{}+{}+{}",
            self.origin.0,
            hex::encode(self.hash()),
            BASE64.encode(key)
        )
    }
}

/// A log's head that its key has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    // Invariant: `note` is the signed note of exactly these values, made or verified here.
    origin: Origin,
    size: TreeSize,
    root: Digest,
    note: String,
}

impl Checkpoint {
    /// Signs a head.
    ///
    /// # Errors
    /// [`CheckpointError::Key`] when the signer fails or signs wrongly.
    pub fn sign(origin: Origin, size: TreeSize, root: Digest, signer: &impl Signer) -> Result<Self, CheckpointError> {
        let text = format!("{}\n{size}\n{}\n", origin.0, BASE64.encode(root.0));
        let key = VerifierKey {
            origin,
            key: signer.public_key(),
        };
        let signature = signer.sign(text.as_bytes())?;
        key.key.verify(text.as_bytes(), &signature)?;
        let Signature::Plain(signature) = signature else {
            // C2SP signed-note knows no signatures of security keys.
            return Err(KeyError::OtherKind(key.key.id()).into());
        };
        let line = BASE64.encode([&key.hash()[..], &signature.0].concat());
        let note = format!("{text}\n{SIGNATURE_PREFIX}{} {line}\n", key.origin.0);
        Ok(Self {
            origin: key.origin,
            size,
            root,
            note,
        })
    }

    /// Reads a note and accepts it only under the log's key.
    ///
    /// # Errors
    /// [`CheckpointError`] for any fault of the text, another log, and a missing or bad signature.
    pub fn verify(note: &str, key: &VerifierKey) -> Result<Self, CheckpointError> {
        let format = |rule| CheckpointError::Format { rule };
        if note.len() > NOTE_BYTES_MAX {
            return Err(format("a note has at most 16,384 bytes"));
        }
        let (text, signatures) = note
            .split_once("\n\n")
            .ok_or(format("no empty line before the signatures"))?;
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), None) = (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(format("the text has three lines: origin, size, root"));
        };
        let origin = Origin::new(origin)?;
        if origin != key.origin {
            return Err(CheckpointError::OtherLog {
                found: origin.0,
                wanted: key.origin.0.clone(),
            });
        }
        let size = TreeSize(decimal(size).ok_or(format("the size is not a plain decimal number"))?);
        let root = BASE64
            .decode(root)
            .ok()
            .and_then(|bytes| Digest::try_from(bytes.as_slice()).ok());
        let root = root.ok_or(format("the root is not the base64 of 32 bytes"))?;
        let signed = format!("{text}\n");
        verify_signatures(&signed, signatures, key)?;
        Ok(Self {
            origin,
            size,
            root,
            note: note.to_owned(),
        })
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Number of entries.
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// RFC 9162 root over them.
    pub fn root(&self) -> Digest {
        self.root
    }

    /// The signed note.
    pub fn note(&self) -> &str {
        &self.note
    }
}

/// Checks the form of every signature line, and the log's own signature among them.
fn verify_signatures(signed: &str, signatures: &str, key: &VerifierKey) -> Result<(), CheckpointError> {
    let format = |rule| CheckpointError::Format { rule };
    let lines = signatures
        .strip_suffix('\n')
        .ok_or(format("the last line does not end"))?;
    let mut found = false;
    for line in lines.split('\n') {
        let line = line
            .strip_prefix(SIGNATURE_PREFIX)
            .ok_or(format("a signature line begins with an em dash"))?;
        let (name, signature) = line
            .split_once(' ')
            .ok_or(format("a signature line has a name and a signature"))?;
        Origin::new(name)?;
        let bytes = BASE64
            .decode(signature)
            .map_err(|_| format("a signature is not base64"))?;
        let Some((hash, signature)) = bytes.split_first_chunk::<4>() else {
            return Err(format("a signature begins with the 4 bytes of its key hash"));
        };
        if name != key.origin.0 || *hash != key.hash() {
            continue; // a witness, or a key that we do not know: C2SP signed-note says to pass over it
        }
        if found {
            return Err(format("the log's key signs twice"));
        }
        let signature = PlainSignature::try_from(signature).map_err(|_| format("an Ed25519 signature has 64 bytes"))?;
        key.key.verify(signed.as_bytes(), &Signature::Plain(signature))?;
        found = true;
    }
    if found {
        Ok(())
    } else {
        Err(CheckpointError::NotSigned(key.origin.0.clone()))
    }
}

/// A decimal number in its one form: digits only, no leading zero but in `0` itself.
fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::{Checkpoint, CheckpointError, Origin, VerifierKey};
    use crate::digest::Digest;
    use crate::key::{SecretKey, Signer as _};
    use crate::merkle::TreeSize;

    fn signer() -> SecretKey {
        SecretKey::from_seed(&[5; 32])
    }

    fn origin() -> Origin {
        Origin::new("exhibit.example/clinic").unwrap()
    }

    fn key() -> VerifierKey {
        VerifierKey {
            origin: origin(),
            key: signer().public_key(),
        }
    }

    fn note() -> String {
        let checkpoint = Checkpoint::sign(origin(), TreeSize(20_852_163), Digest([6; 32]), &signer()).unwrap();
        checkpoint.note().to_owned()
    }

    fn check_refused(note: &str) {
        assert!(Checkpoint::verify(note, &key()).is_err(), "{note}");
    }

    #[test]
    fn a_signed_note_verifies_and_has_the_form_of_the_spec() {
        let checkpoint = Checkpoint::verify(&note(), &key()).unwrap();
        assert_eq!(
            (checkpoint.size(), checkpoint.root()),
            (TreeSize(20_852_163), Digest([6; 32]))
        );
        let lines: Vec<_> = checkpoint.note().lines().collect();
        assert_eq!(
            lines[..4],
            [
                "exhibit.example/clinic",
                "20852163",
                "BgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgY=",
                ""
            ]
        );
        assert!(lines[4].starts_with("— exhibit.example/clinic "));
    }

    #[test]
    fn any_changed_byte_is_refused() {
        let note = note();
        for position in 0..note.len() {
            for replacement in ['0', 'A', '\n', ' '] {
                if note.is_char_boundary(position) && note.is_char_boundary(position + 1) {
                    let mut changed = note.clone();
                    changed.replace_range(position..=position, &replacement.to_string());
                    if changed != note {
                        check_refused(&changed);
                    }
                }
            }
        }
    }

    #[test]
    fn refuses_extension_lines_other_number_forms_and_missing_signatures() {
        check_refused(&note().replacen("\n\n", "\nextension\n\n", 1));
        check_refused(&note().replacen("20852163", "020852163", 1));
        check_refused(&note().replacen("20852163", "+20852163", 1));
        check_refused(note().split_once('—').unwrap().0);
        check_refused(&format!("{}x", note()));
        let other = Checkpoint::sign(origin(), TreeSize(1), Digest([6; 32]), &SecretKey::from_seed(&[6; 32])).unwrap();
        assert!(matches!(
            Checkpoint::verify(other.note(), &key()),
            Err(CheckpointError::NotSigned(_))
        ));
    }

    #[test]
    fn witness_lines_are_kept_and_the_log_may_sign_only_once() {
        let own = note();
        let witnessed = format!("{own}— witness.example AAAAAAAA\n");
        assert_eq!(Checkpoint::verify(&witnessed, &key()).unwrap().note(), witnessed);
        let line = own.split_once("\n\n").unwrap().1;
        check_refused(&format!("{own}{line}"));
    }

    #[test]
    fn verifier_keys_round_trip_and_are_checked() {
        let text = key().to_string();
        assert_eq!(VerifierKey::parse(&text).unwrap(), key());
        assert!(VerifierKey::parse(&text.replacen("clinic", "clinix", 1)).is_err());
        assert!(VerifierKey::parse("exhibit.example/clinic").is_err());
    }

    #[test]
    fn origins_fit_on_a_signature_line() {
        for name in ["", "a b", "a+b", "a\nb", &"a".repeat(201)] {
            assert!(Origin::new(name).is_err(), "{name}");
        }
        assert!(Origin::new(&"a".repeat(200)).is_ok());
    }
}
