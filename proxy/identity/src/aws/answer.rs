//! What STS says of who signed a request, and who that is to us.
//!
//! ```xml
//! <GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
//!   <GetCallerIdentityResult>
//!     <Arn>arn:aws:sts::123456789012:assumed-role/nightly/run-7</Arn>
//!     <UserId>AROAEXAMPLEROLEIDENT1:run-7</UserId>
//!     <Account>123456789012</Account>
//!   </GetCallerIdentityResult>
//!   <ResponseMetadata><RequestId>…</RequestId></ResponseMetadata>
//! </GetCallerIdentityResponse>
//! ```
//!
//! A session of a role is the role: its ARN names the role without its path, which STS does not tell, and names of roles are unique in
//! an account. What it calls itself stands behind the unique id of the role.
//!
//! Not here: users of other kinds. The root of an account and federated users are not taken: their names say nothing that a
//! policy could go by.

use roxmltree::{Document, Node, ParsingOptions};

/// Bytes of an answer at the most; one has some six hundred.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// Elements and texts of an answer at the most.
const NODES_MAX: u32 = 64;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Bytes of an ARN at the most: those of users have a path of 512, those of sessions two names of 64.
const ARN_BYTES_MAX: usize = 1_024;

/// Why an answer says of nobody who it is. Nothing of it is repeated.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum AnswerError {
    /// It is no answer to `GetCallerIdentity`.
    #[error("STS answers something else than the identity of a caller")]
    Form,
    /// Its parts do not agree.
    #[error("STS names an account, an ARN and a unique id that are not of each other")]
    Parts,
    /// Neither a user nor a session of a role.
    #[error("the caller is neither a user nor a session of a role")]
    Kind,
}

/// Who signed, as STS tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// The account's number.
    pub(super) account: String,
    /// ARN of the account itself.
    pub(super) account_arn: String,
    /// ARN of the role, or of the user.
    pub(super) arn: String,
    /// The unique id; of a session of a role that of the role, `:`, and the session's name.
    pub(super) unique_id: String,
}

impl Caller {
    /// Reads an answer.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub(super) fn read(answer: &[u8]) -> Result<Self, AnswerError> {
        let text = std::str::from_utf8(answer).map_err(|_| AnswerError::Form)?;
        if text.len() > ANSWER_BYTES_MAX {
            return Err(AnswerError::Form);
        }
        let options = ParsingOptions {
            nodes_limit: NODES_MAX,
            ..ParsingOptions::default()
        };
        let document = Document::parse_with_options(text, options).map_err(|_| AnswerError::Form)?;
        let root = document.root_element();
        if !root.has_tag_name((NAMESPACE, "GetCallerIdentityResponse")) {
            return Err(AnswerError::Form);
        }
        let result = one(root, "GetCallerIdentityResult")?;
        let [arn, unique_id, account] = ["Arn", "UserId", "Account"].map(|name| text_of(one(result, name)?));
        Self::of(arn?, unique_id?, account?)
    }

    fn of(arn: &str, unique_id: &str, account: &str) -> Result<Self, AnswerError> {
        let Arn {
            partition,
            service,
            account: of,
            resource,
        } = Arn::of(arn).ok_or(AnswerError::Form)?;
        if of != account {
            return Err(AnswerError::Parts);
        }
        let id = |text: &str| {
            let plain = text
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
            (16..=128).contains(&text.len()) && plain
        };
        let arn = match (service, resource.split_once('/')) {
            ("iam", Some(("user", name))) if is_path(name) => {
                if !id(unique_id) {
                    return Err(AnswerError::Parts);
                }
                arn.to_owned()
            }
            ("sts", Some(("assumed-role", names))) => {
                let (role, session) = names.split_once('/').ok_or(AnswerError::Form)?;
                if !is_name(role) || !is_name(session) {
                    return Err(AnswerError::Form);
                }
                let (of_role, of_session) = unique_id.split_once(':').ok_or(AnswerError::Parts)?;
                if !id(of_role) || of_session != session {
                    return Err(AnswerError::Parts);
                }
                format!("arn:{partition}:iam::{account}:role/{role}")
            }
            _ => return Err(AnswerError::Kind),
        };
        Ok(Self {
            account: account.to_owned(),
            account_arn: format!("arn:{partition}:iam::{account}:root"),
            arn,
            unique_id: unique_id.to_owned(),
        })
    }

    /// The account of a role or user that a caller can be.
    pub(super) fn account_of(arn: &str) -> Option<&str> {
        let Arn {
            service,
            account,
            resource,
            ..
        } = Arn::of(arn)?;
        let can_be = match resource.split_once('/')? {
            ("user", name) => is_path(name),
            ("role", name) => is_name(name),
            _ => false,
        };
        (service == "iam" && can_be).then_some(account)
    }
}

/// `arn:partition:service::account:resource`, of services without regions.
struct Arn<'a> {
    partition: &'a str,
    service: &'a str,
    account: &'a str,
    resource: &'a str,
}

impl<'a> Arn<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", partition, service, "", account, resource] = parts.as_slice() else {
            return None;
        };
        let known = *partition == "aws" || partition.strip_prefix("aws-").is_some_and(is_lower_case);
        (text.len() <= ARN_BYTES_MAX && known && is_account(account)).then_some(Self {
            partition,
            service,
            account,
            resource,
        })
    }
}

/// Twelve digits.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_lower_case(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

/// A name of IAM (`[\w+=,.@-]`).
fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(letter)
}

/// A name behind a path: printable ASCII.
fn is_path(text: &str) -> bool {
    let (path, name) = text.rsplit_once('/').unwrap_or(("", text));
    is_name(name) && path.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The only child of that name.
fn one<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Result<Node<'a, 'input>, AnswerError> {
    let mut named = node.children().filter(|child| child.has_tag_name((NAMESPACE, name)));
    match (named.next(), named.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(AnswerError::Form),
    }
}

/// All that an element holds, which is text.
fn text_of<'a>(node: Node<'a, '_>) -> Result<&'a str, AnswerError> {
    let mut children = node.children();
    match (children.next(), children.next()) {
        (Some(only), None) if only.is_text() => only.text().ok_or(AnswerError::Form),
        _ => Err(AnswerError::Form),
    }
}

#[cfg(test)]
mod tests;
