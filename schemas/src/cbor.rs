//! Deterministic CBOR (RFC 8949 section 4.2.1), the one encoding of every value that crosses a boundary.
//!
//! A record is a map with small unsigned integer keys in ascending order, all of definite length, every integer in its
//! shortest form, no floats. The encoder writes only that. The decoder takes what `serde_cbor` understands, then encodes
//! the value again, against the bytes that it came from: whatever is not the one encoding of its value is refused, so no
//! two byte strings mean the same event.
//!
//! [`record!`](crate::record!) declares a struct together with its integer keys. Not here: floats, tags (the COSE tag is written by
//! [`crate::seal`]) and indefinite lengths.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::SerializeMap as _;
use serde_cbor::ser::{IoWrite, Serializer};

/// Bytes that an encoding is begun with: most events and all other records fit, so that few grow.
const ENCODING_BYTES: usize = 512;

/// Why bytes were not taken as a value.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Not well-formed CBOR, or not of the expected shape. The text names the place, never a value.
    #[error("not a valid {what}: {fault} at byte {offset}")]
    Malformed {
        /// The type that was expected.
        what: &'static str,
        /// What kind of fault the decoder found.
        fault: &'static str,
        /// Byte offset of the fault, as the decoder counts.
        offset: u64,
    },
    /// Valid CBOR of the right shape, but not the deterministic encoding of its value.
    #[error("not the deterministic encoding of this {what} (RFC 8949 section 4.2.1): bytes differ at {offset}")]
    NotDeterministic {
        /// The type that was expected.
        what: &'static str,
        /// First byte offset at which the deterministic encoding differs.
        offset: usize,
    },
    /// A value breaks a rule of its type.
    #[error("invalid {what}: {rule}")]
    Invalid {
        /// The type that was expected.
        what: &'static str,
        /// The rule that is broken.
        rule: &'static str,
    },
}

/// Encodes a value deterministically.
///
/// The types of this crate cannot fail to encode: they hold only integers, strings, byte strings, arrays and maps.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    append(Vec::with_capacity(ENCODING_BYTES), value)
}

/// The same, after a byte that says what follows.
pub(crate) fn encode_after<T: Serialize>(first: u8, value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENCODING_BYTES);
    bytes.push(first);
    append(bytes, value)
}

fn append<T: Serialize>(mut bytes: Vec<u8>, value: &T) -> Vec<u8> {
    value
        .serialize(&mut Serializer::new(&mut bytes))
        .expect("types of this crate hold nothing that CBOR cannot carry, and a Vec cannot fail");
    bytes
}

/// Decodes a value and refuses every encoding but the deterministic one.
///
/// # Errors
/// [`DecodeError`] for malformed bytes, unknown or missing keys, trailing bytes, and any non-deterministic encoding.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let what = short_name::<T>();
    let value: T = serde_cbor::from_slice(bytes).map_err(|error| {
        // The decoder's own text may quote a value (serde's `invalid value: string "..."`), so only its category stays.
        let fault = match error.classify() {
            serde_cbor::error::Category::Io => "read failure",
            serde_cbor::error::Category::Syntax => "malformed CBOR",
            serde_cbor::error::Category::Data => "a key or value that this type does not have",
            serde_cbor::error::Category::Eof => "unexpected end",
        };
        DecodeError::Malformed {
            what,
            fault,
            offset: error.offset(),
        }
    })?;
    let mut same = Same { rest: bytes };
    let encoded = value.serialize(&mut Serializer::new(IoWrite::new(&mut same)));
    if encoded.is_ok() && same.rest.is_empty() {
        return Ok(value);
    }
    let offset = bytes.len() - same.rest.len();
    Err(DecodeError::NotDeterministic { what, offset })
}

/// Takes an encoding while it is that of these bytes, and holds what is left of them: nothing is copied to compare.
struct Same<'bytes> {
    rest: &'bytes [u8],
}

impl io::Write for Same<'_> {
    fn write(&mut self, encoded: &[u8]) -> io::Result<usize> {
        let Some(rest) = self.rest.strip_prefix(encoded) else {
            let pairs = self.rest.iter().zip(encoded);
            let alike = pairs.take_while(|(left, right)| left == right).count();
            self.rest = self.rest.split_at_checked(alike).map_or(&[], |(_, rest)| rest);
            return Err(io::ErrorKind::InvalidData.into());
        };
        self.rest = rest;
        Ok(encoded.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn short_name<T>() -> &'static str {
    let full = std::any::type_name::<T>();
    full.rsplit("::").next().unwrap_or(full)
}

/// A map with text keys, written in the order of RFC 8949 section 4.2.1: by the bytes of the encoded keys.
///
/// An encoded text begins with its length, so a shorter key comes first, which is not the order of a `BTreeMap`.
#[derive(Clone, Copy, Debug)]
pub struct Sorted<'map, V>(pub &'map BTreeMap<String, V>);

