//! The other end: a pipeline signs a request with the credentials that it has at AWS.
//!
//! Not here: where credentials come from. `aws configure export-credentials --format env` tells those of a profile, a container or an
//! instance.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials as Keys;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use exhibit_schemas::event::Timestamp;
use hyper::Request;
use zeroize::Zeroizing;

use super::config::is_region;
use super::{AUDIENCE_HEADER, LIFETIME_S_MAX, PREFIX};
use crate::oidc::{fetchable, is_loopback};

/// What AWS knows a caller by.
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret: Zeroizing<String>,
    /// `AWS_SESSION_TOKEN`, of what is not for ever.
    pub session_token: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Credentials")
    }
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignError {
    /// No region.
    #[error("a region has lower-case letters, digits and `-`, as in `eu-central-1`")]
    Region,
    /// No endpoint.
    #[error("the endpoint of STS is no https URL without a path")]
    Endpoint,
    /// The audience is no value of a header.
    #[error("the audience is not ASCII without blanks")]
    Audience,
    /// The library says no.
    #[error("the request cannot be signed")]
    Signature,
}

/// A token for an audience, good for 15 minutes from `now`: a presigned request to the endpoint, or to that of the region.
///
/// # Errors
/// [`SignError`].
pub fn token(
    credentials: &Credentials,
    region: &str,
    endpoint: Option<&str>,
    audience: &str,
    now: Timestamp,
) -> Result<Zeroizing<String>, SignError> {
    if !is_region(region) {
        return Err(SignError::Region);
    }
    if audience.is_empty() || !audience.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(SignError::Audience);
    }
    let own = format!("https://sts.{region}.amazonaws.com");
    let endpoint = endpoint.unwrap_or(&own).trim_end_matches('/');
    let uri = endpoint.parse().ok();
    let uri = uri.and_then(|uri| fetchable(endpoint, is_loopback(&uri)));
    if uri.is_none_or(|uri| uri.path() != "/" || uri.query().is_some()) {
        return Err(SignError::Endpoint);
    }
    let url = format!("{endpoint}/?Action=GetCallerIdentity&Version=2011-06-15");
    let keys = Keys::new(
        credentials.key_id.clone(),
        credentials.secret.as_str(),
        credentials.session_token.as_deref().map(ToString::to_string),
        None,
        "exhibit",
    );
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(LIFETIME_S_MAX));
    let identity = keys.into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(UNIX_EPOCH + Duration::from_micros(now.0))
        .settings(settings)
        .build()
        .map_err(|_| SignError::Signature)?
        .into();
    let headers = [(AUDIENCE_HEADER, audience)];
    let request = SignableRequest::new("GET", url.as_str(), headers.into_iter(), SignableBody::Bytes(&[]));
    let request = request.map_err(|_| SignError::Signature)?;
    let signed = sign(request, &parameters).map_err(|_| SignError::Signature)?;
    let mut request = Request::get(&url).body(()).map_err(|_| SignError::Signature)?;
    signed.into_parts().0.apply_to_request_http1x(&mut request);
    let url = Zeroizing::new(request.uri().to_string());
    Ok(Zeroizing::new(format!(
        "{PREFIX}{}",
        URL_SAFE_NO_PAD.encode(url.as_bytes())
    )))
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::event::Timestamp;

    use super::super::presigned::Presigned;
    use super::{Credentials, SignError, token};

    const NOW: Timestamp = Timestamp(1_795_874_400_000_000);

    fn credentials() -> Credentials {
        Credentials {
            key_id: "ASIAEXAMPLEEXAMPLE12".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned().into(),
            session_token: Some("IQoJ/b3JpZ2lu+X2VjE==".to_owned().into()),
        }
    }

    #[test]
    fn what_is_signed_is_what_is_taken() {
        let token = token(&credentials(), "eu-central-1", None, "https://exhibit.example", NOW).unwrap();
        let read = Presigned::read(&token).unwrap();
        assert_eq!(read.authority, "sts.eu-central-1.amazonaws.com");
        assert_eq!((read.from, read.until), (NOW, Timestamp(NOW.0 + 900_000_000)));
        assert!(!read.query.contains("wJalrXUtnFEMI"));
    }

    #[test]
    fn what_is_signed_goes_by_everything() {
        let one = |change: &dyn Fn(&mut Credentials), region: &str, sts: Option<&str>, audience: &str| {
            let mut credentials = credentials();
            change(&mut credentials);
            let token = token(&credentials, region, sts, audience, NOW).unwrap();
            Presigned::read(&token).unwrap().signature
        };
        let all = [
            one(&|_| (), "eu-central-1", None, "a"),
            one(&|_| (), "eu-central-1", None, "b"),
            one(&|_| (), "eu-west-1", None, "a"),
            one(&|_| (), "eu-central-1", Some("https://sts.example"), "a"),
            one(&|its| its.secret.push('x'), "eu-central-1", None, "a"),
            one(&|its| its.key_id.push('A'), "eu-central-1", None, "a"),
            one(&|its| its.session_token = None, "eu-central-1", None, "a"),
        ];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }

    #[test]
    fn what_cannot_be_asked_is_not_signed() {
        let fault = |region: &str, sts: Option<&str>, audience: &str| {
            token(&credentials(), region, sts, audience, NOW)
                .map(|_| ())
                .unwrap_err()
        };
        assert_eq!(fault("EU", None, "a"), SignError::Region);
        assert_eq!(fault("eu", Some("http://sts.example"), "a"), SignError::Endpoint);
        assert_eq!(fault("eu", Some("https://sts.example/a"), "a"), SignError::Endpoint);
        assert_eq!(fault("eu", None, "a b"), SignError::Audience);
        assert_eq!(fault("eu", None, ""), SignError::Audience);
    }
}
