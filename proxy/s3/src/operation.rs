//! The operations of S3 by their names in the API reference, and which one a request asks for.
//!
//! Specification: "Actions" of the Amazon S3 API reference; the model of the SDK for Python is held against the table by a test. A
//! request is told by its method, by what it is about, and by its *selectors*, the parameters that choose an operation (`?acl`,
//! `?uploadId=`). Every other parameter has to be one of that operation's, and none comes twice: what is not known is refused and not
//! passed on, since a store could know it.
//!
//! ```text
//! PUT /reports/a.csv?partNumber=2&uploadId=X                                     UploadPart
//! PUT /reports/a.csv?partNumber=2&uploadId=X  x-amz-copy-source: raw/a.csv       UploadPartCopy
//! ```
//!
//! Names that the reference calls deprecated twins (`GetBucketLifecycle`, `PutBucketNotification` …) are those of their successors here,
//! for they are the same requests.
//!
//! Not here: bodies, what headers add ([`crate::headers`]), preflights of browsers (`OPTIONS`, which is no operation and signed by nobody),
//! and whether anybody may do it.

use exhibit_schemas::event::access::Action;

use crate::address::{Level, Source};
use crate::signature::target::Target;

/// Why a request is no operation.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum OperationError {
    /// The method does nothing there.
    #[error("no operation of S3 has this method for {}", level.as_str())]
    Method {
        /// What it was for.
        level: Level,
    },
    /// Parameters that choose no operation together.
    #[error("no operation of S3 has these parameters together: {}", selectors.join(", "))]
    Selectors {
        /// Those that choose.
        selectors: Vec<&'static str>,
    },
    /// A parameter that the operation does not have, whose name is not repeated: it may be anything.
    #[error("{} has no such parameter as the one at place {place} of the query", operation.as_str())]
    Parameter {
        /// The operation.
        operation: Operation,
        /// Which parameter, from 1.
        place: usize,
    },
    /// A parameter comes twice.
    #[error("the parameter at place {place} of the query comes twice")]
    Repeated {
        /// Which parameter, from 1.
        place: usize,
    },
    /// The value of a parameter.
    #[error("`{name}` has a value that {} does not take", operation.as_str())]
    Value {
        /// The operation.
        operation: Operation,
        /// The parameter.
        name: &'static str,
    },
    /// A parameter that is missing.
    #[error("{} needs the parameter `{name}`", operation.as_str())]
    Missing {
        /// The operation.
        operation: Operation,
        /// The parameter.
        name: &'static str,
    },
}

/// One row of the table.
struct Row {
    operation: Operation,
    method: &'static str,
    level: Level,
    /// Parameters that choose it, in order.
    selectors: &'static [&'static str],
    /// Its other parameters.
    parameters: &'static [&'static str],
}

macro_rules! operations {
    ($($name:ident: $method:ident $level:ident [$($selector:literal),*] [$($parameter:literal),*] $action:ident;)*) => {
        /// An operation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "the names are those of the API reference, and so is what they do")]
        pub enum Operation {
            $($name,)*
        }

        impl Operation {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in the API reference.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// What it does, in the words of policies.
            pub const fn action(self) -> Action {
                match self {
                    $(Self::$name => Action::$action,)*
                }
            }

            /// What it is about.
            pub const fn level(self) -> Level {
                match self {
                    $(Self::$name => Level::$level,)*
                }
            }
        }

        const TABLE: &[Row] = &[
            $(Row {
                operation: Operation::$name,
                method: stringify!($method),
                level: Level::$level,
                selectors: &[$($selector),*],
                parameters: &[$($parameter),*],
            },)*
        ];
    };
}

