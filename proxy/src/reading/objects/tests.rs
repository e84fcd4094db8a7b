//! What requests of S3 do, what is no request, and that the table here is that of the protocol.

use exhibit_policy::decide::UNPROVEN;
use exhibit_policy::snapshot::Snapshot;
use exhibit_s3::address::Address;
use exhibit_s3::operation::{Body, Operation};
use exhibit_s3::signature::target::Target;
use exhibit_schemas::event::access::{Access, Action, Attribute};

use super::{ATTRIBUTES, ObjectReading, ObjectRequest};
use crate::reading::ReadingError;

const POLICY: &str = r#"
version = 1
[[targets]]
name = "lake"
protocol = "s3"
[[targets]]
name = "clinic"
protocol = "postgres"
[[documents]]
name = "export"
targets = ["lake"]
resources = ["exports/*.csv"]
format = "csv"
[[documents]]
name = "work"
targets = ["lake"]
resources = ["work/*"]
format = "text"
phi = false
[[masks]]
name = "ssn"
targets = ["lake"]
resources = ["export.ssn", "export.mrn"]
technique = "redact"
"#;

fn read(target: &str, operation: &str, names: &[&str], source: Option<&str>) -> Result<ObjectReading, String> {
    let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let request = ObjectRequest::parse(operation, &names, source, [].into()).map_err(|error| error.to_string())?;
    ObjectReading::of(&snapshot, target, &request).map_err(|error: ReadingError| error.to_string())
}

fn cause(reading: &ObjectReading) -> Option<&str> {
    match reading.facts.attributes.get(UNPROVEN) {
        Some(Attribute::Text(cause)) => Some(cause),
        _ => None,
    }
}

#[test]
fn what_an_operation_does_is_what_policies_decide_on() {
    let access = |action, name: &str| Access(action, Some(name.to_owned()));
    let got = read("lake", "GetObject", &["exports/a.csv"], None).unwrap();
    assert_eq!(got.statement, "GetObject exports/a.csv");
    assert_eq!(got.facts.accesses, [access(Action::Read, "exports/a.csv")]);
    assert_eq!(got.facts.attributes["document"], Attribute::Text("export".to_owned()));
    assert_eq!(got.parts("exports/a.csv"), ["export.ssn", "export.mrn"]);
    let copied = read("lake", "CopyObject", &["exports/b.csv"], Some("exports/a.csv")).unwrap();
    assert_eq!(copied.statement, "CopyObject exports/b.csv from exports/a.csv");
    let both = [
        access(Action::Read, "exports/a.csv"),
        access(Action::Write, "exports/b.csv"),
    ];
    assert_eq!(copied.facts.accesses, both);
    let deleted = read("lake", "DeleteObjects", &["work/b", "work/a"], None).unwrap();
    assert_eq!(deleted.facts.attributes["objects"], Attribute::Integer(2));
    assert_eq!(deleted.facts.accesses.len(), 2);
    let replicated = read("lake", "PutBucketReplication", &["exports"], None).unwrap();
    let both = [access(Action::Define, "exports"), access(Action::Grant, "exports")];
    assert_eq!(replicated.facts.accesses, both);
    let listed = read("lake", "ListBuckets", &[], None).unwrap();
    assert_eq!(listed.facts.accesses, [Access(Action::Read, None)]);
}

#[test]
fn what_a_proxy_refuses_is_a_denied_request() {
    let check = |operation: &str, name: &str, source: Option<&str>, wanted: Option<&str>| {
        let reading = read("lake", operation, &[name], source).unwrap();
        let found = cause(&reading);
        let same = found.is_some() == wanted.is_some() && found.unwrap_or("").contains(wanted.unwrap_or(""));
        assert!(same, "{operation} {name} {source:?}: {found:?}");
    };
    check("GetObject", "other/a", None, Some("no document"));
    check("PutObject", "other/a", None, None);
    check("GetObject", "work/a", None, None);
    check("GetObjectAttributes", "exports/a.csv", None, Some("hashes"));
    check("GetObjectAttributes", "work/a", None, None);
    check("RestoreObject", "work/a", None, Some("is not served"));
    check("PostObject", "work", None, Some("forms"));
    check("CopyObject", "work/a", Some("exports/a.csv"), Some("other masks"));
    check("CopyObject", "exports/a.csv", Some("work/a"), Some("other masks"));
    check("CopyObject", "other/a", Some("work/a"), None);
    check("CopyObject", "other/a", Some("other/b"), None);
    check(
        "UploadPartCopy",
        "exports/b.csv",
        Some("exports/a.csv"),
        Some("other masks"),
    );
    check("UploadPartCopy", "work/b", Some("work/a"), None);
}

#[test]
fn says_what_is_no_request() {
    let check = |target: &str, operation: &str, names: &[&str], source: Option<&str>, wanted: &str| {
        let error = read(target, operation, names, source).unwrap_err();
        assert!(error.contains(wanted), "{error}");
    };
    check("lake", "getobject", &["work/a"], None, "is it `GetObject`?");
    check("lake", "FetchObject", &["work/a"], None, "no operation `FetchObject`");
    check("lake", "GetObject", &["work"], None, "one object, as bucket/key");
    check("lake", "GetObject", &["work/a", "work/b"], None, "one object");
    check("lake", "ListObjectsV2", &["work/a"], None, "one bucket");
    check("lake", "ListBuckets", &["work"], None, "the service itself");
    check("lake", "DeleteObjects", &[], None, "one or more");
    check("lake", "CopyObject", &["work/a"], None, "needs its source");
    check("lake", "PutObject", &["work/a"], Some("work/b"), "has no source");
    check("lake", "GetObject", &["WORK/a"], None, "`WORK/a`");
    check(
        "clinic",
        "GetObject",
        &["work/a"],
        None,
        "`clinic` is of the protocol `postgres`",
    );
    check("lakes", "GetObject", &["work/a"], None, "no target `lakes`");
}

/// The table of operations knows what each is about, and is asked with the method and the parameters that choose it.
#[test]
fn every_operation_is_about_what_requests_of_it_are_about() {
    let named = [
        ("GET", "/", Operation::ListBuckets),
        ("GET", "/b1b", Operation::ListObjects),
        ("GET", "/b1b?list-type=2", Operation::ListObjectsV2),
        ("GET", "/b1b?versions", Operation::ListObjectVersions),
        ("GET", "/b1b?uploads", Operation::ListMultipartUploads),
        ("GET", "/b1b?object-lock", Operation::GetObjectLockConfiguration),
        ("GET", "/b1b?publicAccessBlock", Operation::GetPublicAccessBlock),
        ("PUT", "/b1b?policy", Operation::PutBucketPolicy),
        ("POST", "/b1b?delete", Operation::DeleteObjects),
        ("HEAD", "/b1b", Operation::HeadBucket),
        ("GET", "/b1b/k?uploadId=u", Operation::ListParts),
        ("PUT", "/b1b/k?retention", Operation::PutObjectRetention),
        ("DELETE", "/b1b/k?tagging", Operation::DeleteObjectTagging),
        ("POST", "/b1b/k?uploads", Operation::CreateMultipartUpload),
    ];
    for (method, target, wanted) in named {
        let target = Target::parse(target).unwrap();
        let address = Address::parse(b"h", &[], &target).unwrap();
        assert_eq!(
            Operation::parse(method, address.level(), &target, Body::Own).unwrap(),
            wanted
        );
        assert_eq!(wanted.level(), address.level(), "{wanted:?}");
    }
    assert!(ATTRIBUTES.is_sorted());
}
