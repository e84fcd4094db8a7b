//! Where a request goes: the service, a bucket, or an object, named by the path alone or by the host and the path.
//!
//! Specification: "Virtual hosting of general purpose buckets" of the Amazon S3 user guide, and its rules for names of buckets and keys.
//!
//! ```text
//! host s3.gateway.example         /reports/2026/a.csv   bucket reports, key 2026/a.csv   (path style)
//! host reports.s3.gateway.example /2026/a.csv           the same                         (virtual-host style)
//! ```
//!
//! A host below one of ours names a bucket; every other host means path style. **What is decided about has to be what every store
//! understands.** To AWS and Ceph `a//b` and `a/../b` are keys of their own, and `MinIO` cleans them as paths, so they are refused; `a/` is a
//! key everywhere. A source of a copy is decoded once here and by AWS, and twice by Ceph, so a key that would change is refused there.
//!
//! Not here: access points, multi-region access points and other ARNs in the place of a bucket, which are refused.

use crate::signature::target::{Target, TargetError};

/// Bytes of a key at the most ("Naming Amazon S3 objects").
pub const KEY_BYTES_MAX: usize = 1_024;

/// How names begin and end that AWS keeps for access points, their aliases and other kinds of buckets ("General purpose bucket naming rules").
const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// Under these stores serve their administration or other protocols in the place of a bucket: `MinIO` and what came of it, Ceph.
const INTERFACES: [&str; 6] = ["minio", "rustfs", "admin", "swift", "auth", "health"];

/// Bytes of a bucket's name ("General purpose bucket naming rules").
const BUCKET_BYTES: std::ops::RangeInclusive<usize> = 3..=63;

/// Why a place is refused. No variant repeats a key.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum AddressError {
    /// A bucket's name that is none.
    #[error(
        "the name of the bucket is not one of 3 to 63 small letters, digits, hyphens and dots; access points and other ARNs are not served"
    )]
    Bucket,
    /// A name that stands for something else than a bucket of that name.
    #[error(
        "the name of the bucket is one that AWS keeps for aliases, or under which stores serve interfaces of their own"
    )]
    Reserved,
    /// A key that is too long.
    #[error("the key has more than {KEY_BYTES_MAX} bytes")]
    KeyLength,
    /// A key that is not text.
    #[error("the key is not UTF-8")]
    KeyText,
    /// No key where there has to be one.
    #[error("the key is empty")]
    KeyEmpty,
    /// A key that some stores take for another one.
    #[error(
        "the key begins with `/`, or has an empty, `.` or `..` part, which some stores clean away; such keys are not served"
    )]
    KeyPath,
    /// A key that no XML can hold.
    #[error(
        "the key holds a character that XML has no way to write, so no list could name it; such keys are not served"
    )]
    KeyXml,
    /// No host, or one that is no text.
    #[error("the request has no `Host` header that names a host")]
    Host,
    /// A source of a copy that is none.
    #[error("`x-amz-copy-source` is not `bucket/key` or `bucket/key?versionId=ID`, URL-encoded")]
    Source,
    /// A source that stores read in different ways.
    #[error(
        "the key of the source holds `%`, `+`, `?`, `#` or `;`, which stores decode in different ways; copy it by reading and writing it"
    )]
    SourceKey,
}

/// The name of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(String);

/// The key of an object: 1 to 1,024 bytes of UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The service itself.
    Service,
    /// A bucket.
    Bucket(Bucket),
    /// An object, whether or not there is one.
    Object(Bucket, Key),
}

/// What of an address an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The service.
    Service,
    /// A bucket.
    Bucket,
    /// An object.
    Object,
}

/// The source of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its bucket.
    pub bucket: Bucket,
    /// Its key.
    pub key: Key,
    /// Which version of it; the current one if absent.
    pub version: Option<String>,
}

