//! What headers add to what a request asks for: an ACL on an upload is a grant, a lock is a definition, and what is not known is refused.
//!
//! Specification: the request syntax of each operation in the Amazon S3 API reference; the model of AWS's SDK for Python is held against the
//! table by a test. Every `x-` header has to be one that the operation has. Stores have headers of their own (`x-minio-force-delete`,
//! `x-rgw-…`) which make another request of it, so none of those goes on. Headers without `x-` are HTTP's and pass.
//!
//! Not here: the values, but for the ACL that grants nobody anything; checksums ([`crate::chunked`]).

use std::collections::BTreeSet;

use exhibit_schemas::event::access::Action;

use crate::operation::Operation::{
    self, AbortMultipartUpload, CompleteMultipartUpload, CopyObject, CreateBucket, CreateMultipartUpload, DeleteObject,
    DeleteObjects, GetObjectAttributes, ListObjectVersions, ListObjects, ListObjectsV2, PutBucketAcl,
    PutBucketLifecycleConfiguration, PutBucketNotificationConfiguration, PutBucketPolicy, PutBucketReplication,
    PutBucketVersioning, PutObject, PutObjectAcl, PutObjectLockConfiguration, PutObjectRetention, UploadPartCopy,
};

/// Why headers are refused.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum HeaderError {
    /// An `x-` header that the operation does not have. It is not named: names can be anything.
    #[error("{} has no such header as the one at place {place}", operation.as_str())]
    Unknown {
        /// The operation.
        operation: Operation,
        /// Which header, from 1.
        place: usize,
    },
    /// A header that comes twice.
    #[error("`{name}` comes twice")]
    Repeated {
        /// The header.
        name: &'static str,
    },
    /// A header that the gateway never passes on.
    #[error("`{name}` is not served: {why}")]
    Refused {
        /// The header.
        name: &'static str,
        /// Why.
        why: &'static str,
    },
}

/// What a header does beside what the operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Nothing,
    /// It changes who may do what, unless its value is `private`.
    Grants,
    /// It changes what holds for the object or bucket from then on.
    Defines,
    Refused(&'static str),
}

/// A header and the operations that have it; all of them where there are none.
struct Row(&'static str, &'static [Operation], Effect);

const COPIES: &[Operation] = &[CopyObject, UploadPartCopy];
const CREATES: &[Operation] = &[CopyObject, CreateMultipartUpload, PutObject];
const GRANTS: &[Operation] = &[
    CopyObject,
    CreateBucket,
    CreateMultipartUpload,
    PutBucketAcl,
    PutObject,
    PutObjectAcl,
];
const GRANTS_WRITE: &[Operation] = &[CreateBucket, PutBucketAcl, PutObjectAcl];
const LISTS: &[Operation] = &[ListObjectVersions, ListObjects, ListObjectsV2];

const KEY_OF_AGENT: Effect =
    Effect::Refused("what is encrypted under a key of the agent cannot be masked when it is read");
const APPENDS: Effect = Effect::Refused("an object that grows has no digest that an upload could be recorded by");

