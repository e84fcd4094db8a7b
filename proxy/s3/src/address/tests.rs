use proptest::prelude::*;

use super::{Address, AddressError, Bucket, KEY_BYTES_MAX, Key, Source};
use crate::signature::target::{Target, TargetError};

fn hosts() -> Vec<String> {
    ["s3.gateway.example", "gateway.example"].map(str::to_owned).to_vec()
}

fn parse(host: &str, target: &str) -> Result<Address, AddressError> {
    let target = Target::parse(target).expect("a target");
    Address::parse(host.as_bytes(), &hosts(), &target)
}

fn object(bucket: &str, key: &str) -> Address {
    Address::Object(Bucket(bucket.to_owned()), Key(key.to_owned()))
}

#[test]
fn a_path_names_bucket_and_key() {
    for (target, address) in [
        ("/", Address::Service),
        ("/reports", Address::Bucket(Bucket("reports".to_owned()))),
        ("/reports/", Address::Bucket(Bucket("reports".to_owned()))),
        ("/reports/2026/a.csv", object("reports", "2026/a.csv")),
        ("/reports/a/", object("reports", "a/")),
        ("/reports/a..b/.c", object("reports", "a..b/.c")),
        ("/reports/a%2Fb%20%C3%BC?versionId=1", object("reports", "a/b ü")),
    ] {
        for host in [
            "s3.gateway.example",
            "S3.gateway.example:8443",
            "127.0.0.1:9000",
            "[::1]:9000",
            "other",
        ] {
            assert_eq!(parse(host, target).as_ref(), Ok(&address), "{host} {target}");
        }
    }
}

#[test]
fn a_host_below_ours_names_the_bucket() {
    let check = |host: &str, target: &str, address: Address| assert_eq!(parse(host, target), Ok(address), "{host}");
    check(
        "reports.s3.gateway.example",
        "/",
        Address::Bucket(Bucket("reports".to_owned())),
    );
    check("reports.s3.gateway.example:443", "/a/b", object("reports", "a/b"));
    check("my.reports.s3.gateway.example", "/a", object("my.reports", "a"));
    check("reports.gateway.example", "/a", object("reports", "a"));
    // Our own name below a shorter one of ours names no bucket; the service is there.
    check("s3.gateway.example", "/", Address::Service);
    // A bucket in the path is a part of the key there.
    check("reports.s3.gateway.example", "/other/a", object("reports", "other/a"));
    assert_eq!(parse("UP_per.s3.gateway.example", "/a"), Err(AddressError::Bucket));
    assert_eq!(parse(".s3.gateway.example", "/a"), Err(AddressError::Bucket));
    assert_eq!(parse("", "/a"), Err(AddressError::Host));
}

#[test]
fn refuses_what_is_no_bucket() {
    for name in [
        "",
        "ab",
        "Reports",
        "re_ports",
        "-reports",
        "reports-",
        ".reports",
        "re..ports",
        "192.168.5.4",
        "tenant:reports",
        "arn:aws:s3:us-east-1:123456789012:accesspoint",
        "a\0b",
        "ü-reports",
        &"a".repeat(64),
    ] {
        assert_eq!(Bucket::parse(name.as_bytes()), Err(AddressError::Bucket), "{name}");
    }
    for name in [
        "minio",
        "admin",
        "swift",
        "my-ap-0123-s3alias",
        "a.mrap",
        "sthree-a",
        "xn--a",
        "b--x-s3",
    ] {
        assert_eq!(Bucket::parse(name.as_bytes()), Err(AddressError::Reserved), "{name}");
    }
    // A bucket of an account's own namespace is one of that name.
    for name in ["abc", "a.b-c", "0ab", "a-123456789012-us-east-1-an", &"a".repeat(63)] {
        assert!(Bucket::parse(name.as_bytes()).is_ok(), "{name}");
    }
}

#[test]
fn keys_have_limits_and_are_text() {
    let longest = "k".repeat(KEY_BYTES_MAX);
    assert!(parse("h", &format!("/abc/{longest}")).is_ok());
    assert_eq!(parse("h", &format!("/abc/{longest}k")), Err(AddressError::KeyLength));
    assert_eq!(parse("h", "/abc/%ff"), Err(AddressError::KeyText));
    assert_eq!(parse("h", "/abc/a%00b"), Err(AddressError::KeyXml));
    assert_eq!(Key::parse(b""), Err(AddressError::KeyEmpty));
    assert_eq!(
        format!("{:?}", object("abc", "planted")),
        "Object(Bucket(\"abc\"), Key(7 bytes))"
    );
}

