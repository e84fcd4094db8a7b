//! Every operation of S3 as AWS's SDK for Python sends it: the signature is good, and method, place and parameters name that operation.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use exhibit_s3::address::{Address, Bucket, Key, Source};
use exhibit_s3::operation::{Body, Operation};
use exhibit_s3::signature::credential::Region;
use exhibit_s3::signature::head::Head;
use exhibit_s3::signature::key::SecretKey;
use exhibit_s3::signature::time::UnixSeconds;
use exhibit_s3::signature::verify;
use serde::Deserialize;

const HOST: &str = "s3.gateway.example";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Other names of the same requests, and what is not told apart from another operation: a list of directory buckets goes to another
/// host of AWS, and has one parameter more.
const TWINS: [(&str, &str); 4] = [
    ("GetBucketLifecycle", "GetBucketLifecycleConfiguration"),
    ("PutBucketLifecycle", "PutBucketLifecycleConfiguration"),
    ("GetBucketNotification", "GetBucketNotificationConfiguration"),
    ("PutBucketNotification", "PutBucketNotificationConfiguration"),
];

/// What AWS serves at other hosts alone, and is no operation here.
const ELSEWHERE: [&str; 2] = ["ListDirectoryBuckets", "WriteGetObjectResponse"];

/// What browsers send, and no SDK.
const BROWSERS: [Operation; 2] = [Operation::OptionsObject, Operation::PostObject];

#[derive(Deserialize)]
struct Sent {
    style: String,
    operation: String,
    method: String,
    url: String,
    headers: BTreeMap<String, String>,
}

#[test]
fn each_operation_of_an_sdk_is_the_one_that_it_meant() {
    let drivers = exhibit_tests::drivers().unwrap();
    let mut command = Command::new(drivers.join("venv/bin/python"));
    let said = exhibit_tests::run(command.arg(exhibit_tests::driver("s3_requests.py")).arg(HOST)).unwrap();
    let mut seen = BTreeSet::new();
    for line in said.lines() {
        let sent: Sent = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if ELSEWHERE.contains(&sent.operation.as_str()) {
            assert!(read(&sent).is_err(), "{line}");
            continue;
        }
        let twin = TWINS.iter().find(|(name, _)| *name == sent.operation);
        let wanted = twin.map_or(sent.operation.as_str(), |(_, name)| name);
        let (operation, address) = read(&sent).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(operation.as_str(), wanted, "{line}");
        let bucket = Bucket::parse(b"reports").unwrap();
        match &address {
            Address::Service => assert_eq!(operation, Operation::ListBuckets),
            Address::Bucket(named) => assert_eq!(named, &bucket),
            Address::Object(named, key) => assert_eq!((named, key), (&bucket, &Key::parse(b"2026/a b.csv").unwrap())),
        }
        seen.insert((sent.style, operation));
    }
    let sdk = Operation::ALL.iter().filter(|operation| !BROWSERS.contains(operation));
    for operation in sdk {
        for style in ["path", "virtual"] {
            assert!(
                seen.contains(&(style.to_owned(), *operation)),
                "{}, {style}",
                operation.as_str()
            );
        }
    }
}

fn read(sent: &Sent) -> Result<(Operation, Address), String> {
    let rest = sent.url.strip_prefix("http://").unwrap();
    let (host, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    let mut headers: Vec<(&str, &[u8])> = vec![("host", host.as_bytes())];
    headers.extend(
        sent.headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes())),
    );
    let head = Head {
        method: &sent.method,
        target: &path,
        headers: &headers,
    };
    let time = sent
        .headers
        .get("x-amz-date")
        .and_then(|time| UnixSeconds::parse_basic(time))
        .unwrap();
    let secret = SecretKey::new(SECRET.to_owned().into());
    let signed = verify(&head, &Region::new("us-east-1").unwrap(), time, |_, _| Some(secret))
        .map_err(|error| error.to_string())?;
    let host = signed.header("host").unwrap();
    let address = Address::parse(host, &[HOST.to_owned()], signed.target()).map_err(|error| error.to_string())?;
    let source = signed
        .header("x-amz-copy-source")
        .map(|source| Source::parse(source).unwrap());
    if let Some(source) = &source {
        assert_eq!((source.bucket.as_str(), source.version.as_deref()), ("raw", Some("v1")));
    }
    let body = if source.is_some() { Body::Copied } else { Body::Own };
    let operation = Operation::parse(signed.method(), address.level(), signed.target(), body);
    Ok((operation.map_err(|error| error.to_string())?, address))
}