const TABLE: &[Row] = &[
    Row("x-amz-date", &[], Effect::Nothing),
    Row("x-amz-content-sha256", &[], Effect::Nothing),
    Row("x-amz-security-token", &[], Effect::Nothing),
    Row("x-amz-user-agent", &[], Effect::Nothing),
    Row("x-amz-decoded-content-length", &[], Effect::Nothing),
    Row("x-amz-trailer", &[], Effect::Nothing),
    Row("x-amz-sdk-checksum-algorithm", &[], Effect::Nothing),
    Row("x-amz-expected-bucket-owner", &[], Effect::Nothing),
    Row("x-amz-request-payer", &[], Effect::Nothing),
    Row("x-amz-checksum-algorithm", &[], Effect::Nothing),
    Row("x-amz-checksum-mode", &[], Effect::Nothing),
    Row("x-amz-checksum-type", &[], Effect::Nothing),
    Row("x-amz-checksum-crc32", &[], Effect::Nothing),
    Row("x-amz-checksum-crc32c", &[], Effect::Nothing),
    Row("x-amz-checksum-crc64nvme", &[], Effect::Nothing),
    Row("x-amz-checksum-sha1", &[], Effect::Nothing),
    Row("x-amz-checksum-sha256", &[], Effect::Nothing),
    Row("x-amz-acl", GRANTS, Effect::Grants),
    Row("x-amz-grant-full-control", GRANTS, Effect::Grants),
    Row("x-amz-grant-read", GRANTS, Effect::Grants),
    Row("x-amz-grant-read-acp", GRANTS, Effect::Grants),
    Row("x-amz-grant-write", GRANTS_WRITE, Effect::Grants),
    Row("x-amz-grant-write-acp", GRANTS, Effect::Grants),
    Row("x-amz-object-ownership", &[CreateBucket], Effect::Grants),
    Row(
        "x-amz-confirm-remove-self-bucket-access",
        &[PutBucketPolicy],
        Effect::Nothing,
    ),
    Row("x-amz-bucket-namespace", &[CreateBucket], Effect::Nothing),
    Row("x-amz-bucket-object-lock-enabled", &[CreateBucket], Effect::Defines),
    Row(
        "x-amz-bucket-object-lock-token",
        &[PutBucketReplication, PutObjectLockConfiguration],
        Effect::Nothing,
    ),
    Row(
        "x-amz-bypass-governance-retention",
        &[DeleteObject, DeleteObjects, PutObjectRetention],
        Effect::Defines,
    ),
    Row("x-amz-object-lock-mode", CREATES, Effect::Defines),
    Row("x-amz-object-lock-retain-until-date", CREATES, Effect::Defines),
    Row("x-amz-object-lock-legal-hold", CREATES, Effect::Defines),
    Row("x-amz-object-lock-event-hold", CREATES, Effect::Defines),
    Row("x-amz-object-lock-event-hold-duration-days", CREATES, Effect::Defines),
    Row("x-amz-object-lock-event-hold-duration-years", CREATES, Effect::Defines),
    Row("x-amz-website-redirect-location", CREATES, Effect::Defines),
    Row(
        "x-amz-mfa",
        &[DeleteObject, DeleteObjects, PutBucketVersioning],
        Effect::Nothing,
    ),
    Row("x-amz-copy-source", COPIES, Effect::Nothing),
    Row("x-amz-copy-source-if-match", COPIES, Effect::Nothing),
    Row("x-amz-copy-source-if-modified-since", COPIES, Effect::Nothing),
    Row("x-amz-copy-source-if-none-match", COPIES, Effect::Nothing),
    Row("x-amz-copy-source-if-unmodified-since", COPIES, Effect::Nothing),
    // With a whole copy Ceph takes it for a part of one.
    Row("x-amz-copy-source-range", &[UploadPartCopy], Effect::Nothing),
    Row("x-amz-source-expected-bucket-owner", COPIES, Effect::Nothing),
    Row("x-amz-metadata-directive", &[CopyObject], Effect::Nothing),
    Row("x-amz-tagging-directive", &[CopyObject], Effect::Nothing),
    Row("x-amz-object-annotation-directive", &[CopyObject], Effect::Nothing),
    Row("x-amz-tagging", CREATES, Effect::Nothing),
    Row("x-amz-storage-class", CREATES, Effect::Nothing),
    Row("x-amz-server-side-encryption", CREATES, Effect::Nothing),
    Row("x-amz-server-side-encryption-aws-kms-key-id", CREATES, Effect::Nothing),
    Row(
        "x-amz-server-side-encryption-bucket-key-enabled",
        CREATES,
        Effect::Nothing,
    ),
    Row("x-amz-server-side-encryption-context", CREATES, Effect::Nothing),
    Row("x-amz-server-side-encryption-customer-algorithm", &[], KEY_OF_AGENT),
    Row("x-amz-server-side-encryption-customer-key", &[], KEY_OF_AGENT),
    Row("x-amz-server-side-encryption-customer-key-md5", &[], KEY_OF_AGENT),
    Row(
        "x-amz-copy-source-server-side-encryption-customer-algorithm",
        &[],
        KEY_OF_AGENT,
    ),
    Row(
        "x-amz-copy-source-server-side-encryption-customer-key",
        &[],
        KEY_OF_AGENT,
    ),
    Row(
        "x-amz-copy-source-server-side-encryption-customer-key-md5",
        &[],
        KEY_OF_AGENT,
    ),
    Row("x-amz-write-offset-bytes", &[], APPENDS),
    Row(
        "x-amz-if-match-initiated-time",
        &[AbortMultipartUpload],
        Effect::Nothing,
    ),
    Row("x-amz-if-match-last-modified-time", &[DeleteObject], Effect::Nothing),
    Row("x-amz-if-match-size", &[DeleteObject], Effect::Nothing),
    Row("x-amz-mp-object-size", &[CompleteMultipartUpload], Effect::Nothing),
    Row("x-amz-object-attributes", &[GetObjectAttributes], Effect::Nothing),
    Row("x-amz-max-parts", &[GetObjectAttributes], Effect::Nothing),
    Row("x-amz-part-number-marker", &[GetObjectAttributes], Effect::Nothing),
    Row("x-amz-optional-object-attributes", LISTS, Effect::Nothing),
    Row(
        "x-amz-skip-destination-validation",
        &[PutBucketNotificationConfiguration],
        Effect::Nothing,
    ),
    Row(
        "x-amz-transition-default-minimum-object-size",
        &[PutBucketLifecycleConfiguration],
        Effect::Nothing,
    ),
];

/// Metadata of objects, whose names are the agent's own.
const METADATA: &str = "x-amz-meta-";

/// The name of a header that S3 has, in small letters; metadata has none that may be told.
pub(crate) fn known(name: &str) -> Option<&'static str> {
    TABLE.iter().map(|row| row.0).find(|own| *own == name)
}

