//! What is weak about a policy that is not wrong: rules and masks that decide nothing, and what agents get without people.
//!
//! What is said holds for every request: a rule that is called shadowed decides none. The other way round it is not complete.
//! A rule is looked at by each role alone and each condition by itself, so one that is dead because nobody has its role, or
//! because two earlier rules share all values of a condition, is not found.
//!
//! A rule that is only observed leaves later ones everything, and lets nobody do anything.
//!
//! Not here: columns, which only a catalog knows, and attributes, which only a protocol knows; the caller has both.

mod approvals;
mod documents;
mod emergencies;
mod observed;
mod reviews;
mod roles;

use std::collections::BTreeSet;

use exhibit_schemas::event::access::{Action, Attribute, Effect};

use crate::decide::{CLASS, UNPROVEN};
use crate::mask::Technique;
use crate::pattern::{Pattern, covered};
use crate::probe::{PROBE, PROBED, Predicates};
use crate::seen::{FIRST_SEEN, PREPARED};
use crate::snapshot::{Mask, Mode, NO_RESOURCE, Rule, Snapshot};

/// Something that its author should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What kind of thing.
    pub kind: Kind,
    /// Where it stands.
    pub place: Place,
    /// What it is, as a sentence.
    pub text: String,
}

/// An element of one of the file's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The list, such as `rules`.
    pub list: &'static str,
    /// Which element, from 0.
    pub element: usize,
}

/// Kinds of warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A rule decides no request: earlier ones match all that it matches.
    ShadowedRule,
    /// A resource of a rule is matched by earlier rules wherever the rule would.
    ShadowedResource,
    /// A condition can never hold.
    DeadCondition,
    /// A mask masks nothing: earlier ones name all that it names.
    ShadowedMask,
    /// A document is for no object: earlier ones are for all that it names.
    ShadowedDocument,
    /// A mask names no column that can be.
    MaskedNothing,
    /// A column is read as it is, and one of its name is masked elsewhere.
    Unmasked,
    /// Agents read a target on which nothing is masked or searched.
    NothingMasked,
    /// A net passes over what no mask masks.
    NetException,
    /// Agents change whatever they name, and nobody is asked.
    UnapprovedChange,
    /// A rule that is only observed would deny what is denied anyway.
    IdleObservation,
    /// All rules of a target are only observed: everything is denied there.
    OnlyObserved,
    /// A mask lets values be tried of which it shows a part.
    Guessable,
    /// Something is defined and never used.
    Unused,
    /// Schedules of reviews leave something out.
    Unreviewed,
    /// A column that identifies patients does not name any.
    Unidentified,
    /// Whoever has a role is so by the word of any issuer.
    AnyIssuer,
    /// Nobody can use what an approval says of emergencies.
    UnusableEmergency,
    /// Those who review uses of emergency access are those who use it.
    OwnEmergency,
    /// Whoever asks may approve it, too.
    OwnApproval,
    /// No preview can be shown of what an approval is asked for.
    IdlePreview,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::ShadowedRule,
        Self::ShadowedResource,
        Self::DeadCondition,
        Self::ShadowedMask,
        Self::ShadowedDocument,
        Self::MaskedNothing,
        Self::Unmasked,
        Self::NothingMasked,
        Self::NetException,
        Self::UnapprovedChange,
        Self::IdleObservation,
        Self::OnlyObserved,
        Self::Guessable,
        Self::Unused,
        Self::Unreviewed,
        Self::Unidentified,
        Self::AnyIssuer,
        Self::UnusableEmergency,
        Self::OwnEmergency,
        Self::OwnApproval,
        Self::IdlePreview,
    ];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ShadowedRule => "shadowed-rule",
            Self::ShadowedResource => "shadowed-resource",
            Self::DeadCondition => "dead-condition",
            Self::ShadowedMask => "shadowed-mask",
            Self::ShadowedDocument => "shadowed-document",
            Self::MaskedNothing => "masked-nothing",
            Self::Unmasked => "unmasked",
            Self::NothingMasked => "nothing-masked",
            Self::NetException => "net-exception",
            Self::UnapprovedChange => "unapproved-change",
            Self::IdleObservation => "idle-observation",
            Self::OnlyObserved => "only-observed",
            Self::Guessable => "guessable",
            Self::Unused => "unused",
            Self::Unreviewed => "unreviewed",
            Self::Unidentified => "unidentified",
            Self::AnyIssuer => "any-issuer",
            Self::UnusableEmergency => "unusable-emergency",
            Self::OwnEmergency => "own-emergency",
            Self::OwnApproval => "own-approval",
            Self::IdlePreview => "idle-preview",
        }
    }
}