impl<V: Serialize> Serialize for Sorted<'_, V> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entries: Vec<_> = self.0.iter().collect();
        entries.sort_by_key(|(key, _)| (key.len(), *key));
        let mut map = serializer.serialize_map(Some(entries.len()))?;
        for (key, value) in entries {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Declares a record: a struct whose CBOR form is a map with integer keys.
///
/// Required fields are written `1 => name: Type`, optional ones `(?) 5 => name: Type` (held as `Option<Type>`, absent from
/// the map when `None`), maps with text keys `(sorted) 2 => name: BTreeMap<String, Type>` ([`Sorted`]). Keys must ascend and stay below 24, so that map order and shortest form follow by construction.
/// Unknown, repeated and missing keys are refused on reading.
#[macro_export]
macro_rules! record {
    (@ty $ty:ty) => { $ty };
    (@ty $ty:ty, ?) => { Option<$ty> };
    (@ty $ty:ty, sorted) => { $ty };
    (@present $self:ident, $field:ident) => { 1 };
    (@present $self:ident, $field:ident, sorted) => { 1 };
    (@present $self:ident, $field:ident, ?) => { usize::from($self.$field.is_some()) };
    (@write $map:ident, $self:ident, $key:literal, $field:ident) => {
        serde::ser::SerializeMap::serialize_entry(&mut $map, &{ const KEY: u8 = $key; KEY }, &$self.$field)?
    };
    (@write $map:ident, $self:ident, $key:literal, $field:ident, ?) => {
        if let Some(value) = &$self.$field {
            serde::ser::SerializeMap::serialize_entry(&mut $map, &{ const KEY: u8 = $key; KEY }, value)?
        }
    };
    (@write $map:ident, $self:ident, $key:literal, $field:ident, sorted) => {
        serde::ser::SerializeMap::serialize_entry(
            &mut $map, &{ const KEY: u8 = $key; KEY }, &$crate::cbor::Sorted(&$self.$field))?
    };
    (@take $field:ident) => { $field.ok_or_else(|| serde::de::Error::missing_field(stringify!($field)))? };
    (@take $field:ident, ?) => { $field };
    (@take $field:ident, sorted) => { $crate::record!(@take $field) };
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[$field_meta:meta])* $(($opt:tt))? $key:literal => $field:ident : $ty:ty ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        $vis struct $name {
            $( $(#[$field_meta])* pub $field: $crate::record!(@ty $ty $(, $opt)?), )*
        }

        impl serde::Serialize for $name {
            #[allow(unused_mut, clippy::allow_attributes, reason = "a record may be empty")]
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let length = 0 $( + $crate::record!(@present self, $field $(, $opt)?) )*;
                let mut map = serde::Serializer::serialize_map(serializer, Some(length))?;
                $( $crate::record!(@write map, self, $key, $field $(, $opt)?); )*
                serde::ser::SerializeMap::end(map)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct RecordVisitor;
                impl<'de> serde::de::Visitor<'de> for RecordVisitor {
                    type Value = $name;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        formatter.write_str(concat!("a ", stringify!($name), " map with integer keys"))
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        $( let mut $field: Option<$ty> = None; )*
                        while let Some(key) = map.next_key::<u8>()? {
                            match key {
                                $( $key if $field.is_none() => $field = Some(map.next_value()?), )*
                                _ => return Err(serde::de::Error::custom("unknown or repeated key")),
                            }
                        }
                        Ok($name { $( $field: $crate::record!(@take $field $(, $opt)?), )* })
                    }
                }
                serde::Deserializer::deserialize_map(deserializer, RecordVisitor)
            }
        }
    };
}

/// Declares an enumeration that is one small unsigned integer in CBOR and one word in text.
#[macro_export]
macro_rules! code {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $code:literal $word:literal ),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $( $(#[$variant_meta])* $variant, )* }

        impl $name {
            /// Every value, in the order of its codes.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The integer on the wire.
            pub const fn code(self) -> u8 {
                match self { $( Self::$variant => $code, )* }
            }

            /// The word in configuration, command lines and reports.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }

            /// The value with this code, if there is one.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $( $code => Some(Self::$variant), )* _ => None }
            }

            /// The value with this word, if there is one.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $( $word => Some(Self::$variant), )* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u8(self.code())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let code = <u8 as serde::Deserialize>::deserialize(deserializer)?;
                Self::from_code(code).ok_or_else(|| serde::de::Error::custom("unknown code"))
            }
        }
    };
}