operations! {
    AbortMultipartUpload: DELETE Object ["uploadId"] [] Delete;
    CompleteMultipartUpload: POST Object ["uploadId"] [] Write;
    CopyObject: PUT Object [] [] Write;
    CreateBucket: PUT Bucket [] [] Define;
    CreateBucketMetadataConfiguration: POST Bucket ["metadataConfiguration"] [] Define;
    CreateBucketMetadataTableConfiguration: POST Bucket ["metadataTable"] [] Define;
    CreateMultipartUpload: POST Object ["uploads"] [] Write;
    CreateSession: GET Bucket ["session"] [] Grant;
    DeleteBucket: DELETE Bucket [] [] Define;
    DeleteBucketAnalyticsConfiguration: DELETE Bucket ["analytics", "id"] [] Define;
    DeleteBucketCors: DELETE Bucket ["cors"] [] Define;
    DeleteBucketEncryption: DELETE Bucket ["encryption"] [] Define;
    DeleteBucketIntelligentTieringConfiguration: DELETE Bucket ["intelligent-tiering", "id"] [] Define;
    DeleteBucketInventoryConfiguration: DELETE Bucket ["inventory", "id"] [] Define;
    DeleteBucketLifecycle: DELETE Bucket ["lifecycle"] [] Define;
    DeleteBucketMetadataConfiguration: DELETE Bucket ["metadataConfiguration"] [] Define;
    DeleteBucketMetadataTableConfiguration: DELETE Bucket ["metadataTable"] [] Define;
    DeleteBucketMetricsConfiguration: DELETE Bucket ["metrics", "id"] [] Define;
    DeleteBucketOwnershipControls: DELETE Bucket ["ownershipControls"] [] Grant;
    DeleteBucketPolicy: DELETE Bucket ["policy"] [] Grant;
    DeleteBucketReplication: DELETE Bucket ["replication"] [] Define;
    DeleteBucketTagging: DELETE Bucket ["tagging"] [] Define;
    DeleteBucketWebsite: DELETE Bucket ["website"] [] Define;
    DeleteObject: DELETE Object [] ["versionId"] Delete;
    DeleteObjectAnnotation: DELETE Object ["annotation", "annotationName"] ["versionId"] Delete;
    DeleteObjectTagging: DELETE Object ["tagging"] ["versionId"] Delete;
    DeleteObjects: POST Bucket ["delete"] [] Delete;
    DeletePublicAccessBlock: DELETE Bucket ["publicAccessBlock"] [] Grant;
    GetBucketAbac: GET Bucket ["abac"] [] Read;
    GetBucketAccelerateConfiguration: GET Bucket ["accelerate"] [] Read;
    GetBucketAcl: GET Bucket ["acl"] [] Read;
    GetBucketAnalyticsConfiguration: GET Bucket ["analytics", "id"] [] Read;
    GetBucketCors: GET Bucket ["cors"] [] Read;
    GetBucketEncryption: GET Bucket ["encryption"] [] Read;
    GetBucketIntelligentTieringConfiguration: GET Bucket ["intelligent-tiering", "id"] [] Read;
    GetBucketInventoryConfiguration: GET Bucket ["inventory", "id"] [] Read;
    GetBucketLifecycleConfiguration: GET Bucket ["lifecycle"] [] Read;
    GetBucketLocation: GET Bucket ["location"] [] Read;
    GetBucketLogging: GET Bucket ["logging"] [] Read;
    GetBucketMetadataConfiguration: GET Bucket ["metadataConfiguration"] [] Read;
    GetBucketMetadataTableConfiguration: GET Bucket ["metadataTable"] [] Read;
    GetBucketMetricsConfiguration: GET Bucket ["metrics", "id"] [] Read;
    GetBucketNotificationConfiguration: GET Bucket ["notification"] [] Read;
    GetBucketOwnershipControls: GET Bucket ["ownershipControls"] [] Read;
    GetBucketPolicy: GET Bucket ["policy"] [] Read;
    GetBucketPolicyStatus: GET Bucket ["policyStatus"] [] Read;
    GetBucketReplication: GET Bucket ["replication"] [] Read;
    GetBucketRequestPayment: GET Bucket ["requestPayment"] [] Read;
    GetBucketTagging: GET Bucket ["tagging"] [] Read;
    GetBucketVersioning: GET Bucket ["versioning"] [] Read;
    GetBucketWebsite: GET Bucket ["website"] [] Read;
    GetObject: GET Object [] ["partNumber", "response-cache-control", "response-content-disposition", "response-content-encoding", "response-content-language", "response-content-type", "response-expires", "versionId"] Read;
    GetObjectAcl: GET Object ["acl"] ["versionId"] Read;
    GetObjectAnnotation: GET Object ["annotation", "annotationName"] ["versionId"] Read;
    GetObjectAttributes: GET Object ["attributes"] ["versionId"] Read;
    GetObjectLegalHold: GET Object ["legal-hold"] ["versionId"] Read;
    GetObjectLockConfiguration: GET Bucket ["object-lock"] [] Read;
    GetObjectRetention: GET Object ["retention"] ["versionId"] Read;
    GetObjectTagging: GET Object ["tagging"] ["versionId"] Read;
    GetObjectTorrent: GET Object ["torrent"] [] Read;
    GetPublicAccessBlock: GET Bucket ["publicAccessBlock"] [] Read;
    HeadBucket: HEAD Bucket [] [] Read;
    HeadObject: HEAD Object [] ["partNumber", "response-cache-control", "response-content-disposition", "response-content-encoding", "response-content-language", "response-content-type", "response-expires", "versionId"] Read;
    ListBucketAnalyticsConfigurations: GET Bucket ["analytics"] ["continuation-token"] Read;
    ListBucketIntelligentTieringConfigurations: GET Bucket ["intelligent-tiering"] ["continuation-token"] Read;
    ListBucketInventoryConfigurations: GET Bucket ["inventory"] ["continuation-token"] Read;
    ListBucketMetricsConfigurations: GET Bucket ["metrics"] ["continuation-token"] Read;
    ListBuckets: GET Service [] ["bucket-region", "continuation-token", "max-buckets", "prefix"] Read;
    ListMultipartUploads: GET Bucket ["uploads"] ["delimiter", "encoding-type", "key-marker", "max-uploads", "prefix", "upload-id-marker"] Read;
    ListObjectAnnotations: GET Object ["annotation"] ["annotation-prefix", "continuation-token", "max-annotation-results", "versionId"] Read;
    ListObjectVersions: GET Bucket ["versions"] ["delimiter", "encoding-type", "key-marker", "max-keys", "prefix", "version-id-marker"] Read;
    ListObjects: GET Bucket [] ["delimiter", "encoding-type", "marker", "max-keys", "prefix"] Read;
    ListObjectsV2: GET Bucket ["list-type"] ["continuation-token", "delimiter", "encoding-type", "fetch-owner", "max-keys", "prefix", "start-after"] Read;
    ListParts: GET Object ["uploadId"] ["max-parts", "part-number-marker"] Read;
    PostObject: POST Bucket [] [] Write;
    PutBucketAbac: PUT Bucket ["abac"] [] Grant;
    PutBucketAccelerateConfiguration: PUT Bucket ["accelerate"] [] Define;
    PutBucketAcl: PUT Bucket ["acl"] [] Grant;
    PutBucketAnalyticsConfiguration: PUT Bucket ["analytics", "id"] [] Define;
    PutBucketCors: PUT Bucket ["cors"] [] Define;
    PutBucketEncryption: PUT Bucket ["encryption"] [] Define;
    PutBucketIntelligentTieringConfiguration: PUT Bucket ["intelligent-tiering", "id"] [] Define;
    PutBucketInventoryConfiguration: PUT Bucket ["inventory", "id"] [] Define;
    PutBucketLifecycleConfiguration: PUT Bucket ["lifecycle"] [] Define;
    PutBucketLogging: PUT Bucket ["logging"] [] Define;
    PutBucketMetricsConfiguration: PUT Bucket ["metrics", "id"] [] Define;
    PutBucketNotificationConfiguration: PUT Bucket ["notification"] [] Define;
    PutBucketOwnershipControls: PUT Bucket ["ownershipControls"] [] Grant;
    PutBucketPolicy: PUT Bucket ["policy"] [] Grant;
    PutBucketReplication: PUT Bucket ["replication"] [] Define;
    PutBucketRequestPayment: PUT Bucket ["requestPayment"] [] Define;
    PutBucketTagging: PUT Bucket ["tagging"] [] Define;
    PutBucketVersioning: PUT Bucket ["versioning"] [] Define;
    PutBucketWebsite: PUT Bucket ["website"] [] Define;
    PutObject: PUT Object [] [] Write;
    PutObjectAcl: PUT Object ["acl"] ["versionId"] Grant;
    PutObjectAnnotation: PUT Object ["annotation", "annotationName"] ["versionId"] Write;
    PutObjectLegalHold: PUT Object ["legal-hold"] ["versionId"] Define;
    PutObjectLockConfiguration: PUT Bucket ["object-lock"] [] Define;
    PutObjectRetention: PUT Object ["retention"] ["versionId"] Define;
    PutObjectTagging: PUT Object ["tagging"] ["versionId"] Write;
    PutPublicAccessBlock: PUT Bucket ["publicAccessBlock"] [] Grant;
    RenameObject: PUT Object ["renameObject"] [] Write;
    RestoreObject: POST Object ["restore"] ["versionId"] Write;
    SelectObjectContent: POST Object ["select", "select-type"] [] Read;
    UpdateBucketMetadataAnnotationTableConfiguration: PUT Bucket ["metadataAnnotationTable"] [] Define;
    UpdateBucketMetadataInventoryTableConfiguration: PUT Bucket ["metadataInventoryTable"] [] Define;
    UpdateBucketMetadataJournalTableConfiguration: PUT Bucket ["metadataJournalTable"] [] Define;
    UpdateObjectEncryption: PUT Object ["encryption"] ["versionId"] Write;
    UploadPart: PUT Object ["uploadId"] ["partNumber"] Write;
    UploadPartCopy: PUT Object ["uploadId"] ["partNumber"] Write;
}