/// What agents with a role may do on a target while nobody is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The role.
    pub role: String,
    /// The target.
    pub target: String,
    /// The action.
    pub action: Action,
    /// The rule that allows it.
    pub rule: String,
    /// On what, as the rule has it; `None` is everything.
    pub resources: Option<Vec<String>>,
    /// Whether it is allowed under conditions alone.
    pub conditional: bool,
}

/// Names of the attributes that requests of a protocol can have, each with the word of its type as [`type_of`] has it.
pub type Attributes = &'static [(&'static str, &'static str)];

/// Everything that can be said without a catalog, in the order of the file's lists.
///
/// `attributes` gives those of a protocol, and `None` where they are not known.
pub fn inspect(snapshot: &Snapshot, attributes: &dyn Fn(&str) -> Option<Attributes>) -> Vec<Warning> {
    let mut warnings = conditions(snapshot, attributes);
    for (element, rule) in snapshot.rules.iter().enumerate() {
        let earlier = snapshot.rules.get(..element).unwrap_or_default();
        let later = snapshot.rules.get(element + 1..).unwrap_or_default();
        let place = Place { list: "rules", element };
        warnings.extend(rule_warnings(rule, earlier, place));
        let kind = Kind::IdleObservation;
        warnings.extend(observed::idle(rule, later).map(|text| Warning { kind, place, text }));
    }
    for (element, mask) in snapshot.masks.iter().enumerate() {
        let earlier = snapshot.masks.get(..element).unwrap_or_default();
        let place = Place { list: "masks", element };
        warnings.extend(mask_warnings(mask, earlier, place));
        let kind = Kind::Guessable;
        warnings.extend(guessable(mask).map(|text| Warning { kind, place, text }));
    }
    warnings.extend(targets(snapshot));
    warnings.extend(observed::only(snapshot));
    warnings.extend(exceptions(snapshot));
    warnings.extend(unused(snapshot));
    warnings.extend(reviews::unreviewed(snapshot));
    warnings.extend(patients(snapshot));
    warnings.extend(roles::any_issuer(snapshot));
    warnings.extend(emergencies::warnings(snapshot));
    warnings.extend(approvals::own(snapshot));
    warnings.extend(approvals::idle_previews(snapshot));
    warnings.extend(documents::warnings(snapshot));
    warnings.sort_by_key(|warning| warning.place);
    warnings
}

/// What each role reaches on each target without an approval, by the rules that decide there.
pub fn reach(snapshot: &Snapshot) -> Vec<Reach> {
    let mut reached = Vec::new();
    for (element, rule) in snapshot.rules.iter().enumerate() {
        let earlier = snapshot.rules.get(..element).unwrap_or_default();
        if rule.mode == Mode::Observe || rule.effect != Effect::Allow || rule.when.contains_key(UNPROVEN) {
            continue;
        }
        for (role, target, action) in rule.triples() {
            let before = Before::of(rule, earlier, role, target, action);
            let resources: Option<Vec<String>> = rule.resources.as_ref().map(|patterns| {
                let left = patterns.iter().filter(|pattern| !before.covers(pattern));
                left.map(|pattern| pattern.as_str().to_owned()).collect()
            });
            let nothing = match &resources {
                Some(resources) => resources.is_empty(),
                None => before.covers_everything(),
            };
            if !nothing {
                reached.push(Reach {
                    role: role.to_owned(),
                    target: target.to_owned(),
                    action,
                    rule: rule.name.clone(),
                    resources,
                    conditional: rule.has_conditions(),
                });
            }
        }
    }
    reached
}

/// Columns that identify patients, and that a target which masks by itself gives out without whom they are.
fn patients(snapshot: &Snapshot) -> Vec<Warning> {
    let masked = snapshot.patients().filter_map(|(element, target, column)| {
        let mask = snapshot.mask(target, column)?;
        let domain = snapshot.patients_domain(target, column)?;
        let same = matches!(&mask.technique, Technique::Token { domain: own } if own == domain);
        (!same).then(|| Warning {
            kind: Kind::Unidentified,
            place: Place { list: "patients", element },
            text: format!(
                "where the database of target `{target}` masks, rows with `{column}` count as of unknown patients: mask `{}` is no \
                 token of the domain `{domain}`",
                mask.name
            ),
        })
    });
    masked.collect()
}