impl Bucket {
    /// Reads a name.
    ///
    /// # Errors
    /// [`AddressError::Bucket`].
    pub fn parse(name: &[u8]) -> Result<Self, AddressError> {
        let name = str::from_utf8(name).map_err(|_| AddressError::Bucket)?;
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
        let outer = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let is_name = BUCKET_BYTES.contains(&name.len())
            && name.bytes().all(inner)
            && outer(name.bytes().next())
            && outer(name.bytes().next_back())
            && !name.contains("..")
            // What reads as an address of a host would be another place in virtual-host style.
            && name.parse::<std::net::Ipv4Addr>().is_err();
        if !is_name {
            return Err(AddressError::Bucket);
        }
        let reserved = RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || RESERVED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
            || INTERFACES.contains(&name);
        if reserved {
            return Err(AddressError::Reserved);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Key {
    /// Reads a key that was decoded; there has to be one.
    ///
    /// # Errors
    /// [`AddressError`] of keys.
    pub fn parse(key: &[u8]) -> Result<Self, AddressError> {
        if key.is_empty() {
            return Err(AddressError::KeyEmpty);
        }
        if key.len() > KEY_BYTES_MAX {
            return Err(AddressError::KeyLength);
        }
        let text = str::from_utf8(key).map_err(|_| AddressError::KeyText)?;
        // Of the controls XML 1.0 has three (its section 2.2), and a carriage return is read as a line feed.
        let in_xml = |character: char| matches!(character, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        if !text.chars().all(in_xml) {
            return Err(AddressError::KeyXml);
        }
        // A `/` at the end is a folder of consoles, and stays one everywhere.
        let mut parts = text.strip_suffix('/').unwrap_or(text).split('/');
        if parts.any(|part| matches!(part, "" | "." | "..")) {
            return Err(AddressError::KeyPath);
        }
        Ok(Self(text.to_owned()))
    }

    /// The key: data, as a literal of SQL is.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Key({} bytes)", self.0.len())
    }
}

impl Address {
    /// Reads where a request goes. `hosts` are our own names, in small letters, below which buckets are named.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(host: &[u8], hosts: &[String], target: &Target) -> Result<Self, AddressError> {
        let path = target.path().strip_prefix(b"/").unwrap_or_default();
        match bucket_of_host(host, hosts)? {
            Some(bucket) => Self::of(bucket, path),
            None if path.is_empty() => Ok(Self::Service),
            None => {
                let (bucket, key) = split(path);
                Self::of(Bucket::parse(bucket)?, key)
            }
        }
    }

    fn of(bucket: Bucket, key: &[u8]) -> Result<Self, AddressError> {
        if key.is_empty() {
            return Ok(Self::Bucket(bucket));
        }
        Ok(Self::Object(bucket, Key::parse(key)?))
    }

    /// What it is the address of.
    pub const fn level(&self) -> Level {
        match self {
            Self::Service => Level::Service,
            Self::Bucket(_) => Level::Bucket,
            Self::Object(..) => Level::Object,
        }
    }

    /// The bucket.
    pub const fn bucket(&self) -> Option<&Bucket> {
        match self {
            Self::Service => None,
            Self::Bucket(bucket) | Self::Object(bucket, _) => Some(bucket),
        }
    }

    /// The key.
    pub const fn key(&self) -> Option<&Key> {
        match self {
            Self::Service | Self::Bucket(_) => None,
            Self::Object(_, key) => Some(key),
        }
    }

    /// The path of it in path style, decoded: what a target gets, whatever style the agent chose.
    pub fn path(&self) -> Vec<u8> {
        let text = match self {
            Self::Service => "/".to_owned(),
            Self::Bucket(bucket) => format!("/{}", bucket.0),
            Self::Object(bucket, key) => format!("/{}/{}", bucket.0, key.0),
        };
        text.into_bytes()
    }
}

impl Source {
    /// Reads `x-amz-copy-source`: URL-encoded, with or without a `/` before it (`CopyObject` of the API reference).
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(header: &[u8]) -> Result<Self, AddressError> {
        let text = str::from_utf8(header).map_err(|_| AddressError::Source)?;
        let path = text.strip_prefix('/').unwrap_or(text);
        let target = Target::parse(&format!("/{path}")).map_err(|error| match error {
            TargetError::Form | TargetError::Length | TargetError::Parameters | TargetError::Encoding => {
                AddressError::Source
            }
        })?;
        let version = match target.parameters() {
            [] => None,
            [version] if version.name == b"versionId" => Some(version_of(&version.value)?),
            _ => return Err(AddressError::Source),
        };
        let (bucket, key) = split(target.path().strip_prefix(b"/").unwrap_or_default());
        if key.is_empty() {
            return Err(AddressError::Source);
        }
        if key.iter().any(|byte| b"%+?#;".contains(byte)) {
            return Err(AddressError::SourceKey);
        }
        Ok(Self {
            bucket: Bucket::parse(bucket)?,
            key: Key::parse(key)?,
            version,
        })
    }

    /// The header that a store gets: never the agent's own bytes.
    pub fn header(&self) -> String {
        let path = format!("/{}/{}", self.bucket.0, self.key.0);
        let target = Target::new(path.into_bytes(), Vec::new()).expect("it begins with a slash");
        let version = self.version.as_ref().map(|version| format!("?versionId={version}"));
        target.canonical_path() + version.as_deref().unwrap_or_default()
    }
}

/// A version of an object: the letters that a URL holds as they are, so that nobody decodes them otherwise ("URL-ready, opaque strings").
fn version_of(value: &[u8]) -> Result<String, AddressError> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let text = str::from_utf8(value).ok();
    let text = text.filter(|_| !value.is_empty() && value.len() <= KEY_BYTES_MAX && value.iter().all(plain));
    text.map(str::to_owned).ok_or(AddressError::Source)
}

/// The bucket that a host names below one of ours.
fn bucket_of_host(host: &[u8], hosts: &[String]) -> Result<Option<Bucket>, AddressError> {
    let host = str::from_utf8(host).map_err(|_| AddressError::Host)?;
    let host = host.trim().to_ascii_lowercase();
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host.as_str(),
    };
    if host.is_empty() {
        return Err(AddressError::Host);
    }
    // A name of ours that is below another one names no bucket.
    if hosts.iter().any(|own| own == host) {
        return Ok(None);
    }
    let below = hosts
        .iter()
        .filter_map(|own| host.strip_suffix(own.as_str())?.strip_suffix('.'));
    // Of several the longest name of ours: its buckets have the shortest names.
    let bucket = below.min_by_key(|bucket| bucket.len());
    bucket.map(|bucket| Bucket::parse(bucket.as_bytes())).transpose()
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = path.splitn(2, |byte| *byte == b'/');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

#[cfg(test)]
mod tests;