/// A parameter with which SDKs name the operation that they mean; S3 does not look at it.
const NAMED: &str = "x-id";

/// Parts of an upload ("Amazon S3 multipart upload limits").
const PARTS: std::ops::RangeInclusive<u32> = 1..=10_000;

/// What beside method, place and parameters tells operations apart.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// The content of a request.
    Own,
    /// That of another object, which `x-amz-copy-source` names: a copy reads that, too.
    Copied(&'a Source),
    /// A form of a browser.
    Form,
}

/// What a body is, without whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Own,
    Copied,
    Form,
}

impl Kind {
    const fn of(body: Body<'_>) -> Self {
        match body {
            Body::Own => Self::Own,
            Body::Copied(_) => Self::Copied,
            Body::Form => Self::Form,
        }
    }
}

impl Operation {
    /// The operation that a request asks for.
    ///
    /// # Errors
    /// [`OperationError`].
    pub fn parse(method: &str, level: Level, target: &Target, body: Body<'_>) -> Result<Self, OperationError> {
        let names = names(target)?;
        let mut selectors: Vec<_> = names.iter().filter_map(|name| selector(name)).collect();
        selectors.sort_unstable();
        let there = |row: &&Row| row.method == method && row.level == level;
        if !TABLE.iter().any(|row| there(&row)) {
            return Err(OperationError::Method { level });
        }
        let chosen = |row: &&Row| {
            let mut own = row.selectors.to_vec();
            own.sort_unstable();
            own == selectors && row.operation.body().is_none_or(|of| of == Kind::of(body))
        };
        let row = TABLE.iter().filter(there).find(chosen);
        let row = row.ok_or(OperationError::Selectors { selectors })?;
        row.check(target, &names)?;
        Ok(row.operation)
    }

