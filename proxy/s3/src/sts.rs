//! `AssumeRoleWithWebIdentity` of AWS STS: an agent's token becomes temporary credentials, so that AWS's own clients need no plug-in.
//!
//! Specification: `AssumeRoleWithWebIdentity` and "Common errors" of the AWS STS API reference (version 2011-06-15, the query protocol).
//!
//! ```text
//! POST /                     Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=…&RoleSessionName=…&WebIdentityToken=…
//! ◀ 200 <AssumeRoleWithWebIdentityResponse>…<Credentials>…</Credentials>…   or an <ErrorResponse>
//! ```
//!
//! The role that is asked for gives nothing: what the caller may do follows from the claims of its token alone, so its name is not even
//! looked up. What would narrow the credentials (`Policy`, `PolicyArns`) is refused, because nothing here would hold to it.
//!
//! Not here: whether the token is good, and the credentials ([`crate::credentials`]).

use std::fmt::Write as _;

use zeroize::Zeroizing;

use crate::answer::escaped;
use crate::credentials::{Holder, Temporary};
use crate::signature::target::Target;
use crate::signature::time::UnixSeconds;

/// Bytes of a request at the most: the longest token, encoded, with room to spare.
pub const REQUEST_BYTES_MAX: usize = 32_768;

/// The version that clients name.
const VERSION: &[u8] = b"2011-06-15";

/// The namespace of answers.
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Seconds that credentials may be asked for ("Request Parameters"); a token's own end comes first.
const DURATION_S: std::ops::RangeInclusive<u64> = 900..=43_200;

/// Seconds of credentials that were not asked for with a duration.
const DURATION_S_DEFAULT: u64 = 3_600;

/// Characters of a token.
const TOKEN_BYTES: std::ops::RangeInclusive<usize> = 4..=20_000;

/// Characters of a role's name with its account.
const ROLE_BYTES: std::ops::RangeInclusive<usize> = 20..=2_048;

/// Characters of a session's name.
const SESSION_NAME_BYTES: std::ops::RangeInclusive<usize> = 2..=64;

/// What an agent asks for.
pub struct WebIdentity {
    /// The agent's token, not yet checked.
    pub token: Zeroizing<String>,
    /// The role that it names.
    pub role_arn: String,
    /// What it calls its session.
    pub session_name: String,
    /// Seconds that the credentials are to last at the most.
    pub duration_s: u64,
}

impl std::fmt::Debug for WebIdentity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "WebIdentity({} s)", self.duration_s)
    }
}

/// Why no credentials are given, by STS's own names. No variant repeats a value.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum StsError {
    /// Another action.
    #[error("this gateway serves AssumeRoleWithWebIdentity and no other action of STS")]
    Action,
    /// A parameter that is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A parameter that is not what it has to be.
    #[error("`{0}` is not what AWS's reference asks for")]
    Value(&'static str),
    /// A parameter that this gateway would have to hold to, and cannot.
    #[error(
        "`{0}` is not taken: what a caller may do follows from the claims of its token and the policy of this gateway"
    )]
    Refused(&'static str),
    /// It is no form.
    #[error("the request is not a form with parameters that each come once, of at most {REQUEST_BYTES_MAX} bytes")]
    Form,
    /// The token is not good.
    #[error("the token is not one that this gateway takes")]
    Token,
    /// The token's time is over.
    #[error("the token has expired; ask for a new one")]
    Expired,
    /// The issuer could not be asked for its keys.
    #[error("the issuer of the token cannot be asked for its keys now; try again")]
    Issuer,
}

impl StsError {
    /// STS's name of it, and the HTTP status.
    pub const fn code(self) -> (&'static str, u16) {
        match self {
            Self::Action => ("InvalidAction", 400),
            Self::Missing(_) => ("MissingParameter", 400),
            Self::Value(_) | Self::Form => ("ValidationError", 400),
            Self::Refused(_) => ("InvalidParameterCombination", 400),
            Self::Token => ("InvalidIdentityToken", 400),
            Self::Expired => ("ExpiredTokenException", 400),
            Self::Issuer => ("IDPCommunicationError", 400),
        }
    }

    /// The answer.
    pub fn xml(self, request_id: &str) -> String {
        let (code, _) = self.code();
        let parts = [("Type", "Sender"), ("Code", code), ("Message", &self.to_string())];
        let mut xml = format!("<ErrorResponse xmlns=\"{NAMESPACE}\"><Error>");
        elements(&mut xml, &parts);
        xml.push_str("</Error>");
        elements(&mut xml, &[("RequestId", request_id)]);
        xml.push_str("</ErrorResponse>");
        xml
    }
}

/// Whether a request is one to STS: a form, to the service itself, that nobody has signed.
pub(crate) fn is_asked(method: &str, target: &str, lines: &[(&str, &[u8])]) -> bool {
    let value = |name: &str| {
        lines
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    };
    let form = value("content-type").is_some_and(|value| {
        let kind = value.split(|byte| *byte == b';').next().unwrap_or_default();
        kind.trim_ascii()
            .eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
    });
    method == "POST" && target == "/" && form && value("authorization").is_none()
}

