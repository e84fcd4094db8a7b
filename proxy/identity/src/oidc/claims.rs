//! What the claims of a token say, once its signature is good.
//!
//! Not here: the signature.

use exhibit_schemas::event::access::Run;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::config::Claims;
use crate::api_key::{GROUPS_MAX, NAME_BYTES_MAX};

/// Bytes of any claim that goes into events at the most; subjects of GitHub name environments and references.
const CLAIM_BYTES_MAX: usize = 1_024;

/// The payload of a token (RFC 7519, section 4.1); a claim of another type than it has to have is refused.
#[derive(Debug, Deserialize)]
pub(crate) struct Payload {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) aud: Audience,
    /// Seconds since 1970.
    pub(crate) exp: u64,
    pub(crate) nbf: Option<u64>,
    pub(crate) iat: Option<u64>,
    pub(crate) jti: Option<String>,
    #[serde(flatten)]
    pub(crate) others: Map<String, Value>,
}

/// One audience, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub(crate) fn names(&self, any: &[String]) -> bool {
        let here = |name: &String| any.contains(name);
        match self {
            Self::One(name) => here(name),
            Self::Several(names) => names.iter().any(here),
        }
    }
}

/// Why the claims are refused: which one, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) claim: String,
    pub(crate) rule: &'static str,
}

/// What the claims of an issuer say beside the registered ones.
#[derive(Debug, Default)]
pub(crate) struct Further {
    pub(crate) client_id: Option<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) run: Option<Box<Run>>,
}

/// Reads the claims as the issuer means them.
pub(crate) fn further(payload: &Payload, meaning: Claims, groups: Option<&str>) -> Result<Further, Fault> {
    text("sub", &payload.sub)?;
    let claims = Named(&payload.others);
    match meaning {
        Claims::Plain => Ok(Further {
            client_id: claims
                .maybe("azp")?
                .map_or_else(|| claims.maybe("client_id"), |azp| Ok(Some(azp)))?,
            groups: groups.map_or(Ok(Vec::new()), |claim| claims.list(claim))?,
            run: None,
        }),
        Claims::GithubActions => Ok(Further {
            run: Some(Box::new(github(&claims)?)),
            ..Further::default()
        }),
        Claims::GitlabCi => Ok(Further {
            run: Some(Box::new(gitlab(&claims)?)),
            ..Further::default()
        }),
    }
}

/// A run of GitHub Actions. `sub` is never taken apart: its form is the owner's to choose, and names in it may hold its own
/// separators. Names of claims: <https://docs.github.com/actions/reference/openid-connect-reference>.
fn github(claims: &Named<'_>) -> Result<Run, Fault> {
    Ok(Run {
        provider: "github-actions".to_owned(),
        repository: claims.one("repository")?,
        repository_id: claims.number("repository_id")?,
        owner_id: claims.number("repository_owner_id")?,
        reference: claims.one("ref")?,
        commit: claims.one("sha")?,
        // The workflow that the job stands in, which for a reusable one is another than that of the run.
        workflow: claims
            .maybe("job_workflow_ref")?
            .map_or_else(|| claims.maybe("workflow_ref"), |place| Ok(Some(place)))?,
        run_id: claims.number("run_id")?,
        job_id: claims.maybe("run_attempt")?,
        actor: claims.one("actor")?,
        actor_id: claims.number("actor_id")?,
        trigger: claims.one("event_name")?,
        environment: claims.maybe("environment")?,
    })
}

/// A job of GitLab CI. Names of claims: <https://docs.gitlab.com/ci/secrets/id_token_authentication/> (token payload).
fn gitlab(claims: &Named<'_>) -> Result<Run, Fault> {
    Ok(Run {
        provider: "gitlab-ci".to_owned(),
        repository: claims.one("project_path")?,
        repository_id: claims.number("project_id")?,
        owner_id: claims.number("namespace_id")?,
        // `ref` alone does not tell a branch from a tag of the same name.
        reference: claims.one("ref_path")?,
        commit: claims.one("sha")?,
        workflow: claims.maybe("ci_config_ref_uri")?,
        run_id: claims.number("pipeline_id")?,
        job_id: Some(claims.number("job_id")?),
        actor: claims.one("user_login")?,
        actor_id: claims.number("user_id")?,
        trigger: claims.one("pipeline_source")?,
        environment: claims.maybe("environment")?,
    })
}

struct Named<'a>(&'a Map<String, Value>);

impl Named<'_> {
    fn maybe(&self, claim: &str) -> Result<Option<String>, Fault> {
        match self.0.get(claim) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(value)) if value.is_empty() => Ok(None),
            Some(Value::String(value)) => text(claim, value).map(Some),
            Some(_) => Err(fault(claim, "is not a text")),
        }
    }

    fn one(&self, claim: &str) -> Result<String, Fault> {
        self.maybe(claim)?.ok_or_else(|| fault(claim, "is missing"))
    }

    /// A number that names something: digits, which issuers write as a text or as a number.
    fn number(&self, claim: &str) -> Result<String, Fault> {
        let digits = match self.0.get(claim) {
            Some(Value::Number(number)) => number.to_string(),
            _ => self.one(claim)?,
        };
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        if plain {
            Ok(digits)
        } else {
            Err(fault(claim, "is not a number"))
        }
    }

    /// A list of names, sorted.
    fn list(&self, claim: &str) -> Result<Vec<String>, Fault> {
        let names = match self.0.get(claim) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(names)) => names,
            Some(_) => return Err(fault(claim, "is not a list")),
        };
        if names.len() > GROUPS_MAX {
            return Err(fault(claim, "lists more than 64 groups"));
        }
        let name = |name: &Value| match name.as_str() {
            Some(name) if !name.is_empty() && name.len() <= NAME_BYTES_MAX => text(claim, name),
            _ => Err(fault(claim, "lists something else than names of 1 to 128 bytes")),
        };
        let mut names = names.iter().map(name).collect::<Result<Vec<_>, _>>()?;
        names.sort();
        names.dedup();
        Ok(names)
    }
}

fn fault(claim: &str, rule: &'static str) -> Fault {
    Fault {
        claim: claim.to_owned(),
        rule,
    }
}

fn text(claim: &str, value: &str) -> Result<String, Fault> {
    if value.is_empty() {
        Err(fault(claim, "is empty"))
    } else if value.len() > CLAIM_BYTES_MAX {
        Err(fault(claim, "is longer than 1,024 bytes"))
    } else if value.contains(char::is_control) {
        Err(fault(claim, "has control characters"))
    } else {
        Ok(value.to_owned())
    }
}