    /// Which body it has where others differ by nothing else.
    const fn body(self) -> Option<Kind> {
        match self {
            Self::PutObject | Self::UploadPart => Some(Kind::Own),
            Self::CopyObject | Self::UploadPartCopy => Some(Kind::Copied),
            Self::PostObject => Some(Kind::Form),
            _ => None,
        }
    }

    /// Whether it is about the content of one object.
    pub const fn reads_object(self) -> bool {
        matches!(self, Self::GetObject | Self::HeadObject)
    }

    /// Whether it copies one object to another.
    pub const fn copies(self) -> bool {
        matches!(self, Self::CopyObject | Self::UploadPartCopy)
    }

    /// What it does beside its own action: who may define how a bucket is kept does not by that make objects go, or lets them be read elsewhere.
    pub const fn also(self) -> Option<Action> {
        match self {
            Self::DeleteBucket | Self::PutBucketLifecycleConfiguration | Self::PutBucketVersioning => {
                Some(Action::Delete)
            }
            Self::CreateBucketMetadataConfiguration
            | Self::CreateBucketMetadataTableConfiguration
            | Self::PutBucketAnalyticsConfiguration
            | Self::PutBucketInventoryConfiguration
            | Self::PutBucketLogging
            | Self::PutBucketNotificationConfiguration
            | Self::PutBucketReplication
            | Self::PutBucketWebsite => Some(Action::Grant),
            _ => None,
        }
    }

    /// Whether its body is a document of XML or JSON, for the store.
    pub(crate) const fn has_document(self) -> bool {
        matches!(
            self,
            Self::CompleteMultipartUpload
                | Self::CreateBucket
                | Self::CreateBucketMetadataConfiguration
                | Self::CreateBucketMetadataTableConfiguration
                | Self::DeleteObjects
                | Self::PutBucketAbac
                | Self::PutBucketAccelerateConfiguration
                | Self::PutBucketAcl
                | Self::PutBucketAnalyticsConfiguration
                | Self::PutBucketCors
                | Self::PutBucketEncryption
                | Self::PutBucketIntelligentTieringConfiguration
                | Self::PutBucketInventoryConfiguration
                | Self::PutBucketLifecycleConfiguration
                | Self::PutBucketLogging
                | Self::PutBucketMetricsConfiguration
                | Self::PutBucketNotificationConfiguration
                | Self::PutBucketOwnershipControls
                | Self::PutBucketPolicy
                | Self::PutBucketReplication
                | Self::PutBucketRequestPayment
                | Self::PutBucketTagging
                | Self::PutBucketVersioning
                | Self::PutBucketWebsite
                | Self::PutObjectAcl
                | Self::PutObjectLegalHold
                | Self::PutObjectLockConfiguration
                | Self::PutObjectRetention
                | Self::PutObjectTagging
                | Self::PutPublicAccessBlock
                | Self::UpdateBucketMetadataAnnotationTableConfiguration
                | Self::UpdateBucketMetadataInventoryTableConfiguration
                | Self::UpdateBucketMetadataJournalTableConfiguration
                | Self::UpdateObjectEncryption
        )
    }

