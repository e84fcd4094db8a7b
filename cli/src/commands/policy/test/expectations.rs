//! The file of expectations: agents, and cases of what they ask for with what is to become of it.
//!
//! ```toml
//! version = 1
//!
//! [catalogs]                                      # of each target that commands are read for, beside this file
//! clinic = "clinic.json"
//!
//! [[agents]]
//! name = "nightly"
//! method = "oidc"                                 # `api-key` if left out
//! issuer = "https://token.actions.githubusercontent.com"    # `api-keys` if left out
//! subject = "repo:octo/app:ref:refs/heads/main"
//! client_id = "clinic"                            # none if left out
//! groups = []                                     # none if left out
//! run = { repository_id = "456789" }              # no run if left out; the names are those of roles
//!
//! [[cases]]
//! name = "the nightly run reads patients, masked"
//! agent = "nightly"
//! target = "clinic"
//! command = "SELECT id, ssn FROM patients"        # or `accesses = ["read:public.patients"]`, with `facts = { rows = 3 }`
//!                                                 # or `operation = "GetObject"`, with `objects = ["exports/a.csv"]` and, of a copy, `source`
//! at = "2026-11-24T09:30:00Z"                     # when, where rules of the policy have hours
//! estimated_rows = 20                             # what the database would expect; not known, so more than any, if left out
//! seen = true                                     # one like it has passed before, where rules go by that; false if left out
//! schemas = ["public"]                            # where names without a schema are looked up; `public` if left out
//! expect = { effect = "allow", rule = "reads", masks = { "public.patients.ssn" = "ssn" } }
//! ```
//!
//! A refusal has to say its rule or its cause, and one that is `unproven` its reason: a misspelt statement is refused too.

use std::collections::BTreeMap;
use std::path::Path;

use exhibit_identity::api_key::{ISSUER, METHOD};
use exhibit_proxy::reading::{ObjectRequest, RecordedCatalog};
use exhibit_schemas::event::access::{Attribute, Facts, Principal, Run};
use exhibit_startup::configuration::{ConfigurationError, File, Step};
use serde::Deserialize;

use super::super::pipeline_run;
use super::super::question::{Question, Request, access, principal, read_catalog, time};
use super::expected::{Expected, ExpectedText};
use crate::config::ConfigError;
use crate::error::CliError;

/// A file of expectations, with its names looked up and its catalogs read.
pub(super) struct Expectations {
    /// At least one.
    pub(super) cases: Vec<Case>,
}