/// Declares a fixed-size byte string with hexadecimal text form.
#[macro_export]
macro_rules! fixed_bytes {
    ($(#[$meta:meta])* pub struct $name:ident([u8; $size:literal]);) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $size]);

        impl $name {
            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $size] {
                &self.0
            }

            /// Reads the hexadecimal form; `None` for any other text.
            pub fn from_hex(text: &str) -> Option<Self> {
                let mut bytes = [0; $size];
                hex::decode_to_slice(text, &mut bytes).ok()?;
                Some(Self(bytes))
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = std::array::TryFromSliceError;

            fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
                bytes.try_into().map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&hex::encode(self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, concat!(stringify!($name), "({})"), self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let bytes = serde_bytes::deserialize::<&[u8], D>(deserializer)?;
                Self::try_from(bytes).map_err(|_| serde::de::Error::custom("wrong length of a fixed-size byte string"))
            }
        }
    };
}

/// A byte string of any length whose `Debug` shows only its length: it may hold released data.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Bytes(#[serde(with = "serde_bytes")] pub Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Bytes({} bytes)", self.0.len())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, DecodeError, decode, encode};

    record! {
        /// A record for the tests.
        struct Sample {
            /// A number.
            1 => number: u64,
            /// Some bytes.
            (?) 2 => bytes: Bytes,
            /// A text.
            5 => text: String,
        }
    }

    fn check_refused(bytes: &[u8], wanted: &str) {
        let error = decode::<Sample>(bytes).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }

    #[test]
    fn round_trips_with_and_without_the_optional_field() {
        for bytes in [None, Some(Bytes(vec![1, 2]))] {
            let sample = Sample {
                number: 300,
                bytes,
                text: "é".into(),
            };
            assert_eq!(decode::<Sample>(&encode(&sample)).unwrap(), sample);
        }
        let sample = Sample {
            number: 300,
            bytes: None,
            text: "a".into(),
        };
        assert_eq!(encode(&sample), [0xa2, 1, 0x19, 1, 44, 5, 0x61, b'a']);
    }

    #[test]
    fn refuses_every_other_encoding_of_the_same_value() {
        check_refused(&[0xa2, 1, 0x1a, 0, 0, 1, 44, 5, 0x61, b'a'], "deterministic"); // long integer
        check_refused(&[0xa2, 5, 0x61, b'a', 1, 0x19, 1, 44], "deterministic"); // keys out of order
        check_refused(&[0xbf, 1, 0x19, 1, 44, 5, 0x61, b'a', 0xff], "deterministic"); // indefinite map
        check_refused(&[0xa2, 0x18, 1, 0x19, 1, 44, 5, 0x61, b'a'], "deterministic"); // long key
        check_refused(&[0xa2, 1, 0x19, 1, 44, 5, 0x7f, 0x61, b'a', 0xff], "deterministic"); // indefinite text
        check_refused(&[0xc1, 0xa2, 1, 0x19, 1, 44, 5, 0x61, b'a'], "deterministic"); // tag
    }

    #[test]
    fn names_the_first_byte_that_is_not_of_the_one_encoding() {
        let check = |bytes: &[u8], wanted: usize| {
            let refused = DecodeError::NotDeterministic {
                what: "Sample",
                offset: wanted,
            };
            assert_eq!(decode::<Sample>(bytes), Err(refused));
        };
        check(&[0xc1, 0xa2, 1, 0x19, 1, 44, 5, 0x61, b'a'], 0);
        check(&[0xa2, 0x18, 1, 0x19, 1, 44, 5, 0x61, b'a'], 1);
        check(&[0xa2, 1, 0x1a, 0, 0, 1, 44, 5, 0x61, b'a'], 2);
        check(&[0xa2, 1, 0x19, 0, 7, 5, 0x61, b'a'], 2);
        check(&[0xa2, 1, 0x19, 1, 44, 5, 0x78, 1, b'a'], 6);
    }

    #[test]
    fn refuses_unknown_repeated_missing_keys_and_trailing_bytes() {
        check_refused(&[0xa3, 1, 1, 5, 0x61, b'a', 6, 1], "key or value");
        check_refused(&[0xa3, 1, 1, 1, 1, 5, 0x61, b'a'], "key or value");
        check_refused(&[0xa1, 1, 1], "key or value");
        check_refused(&[0xa2, 1, 1, 5, 0x61, b'a', 0], "malformed");
        check_refused(&[0xa2, 1, 1, 5, 0x61], "end");
        check_refused(&[0xa2, 1, 0xf9, 0, 0, 5, 0x61, b'a'], "key or value"); // a float
    }

    #[test]
    fn errors_do_not_repeat_values() {
        let error = decode::<Sample>(&[0xa2, 1, 0x63, b'4', b'7', b'1', 5, 0x61, b'a']).unwrap_err();
        assert!(!error.to_string().contains("471"), "{error}");
        assert!(matches!(error, DecodeError::Malformed { what: "Sample", .. }));
    }
}
