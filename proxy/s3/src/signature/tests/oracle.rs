//! Properties against AWS's own library: what it signs is verified here, and what is signed here is what it signs.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials as Keys;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign as sign_theirs,
};
use aws_sigv4::sign::v4::SigningParams;
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::{KEY_ID, Request, SECRET, TIME, region, time};
use crate::signature::credential::{AccessKeyId, SessionToken};
use crate::signature::key::SecretKey;
use crate::signature::sign::{Credentials, SignedBody, sign};
use crate::signature::target::{Parameter, Target};

/// Names and values.
type Pairs = Vec<(String, String)>;

/// What a client may send.
#[derive(Debug, Clone)]
struct Sent {
    method: &'static str,
    path: Vec<u8>,
    parameters: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    token: Option<String>,
    body: Vec<u8>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let text = "[ -~äß中🦀]{0,12}";
    let header = (
        "x-amz-meta-[a-z]{1,8}|content-type|range|if-match",
        "[!-~]([ -~]{0,12}[!-~])?",
    );
    (
        prop::sample::select(vec!["GET", "PUT", "DELETE", "POST", "HEAD"]),
        prop::collection::vec(any::<u8>(), 0..24),
        prop::collection::vec(("[a-z~ä/&=+%-]{1,6}", text), 0..5),
        prop::collection::btree_map(header.0, header.1, 0..4),
        prop::option::of("[!-~]{1,40}"),
        prop::collection::vec(any::<u8>(), 0..40),
    )
        .prop_map(|(method, path, parameters, headers, token, body)| Sent {
            method,
            path: std::iter::once(b'/').chain(path).collect(),
            parameters,
            headers: headers.into_iter().collect(),
            token,
            body,
        })
}

impl Sent {
    fn target(&self) -> Target {
        let parameter = |(name, value): &(String, String)| Parameter {
            name: name.clone().into_bytes(),
            value: value.clone().into_bytes(),
        };
        Target::new(self.path.clone(), self.parameters.iter().map(parameter).collect()).expect("it begins with a slash")
    }

    /// As a client writes it: encoded by this crate, which the oracle then reads as it is.
    fn text(&self) -> String {
        let target = self.target();
        match target.canonical_query() {
            query if query.is_empty() => target.canonical_path(),
            query => format!("{}?{query}", target.canonical_path()),
        }
    }

    /// What AWS's library adds: headers and parameters.
    fn signed_by_aws(&self, location: SignatureLocation) -> (Pairs, Pairs) {
        let keys = Keys::new(KEY_ID, SECRET, self.token.clone(), None, "test");
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.signature_location = location;
        settings.expires_in = (location == SignatureLocation::QueryParams).then_some(Duration::from_mins(10));
        let identity = keys.into();
        let seconds = u64::try_from(time(TIME).seconds()).expect("after 1970");
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(UNIX_EPOCH + Duration::from_secs(seconds))
            .settings(settings)
            .build()
            .expect("all is there")
            .into();
        let body = match location {
            SignatureLocation::QueryParams => SignableBody::UnsignedPayload,
            _ => SignableBody::Bytes(&self.body),
        };
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let url = format!("https://bucket.example{}", self.text());
        let request = SignableRequest::new(self.method, url, headers, body).expect("it can be signed");
        let (headers, query) = sign_theirs(request, &parameters)
            .expect("it signs")
            .into_parts()
            .0
            .into_parts();
        (
            headers
                .iter()
                .map(|header| (header.name().to_owned(), header.value().to_owned()))
                .collect(),
            query
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into_owned()))
                .collect(),
        )
    }

    fn request(&self) -> Request {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        Request::new(self.method, &self.text(), &headers).with("host", "bucket.example")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn headers_that_aws_signs_are_verified(sent in sent()) {
        let (added, _) = sent.signed_by_aws(SignatureLocation::Headers);
        let request = added.iter().fold(sent.request(), |request, (name, value)| request.with(name, value));
        let signed = request.verify().expect("AWS signed it");
        prop_assert_eq!(signed.target().path(), sent.path.as_slice());
        prop_assert_eq!(signed.token().map(SessionToken::as_str), sent.token.as_deref());
        // And nothing else is.
        let other = request.clone().with("x-amz-date", "20130524T000001Z");
        prop_assert!(other.verify().is_err());
        let longer = format!("{}{}", request.target, if request.target.contains('?') { "&zz" } else { "?zz" });
        prop_assert!(request.to(&longer).verify().is_err());
    }

    #[test]
    fn queries_that_aws_signs_are_verified(sent in sent()) {
        let (_, added) = sent.signed_by_aws(SignatureLocation::QueryParams);
        let mut all = sent.clone();
        all.parameters.extend(added);
        let request = all.request();
        let signed = request.verify().expect("AWS signed it");
        prop_assert_eq!(signed.target().canonical_path(), sent.target().canonical_path());
        prop_assert_eq!(signed.target().canonical_query(), sent.target().canonical_query());
        prop_assert_eq!(signed.token().map(SessionToken::as_str), sent.token.as_deref());
        prop_assert!(request.at("20130524T001001Z").verify().is_err());
    }

    #[test]
    fn what_is_signed_here_is_what_aws_signs(sent in sent()) {
        use sha2::{Digest as _, Sha256};

        let (theirs, _) = sent.signed_by_aws(SignatureLocation::Headers);
        let credentials = Credentials {
            access_key_id: AccessKeyId::new(KEY_ID).expect("an id"),
            secret: SecretKey::new(Zeroizing::new(SECRET.to_owned())),
            token: sent.token.as_deref().map(|token| SessionToken::new(token).expect("a token")),
        };
        let mut headers: Vec<_> = sent.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        headers.push(("host", b"bucket.example"));
        let body = SignedBody::Sha256(Sha256::digest(&sent.body).into());
        let ours = sign(sent.method, &sent.target(), &headers, body, &credentials, &region(), time(TIME)).expect("it signs");
        let mut ours: Vec<_> = ours.iter().map(|header| (header.name.to_owned(), header.value.to_string())).collect();
        let mut theirs = theirs;
        ours.sort();
        theirs.sort();
        prop_assert_eq!(ours, theirs);
    }
}