/// What is asked, and what is to become of it.
pub(super) struct Case {
    pub(super) name: String,
    /// Where it stands in the file.
    pub(super) line: usize,
    pub(super) question: Question,
    pub(super) expected: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    version: u64,
    #[serde(default)]
    catalogs: BTreeMap<String, String>,
    #[serde(default)]
    agents: Vec<AgentText>,
    #[serde(default)]
    cases: Vec<CaseText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentText {
    name: String,
    method: Option<String>,
    issuer: Option<String>,
    subject: String,
    client_id: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    run: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseText {
    name: String,
    agent: String,
    target: String,
    at: Option<String>,
    estimated_rows: Option<u64>,
    #[serde(default)]
    seen: bool,
    command: Option<String>,
    schemas: Option<Vec<String>>,
    accesses: Option<Vec<String>>,
    operation: Option<String>,
    objects: Option<Vec<String>>,
    source: Option<String>,
    facts: Option<BTreeMap<String, Attribute>>,
    expect: ExpectedText,
}

impl Expectations {
    /// Reads a file, and the catalogs that it names.
    ///
    /// # Errors
    /// [`CliError::Config`] with the line of the first thing that is wrong, [`CliError::File`] and [`CliError::Reading`] for a
    /// catalog.
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let file = File::read(path).map_err(ConfigError::from)?;
        let text: FileText = file.parse().map_err(ConfigError::from)?;
        if text.version != 1 {
            let reason = format!("version = {}; this program reads version 1", text.version);
            return Err(refused(&file, &[Step::Key("version")], reason));
        }
        if text.cases.is_empty() {
            let reason = "it has no [[cases]]: a test that asks nothing finds nothing";
            return Err(refused(&file, &[], reason.to_owned()));
        }
        let agents = agents(&file, text.agents)?;
        let mut catalogs = BTreeMap::new();
        for (target, path) in text.catalogs {
            catalogs.insert(target, read_catalog(&file.directory().join(path))?);
        }
        let mut cases: Vec<Case> = Vec::with_capacity(text.cases.len());
        for (number, case) in text.cases.into_iter().enumerate() {
            let place = [Step::Key("cases"), Step::Element(number)];
            let same = cases.iter().find(|other| other.name == case.name);
            let read = match same {
                Some(other) => Err(format!("line {} has a case of that name", other.line)),
                None => case.read(file.line(&place), &agents, &catalogs),
            };
            cases.push(read.map_err(|reason| refused(&file, &place, reason))?);
        }
        Ok(Self { cases })
    }
}

fn refused(file: &File, place: &[Step], reason: String) -> CliError {
    let error: ConfigurationError = file.refuse(place, reason);
    ConfigError::from(error).into()
}

fn agents(file: &File, texts: Vec<AgentText>) -> Result<BTreeMap<String, Principal>, CliError> {
    let mut agents = BTreeMap::new();
    for (number, agent) in texts.into_iter().enumerate() {
        let place = [Step::Key("agents"), Step::Element(number)];
        let name = agent.name.clone();
        let principal = agent.read().map_err(|reason| refused(file, &place, reason))?;
        if agents.insert(name.clone(), principal).is_some() {
            return Err(refused(file, &place, format!("agent `{name}` is defined twice")));
        }
    }
    Ok(agents)
}

impl AgentText {
    fn read(self) -> Result<Principal, String> {
        let mut claims = Vec::new();
        for (name, value) in self.run.iter().flatten() {
            claims.push((pipeline_run::named(name)?, value.clone()));
        }
        let run: Option<Box<Run>> = match (&self.run, pipeline_run::of(&claims)) {
            (Some(_), None) => return Err("`run = {}` says nothing; leave it out, or give what roles match".to_owned()),
            (_, run) => run,
        };
        let method = self.method.as_deref().unwrap_or(METHOD);
        let issuer = self.issuer.as_deref().unwrap_or(ISSUER);
        Ok(Principal {
            client_id: self.client_id,
            ..principal(method, issuer, &self.subject, &self.groups, run)
        })
    }
}

impl CaseText {
    /// The case, or what is wrong with it.
    fn read(
        self,
        line: usize,
        agents: &BTreeMap<String, Principal>,
        catalogs: &BTreeMap<String, RecordedCatalog>,
    ) -> Result<Case, String> {
        let principal = agents.get(&self.agent).cloned();
        let principal = principal.ok_or_else(|| format!("there is no agent `{}`", self.agent))?;
        let is_operation = self.operation.is_some();
        if !is_operation && (self.objects.is_some() || self.source.is_some()) {
            return Err("objects and a source go with an operation".to_owned());
        }
        if self.schemas.is_some() && self.command.is_none() {
            return Err("schemas go with a command; accesses name what they name".to_owned());
        }
        let request = match (self.command, self.operation, self.accesses) {
            (Some(command), None, None) => {
                if self.facts.is_some() {
                    return Err("facts go with accesses; those of a command are read from it".to_owned());
                }
                let catalog = catalogs.get(&self.target).cloned();
                let wanted = || {
                    format!(
                        "a command needs the catalog of its target: `{}` in [catalogs]",
                        self.target
                    )
                };
                Request::Sql {
                    command,
                    catalog: catalog.ok_or_else(wanted)?,
                    schemas: self.schemas.unwrap_or_else(|| vec!["public".to_owned()]),
                }
            }
            (None, Some(operation), None) => {
                let (objects, facts) = (self.objects.unwrap_or_default(), self.facts.unwrap_or_default());
                let request = ObjectRequest::parse(&operation, &objects, self.source.as_deref(), facts);
                Request::Object(request.map_err(|error| error.to_string())?)
            }
            (None, None, Some(accesses)) => Request::Facts(Facts {
                accesses: accesses.iter().map(|text| access(text)).collect::<Result<_, _>>()?,
                attributes: self.facts.unwrap_or_default(),
                columns: None,
            }),
            _ => return Err("a case has a command, an operation or accesses, one of them".to_owned()),
        };
        Ok(Case {
            name: self.name,
            line,
            question: Question {
                principal,
                target: self.target,
                request,
                time: self.at.as_deref().map(time).transpose()?,
                estimated_rows: self.estimated_rows,
                seen: self.seen,
            },
            expected: self.expect.read()?,
        })
    }
}
