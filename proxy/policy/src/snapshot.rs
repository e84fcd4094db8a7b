//! A policy snapshot: one TOML file, read once, refused whole if anything in it is unknown or does not fit together.
//!
//! ```toml
//! version = 1
//!
//! [[roles]]
//! name = "ci-reader"
//! match = { method = "api-key", subject = "ci-*" }      # all that is given must match
//!
//! [[roles]]
//! name = "ci-nightly"                                   # a pipeline's run, of a token that its CI service signed
//! match = { method = "oidc", run = { repository_id = "456789", reference = "refs/heads/main" } }
//!
//! [[targets]]
//! name = "clinic"
//! protocol = "postgres"
//! tags = ["phi", "production"]                          # words that rules can be for; none if left out
//!
//! [[approvals]]
//! name = "dba"
//! groups = ["dba"]
//! people = 1
//! expires_s = 900
//! hold_s = 60                                           # how long a session waits for people; until it expires if left out
//! all_groups = ["dba", "privacy"]                       # of each another person must be among them; none if left out
//! hours = { windows = ["Mon-Fri 08:00-18:00"], zone = "Europe/Vienna" }   # when approvals count; always if left out
//! grants = { scopes = ["fingerprint", "session"], minutes = 60, uses = 100, rows = 5000 }   # what people may grant; see `grant.rs`
//! estimate = true                                       # people are told how many rows are expected; false if left out
//! preview = "rolled-back"                               # and how many a run that is rolled back changes; nobody is told if left out
//! emergency = { groups = ["on-call"], minutes = 30, reviewers = ["privacy"], review_within_days = 3 }   # who may pass it alone; nobody if left out
//!
//! [[rules]]                                             # the first rule that matches an access decides it
//! name = "reads"
//! roles = ["ci-reader"]
//! targets = ["clinic"]
//! actions = ["read"]
//! resources = ["public.*", "none"]                      # "none": a request that names nothing, such as SELECT 1
//! effect = "allow"
//!
//! [[rules]]                                             # in front of `reads`: recorded where it matches, and not enforced
//! name = "notes-next"
//! mode = "observe"                                      # enforce if left out
//! roles = ["ci-reader"]
//! target_tags = ["phi"]                                 # in the place of `targets`: those that have all of these
//! actions = ["read"]
//! resources = ["public.notes"]
//! effect = "deny"
//!
//! [[rules]]                                             # in front of `reads`: a rule about replies that have grown
//! name = "bulk"
//! roles = ["ci-reader"]
//! targets = ["clinic"]
//! actions = ["read"]
//! over = { rows = 10000, session_bytes = 50000000 }     # matches once a reply, or all of the session, come to more than any
//!                                                       # (of rows, bytes, and patients where the policy names those), or
//!                                                       # before it runs, by `estimated_rows` of the database;
//! effect = "ask"                                        # what is more waits for people, or with "deny" ends the session
//! approval = "dba"
//!
//! [[masks]]                                             # the first mask that names a resource masks it
//! name = "ssn"
//! targets = ["clinic"]
//! resources = ["public.patients.ssn"]                   # relation.column of the target; `*` matches any run
//! technique = "partial"                                 # redact, null, partial, token, ff1, year, date_shift, zip3, age,
//! keep = 4                                              # paths, detect; what each takes stands in `snapshot/masks.rs`
//! predicates = "equality"                               # whether values may be tried on it: deny (if left out), ask, equality
//! probes_per_hour = 5                                   # how many, by everybody together; 10 if left out
//!
//! [[nets]]                                              # under everything released, beside the masks
//! name = "identifiers"
//! targets = ["clinic"]
//! categories = ["ssn", "card", "email"]                 # what detectors find of these becomes a token such as `[ssn]`
//! floor = "likely"                                      # how sure: possible, likely, strong, certain; likely if left out
//! except = ["public.encounters.*"]                      # columns that it passes over; none if left out
//! ends_session = false                                  # whether a finding ends the session; false if left out
//!
//! [[documents]]                                         # objects, and how they are read; masks name places in them
//! name = "patients"                                     # so that `patients.ssn` is the column of that name
//! targets = ["lake"]
//! resources = ["exports/*/patients.csv"]                # bucket/key; the first document that names an object is for it
//! format = "csv"                                        # csv, tsv, json, ndjson, fhir, fhir-ndjson, hl7, text
//! header = true                                         # of csv and tsv: the first record names the columns; true if left out
//! phi = true                                            # what cannot be read so is refused; false: no mask can name it; true if left out
//! keep_length = false                                   # masked values as long as what they stand for; false if left out
//!
//! [[reviews]]                                           # who has to review what happened; nobody where there is none
//! name = "commands-monthly"
//! scope = "commands"                                    # all, sessions, commands, approvals, readings, changes
//! every = "month"                                       # day, week, month, quarter, year
//! zone = "Europe/Vienna"                                # whose days; UTC if left out
//! within_days = 10                                      # how many days after its end a period's review is due
//! groups = ["privacy"]                                  # a person of any of these may sign
//! own = "deny"                                          # whether one with a part in it is enough: deny (if left out), allow
//!
//! [[patients]]                                          # whose records rows are: in evidence as keyed tokens, counted by `over`
//! name = "patient"
//! targets = ["clinic"]
//! resources = ["public.patients.id", "public.claims.patient_id"]   # of each relation with records of patients the one column
//! domain = "patient"                                    # of the tokens; the name if left out
//!
//! [sealed]                                              # off where it is left out: exact commands are in no event then
//! recipients = ["age1..."]                              # the exact bytes of each command go into the log encrypted to them,
//! targets = ["clinic"]                                  # as `age-keygen` makes them; targets: all if left out
//!
//! [limits]                                              # of every session; what is left out is as here
//! idle_s = 3600                                         # without a word from the agent
//! session_s = 86400                                     # from its first event to its last
//! expiry_ends_session = false                           # whether it ends when what its agent came with expires
//! ```
//!
//! Not here: deciding ([`crate::decide`]) and masking ([`crate::mask`]).

