//! Conditions on operations of stores of objects: names that there are not, so that their rules match nothing.
//!
//! Not here: that a target has such a fact at all, and its type (`exhibit_policy::inspect`).

use std::collections::BTreeMap;

use exhibit_policy::inspect::{Kind, Place, Warning};
use exhibit_proxy::reading::ObjectRequest;
use exhibit_schemas::event::access::Attribute;
use exhibit_startup::configuration::File;
use serde::Deserialize;

/// The fact that names an operation.
const OPERATION: &str = "operation";

/// Of a policy that was read, what is looked at here.
#[derive(Deserialize)]
struct PolicyText {
    #[serde(default)]
    rules: Vec<RuleText>,
}

#[derive(Deserialize)]
struct RuleText {
    name: String,
    #[serde(default)]
    when: BTreeMap<String, Attribute>,
}

/// Everything that can be said of them, of a policy that a proxy takes.
pub(super) fn inspect(policy: &File) -> Vec<Warning> {
    let rules = policy.parse().map_or_else(|_| Vec::new(), |PolicyText { rules }| rules);
    let mut warnings = Vec::new();
    for (element, rule) in rules.iter().enumerate() {
        let Some(Attribute::Text(wanted)) = rule.when.get(OPERATION) else {
            continue;
        };
        if let Err(error) = ObjectRequest::is_operation(wanted) {
            let name = &rule.name;
            warnings.push(Warning {
                kind: Kind::DeadCondition,
                place: Place { list: "rules", element },
                text: format!("rule `{name}` matches nothing for its condition `{OPERATION}`: {error}"),
            });
        }
    }
    warnings
}