/// Everything that a request does, by its operation and its headers, names in any case.
///
/// # Errors
/// [`HeaderError`].
pub fn actions(operation: Operation, headers: &[(&str, &[u8])]) -> Result<BTreeSet<Action>, HeaderError> {
    let mut actions = BTreeSet::from([operation.action()]);
    actions.extend(operation.also());
    if COPIES.contains(&operation) {
        actions.insert(Action::Read);
    }
    let mut seen = BTreeSet::new();
    for ((name, value), place) in headers.iter().zip(1..) {
        let name = name.to_ascii_lowercase();
        if !name.starts_with("x-") || name.starts_with(METADATA) && CREATES.contains(&operation) {
            continue;
        }
        let row = TABLE
            .iter()
            .find(|Row(own, operations, _)| *own == name && (operations.is_empty() || operations.contains(&operation)));
        let Some(Row(name, _, effect)) = row else {
            return Err(HeaderError::Unknown { operation, place });
        };
        if !seen.insert(*name) {
            return Err(HeaderError::Repeated { name });
        }
        match effect {
            Effect::Nothing => {}
            // What an object or bucket has that nobody is granted anything of.
            Effect::Grants if *name == "x-amz-acl" && value.trim_ascii() == b"private" => {}
            Effect::Grants => {
                actions.insert(Action::Grant);
            }
            Effect::Defines => {
                actions.insert(Action::Define);
            }
            Effect::Refused(why) => return Err(HeaderError::Refused { name, why }),
        }
    }
    Ok(actions)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use exhibit_schemas::event::access::Action;

    use super::{HeaderError, TABLE, actions};
    use crate::operation::Operation;

    fn check(operation: Operation, headers: &[(&str, &[u8])], wanted: &[Action]) {
        let wanted: BTreeSet<_> = wanted.iter().copied().collect();
        assert_eq!(actions(operation, headers), Ok(wanted), "{headers:?}");
    }

    #[test]
    fn headers_add_to_what_a_request_does() {
        use Action::{Define, Delete, Grant, Read, Write};
        check(
            Operation::PutObject,
            &[("Content-Type", b"text/csv"), ("X-Amz-Meta-Any", b"1")],
            &[Write],
        );
        check(Operation::PutObject, &[("x-amz-acl", b"public-read")], &[Write, Grant]);
        check(Operation::PutObject, &[("x-amz-acl", b"private")], &[Write]);
        check(
            Operation::PutObject,
            &[("x-amz-grant-read", b"private")],
            &[Write, Grant],
        );
        check(
            Operation::CreateMultipartUpload,
            &[("X-Amz-Object-Lock-Mode", b"COMPLIANCE")],
            &[Write, Define],
        );
        check(
            Operation::DeleteObject,
            &[("x-amz-bypass-governance-retention", b"true")],
            &[Delete, Define],
        );
        check(
            Operation::CreateBucket,
            &[("x-amz-object-ownership", b"ObjectWriter")],
            &[Define, Grant],
        );
        check(Operation::CopyObject, &[("x-amz-copy-source", b"a/b")], &[Read, Write]);
    }

    #[test]
    fn what_an_operation_does_not_have_is_refused() {
        let refused = |operation, name: &str| {
            let headers = [("host", &b"h"[..]), (name, &b"true"[..])];
            assert_eq!(
                actions(operation, &headers),
                Err(HeaderError::Unknown { operation, place: 2 }),
                "{name}"
            );
        };
        for name in [
            "x-minio-force-delete",
            "X-Minio-Extract",
            "x-rgw-anything",
            "x-http-method-override",
            "x-amz-copy-source",
            "x-amz-acl",
            "x-amz-meta-a",
            "x-amz-checksum-xxhash64",
        ] {
            refused(Operation::DeleteObject, name);
        }
        refused(Operation::CopyObject, "x-amz-copy-source-range");
    }

    #[test]
    fn what_no_mask_could_read_and_what_comes_twice_is_refused() {
        for name in [
            "x-amz-server-side-encryption-customer-key",
            "x-amz-copy-source-server-side-encryption-customer-key",
            "x-amz-write-offset-bytes",
        ] {
            let error = actions(Operation::PutObject, &[(name, b"1")]);
            assert!(
                matches!(error, Err(HeaderError::Refused { name: own, .. }) if own == name),
                "{error:?}"
            );
        }
        let twice: [(&str, &[u8]); 2] = [("x-amz-copy-source", b"a/b"), ("X-Amz-Copy-Source", b"a/c")];
        let name = "x-amz-copy-source";
        assert_eq!(
            actions(Operation::CopyObject, &twice),
            Err(HeaderError::Repeated { name })
        );
    }

    #[test]
    fn the_table_has_each_name_once() {
        let names: BTreeSet<_> = TABLE.iter().map(|row| row.0).collect();
        assert_eq!(names.len(), TABLE.len());
    }
}