mod documents;
mod index;
mod limits;
mod line;
mod masks;
mod nets;
mod over;
mod patients;
mod reviews;
mod roles;
mod rules;
mod sealed;
mod spelling;
mod table;
mod tags;

use std::collections::BTreeSet;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Access, Facts, Principal};
use serde::Deserialize;

use crate::document::{Document, Reading};
use crate::emergency::Emergency;
use crate::grant::Grants;
use crate::hours::{Hours, HoursError};

use self::documents::DocumentText;
use self::index::Index;
pub(crate) use self::index::Places;
pub use self::limits::{LIMIT_S_MAX, Limits};
use self::masks::MaskText;
use self::nets::NetText;
pub use self::over::{Counts, Over, facts_at, with_cells};
use self::patients::{Patients, PatientsText};
use self::reviews::ReviewText;
pub(crate) use self::roles::Role;
use self::roles::RoleText;
use self::rules::RuleText;
pub(crate) use self::rules::{Mode, Rule};
use self::sealed::{Sealed, SealedText};
use self::spelling::known;
use crate::mask::Technique;
use crate::net::Net;
use crate::pattern::{Pattern, PatternError};
use crate::preview::Preview;
use crate::probe::Predicates;
use crate::review::Schedule;
use crate::sealed::{Recipient, RecipientError};

/// A JSON Schema (draft 7) of policy files, for editors: it says what [`Snapshot::parse`] says, but for names that have to be
/// defined.
pub const JSON_SCHEMA: &str = include_str!("../policy.schema.json");

/// Bytes of a policy file at the most; some thousand rules.
pub const POLICY_BYTES_MAX: usize = 1 << 20;

/// Groups of which each must be there, at the most: more people than that decide nothing in time.
const ALL_GROUPS_MAX: usize = 8;

/// The resource pattern for requests that name nothing.
pub const NO_RESOURCE: &str = "none";

