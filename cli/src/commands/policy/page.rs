//! An explanation as a page for a person, and as JSON.

use exhibit_policy::explain::{
    AppliedMask, Cause, ExplainedAccess, ExplainedProbe, Lack, NearMiss, Observation, Threshold,
};
use exhibit_policy::mask::Technique;
use exhibit_policy::net::Net;
use exhibit_policy::preview::Preview;
use exhibit_policy::probe::Predicates;
use exhibit_policy::snapshot::Approval;
use exhibit_schemas::event::access::{Access, Attribute, Effect};
use serde_json::json;

use super::question::Answer;
use crate::output::printable;

impl Answer {
    /// The decision first, then why, then what it demands.
    pub(super) fn text(&self) -> String {
        let explanation = &self.explanation;
        let decision = &explanation.decision;
        let effect = decision.effect.as_str().to_uppercase();
        let mut lines = vec![format!("{effect}: {}", self.reason()), String::new()];
        lines.push(format!("who      {}", self.who()));
        lines.push(format!("target   {}", self.target));
        if let Some(statement) = &self.statement {
            lines.push(format!("command  {}", statement.replace('\n', "\n         ")));
        }
        if let Some(estimate) = &self.estimate {
            lines.push(format!("rows     estimated: {estimate}"));
        }
        lines.push(format!("policy   {}", decision.policy));
        let mut section = |title: &str, of: Vec<String>| {
            if !of.is_empty() {
                lines.extend([String::new(), title.to_owned()]);
                lines.extend(of);
            }
        };
        let does = match explanation.cause {
            Cause::Unproven => "what it does, and what the rules would say",
            _ => "what it does",
        };
        section(does, accesses(&explanation.accesses));
        section(
            "what is observed, and not enforced",
            explanation.observed.iter().map(observed).collect(),
        );
        section(
            "which values it tries on masked columns",
            explanation.probes.iter().map(tried).collect(),
        );
        section("who must approve", explanation.approval.iter().map(terms).collect());
        section(
            "what is masked, wherever the reply has it",
            explanation.masks.iter().map(masked).collect(),
        );
        section(
            "what detectors mask in everything that is released",
            explanation.nets.iter().map(netted).collect(),
        );
        section(
            "what becomes of a long reply",
            explanation.thresholds.iter().map(threshold).collect(),
        );
        printable(&lines.join("\n"))
    }

    fn reason(&self) -> String {
        let decision = &self.explanation.decision;
        match (self.explanation.cause, &decision.rule) {
            // A rule without a reason of its own gives its name as the reason.
            (Cause::Rule, Some(rule)) if !decision.reason.contains(&format!("`{rule}`")) => {
                format!("{} (rule `{rule}`)", decision.reason)
            }
            (Cause::Unproven, _) => format!("{} (no rule was asked)", decision.reason),
            (Cause::NoAccess, _) => "the request does nothing that can be named".to_owned(),
            (Cause::TwoApprovals, _) => "it needs two different approvals at once; send its parts alone".to_owned(),
            (Cause::NoRule | Cause::Rule | Cause::Mask, _) => decision.reason.clone(),
        }
    }

