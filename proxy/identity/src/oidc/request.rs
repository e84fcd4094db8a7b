//! The other end: a pipeline asks its CI service for a token.
//!
//! GitHub Actions gives a run that has the permission `id-token: write` a URL and a secret to ask with
//! (docs.github.com/actions/reference/openid-connect-reference). GitLab CI puts tokens into variables, so nobody asks.

use serde::Deserialize;
use zeroize::Zeroizing;

use super::config::fetchable;
use crate::fetch::{Fetch, FetchError};

/// Why there is no token.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RequestError {
    /// The service's URL cannot be asked.
    #[error("the URL at which GitHub Actions gives tokens is not https")]
    Url,
    /// It was asked in vain.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Its answer holds no token.
    #[error("the answer of GitHub Actions holds no token")]
    Answer,
}

/// Asks GitHub Actions for a token of this run that is made out to an audience.
///
/// # Errors
/// [`RequestError`].
pub async fn github_token(
    url: &str,
    secret: &str,
    audience: &str,
    tls: rustls::ClientConfig,
) -> Result<Zeroizing<String>, RequestError> {
    #[derive(Deserialize)]
    struct Answer {
        value: String,
    }
    let joint = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{joint}audience={}", percent_encoded(audience));
    // A runner of one's own may be on this machine.
    let uri = fetchable(&url, true).ok_or(RequestError::Url)?;
    let answer = Fetch::new(tls).document(&uri, Some(secret)).await?;
    let answer: Answer = serde_json::from_slice(&answer).map_err(|_| RequestError::Answer)?;
    Ok(Zeroizing::new(answer.value))
}

/// A value of a query (RFC 3986, section 2.1).
fn percent_encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::percent_encoded;

    #[test]
    fn an_audience_stays_one_value() {
        assert_eq!(
            percent_encoded("https://a.example/b?c&d=é"),
            "https%3A%2F%2Fa.example%2Fb%3Fc%26d%3D%C3%A9"
        );
    }
}