/// Why a policy is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PolicyError {
    /// The file is too long.
    #[error("the policy has {bytes} bytes; at most {POLICY_BYTES_MAX} are read")]
    TooLong {
        /// Its size.
        bytes: usize,
    },
    /// The file is not UTF-8.
    #[error("the policy is not UTF-8 text: see byte {offset}")]
    NotText {
        /// First bad byte.
        offset: usize,
    },
    /// Not TOML, or something in it is unknown; the text names line and column.
    #[error("the policy is refused: {0}")]
    Syntax(String),
    /// A version that this program does not know.
    #[error("the policy says version = {found}; this program reads version 1")]
    Version {
        /// The version found.
        found: u64,
    },
    /// Two things of one kind have the same name.
    #[error("{kind} `{name}` is defined twice")]
    Twice {
        /// What kind of thing.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A name that nothing has.
    #[error("{place} names {kind} `{name}`, which is not defined{hint}")]
    Unknown {
        /// Where it is named.
        place: String,
        /// What kind of thing.
        kind: &'static str,
        /// The name.
        name: String,
        /// The nearest right spelling, as a sentence part, or nothing.
        hint: String,
    },
    /// A pattern that cannot be.
    #[error("{place}: {error}")]
    Pattern {
        /// Where it stands.
        place: String,
        /// What is wrong.
        error: PatternError,
    },
    /// A recipient of sealed copies that is none.
    #[error("{place}: {error}")]
    Recipient {
        /// Where it stands.
        place: String,
        /// What is wrong.
        error: RecipientError,
    },
    /// A time zone that is none.
    #[error("{place}: {error}")]
    Zone {
        /// Where it stands.
        place: String,
        /// What is wrong.
        error: HoursError,
    },
    /// A mask for a document that is said to hold nothing which has to be masked.
    #[error("{place} says phi = false, and mask `{mask}` can name it or a place in it")]
    MaskedOpen {
        /// Which document.
        place: String,
        /// Name of the mask.
        mask: String,
    },
    /// Another fault, with its line.
    #[error("line {line}: {error}")]
    At {
        /// The line, from 1, at which what is at fault begins.
        line: usize,
        /// What is wrong.
        error: Box<Self>,
    },
    /// Any other rule of the file.
    #[error("{place}: {rule}")]
    Rule {
        /// Where.
        place: String,
        /// The rule that is broken.
        rule: &'static str,
    },
}

/// A policy in force, with the digest of its exact bytes.
#[derive(Clone, Debug)]
pub struct Snapshot {
    digest: Digest,
    pub(crate) roles: Vec<Role>,
    pub(crate) rules: Vec<Rule>,
    index: Index,
    targets: Vec<Target>,
    approvals: Vec<Approval>,
    pub(crate) masks: Vec<Mask>,
    nets: Vec<Net>,
    documents: Vec<Document>,
    reviews: Vec<Schedule>,
    patients: Patients,
    sealed: Sealed,
    limits: Limits,
}

/// A mask: which resources of which targets, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Its name.
    pub name: String,
    /// How a value is changed.
    pub technique: Technique,
    /// What it says of conditions that go by its columns.
    pub predicates: Predicates,
    pub(crate) targets: BTreeSet<String>,
    pub(crate) resources: Vec<Pattern>,
}

impl Mask {
    /// Whether it is for a target.
    pub fn is_for(&self, target: &str) -> bool {
        self.targets.contains(target)
    }

    /// Its targets, sorted.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(String::as_str)
    }

    /// The resources that it names.
    pub fn resources(&self) -> &[Pattern] {
        &self.resources
    }
}

/// A target that rules may name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Its protocol.
    pub protocol: String,
    /// Words about it, by which rules can be for it.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// Who must approve what a rule asks about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Its name.
    pub name: String,
    /// A person of any of these groups counts.
    pub groups: Vec<String>,
    /// How many distinct people must approve.
    pub people: u64,
    /// Seconds until a request expires.
    pub expires_s: u64,
    /// Of each of these groups another person must be among them; a person of any of these counts, too.
    pub all_groups: Option<Vec<String>>,
    /// When approvals count; at any time if left out.
    #[serde(default, deserialize_with = "table::some")]
    pub hours: Option<Hours>,
    /// Seconds that a session waits for people. Then the request stays open for a retry of the same command until it
    /// expires.
    pub hold_s: Option<u64>,
    /// What people may grant beside the one command; nothing if left out.
    #[serde(default, deserialize_with = "table::some")]
    pub grants: Option<Grants>,
    /// Who may let a request pass alone, in an emergency; nobody if left out.
    #[serde(default, deserialize_with = "table::some")]
    pub emergency: Option<Emergency>,
    /// Whether whoever asks, or set off the run that asks, may approve it, too.
    #[serde(default)]
    pub requester_may_approve: bool,
    /// Whether people are told how many rows the target expects a command to read out or to change, where no rule goes by it.
    #[serde(default)]
    pub estimate: bool,
    /// By what people are shown what a command would change ([`crate::preview`]); they are not if left out.
    pub preview: Option<Preview>,
}