/// `MinIO` serves `phi/a` for each of these: a mask of `phi/` would not be asked.
#[test]
fn keys_that_some_stores_clean_are_refused() {
    for target in [
        "//phi/a",
        "/%2Fphi/a",
        "/x//phi/a",
        "/x/../phi/a",
        "/./phi/a",
        "/phi/a/..",
        "/phi/.",
        "/a//",
    ] {
        assert_eq!(
            parse("h", &format!("/abc{target}")),
            Err(AddressError::KeyPath),
            "{target}"
        );
    }
}

#[test]
fn a_source_is_a_bucket_a_key_and_perhaps_a_version() {
    let check = |header: &str, key: &str, version: Option<&str>| {
        let source = Source {
            bucket: Bucket("abc".to_owned()),
            key: Key(key.to_owned()),
            version: version.map(str::to_owned),
        };
        assert_eq!(Source::parse(header.as_bytes()), Ok(source), "{header}");
    };
    check("abc/a/b", "a/b", None);
    check("/abc/a%20b", "a b", None);
    check("abc%2Fa", "a", None);
    check("/abc/a?versionId=UIORUnf.-_~1", "a", Some("UIORUnf.-_~1"));
    for (header, error) in [
        ("abc", AddressError::Source),
        ("abc/", AddressError::Source),
        ("abc/a?versionId=", AddressError::Source),
        ("abc/a?other=1", AddressError::Source),
        ("abc/a?versionId=3/L4", AddressError::Source),
        ("abc/a?versionId=a+b", AddressError::Source),
        // Decoded a second time, as Ceph does, each of these is another key or version.
        ("abc/ph%2569", AddressError::SourceKey),
        ("abc/a%3FversionId=old", AddressError::SourceKey),
        ("abc/a+b", AddressError::SourceKey),
        ("abc/a#b", AddressError::SourceKey),
        ("abc/../phi/a", AddressError::KeyPath),
        ("abc/x/../phi", AddressError::KeyPath),
        ("minio/admin", AddressError::Reserved),
        ("abc/a?versionId=1&versionId=2", AddressError::Source),
        ("abc/%zz", AddressError::Source),
        ("arn:aws:s3:us-east-1:1:accesspoint/p/object/a", AddressError::Bucket),
        ("http://abc/a", AddressError::Bucket),
    ] {
        assert_eq!(Source::parse(header.as_bytes()), Err(error), "{header}");
    }
}

#[test]
fn a_store_gets_a_source_in_one_form() {
    let source = Source::parse("abc%2F\u{fc}%20b?versionId=v1".as_bytes()).expect("a source");
    assert_eq!(source.header(), "/abc/%C3%BC%20b?versionId=v1");
    assert_eq!(Source::parse(source.header().as_bytes()), Ok(source));
}

proptest! {
    /// What goes on to a target is the place that was decided about, in whatever style it was named.
    #[test]
    fn the_path_that_goes_on_names_the_same_place(key in "[^\\x00-\\x1f\u{fffe}\u{ffff}/.][^\\x00-\\x1f\u{fffe}\u{ffff}/]{0,40}(/[^\\x00-\\x1f\u{fffe}\u{ffff}/.][^\\x00-\\x1f\u{fffe}\u{ffff}/]{0,9})?/?", style in any::<bool>()) {
        let target = |path: String| -> Result<Target, TargetError> { Target::new(path.into_bytes(), Vec::new()) };
        let (host, path) = if style { ("abc.s3.gateway.example", format!("/{key}")) } else { ("h", format!("/abc/{key}")) };
        let address = Address::parse(host.as_bytes(), &hosts(), &target(path)?).expect("a key of at most 160 bytes");
        let again = Target::new(address.path(), Vec::new())?;
        let again = Target::parse(&again.canonical_path())?;
        prop_assert_eq!(Address::parse(b"h", &hosts(), &again), Ok(address));
    }
}