    fn who(&self) -> String {
        let list = |names: &[String]| match names {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        let principal = &self.principal;
        format!(
            "{} by {} of {}; groups: {}; roles: {}",
            principal.subject,
            principal.method,
            principal.issuer,
            list(&principal.groups),
            list(&self.explanation.roles)
        )
    }

    /// The same for programs; every field is always there.
    pub(super) fn json(&self) -> serde_json::Value {
        let (explanation, principal) = (&self.explanation, &self.principal);
        let decision = &explanation.decision;
        let facts = self.facts.attributes.iter();
        let facts: serde_json::Map<_, _> = facts.map(|(name, value)| (name.clone(), fact_json(value))).collect();
        json!({
            "effect": decision.effect.as_str(),
            "cause": explanation.cause.as_str(),
            "rule": decision.rule,
            "reason": decision.reason,
            "policy": decision.policy.to_string(),
            "principal": {
                "method": principal.method,
                "issuer": principal.issuer,
                "subject": principal.subject,
                "groups": principal.groups,
            },
            "roles": explanation.roles,
            "target": self.target,
            "statement": self.statement,
            "facts": facts,
            "columns": self.facts.columns,
            "accesses": explanation.accesses.iter().map(access_json).collect::<Vec<_>>(),
            "observed": explanation.observed.iter().map(observed_json).collect::<Vec<_>>(),
            "approval": explanation.approval.as_ref().map(approval_json),
            "probes": explanation.probes.iter().map(probe_json).collect::<Vec<_>>(),
            "masks": explanation.masks.iter().map(mask_json).collect::<Vec<_>>(),
            "nets": explanation.nets.iter().map(net_json).collect::<Vec<_>>(),
            "thresholds": explanation.thresholds.iter().map(threshold_json).collect::<Vec<_>>(),
        })
    }
}

/// A line to each access, and below it the rules that nearly match.
fn accesses(accesses: &[ExplainedAccess]) -> Vec<String> {
    let resource = |one: &ExplainedAccess| one.access.1.clone().unwrap_or_else(|| "(nothing named)".to_owned());
    let widths = accesses.iter().map(|one| resource(one).chars().count());
    let width = widths.max().unwrap_or(0);
    let mut lines = Vec::new();
    for one in accesses {
        let Access(action, _) = &one.access;
        let rule = match &one.rule {
            Some(rule) => format!("rule `{rule}`"),
            None => "no rule matches".to_owned(),
        };
        let (action, effect) = (action.as_str(), one.effect.as_str());
        lines.push(format!(
            "  {action:<11}  {:<width$}  {effect:<5}  {rule}",
            resource(one)
        ));
        lines.extend(one.near.iter().map(near));
    }
    lines
}

fn near(miss: &NearMiss) -> String {
    let lack = match &miss.lack {
        Lack::Role => "is for other roles".to_owned(),
        Lack::Target => "is for other targets".to_owned(),
        Lack::Resource => "names other resources".to_owned(),
        Lack::Condition(name) => format!("wants another `{name}`"),
    };
    format!("      near: rule `{}` ({}) {lack}", miss.rule, miss.effect.as_str())
}

/// What an observed rule would do, and what would become of the request.
fn observed(one: &Observation) -> String {
    let does = match &one.approval {
        Some(approval) => format!("{} for approval `{approval}`", one.effect),
        None => one.effect.to_string(),
    };
    let enforced = match (one.enforced.effect, &one.enforced.rule) {
        (Effect::Deny, None) => "deny".to_owned(),
        (effect, Some(rule)) => format!("{effect} by rule `{rule}`"),
        (effect, None) => effect.to_string(),
    };
    format!("  rule `{}` would {does}; with it enforced: {enforced}", one.rule)
}

fn observed_json(one: &Observation) -> serde_json::Value {
    let enforced = &one.enforced;
    json!({
        "rule": one.rule,
        "effect": one.effect.as_str(),
        "approval": one.approval,
        "enforced": {
            "effect": enforced.effect.as_str(),
            "rule": enforced.rule,
            "approval": enforced.approval,
        },
    })
}

fn terms(approval: &Approval) -> String {
    let people = match approval.people {
        1 => "1 person".to_owned(),
        people => format!("{people} different people"),
    };
    let requester = if approval.requester_may_approve {
        "the requester may be among them"
    } else {
        "never the requester"
    };
    let held = match approval.hold_s {
        Some(hold_s) => format!("; the session waits {hold_s} s, and a retry takes up what was approved later"),
        None => String::new(),
    };
    let each = match &approval.all_groups {
        Some(groups) => format!(", another one of each of {}", groups.join(", ")),
        None => String::new(),
    };
    let hours = match &approval.hours {
        Some(hours) => format!(", at {hours}"),
        None => String::new(),
    };
    let emergency = match &approval.emergency {
        Some(emergency) => format!(
            "\n  in an emergency 1 person of {} alone, at any time and for {} minutes; then reviewed by somebody else of {} within {} days",
            emergency.groups.join(" or "),
            emergency.minutes,
            emergency.reviewers.join(" or "),
            emergency.review_within_days
        ),
        None => String::new(),
    };
    let preview = match approval.preview {
        Some(Preview::RolledBack) => {
            "\n  shown how many rows a run changes that is rolled back, where it is one change of rows alone"
        }
        None => "",
    };
    format!(
        "  {people} of {}{each} within {} s{hours}, {requester}{held} (approval `{}`){emergency}{preview}",
        approval.groups.join(" or "),
        approval.expires_s,
        approval.name
    )
}

fn threshold(threshold: &Threshold) -> String {
    let does = match (&threshold.approval, threshold.effect) {
        (Some(approval), Effect::Ask) => format!("waits for the approval `{approval}`"),
        _ => "never leaves, and the session ends".to_owned(),
    };
    format!("  {}: what is more {does} (rule `{}`)", threshold.over, threshold.rule)
}

fn threshold_json(threshold: &Threshold) -> serde_json::Value {
    let over = threshold.over;
    json!({
        "rule": threshold.rule,
        "effect": threshold.effect.as_str(),
        "approval": threshold.approval,
        "rows": over.rows,
        "bytes": over.bytes,
        "session_rows": over.session_rows,
        "session_bytes": over.session_bytes,
        "patients": over.patients,
        "session_patients": over.session_patients,
    })
}

fn masked(mask: &AppliedMask) -> String {
    let technique = match &mask.technique {
        Technique::Partial { keep } => format!("partial, the last {keep} stay"),
        Technique::Token { domain } => format!("token of the domain {domain}"),
        Technique::DateShift { domain, days, person } => {
            let whom = person
                .as_ref()
                .map_or_else(|| format!("the domain {domain}"), |person| format!("each {person}"));
            format!("date_shift, up to {days} days, one for {whom}")
        }
        Technique::Ff1 { domain, alphabet } => format!("ff1 of {} in the domain {domain}", alphabet.as_str()),
        Technique::Paths { paths, rest } => {
            let paths = paths
                .iter()
                .map(|one| format!("{} {}", one.path.as_str(), one.technique.as_str()));
            let rest = rest.as_ref().map_or("keep", |rest| rest.as_str());
            format!("paths, {}, the rest {rest}", paths.collect::<Vec<_>>().join(", "))
        }
        technique @ (Technique::Redact | Technique::Null | Technique::Year | Technique::Zip3 | Technique::Age) => {
            technique.as_str().to_owned()
        }
        Technique::Detect => "detect, what detectors find in it".to_owned(),
    };
    let predicates = match &mask.predicates {
        Predicates::Deny => String::new(),
        Predicates::Ask { approval, per_hour } => {
            format!("; {per_hour} values an hour may be tried, with approval `{approval}`")
        }
        Predicates::Equality { per_hour } => format!("; {per_hour} values an hour may be tried"),
    };
    format!("  {}: {technique}{predicates} (mask `{}`)", mask.resource, mask.mask)
}

fn tried(probe: &ExplainedProbe) -> String {
    let mask = probe.mask.as_deref().unwrap_or("none");
    let (column, values, per_hour) = (&probe.column, probe.values, probe.per_hour);
    format!(
        "  {column}: {values} of the {per_hour} that everybody together may try in an hour (mask `{mask}`); taken to be the first"
    )
}

fn probe_json(probe: &ExplainedProbe) -> serde_json::Value {
    json!({ "column": probe.column, "values": probe.values, "mask": probe.mask, "per_hour": probe.per_hour })
}

fn netted(net: &Net) -> String {
    let categories: Vec<_> = net.categories.iter().map(|category| category.as_str()).collect();
    let except: Vec<_> = net.except().collect();
    let except = match except.as_slice() {
        [] => String::new(),
        except => format!(", but not in {}", except.join(", ")),
    };
    let ends = if net.ends_session {
        "; a finding ends the session"
    } else {
        ""
    };
    format!(
        "  {}: from {} on{except}{ends} (net `{}`)",
        categories.join(", "),
        net.floor.as_str(),
        net.name
    )
}

fn net_json(net: &Net) -> serde_json::Value {
    json!({
        "net": net.name,
        "categories": net.categories.iter().map(|category| category.as_str()).collect::<Vec<_>>(),
        "floor": net.floor.as_str(),
        "except": net.except().collect::<Vec<_>>(),
        "ends_session": net.ends_session,
    })
}

fn access_json(one: &ExplainedAccess) -> serde_json::Value {
    let Access(action, resource) = &one.access;
    let near = one.near.iter().map(|miss| {
        let condition = match &miss.lack {
            Lack::Condition(name) => Some(name),
            Lack::Role | Lack::Target | Lack::Resource => None,
        };
        let (effect, lacks) = (miss.effect.as_str(), miss.lack.as_str());
        json!({ "rule": miss.rule, "effect": effect, "lacks": lacks, "condition": condition })
    });
    json!({
        "action": action.as_str(),
        "resource": resource,
        "effect": one.effect.as_str(),
        "rule": one.rule,
        "near": near.collect::<Vec<_>>(),
    })
}

fn approval_json(approval: &Approval) -> serde_json::Value {
    json!({
        "name": approval.name,
        "groups": approval.groups,
        "people": approval.people,
        "expires_s": approval.expires_s,
        "hold_s": approval.hold_s,
        "all_groups": approval.all_groups,
        "hours": approval.hours.as_ref().map(ToString::to_string),
        "requester_may_approve": approval.requester_may_approve,
        "estimate": approval.estimate,
        "preview": approval.preview.map(Preview::as_str),
        "emergency": approval.emergency.as_ref().map(|emergency| json!({
            "groups": emergency.groups,
            "minutes": emergency.minutes,
            "reviewers": emergency.reviewers,
            "review_within_days": emergency.review_within_days,
        })),
    })
}

fn mask_json(mask: &AppliedMask) -> serde_json::Value {
    let (technique, parameters) = (mask.technique.as_str(), mask.technique.parameters());
    let mut shown = json!({ "resource": mask.resource, "mask": mask.mask, "technique": technique, "keep": null, "domain": null,
            "predicates": mask.predicates.as_str(), "probes_per_hour": mask.predicates.per_hour() });
    if let Some(shown) = shown.as_object_mut() {
        shown.extend(parameters);
    }
    shown
}

fn fact_json(value: &Attribute) -> serde_json::Value {
    match value {
        Attribute::Bool(value) => json!(value),
        Attribute::Integer(value) => json!(value),
        Attribute::Text(value) => json!(value),
    }
}