impl Snapshot {
    /// Reads the exact bytes of a policy.
    ///
    /// # Errors
    /// [`PolicyError`] for the first thing that is wrong; nothing of a wrong policy is used.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        if bytes.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLong { bytes: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| PolicyError::NotText {
            offset: error.valid_up_to(),
        })?;
        let file: File = toml::from_str(text).map_err(|error| PolicyError::Syntax(error.to_string()))?;
        Self::check(file, Digest::of(bytes)).map_err(|error| line::placed(error, text))
    }

    fn check(file: File, digest: Digest) -> Result<Self, PolicyError> {
        if file.version != 1 {
            return Err(PolicyError::Version { found: file.version });
        }
        let roles = unique("role", file.roles.iter().map(|role| &role.name))?;
        let targets = unique("target", file.targets.iter().map(|target| &target.name))?;
        let approvals = unique("approval", file.approvals.iter().map(|approval| &approval.name))?;
        unique("rule", file.rules.iter().map(|rule| &rule.name))?;
        let names = file.masks.iter().map(|mask| &mask.name);
        unique("mask or net", names.chain(file.nets.iter().map(|net| &net.name)))?;
        unique("document", file.documents.iter().map(|document| &document.name))?;
        unique("review", file.reviews.iter().map(|review| &review.name))?;
        unique("patients", file.patients.iter().map(|patients| &patients.name))?;
        for approval in &file.approvals {
            check_approval(approval, &targets)?;
        }
        file.limits.check()?;
        let checked = file
            .rules
            .into_iter()
            .map(|rule| rule.check(&roles, &file.targets, &approvals));
        let checked = checked.collect::<Result<Vec<_>, _>>()?;
        rules::observed(&checked)?;
        let masks = file.masks.into_iter().map(|mask| mask.check(&targets, &approvals));
        let masks = masks.collect::<Result<Vec<_>, _>>()?;
        let nets = nets::check(file.nets, &targets)?;
        nets::reach(&nets, &masks, &file.targets)?;
        let documents = file.documents.into_iter().map(|document| document.check(&file.targets));
        let documents = documents.collect::<Result<Vec<_>, _>>()?;
        documents::open(&documents, &masks)?;
        let patients = patients::check(file.patients, &targets)?;
        let sealed = file.sealed.map(|sealed| sealed.check(&targets)).transpose()?;
        patients.counted(&checked)?;
        let roles = file.roles.into_iter().map(RoleText::check);
        let roles = roles.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            digest,
            index: Index::of(&checked, &roles, &file.approvals),
            rules: checked,
            roles,
            masks,
            nets,
            documents,
            reviews: file
                .reviews
                .into_iter()
                .map(ReviewText::check)
                .collect::<Result<_, _>>()?,
            patients,
            sealed: sealed.unwrap_or_default(),
            targets: file.targets,
            approvals: file.approvals,
            limits: file.limits,
        })
    }

    /// SHA-256 of the exact bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The targets, in the order of the file.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Names of the rules, in the order of the file.
    pub fn rule_names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.name.as_str())
    }

    /// The mask of a resource of a target (`schema.relation.column`): the first that names it.
    pub fn mask(&self, target: &str, resource: &str) -> Option<&Mask> {
        self.masks.iter().find(|mask| {
            mask.targets.contains(target) && mask.resources.iter().any(|pattern| pattern.matches(resource))
        })
    }

    /// All masks, in the order of the file.
    pub fn masks(&self) -> &[Mask] {
        &self.masks
    }

    /// Whether the mask of a resource of a target lets values be tried on it, asked or not.
    pub fn probed(&self, target: &str, resource: &str) -> bool {
        let mask = self.mask(target, resource);
        mask.is_some_and(|mask| mask.predicates != Predicates::Deny)
    }

    /// Names of the masks of a target that let values be tried, asked or not.
    pub fn masks_with_probes(&self, target: &str) -> impl Iterator<Item = &str> {
        let masks = self.masks.iter();
        let probed = masks.filter(move |mask| mask.targets.contains(target) && mask.predicates != Predicates::Deny);
        probed.map(|mask| mask.name.as_str())
    }

    /// Values that may be tried in an hour under the mask of that name.
    pub fn probes_per_hour(&self, mask: &str) -> u64 {
        let mut masks = self.masks.iter();
        let mask = masks.find(|known| known.name == mask);
        mask.map_or(0, |mask| mask.predicates.per_hour())
    }

    /// Whether what a rule says depends on the time, so that every request has to have one ([`crate::hours::TIME`]).
    pub fn tells_time(&self) -> bool {
        self.index.has_hours()
    }

    /// The rules for a target and for the roles that the principal has, but those that ask for other attributes than the request has.
    pub(crate) fn rules_about(&self, principal: &Principal, target: &str, facts: &Facts) -> Places {
        self.index.about(&self.roles, principal, target, facts)
    }

    /// Those of some rules that are for the action of an access and name its resource.
    pub(crate) fn rules_naming(&self, among: &Places, Access(action, resource): &Access) -> Places {
        self.index.naming(among, *action, resource.as_deref())
    }

    /// How many different conditions its rules have; they are numbered from 0.
    pub(crate) fn conditions(&self) -> usize {
        self.index.conditions()
    }

    /// The number of the conditions of the rule at that place.
    pub(crate) fn conditions_at(&self, place: usize) -> Option<usize> {
        self.index.conditions_at(place)
    }

    /// Has the rules changed, for tests of what no file can say.
    #[cfg(test)]
    pub(crate) fn with_rules(mut self, change: impl FnOnce(&mut Vec<Rule>)) -> Self {
        change(&mut self.rules);
        self.index = Index::of(&self.rules, &self.roles, &self.approvals);
        self
    }

    /// Whether any rule for a target goes by what was seen ([`crate::seen`]), so that every request to it has to say so.
    pub fn tells_seen(&self, target: &str) -> bool {
        self.index.tells_seen(target)
    }

    /// Whether any rule for a target goes by estimated rows ([`crate::estimate`]), or asks people who are to be told of them.
    pub fn estimates(&self, target: &str) -> bool {
        self.index.estimates(target)
    }

    /// Whether any rule for a target asks people who are to be shown a preview ([`crate::preview`]).
    pub fn previews(&self, target: &str) -> bool {
        self.index.previews(target)
    }

    /// The numbers of estimated rows by which rules for a target go.
    pub(crate) fn estimate_limits(&self, target: &str) -> impl Iterator<Item = u64> {
        self.index.estimate_limits(target)
    }

    /// Whether the policy masks anything of a target.
    pub fn masks_target(&self, target: &str) -> bool {
        self.masks.iter().any(|mask| mask.targets.contains(target))
    }

    /// Whether it masks a target, and names its patients, as another policy does, so that what was proven of a statement under one
    /// holds under both.
    pub fn masks_like(&self, other: &Self, target: &str) -> bool {
        let own = |policy: &Self| -> Vec<Mask> {
            policy
                .masks
                .iter()
                .filter(|mask| mask.is_for(target))
                .cloned()
                .collect()
        };
        own(self) == own(other) && self.identifies_like(other, target)
    }

    /// The nets under a target, in the order of the file.
    pub fn nets(&self, target: &str) -> impl Iterator<Item = &Net> {
        self.nets.iter().filter(move |net| net.targets.contains(target))
    }

    /// How an object of a target (`bucket/key`) is treated: as the first document that names it says. What none names is refused.
    pub fn reading(&self, target: &str, object: &str) -> Reading<'_> {
        let mut documents = self.documents.iter();
        let document = documents.find(|document| {
            document.is_for(target) && document.resources.iter().any(|pattern| pattern.matches(object))
        });
        match document {
            Some(document) if document.phi => Reading::Read(document),
            Some(document) => Reading::ReadOrPassed(document),
            None => Reading::Refused,
        }
    }

    /// All documents, in the order of the file.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// All nets, in the order of the file.
    pub(crate) fn all_nets(&self) -> &[Net] {
        &self.nets
    }

    /// All approvals, in the order of the file.
    pub(crate) fn approvals(&self) -> &[Approval] {
        &self.approvals
    }

    /// What tells the masks of a target from others: the digest of their names, techniques and resources, in order.
    pub fn masks_digest(&self, target: &str) -> Digest {
        let masks = self.masks.iter().filter(|mask| mask.targets.contains(target));
        let described: Vec<_> = masks
            .map(|mask| {
                let resources: Vec<&str> = mask.resources.iter().map(Pattern::as_str).collect();
                serde_json::json!([
                    mask.name,
                    mask.technique.as_str(),
                    mask.technique.parameters(),
                    resources
                ])
            })
            .collect();
        Digest::of(serde_json::Value::from(described).to_string().as_bytes())
    }

    /// To whom the exact bytes of commands to a target are encrypted; nobody where they are not to be kept.
    pub fn recipients(&self, target: &str) -> &[Recipient] {
        self.sealed.recipients(target)
    }

    /// Who has to review what, and how often, in the order of the file.
    pub fn reviews(&self) -> &[Schedule] {
        &self.reviews
    }

    /// How long sessions may last.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The approval of this name.
    pub fn approval(&self, name: &str) -> Option<&Approval> {
        self.approvals.iter().find(|approval| approval.name == name)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u64,
    #[serde(default, deserialize_with = "table::each")]
    roles: Vec<RoleText>,
    #[serde(default, deserialize_with = "table::each")]
    targets: Vec<Target>,
    #[serde(default, deserialize_with = "table::each")]
    approvals: Vec<Approval>,
    #[serde(default, deserialize_with = "table::each")]
    rules: Vec<RuleText>,
    #[serde(default, deserialize_with = "table::each")]
    masks: Vec<MaskText>,
    #[serde(default, deserialize_with = "table::each")]
    nets: Vec<NetText>,
    #[serde(default, deserialize_with = "table::each")]
    documents: Vec<DocumentText>,
    #[serde(default, deserialize_with = "table::each")]
    reviews: Vec<ReviewText>,
    #[serde(default, deserialize_with = "table::each")]
    patients: Vec<PatientsText>,
    #[serde(default, deserialize_with = "table::some")]
    sealed: Option<SealedText>,
    #[serde(default, deserialize_with = "table::one")]
    limits: Limits,
}

