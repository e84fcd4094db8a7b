use super::{Body, Operation, OperationError, TABLE};
use crate::address::{Level, Source};
use crate::signature::target::Target;

fn parse(method: &str, level: Level, target: &str, body: Body<'_>) -> Result<Operation, OperationError> {
    Operation::parse(method, level, &Target::parse(target).expect("a target"), body)
}

fn check(method: &str, level: Level, target: &str, operation: Operation) {
    assert_eq!(
        parse(method, level, target, Body::Own),
        Ok(operation),
        "{method} {target}"
    );
}

#[test]
fn a_request_is_told_by_method_place_and_selectors() {
    use Level::{Bucket, Object, Service};
    check("GET", Service, "/", Operation::ListBuckets);
    check("GET", Bucket, "/b", Operation::ListObjects);
    check("GET", Bucket, "/b?list-type=2&prefix=a", Operation::ListObjectsV2);
    check("GET", Bucket, "/b?versions", Operation::ListObjectVersions);
    check(
        "GET",
        Bucket,
        "/b?analytics",
        Operation::ListBucketAnalyticsConfigurations,
    );
    check(
        "GET",
        Bucket,
        "/b?analytics&id=1",
        Operation::GetBucketAnalyticsConfiguration,
    );
    check("PUT", Object, "/b/k?x-id=PutObject", Operation::PutObject);
    check("PUT", Object, "/b/k?partNumber=2&uploadId=x", Operation::UploadPart);
    check("GET", Object, "/b/k?uploadId=x", Operation::ListParts);
    check("GET", Object, "/b/k?partNumber=2", Operation::GetObject);
    check("POST", Object, "/b/k?uploads=", Operation::CreateMultipartUpload);
    check("POST", Object, "/b/k?uploadId=x", Operation::CompleteMultipartUpload);
    check(
        "POST",
        Object,
        "/b/k?select&select-type=2",
        Operation::SelectObjectContent,
    );
    check("POST", Bucket, "/b?delete", Operation::DeleteObjects);
    check("DELETE", Object, "/b/k?versionId=null", Operation::DeleteObject);
    let source = Source::parse(b"raw/a").expect("a source");
    assert_eq!(
        parse("PUT", Object, "/b/k", Body::Copied(&source)),
        Ok(Operation::CopyObject)
    );
    assert_eq!(
        parse("PUT", Object, "/b/k?uploadId=x&partNumber=1", Body::Copied(&source)),
        Ok(Operation::UploadPartCopy)
    );
    assert_eq!(parse("POST", Bucket, "/b", Body::Form), Ok(Operation::PostObject));
}

#[test]
fn what_is_not_known_is_refused() {
    use Level::{Bucket, Object, Service};
    let refused = |method: &str, level: Level, target: &str, error: OperationError| {
        assert_eq!(parse(method, level, target, Body::Own), Err(error), "{method} {target}");
    };
    let (operation, place) = (Operation::GetObject, 1);
    refused(
        "GET",
        Object,
        "/b/k?secret",
        OperationError::Parameter { operation, place },
    );
    refused(
        "GET",
        Object,
        "/b/k?%ff=1",
        OperationError::Parameter { operation, place },
    );
    // Names are told apart by case: a store could take another for its own.
    refused(
        "GET",
        Object,
        "/b/k?ACL",
        OperationError::Parameter { operation, place },
    );
    refused(
        "GET",
        Object,
        "/b/k?versionId=1&versionId=2",
        OperationError::Repeated { place: 2 },
    );
    refused(
        "GET",
        Object,
        "/b/k?acl&tagging",
        OperationError::Selectors {
            selectors: vec!["acl", "tagging"],
        },
    );
    refused(
        "GET",
        Object,
        "/b/k?policy",
        OperationError::Selectors {
            selectors: vec!["policy"],
        },
    );
    refused("POST", Bucket, "/b", OperationError::Selectors { selectors: vec![] });
    refused("PATCH", Object, "/b/k", OperationError::Method { level: Object });
    refused("get", Object, "/b/k", OperationError::Method { level: Object });
    refused("PUT", Service, "/", OperationError::Method { level: Service });
    let value = |operation, name| OperationError::Value { operation, name };
    refused("GET", Object, "/b/k?acl=1", value(Operation::GetObjectAcl, "acl"));
    refused(
        "GET",
        Object,
        "/b/k?x-id=PutObject",
        value(Operation::GetObject, "x-id"),
    );
    refused(
        "GET",
        Bucket,
        "/b?list-type=3",
        value(Operation::ListObjectsV2, "list-type"),
    );
    refused("GET", Object, "/b/k?uploadId=", value(Operation::ListParts, "uploadId"));
    let part = Operation::UploadPart;
    let name = "partNumber";
    refused(
        "PUT",
        Object,
        "/b/k?uploadId=x",
        OperationError::Missing { operation: part, name },
    );
    for number in ["0", "10001", "", "-1", "1x", "4294967297", "%2B3", "03"] {
        refused(
            "PUT",
            Object,
            &format!("/b/k?uploadId=x&partNumber={number}"),
            value(part, name),
        );
    }
    check("PUT", Object, "/b/k?uploadId=x&partNumber=10000", part);
    refused("GET", Object, "/b/k?partNumber=%2B3", value(Operation::GetObject, name));
    // A part without an upload would be a whole object to a store that does not look at the number.
    refused(
        "PUT",
        Object,
        "/b/k?partNumber=1",
        OperationError::Parameter {
            operation: Operation::PutObject,
            place,
        },
    );
}

/// No two rows are chosen by the same, so that their order does not matter.
#[test]
fn every_request_is_one_operation() {
    for (place, row) in TABLE.iter().enumerate() {
        for other in &TABLE[place + 1..] {
            let mut selectors = [row.selectors.to_vec(), other.selectors.to_vec()];
            for each in &mut selectors {
                each.sort_unstable();
            }
            let same = (row.method, row.level) == (other.method, other.level) && selectors[0] == selectors[1];
            let told = row
                .operation
                .body()
                .zip(other.operation.body())
                .is_some_and(|(one, two)| one != two);
            assert!(
                !same || told,
                "{} and {}",
                row.operation.as_str(),
                other.operation.as_str()
            );
        }
    }
}