impl WebIdentity {
    /// Reads a form (`application/x-www-form-urlencoded`), or the query of a `GET`.
    ///
    /// # Errors
    /// [`StsError`].
    pub fn parse(form: &[u8]) -> Result<Self, StsError> {
        let text = str::from_utf8(form).ok().filter(|text| text.len() <= REQUEST_BYTES_MAX);
        let text = Zeroizing::new(format!("/?{}", text.ok_or(StsError::Form)?));
        let form = Form(Target::parse(&text).map_err(|_| StsError::Form)?);
        form.once()?;
        if form.value("Action")? != b"AssumeRoleWithWebIdentity" {
            return Err(StsError::Action);
        }
        if form.value("Version")? != VERSION {
            return Err(StsError::Value("Version"));
        }
        form.refuse_narrowing()?;
        let graphic = |byte: u8| byte.is_ascii_graphic();
        let word = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
        let duration_s = match form.optional("DurationSeconds") {
            None => DURATION_S_DEFAULT,
            Some(value) => {
                let digits = value.iter().all(u8::is_ascii_digit);
                let seconds = str::from_utf8(value)
                    .ok()
                    .filter(|_| digits)
                    .and_then(|text| text.parse().ok());
                let seconds = seconds.filter(|seconds| DURATION_S.contains(seconds));
                seconds.ok_or(StsError::Value("DurationSeconds"))?
            }
        };
        Ok(Self {
            token: Zeroizing::new(form.text("WebIdentityToken", &TOKEN_BYTES, graphic)?),
            role_arn: form.text("RoleArn", &ROLE_BYTES, graphic)?,
            session_name: form.text("RoleSessionName", &SESSION_NAME_BYTES, word)?,
            duration_s,
        })
    }

    /// Whether what came is a token by its form, and nothing else that callers are known by.
    pub(crate) fn is_token(&self) -> bool {
        self.token.starts_with("eyJ") && self.token.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// When the credentials end: with the time that was asked for, or with the token, whichever is first.
    pub fn expires_s(&self, now: UnixSeconds, token_expires_s: u64) -> u64 {
        let now_s = u64::try_from(now.seconds()).unwrap_or_default();
        now_s.saturating_add(self.duration_s).min(token_expires_s)
    }
}

/// The answer with credentials of a holder, for whom the audience was named.
pub fn answer(holder: &Holder, temporary: &Temporary, role_arn: &str, audience: &str, request_id: &str) -> String {
    let expires = i64::try_from(holder.expires_s).ok().and_then(UnixSeconds::new);
    let expires = expires.map(UnixSeconds::extended).unwrap_or_default();
    let Holder {
        principal,
        session_name,
        ..
    } = holder;
    let id = temporary.access_key_id.as_str();
    let mut xml = format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"{NAMESPACE}\"><AssumeRoleWithWebIdentityResult><Credentials>"
    );
    elements(
        &mut xml,
        &[
            ("AccessKeyId", id),
            ("SecretAccessKey", &temporary.secret),
            ("SessionToken", temporary.token.as_str()),
            ("Expiration", &expires),
        ],
    );
    xml.push_str("</Credentials>");
    elements(
        &mut xml,
        &[
            ("SubjectFromWebIdentityToken", &principal.subject),
            ("Audience", audience),
            ("Provider", &principal.issuer),
        ],
    );
    xml.push_str("<AssumedRoleUser>");
    elements(
        &mut xml,
        &[
            ("Arn", &format!("{role_arn}/{session_name}")),
            ("AssumedRoleId", &format!("{id}:{session_name}")),
        ],
    );
    xml.push_str("</AssumedRoleUser></AssumeRoleWithWebIdentityResult><ResponseMetadata>");
    elements(&mut xml, &[("RequestId", request_id)]);
    xml.push_str("</ResponseMetadata></AssumeRoleWithWebIdentityResponse>");
    xml
}

fn elements(xml: &mut String, elements: &[(&str, &str)]) {
    for (name, text) in elements {
        let _ = write!(xml, "<{name}>{}</{name}>", escaped(text)); // a String takes everything
    }
}

/// Parameters of a form, which are written as those of a query are.
struct Form(Target);

impl Form {
    fn once(&self) -> Result<(), StsError> {
        let mut names: Vec<_> = self.0.parameters().iter().map(|parameter| &parameter.name).collect();
        names.sort_unstable();
        let twice = names.windows(2).any(|pair| pair.first() == pair.last());
        if twice { Err(StsError::Form) } else { Ok(()) }
    }

    /// What narrows credentials, or means another kind of token, is not passed over.
    fn refuse_narrowing(&self) -> Result<(), StsError> {
        for parameter in self.0.parameters() {
            match parameter.name.as_slice() {
                b"Policy" => return Err(StsError::Refused("Policy")),
                b"ProviderId" => return Err(StsError::Refused("ProviderId")),
                name if name.starts_with(b"PolicyArns") => return Err(StsError::Refused("PolicyArns")),
                b"Action" | b"Version" | b"RoleArn" | b"RoleSessionName" | b"WebIdentityToken" | b"DurationSeconds" => {
                }
                _ => return Err(StsError::Form),
            }
        }
        Ok(())
    }

    fn optional(&self, name: &str) -> Option<&[u8]> {
        let parameter = self
            .0
            .parameters()
            .iter()
            .find(|parameter| parameter.name == name.as_bytes());
        parameter.map(|parameter| parameter.value.as_slice())
    }

    fn value(&self, name: &'static str) -> Result<&[u8], StsError> {
        self.optional(name).ok_or(StsError::Missing(name))
    }

    fn text(
        &self,
        name: &'static str,
        length: &std::ops::RangeInclusive<usize>,
        of: fn(u8) -> bool,
    ) -> Result<String, StsError> {
        let value = self.value(name)?;
        let fits = length.contains(&value.len()) && value.iter().all(|byte| of(*byte));
        let text = str::from_utf8(value).ok().filter(|_| fits);
        text.map(str::to_owned).ok_or(StsError::Value(name))
    }
}

#[cfg(test)]
mod tests;
