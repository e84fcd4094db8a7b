//! Sealed copies: to whom the exact bytes of commands are encrypted, and how such a copy looks from outside.
//!
//! ```text
//! recipient = "age1" 52 characters of data, 6 of the checksum     Bech32 (BIP 173) of an X25519 public key (RFC 7748)
//! copy      = "age-encryption.org/v1" LF
//!             ("-> X25519 " share LF, wrapped file key LF) to each recipient, and stanzas of other types
//!             "--- " header MAC LF, nonce, payload in STREAM chunks of 64 KiB
//! ```
//!
//! What is checked here needs no key: it tells a recipient whom nobody can be from one that somebody can, and a file that is
//! encrypted to so many recipients from bytes that are not. That a copy holds the bytes of its command, only a recipient sees.
//!
//! Specification: <https://c2sp.org/age>. Not here: encryption (the gate) and decryption (the person's tool).

/// Bytes of a command at the most where its policy has it sealed; a longer one is denied. Its copy is some 280 events, well
/// below what a proxy queues.
pub const COMMAND_BYTES_MAX: usize = 16 << 20;

/// Recipients of a policy at the most; the head of a copy with as many is 2 KiB.
pub const RECIPIENTS_MAX: usize = 16;

/// Why a command longer than [`COMMAND_BYTES_MAX`] is not proven, in the attribute of its facts.
pub const TOO_LONG: &str = "it is too long for the sealed copy that its policy asks for";

/// The first line of a copy.
const VERSION_LINE: &[u8] = b"age-encryption.org/v1";

/// How the stanza of a recipient begins.
const RECIPIENT_STANZA: &[u8] = b"-> X25519 ";

/// How the last line of the header begins.
const MAC_LINE: &[u8] = b"--- ";

/// Characters of an unpadded base64 text of 32 bytes.
const KEY_CHARACTERS: usize = 43;

/// A nonce, and the tag of the only chunk where there is but one.
const PAYLOAD_BYTES_MIN: usize = 16 + 16;

/// Bech32's prefix of a recipient, and the separator.
const PREFIX: &str = "age1";

/// The 32 characters of Bech32, in the order of their values.
const CHARACTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Values of five bits that hold 32 bytes.
const DATA_VALUES: usize = 52;

/// Values of the checksum.
const CHECKSUM_VALUES: usize = 6;

/// The points of low order on Curve25519 in their canonical encodings (<https://cr.yp.to/ecdh.html>): what is encrypted to them
/// anybody can open.
const LOW_ORDER: [&str; 5] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// Why a text is no recipient.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecipientError {
    /// Not the form of an X25519 recipient.
    #[error("a recipient is `age1` and 58 characters of Bech32 in lower case, as `age-keygen` prints it")]
    Form,
    /// A character was mistyped.
    #[error("the checksum of a recipient is wrong: it was mistyped")]
    Checksum,
    /// A key that is no key of anybody.
    #[error(
        "a recipient is no X25519 key that somebody could hold: what is encrypted to it, anybody can open, or nobody"
    )]
    Key,
}

/// Somebody to whom exact commands are encrypted: an X25519 recipient of age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recipient {
    // Invariant: `age1` and the Bech32 text of a canonical X25519 key that is not of low order.
    text: String,
}