/// Roles with which somebody reads a resource of a target, with an approval or without; conditions are taken to hold.
pub fn readers<'a>(snapshot: &'a Snapshot, target: &str, resource: &str) -> Vec<&'a str> {
    let reads = |role: &&str| {
        let mut about = snapshot.rules.iter().filter(|rule| {
            rule.mode == Mode::Enforce
                && rule.roles.contains(*role)
                && rule.targets.contains(target)
                && rule.actions.contains(&Action::Read)
                && rule.names(Some(resource))
        });
        let deciding = about.find(|rule| rule.effect != Effect::Deny || !rule.has_conditions());
        deciding.is_some_and(|rule| rule.effect != Effect::Deny)
    };
    snapshot
        .roles
        .iter()
        .map(|role| role.name.as_str())
        .filter(reads)
        .collect()
}

/// The word for the type of an attribute.
pub const fn type_of(attribute: &Attribute) -> &'static str {
    match attribute {
        Attribute::Bool(_) => "bool",
        Attribute::Integer(_) => "integer",
        Attribute::Text(_) => "text",
    }
}

/// Whether it is an attribute of requests that try values on masked columns, whatever their protocol.
fn is_of_probes(name: &str) -> bool {
    name.starts_with(PROBE) || name.starts_with(PROBED)
}

/// Conditions that hold for no request of any target of their rule.
fn conditions(snapshot: &Snapshot, attributes: &dyn Fn(&str) -> Option<Attributes>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (element, rule) in snapshot.rules.iter().enumerate() {
        let targets = snapshot
            .targets()
            .iter()
            .filter(|target| rule.targets.contains(&target.name));
        let known: Option<Vec<Attributes>> = targets.map(|target| attributes(&target.protocol)).collect();
        for (name, value) in &rule.when {
            let cause = match &known {
                _ if name == UNPROVEN => "a request that has it is denied before any rule".to_owned(),
                _ if is_of_probes(name) && type_of(value) == "integer" => continue,
                _ if [FIRST_SEEN, PREPARED].contains(&name.as_str()) && type_of(value) == "bool" => continue,
                Some(known) => {
                    let mut types = known.iter().flat_map(|of| of.iter()).filter(|(other, _)| other == name);
                    let first = types.clone().next();
                    match first {
                        None => "no request on its targets has such an attribute".to_owned(),
                        Some(_) if types.any(|(_, word)| *word == type_of(value)) => continue,
                        Some((_, word)) => format!("it is of the type {word}, and the condition of {}", type_of(value)),
                    }
                }
                None => continue,
            };
            warnings.push(Warning {
                kind: Kind::DeadCondition,
                place: Place { list: "rules", element },
                text: format!(
                    "rule `{}` matches nothing for its condition `{name}`: {cause}",
                    rule.name
                ),
            });
        }
    }
    warnings
}

impl Rule {
    /// Each of its roles with each of its targets and actions.
    fn triples(&self) -> impl Iterator<Item = (&str, &str, Action)> {
        self.roles.iter().flat_map(move |role| {
            let targets = self.targets.iter();
            targets.flat_map(move |target| {
                self.actions
                    .iter()
                    .map(move |action| (role.as_str(), target.as_str(), *action))
            })
        })
    }
}

/// What rules before a rule match of one role's action on a target, whenever the rule's own conditions hold.
struct Before<'a> {
    rules: Vec<&'a Rule>,
    patterns: Vec<&'a Pattern>,
    everything: bool,
    nothing_named: bool,
}

impl<'a> Before<'a> {
    fn of(about: &Rule, earlier: &'a [Rule], role: &str, target: &str, action: Action) -> Self {
        let implied = |other: &&Rule| {
            let mut when = other.when.iter();
            // Of requests of several kinds and of columns, rules that allow are for fewer than those that deny or ask.
            let alike = (other.effect == Effect::Allow) == (about.effect == Effect::Allow);
            when.all(|(name, value)| about.when.get(name) == Some(value) && (alike || name != CLASS))
                && (other.columns.is_none() || alike && other.columns == about.columns)
                && other.over.is_none_or(|over| about.over == Some(over))
                && (other.hours.is_none() || other.hours == about.hours)
        };
        let same = |other: &&Rule| {
            other.mode == Mode::Enforce
                && other.roles.contains(role)
                && other.targets.contains(target)
                && other.actions.contains(&action)
        };
        let rules: Vec<&Rule> = earlier.iter().filter(same).filter(implied).collect();
        let named = rules.iter().filter_map(|rule| rule.resources.as_deref()).flatten();
        Self {
            patterns: named
                .clone()
                .filter(|pattern| pattern.as_str() != NO_RESOURCE)
                .collect(),
            everything: rules.iter().any(|rule| rule.resources.is_none()),
            nothing_named: named.clone().any(|pattern| pattern.as_str() == NO_RESOURCE),
            rules,
        }
    }