fn check_approval(approval: &Approval, targets: &BTreeSet<String>) -> Result<(), PolicyError> {
    if let Some(named) = approval
        .emergency
        .as_ref()
        .and_then(|emergency| emergency.targets.as_ref())
    {
        known(&format!("approval `{}`", approval.name), "target", named, targets)?;
    }
    let broken = |rule| {
        Err(PolicyError::Rule {
            place: format!("approval `{}`", approval.name),
            rule,
        })
    };
    match approval {
        Approval { groups, .. } if groups.is_empty() => broken("name at least one group"),
        Approval { people: 0, .. } => broken("at least one person must approve"),
        Approval { expires_s: 0, .. } => broken("a request must have time to be seen: expires_s is at least 1"),
        Approval {
            all_groups: Some(groups),
            ..
        } if !(1..=ALL_GROUPS_MAX).contains(&groups.len()) => broken("all_groups are 1 to 8 groups"),
        Approval {
            all_groups: Some(groups),
            ..
        } if groups.iter().collect::<BTreeSet<_>>().len() < groups.len() => broken("all_groups names each group once"),
        Approval { hold_s: Some(0), .. } => broken("a session has to wait for people: hold_s is at least 1"),
        Approval { grants, emergency, .. } => {
            let unfit = grants.as_ref().and_then(Grants::unfit);
            let unfit = unfit.or_else(|| emergency.as_ref().and_then(Emergency::unfit));
            unfit.map_or(Ok(()), broken)
        }
    }
}

fn unique<'a>(kind: &'static str, names: impl Iterator<Item = &'a String>) -> Result<BTreeSet<String>, PolicyError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name.clone()) {
            return Err(PolicyError::Twice {
                kind,
                name: name.clone(),
            });
        }
    }
    Ok(seen)
}

fn pattern(place: &str, text: &str) -> Result<Pattern, PolicyError> {
    Pattern::new(text).map_err(|error| PolicyError::Pattern {
        place: place.to_owned(),
        error,
    })
}

fn patterns(place: &str, texts: &[String]) -> Result<Vec<Pattern>, PolicyError> {
    texts.iter().map(|text| pattern(place, text)).collect()
}

#[cfg(test)]
mod tests;