impl Recipient {
    /// Reads a recipient.
    ///
    /// # Errors
    /// [`RecipientError`].
    pub fn parse(text: &str) -> Result<Self, RecipientError> {
        let data = text.strip_prefix(PREFIX).ok_or(RecipientError::Form)?;
        let value = |character: u8| CHARACTERS.iter().position(|known| *known == character);
        let values: Option<Vec<u8>> = data
            .bytes()
            .map(|character| value(character).and_then(|value| u8::try_from(value).ok()))
            .collect();
        let values = values.filter(|values| values.len() == DATA_VALUES + CHECKSUM_VALUES);
        let values = values.ok_or(RecipientError::Form)?;
        if checksum(&values) != 1 {
            return Err(RecipientError::Checksum);
        }
        let (data, _) = values.split_at(DATA_VALUES);
        let key = bytes(data).ok_or(RecipientError::Form)?;
        if !is_canonical(&key) || LOW_ORDER.contains(&hex::encode(&key).as_str()) {
            return Err(RecipientError::Key);
        }
        Ok(Self { text: text.to_owned() })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Bech32's checksum over the prefix `age` and the values: 1 where it is right.
fn checksum(values: &[u8]) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let prefix = PREFIX.trim_end_matches('1').bytes();
    let high = prefix.clone().map(|byte| byte >> 5);
    let low = prefix.map(|byte| byte & 31);
    let all = high.chain([0]).chain(low).chain(values.iter().copied());
    all.fold(1, |sum, value| {
        let next = ((sum & 0x01ff_ffff) << 5) ^ u32::from(value);
        let bits = GENERATOR
            .iter()
            .enumerate()
            .filter(|(bit, _)| (sum >> (25 + bit)) & 1 == 1);
        bits.fold(next, |next, (_, generator)| next ^ generator)
    })
}

/// The bytes of values of five bits; `None` where bits are left over that are not zero.
fn bytes(values: &[u8]) -> Option<Vec<u8>> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u16, 0);
    for value in values {
        held = (held << 5) | u16::from(*value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits).ok()?);
            held &= (1 << bits) - 1;
        }
    }
    (held == 0).then_some(bytes)
}

/// Whether a little-endian number is below 2^255 - 19.
fn is_canonical(key: &[u8]) -> bool {
    match key {
        [low, middle @ .., 0x7f] => *low < 0xed || middle.iter().any(|byte| *byte != 0xff),
        [.., high] => *high < 0x7f,
        [] => false,
    }
}

/// To how many X25519 recipients a copy is encrypted that begins so; `None` where this is not the beginning of one. The
/// whole header has to be in it.
pub fn recipients(beginning: &[u8]) -> Option<usize> {
    let (line, mut rest) = line(beginning)?;
    if line != VERSION_LINE {
        return None;
    }
    let mut count = 0;
    loop {
        let (head, after) = self::line(rest)?;
        if let Some(mac) = head.strip_prefix(MAC_LINE) {
            return (is_base64(mac, KEY_CHARACTERS) && after.len() >= PAYLOAD_BYTES_MIN).then_some(count);
        }
        head.strip_prefix(b"-> ")?;
        let own = head.strip_prefix(RECIPIENT_STANZA);
        rest = match own {
            Some(share) => {
                let (key, after) = self::line(after)?;
                if !is_base64(share, KEY_CHARACTERS) || !is_base64(key, KEY_CHARACTERS) {
                    return None;
                }
                after
            }
            None => skip(after)?,
        };
        count += usize::from(own.is_some());
    }
}

/// What follows the body of a stanza: lines of 64 characters of base64, and then a shorter one.
fn skip(mut body: &[u8]) -> Option<&[u8]> {
    loop {
        let (text, rest) = line(body)?;
        if !is_base64(text, text.len()) || text.len() > 64 {
            return None;
        }
        if text.len() < 64 {
            return Some(rest);
        }
        body = rest;
    }
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at(end);
    Some((line, rest.strip_prefix(b"\n")?))
}

fn is_base64(text: &[u8], length: usize) -> bool {
    let right = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.len() == length && text.iter().all(right)
}

#[cfg(test)]
mod tests {
    use super::{CHARACTERS, Recipient, RecipientError, checksum, recipients};

    /// The recipient with that key.
    fn encoded(key: [u8; 32]) -> String {
        let mut values = Vec::new();
        let (mut held, mut bits) = (0_u32, 0);
        for byte in key {
            held = (held << 8) | u32::from(byte);
            bits += 8;
            while bits >= 5 {
                bits -= 5;
                values.push(u8::try_from((held >> bits) & 31).unwrap());
                held &= (1 << bits) - 1;
            }
        }
        values.push(u8::try_from((held << (5 - bits)) & 31).unwrap());
        let sum = checksum(&[values.as_slice(), &[0; 6]].concat()) ^ 1;
        values.extend((0..6).map(|place| u8::try_from((sum >> (5 * (5 - place))) & 31).unwrap()));
        let characters = values.iter().map(|value| char::from(CHARACTERS[usize::from(*value)]));
        format!("age1{}", characters.collect::<String>())
    }

    const RECIPIENT: &str = "age1apdu77hwunkk6ynkekenhz770754fhlqlf95dd6s2vscx3ctgp0qqyx3sd";