    /// Whether all that the pattern of a rule names is matched before.
    fn covers(&self, pattern: &Pattern) -> bool {
        self.everything
            || match pattern.as_str() {
                NO_RESOURCE => self.nothing_named,
                _ => covered(pattern, &self.patterns),
            }
    }

    /// Whether every resource, and a request that names none, is matched before.
    fn covers_everything(&self) -> bool {
        let all = Pattern::new("*");
        self.everything || (self.nothing_named && all.is_ok_and(|all| covered(&all, &self.patterns)))
    }
}

/// What earlier rules match, for each role with each target and action of a rule.
fn before<'a>(rule: &'a Rule, earlier: &'a [Rule]) -> impl Iterator<Item = Before<'a>> {
    let triples = rule.triples();
    triples.map(move |(role, target, action)| Before::of(rule, earlier, role, target, action))
}

/// Resources of a rule that earlier ones match wherever the rule would.
fn dead_resources<'a>(rule: &'a Rule, earlier: &[Rule]) -> Vec<&'a Pattern> {
    let before: Vec<_> = before(rule, earlier).collect();
    let dead = |pattern: &&Pattern| before.iter().all(|one| one.covers(pattern));
    rule.resources.iter().flatten().filter(dead).collect()
}

fn decides_nothing(rule: &Rule, earlier: &[Rule]) -> bool {
    match &rule.resources {
        Some(resources) => dead_resources(rule, earlier).len() == resources.len(),
        None => before(rule, earlier).all(|one| one.covers_everything()),
    }
}

/// Names of the earlier rules that leave it nothing: one where one is enough, otherwise all that match something of it.
fn names(rule: &Rule, earlier: &[Rule]) -> String {
    let alone = |one: &&Rule| decides_nothing(rule, std::slice::from_ref(*one));
    let rules: BTreeSet<&str> = match earlier.iter().find(alone) {
        Some(one) => [one.name.as_str()].into(),
        None => before(rule, earlier)
            .flat_map(|one| one.rules)
            .map(|one| one.name.as_str())
            .collect(),
    };
    let quoted: Vec<_> = rules.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

fn rule_warnings(rule: &Rule, earlier: &[Rule], place: Place) -> Vec<Warning> {
    let warning = |kind, text| Warning { kind, place, text };
    let name = &rule.name;
    if decides_nothing(rule, earlier) {
        let text = format!(
            "rule `{name}` ({}) {} nothing: it comes after {}",
            rule.effect,
            does(rule),
            names(rule, earlier)
        );
        return vec![warning(Kind::ShadowedRule, text)];
    }
    let dead = dead_resources(rule, earlier).into_iter().map(|pattern| {
        let text = format!(
            "rule `{name}` {} nothing on `{}`: it comes after {}",
            does(rule),
            pattern.as_str(),
            names(rule, earlier)
        );
        warning(Kind::ShadowedResource, text)
    });
    let mut warnings: Vec<_> = dead.collect();
    let all = |pattern: &Pattern| pattern.as_str() == "*";
    let anything = rule.resources.as_ref().is_none_or(|patterns| patterns.iter().any(all));
    let changes: Vec<&str> = rule
        .actions
        .iter()
        .filter(|action| changes(**action))
        .map(|action| action.as_str())
        .collect();
    if rule.mode == Mode::Enforce && rule.effect == Effect::Allow && anything && !changes.is_empty() {
        let text = format!(
            "rule `{name}` lets agents {} whatever they name, and nobody is asked",
            changes.join(", ")
        );
        warnings.push(warning(Kind::UnapprovedChange, text));
    }
    warnings
}

const fn does(rule: &Rule) -> &'static str {
    match rule.mode {
        Mode::Enforce => "decides",
        Mode::Observe => "observes",
    }
}

/// Whether an action changes more than the agent's own session.
fn changes(action: Action) -> bool {
    match action {
        Action::Write | Action::Delete | Action::Define | Action::Grant | Action::Execute => true,
        Action::Read | Action::Session | Action::Transaction => false,
    }
}