    /// Why the gateway never passes it on, whatever a policy says; `None` for what a policy decides.
    pub const fn refused(self) -> Option<&'static str> {
        match self {
            Self::SelectObjectContent => {
                Some("the store would compute an answer from content that no mask has seen; read the object instead")
            }
            Self::CreateSession => {
                Some("it gives credentials of the store itself, with which nothing would pass the gateway any more")
            }
            Self::RenameObject => {
                Some("what it names would stand elsewhere, where other masks hold; copy and delete it instead")
            }
            Self::RestoreObject => Some("its body can ask for a query over the content, whose answer no mask has seen"),
            Self::GetObjectTorrent => Some("it tells how to reach the content beside the gateway"),
            Self::GetObjectAnnotation
            | Self::ListObjectAnnotations
            | Self::PutObjectAnnotation
            | Self::DeleteObjectAnnotation => Some("annotations hold content that no mask reads"),
            _ => None,
        }
    }
}

impl Row {
    /// Checks the parameters of a request that it was chosen for.
    fn check(&self, target: &Target, names: &[&str]) -> Result<(), OperationError> {
        let operation = self.operation;
        for ((name, parameter), place) in names.iter().zip(target.parameters()).zip(1..) {
            let value = parameter.value.as_slice();
            if let Some(name) = self.selectors.iter().find(|own| *own == name) {
                if !is_taken(name, value) {
                    return Err(OperationError::Value { operation, name });
                }
            } else if *name == NAMED {
                // Who means another operation than the one that is decided about is asking for something else.
                if value != operation.as_str().as_bytes() {
                    return Err(OperationError::Value { operation, name: NAMED });
                }
            } else if !self.parameters.contains(name) {
                return Err(OperationError::Parameter { operation, place });
            }
        }
        let name = "partNumber";
        match names.iter().zip(target.parameters()).find(|(own, _)| **own == name) {
            None if matches!(operation, Operation::UploadPart | Operation::UploadPartCopy) => {
                return Err(OperationError::Missing { operation, name });
            }
            Some((_, part)) if !is_part(&part.value) => return Err(OperationError::Value { operation, name }),
            None | Some(_) => {}
        }
        Ok(())
    }
}

/// The names of all parameters, each of which comes once.
fn names(target: &Target) -> Result<Vec<&str>, OperationError> {
    let mut names: Vec<&str> = Vec::new();
    for (parameter, place) in target.parameters().iter().zip(1..) {
        // A name that is no text is none of S3's; which operation would not have it is not known yet, and does not matter.
        let name = str::from_utf8(&parameter.name).unwrap_or("\u{fffd}");
        if names.contains(&name) {
            return Err(OperationError::Repeated { place });
        }
        names.push(name);
    }
    Ok(names)
}

/// Whether it is the number of a part, in the one form that all stores read alike.
fn is_part(value: &[u8]) -> bool {
    let digits = value.iter().all(u8::is_ascii_digit) && value.first() != Some(&b'0');
    let number = str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    digits && number.is_some_and(|number| PARTS.contains(&number))
}

/// The name as a selector, if it is one.
fn selector(name: &str) -> Option<&'static str> {
    let mut all = TABLE.iter().flat_map(|row| row.selectors);
    all.find(|selector| **selector == name).copied()
}

/// Whether a selector takes the value: those that only choose have none.
fn is_taken(selector: &str, value: &[u8]) -> bool {
    match selector {
        "list-type" | "select-type" => value == b"2",
        "uploadId" | "id" | "annotationName" => !value.is_empty(),
        _ => value.is_empty(),
    }
}

impl Level {
    /// As a part of a sentence.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "the service itself",
            Self::Bucket => "a bucket",
            Self::Object => "an object",
        }
    }
}

#[cfg(test)]
mod tests;