    #[test]
    fn a_recipient_as_age_keygen_prints_it_is_taken_and_no_mistyped_one() {
        assert_eq!(Recipient::parse(RECIPIENT).unwrap().as_str(), RECIPIENT);
        assert_eq!(encoded([9; 32]).len(), RECIPIENT.len());
        for place in 4..RECIPIENT.len() {
            let mut other = RECIPIENT.as_bytes().to_vec();
            other[place] = if other[place] == b'q' { b'p' } else { b'q' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(Recipient::parse(&other), Err(RecipientError::Checksum), "{other}");
        }
        for other in [
            "",
            "age1",
            "ssh-ed25519 AAAA",
            &RECIPIENT.to_uppercase(),
            &RECIPIENT[..61],
            &format!("{RECIPIENT}q"),
            &format!(" {RECIPIENT}"),
            &format!("{RECIPIENT}\n"),
            &RECIPIENT.replace("age1", "agf1"),
            &RECIPIENT.replace('q', "b"),
        ] {
            assert_eq!(Recipient::parse(other), Err(RecipientError::Form), "{other}");
        }
    }

    #[test]
    fn keys_that_nobody_holds_alone_are_refused() {
        let of = |hexadecimal: &str| -> [u8; 32] { hex::decode(hexadecimal).unwrap().try_into().unwrap() };
        for low in super::LOW_ORDER {
            assert_eq!(Recipient::parse(&encoded(of(low))), Err(RecipientError::Key), "{low}");
        }
        let end = |low: u8, high: u8| {
            let mut key = [0xff; 32];
            (key[0], key[31]) = (low, high);
            key
        };
        // 2^255 - 21 is the largest that is not of low order; from 2^255 - 19 on a key has another encoding.
        assert!(Recipient::parse(&encoded(end(0xeb, 0x7f))).is_ok());
        for key in [end(0xed, 0x7f), end(0xee, 0x7f), end(0xff, 0x7f), end(0x09, 0x80)] {
            assert_eq!(Recipient::parse(&encoded(key)), Err(RecipientError::Key));
        }
        // A bit of the padding is set, and the checksum is right.
        let mut values: Vec<u8> = vec![0; 51];
        values.push(1);
        let sum = checksum(&[values.as_slice(), &[0; 6]].concat()) ^ 1;
        values.extend((0..6).map(|place| u8::try_from((sum >> (5 * (5 - place))) & 31).unwrap()));
        let characters = values.iter().map(|value| char::from(CHARACTERS[usize::from(*value)]));
        let padded = format!("age1{}", characters.collect::<String>());
        assert_eq!(Recipient::parse(&padded), Err(RecipientError::Form));
    }

    #[test]
    fn the_recipients_of_a_copy_are_counted_and_clear_text_is_no_copy() {
        let key = "A".repeat(43);
        let stanza = format!("-> X25519 {key}\n{key}\n");
        let other = format!("-> x9-grease a b\n{}\n{}\nAA\n", "A".repeat(64), "B".repeat(64));
        let empty = "-> x9-grease\n\n";
        let file = |stanzas: &str| format!("age-encryption.org/v1\n{stanzas}--- {key}\n{}", "x".repeat(32));
        assert_eq!(recipients(file(&stanza).as_bytes()), Some(1));
        assert_eq!(
            recipients(file(&format!("{stanza}{other}{stanza}{empty}")).as_bytes()),
            Some(2)
        );
        assert_eq!(recipients(file(empty).as_bytes()), Some(0));
        let whole = file(&stanza);
        for cut in 0..whole.len() {
            assert_eq!(recipients(&whole.as_bytes()[..cut]), None, "{cut}");
        }
        for bad in [
            "SELECT 1".to_owned(),
            file(&stanza).replace("v1", "v2"),
            file("-> X25519 AAAA\nAAAA\n"),
            file(&format!("-> X25519 {key}\n")),
            file(&format!("SELECT 1\n{stanza}")),
            file(&format!("-> other\n{}\n", "A".repeat(65))),
            file(&stanza).replace("--- A", "--- ="),
        ] {
            assert_eq!(recipients(bad.as_bytes()), None, "{bad}");
        }
    }
}