fn mask_warnings(mask: &Mask, earlier: &[Mask], place: Place) -> Vec<Warning> {
    let dead = |pattern: &&Pattern| {
        mask.targets.iter().all(|target| {
            let before = earlier.iter().filter(|other| other.targets.contains(target));
            covered(pattern, &before.flat_map(|other| &other.resources).collect::<Vec<_>>())
        })
    };
    let names: Vec<String> = mask
        .resources
        .iter()
        .filter(dead)
        .map(|pattern| format!("`{}`", pattern.as_str()))
        .collect();
    if names.is_empty() {
        return Vec::new();
    }
    let what = if names.len() == mask.resources.len() {
        "nothing".to_owned()
    } else {
        format!("nothing by {}", names.join(", "))
    };
    let text = format!("mask `{}` masks {what}: masks before it name all of that", mask.name);
    let kind = Kind::ShadowedMask;
    vec![Warning { kind, place, text }]
}

/// Where the technique of a mask shows a part of what may be tried, or makes a value that was found known wherever it stands.
fn guessable(mask: &Mask) -> Option<String> {
    let Predicates::Equality { per_hour } = mask.predicates else {
        return None;
    };
    let name = &mask.name;
    match &mask.technique {
        Technique::Partial { keep } => Some(format!(
            "mask `{name}` shows the last {keep} letters and digits and lets {per_hour} values be tried in an hour: little is left to guess"
        )),
        Technique::Token { domain } | Technique::Ff1 { domain, .. } => Some(format!(
            "mask `{name}` lets {per_hour} values be tried in an hour: one that was found is known wherever the domain `{domain}` shows it"
        )),
        _ => None,
    }
}

/// Targets that agents read, and on which nothing is masked.
fn targets(snapshot: &Snapshot) -> Vec<Warning> {
    let reached = reach(snapshot);
    let mut warnings = Vec::new();
    for (element, target) in snapshot.targets().iter().enumerate() {
        let asks = snapshot.rules.iter().any(|rule| {
            rule.mode == Mode::Enforce
                && rule.effect == Effect::Ask
                && rule.targets.contains(&target.name)
                && rule.actions.contains(&Action::Read)
        });
        let read = asks
            || reached
                .iter()
                .any(|one| one.target == target.name && one.action == Action::Read);
        if read && !snapshot.masks_target(&target.name) && snapshot.nets(&target.name).next().is_none() {
            warnings.push(Warning {
                kind: Kind::NothingMasked,
                place: Place {
                    list: "targets",
                    element,
                },
                text: format!(
                    "agents read target `{}` as it is: no mask and no net is for it",
                    target.name
                ),
            });
        }
    }
    warnings
}

/// What nets pass over and no mask masks.
fn exceptions(snapshot: &Snapshot) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (element, net) in snapshot.all_nets().iter().enumerate() {
        for pattern in &net.except {
            let masked = net.targets.iter().all(|target| {
                let masks = snapshot.masks.iter().filter(|mask| mask.targets.contains(target));
                covered(pattern, &masks.flat_map(|mask| &mask.resources).collect::<Vec<_>>())
            });
            if !masked {
                warnings.push(Warning {
                    kind: Kind::NetException,
                    place: Place { list: "nets", element },
                    text: format!(
                        "net `{}` passes over `{}`, and no masks name all of that",
                        net.name,
                        pattern.as_str()
                    ),
                });
            }
        }
    }
    warnings
}

fn unused(snapshot: &Snapshot) -> Vec<Warning> {
    let rules = &snapshot.rules;
    let warning = |list, element, text| Warning {
        kind: Kind::Unused,
        place: Place { list, element },
        text,
    };
    let mut warnings = Vec::new();
    for (element, role) in snapshot.roles.iter().enumerate() {
        if !rules.iter().any(|rule| rule.roles.contains(&role.name)) {
            warnings.push(warning(
                "roles",
                element,
                format!("no rule is for role `{}`", role.name),
            ));
        }
    }
    for (element, target) in snapshot.targets().iter().enumerate() {
        if !rules.iter().any(|rule| rule.targets.contains(&target.name)) {
            warnings.push(warning(
                "targets",
                element,
                format!("no rule is for target `{}`: all is denied there", target.name),
            ));
        }
    }
    for (element, approval) in snapshot.approvals().iter().enumerate() {
        let by_rule = rules.iter().any(|rule| rule.approval.as_ref() == Some(&approval.name));
        let asks =
            |mask: &Mask| matches!(&mask.predicates, Predicates::Ask { approval: name, .. } if *name == approval.name);
        if !by_rule && !snapshot.masks.iter().any(asks) {
            warnings.push(warning(
                "approvals",
                element,
                format!("no rule and no mask asks for approval `{}`", approval.name),
            ));
        }
    }
    warnings
}

#[cfg(test)]
mod tests;
