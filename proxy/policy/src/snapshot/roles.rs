//! Roles: who has which, by what is verified of a principal.
//!
//! Not here: what a role may do.

use exhibit_schemas::event::access::{Principal, Run};
use serde::Deserialize;

use super::{PolicyError, pattern, patterns, table};
use crate::pattern::Pattern;

/// Who has a role: every pattern that is given must match.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) name: String,
    method: Option<Pattern>,
    issuer: Option<Pattern>,
    subject: Option<Pattern>,
    client_id: Option<Pattern>,
    groups: Option<Vec<Pattern>>,
    run: Option<RunPatterns>,
}

/// Patterns for a run; somebody who is no run of a pipeline matches none of them.
#[derive(Clone, Debug)]
struct RunPatterns(Vec<(Claim, Pattern)>);

/// What a pattern is for.
type Claim = fn(&Run) -> Option<&str>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleText {
    pub(super) name: String,
    #[serde(rename = "match", deserialize_with = "table::one")]
    matches: MatchText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MatchText {
    method: Option<String>,
    issuer: Option<String>,
    subject: Option<String>,
    client_id: Option<String>,
    groups: Option<Vec<String>>,
    #[serde(default, deserialize_with = "table::some")]
    run: Option<RunText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunText {
    provider: Option<String>,
    repository: Option<String>,
    repository_id: Option<String>,
    owner_id: Option<String>,
    reference: Option<String>,
    commit: Option<String>,
    workflow: Option<String>,
    actor: Option<String>,
    actor_id: Option<String>,
    trigger: Option<String>,
    environment: Option<String>,
}

/// The method whose credentials have one issuer, which is the proxy's own list.
const API_KEY: &str = "api-key";

impl Role {
    /// Whether it does not say who must vouch for a principal, where there can be several.
    pub(crate) fn of_any_issuer(&self) -> bool {
        self.issuer.is_none() && self.method.as_ref().map(Pattern::as_str) != Some(API_KEY)
    }

    pub(crate) fn matches(&self, principal: &Principal) -> bool {
        let Self {
            name: _,
            method,
            issuer,
            subject,
            client_id,
            groups,
            run,
        } = self;
        given(method.as_ref(), Some(&principal.method))
            && given(issuer.as_ref(), Some(&principal.issuer))
            && given(subject.as_ref(), Some(&principal.subject))
            && given(client_id.as_ref(), principal.client_id.as_deref())
            && groups.as_ref().is_none_or(|groups| {
                groups
                    .iter()
                    .all(|pattern| principal.groups.iter().any(|group| pattern.matches(group)))
            })
            && run
                .as_ref()
                .is_none_or(|run| principal.run.as_deref().is_some_and(|it| run.matches(it)))
    }
}

impl RunPatterns {
    fn matches(&self, run: &Run) -> bool {
        self.0.iter().all(|(of, pattern)| given(Some(pattern), of(run)))
    }
}

/// Whether a value matches a pattern, where one is given.
fn given(pattern: Option<&Pattern>, value: Option<&str>) -> bool {
    pattern.is_none_or(|pattern| value.is_some_and(|value| pattern.matches(value)))
}

impl RoleText {
    pub(super) fn check(self) -> Result<Role, PolicyError> {
        let place = format!("role `{}`", self.name);
        let one = |text: Option<String>| text.map(|text| pattern(&place, &text)).transpose();
        let MatchText {
            method,
            issuer,
            subject,
            client_id,
            groups,
            run,
        } = self.matches;
        let groups = groups.map(|groups| patterns(&place, &groups)).transpose()?;
        let role = Role {
            method: one(method)?,
            issuer: one(issuer)?,
            subject: one(subject)?,
            client_id: one(client_id)?,
            groups,
            run: run.map(|run| run.check(&place)).transpose()?,
            name: self.name,
        };
        let asks = [&role.method, &role.issuer, &role.subject, &role.client_id]
            .iter()
            .any(|pattern| pattern.is_some());
        if asks || role.groups.as_ref().is_some_and(|groups| !groups.is_empty()) || role.run.is_some() {
            Ok(role)
        } else {
            Err(PolicyError::Rule {
                place,
                rule: "it would match everybody; give at least one pattern",
            })
        }
    }
}

impl RunText {
    fn check(self, place: &str) -> Result<RunPatterns, PolicyError> {
        let fields: [(Option<String>, Claim); 11] = [
            (self.provider, |run| Some(&run.provider)),
            (self.repository, |run| Some(&run.repository)),
            (self.repository_id, |run| Some(&run.repository_id)),
            (self.owner_id, |run| Some(&run.owner_id)),
            (self.reference, |run| Some(&run.reference)),
            (self.commit, |run| Some(&run.commit)),
            (self.workflow, |run| run.workflow.as_deref()),
            (self.actor, |run| Some(&run.actor)),
            (self.actor_id, |run| Some(&run.actor_id)),
            (self.trigger, |run| Some(&run.trigger)),
            (self.environment, |run| run.environment.as_deref()),
        ];
        let mut patterns = Vec::new();
        for (text, of) in fields {
            if let Some(text) = text {
                patterns.push((of, pattern(place, &text)?));
            }
        }
        if patterns.is_empty() {
            return Err(PolicyError::Rule {
                place: place.to_owned(),
                rule: "`run = {}` would match every run of every pipeline; give at least one pattern",
            });
        }
        Ok(RunPatterns(patterns))
    }
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::digest::Digest;
    use exhibit_schemas::event::access::{Principal, Run};

    use crate::snapshot::Snapshot;

    fn run() -> Run {
        Run {
            provider: "github-actions".into(),
            repository: "octo/app".into(),
            repository_id: "456789".into(),
            owner_id: "123456".into(),
            reference: "refs/heads/main".into(),
            commit: "0".repeat(40),
            workflow: Some("octo/app/.github/workflows/ci.yml@refs/heads/main".into()),
            run_id: "1".into(),
            job_id: None,
            actor: "mona".into(),
            actor_id: "583231".into(),
            trigger: "push".into(),
            environment: None,
        }
    }

    fn has_role(pattern: &str, run: Option<Run>) -> bool {
        let text = format!("version = 1\n[[roles]]\nname = \"r\"\nmatch = {pattern}\n");
        let snapshot = Snapshot::parse(text.as_bytes()).unwrap();
        let principal = Principal {
            method: "oidc".into(),
            issuer: "https://issuer.example".into(),
            subject: "repo:octo/app:ref:refs/heads/main".into(),
            client_id: None,
            groups: Vec::new(),
            evidence: Digest::of(b"token"),
            run: run.map(Box::new),
        };
        snapshot.roles[0].matches(&principal)
    }

    #[test]
    fn every_pattern_of_a_run_has_to_match() {
        assert!(has_role(
            "{ run = { repository_id = \"456789\", reference = \"refs/heads/*\" } }",
            Some(run())
        ));
        assert!(!has_role(
            "{ run = { repository_id = \"456789\", reference = \"refs/tags/*\" } }",
            Some(run())
        ));
        assert!(!has_role("{ run = { repository_id = \"45678\" } }", Some(run())));
        assert!(!has_role(
            "{ method = \"oidc\", run = { repository_id = \"*\" } }",
            None
        ));
        // A claim that is not there matches no pattern, not even one that everything matches.
        assert!(!has_role("{ run = { environment = \"*\" } }", Some(run())));
    }

    #[test]
    fn each_name_is_of_its_own_claim() {
        for (name, value) in [
            ("provider", "github-actions"),
            ("repository", "octo/app"),
            ("repository_id", "456789"),
            ("owner_id", "123456"),
            ("reference", "refs/heads/main"),
            ("workflow", "octo/app/.github/workflows/ci.yml@refs/heads/main"),
            ("actor", "mona"),
            ("actor_id", "583231"),
            ("trigger", "push"),
        ] {
            assert!(
                has_role(&format!("{{ run = {{ {name} = \"{value}\" }} }}"), Some(run())),
                "{name}"
            );
            assert!(
                !has_role(&format!("{{ run = {{ {name} = \"x{value}\" }} }}"), Some(run())),
                "{name}"
            );
        }
    }

    #[test]
    fn a_role_that_every_run_has_is_refused() {
        let text = "version = 1\n[[roles]]\nname = \"r\"\nmatch = { run = {} }\n";
        assert!(Snapshot::parse(text.as_bytes()).is_err());
    }
}
