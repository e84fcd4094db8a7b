//! A comparison as a page for a person, and as JSON.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::merkle::Index;
use exhibit_verify::comparison::{Decided, Difference, Group, Observation};
use serde_json::json;

use crate::output::printable;

/// Indexes that a page shows of one group; JSON has more.
const SHOWN_MAX: usize = 8;

/// Kinds of difference, each with its title.
const SECTIONS: [(Difference, &str); 7] = [
    (Difference::Changes, "would change"),
    (Difference::OtherRule, "the same effect, by another rule"),
    (
        Difference::OtherMasks,
        "compared by rules alone: the target's masks differ, and whether a reply can be proven masked is not recorded",
    ),
    (
        Difference::Unproven,
        "cannot be said: denied as unproven, and what would be proven of it now is not recorded",
    ),
    (
        Difference::OnlyPrepared,
        "cannot be said: a statement that was only prepared, of which no more is recorded",
    ),
    (
        Difference::Unestimated,
        "cannot be said: the policy goes by estimated rows, and none were asked for then",
    ),
    (
        Difference::Unseen,
        "cannot be said: the policy goes by what was seen before, and nothing said so then",
    ),
];

/// What is shown.
pub(super) struct Page {
    pub(super) policy: Digest,
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
    pub(super) decisions: u64,
    pub(super) groups: Vec<Group>,
    pub(super) observed: Vec<Observation>,
}

impl Page {
    pub(super) fn text(&self) -> String {
        let mut lines = Vec::new();
        for (difference, title) in SECTIONS {
            let groups: Vec<_> = self
                .groups
                .iter()
                .filter(|group| group.difference == difference)
                .collect();
            if groups.is_empty() {
                continue;
            }
            lines.push(title.to_owned());
            for group in groups {
                lines.extend(described(
                    &group.target,
                    (&group.before, &group.after),
                    group.count,
                    &group.events,
                ));
            }
            lines.push(String::new());
        }
        if !self.observed.is_empty() {
            lines.push("would change if a rule that is only observed were enforced".to_owned());
            for one in &self.observed {
                let what = format!("{}, `{}`", one.target, one.rule);
                lines.extend(described(&what, (&one.before, &one.after), one.count, &one.events));
            }
            lines.push(String::new());
        }
        let different: u64 = self.groups.iter().map(|group| group.count).sum();
        let of = |difference| {
            let groups = self.groups.iter().filter(move |group| group.difference == difference);
            groups.map(|group| group.count).sum::<u64>()
        };
        lines.push(format!(
            "{} decisions{}{} under {}",
            self.decisions,
            self.from.map(|from| format!(" from {from}")).unwrap_or_default(),
            self.to.map(|to| format!(" before {to}")).unwrap_or_default(),
            self.policy,
        ));
        lines.push(format!(
            "  {} would change, {} come to the same by another rule, {} are compared by rules alone, {} cannot be said, {} stay",
            of(Difference::Changes),
            of(Difference::OtherRule),
            of(Difference::OtherMasks),
            of(Difference::Unproven)
                + of(Difference::OnlyPrepared)
                + of(Difference::Unestimated)
                + of(Difference::Unseen),
            self.decisions.saturating_sub(different),
        ));
        printable(&lines.join("\n"))
    }

    /// The same for programs; every field is always there.
    pub(super) fn json(&self) -> serde_json::Value {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        json!({
            "policy": self.policy.to_string(),
            "from": time(self.from),
            "to": time(self.to),
            "decisions": self.decisions,
            "groups": self.groups,
            "observed": self.observed,
        })
    }
}

fn described(what: &str, (before, after): (&Decided, &Decided), count: u64, events: &[Index]) -> Vec<String> {
    let shown = events.iter().take(SHOWN_MAX).map(|index| format!("#{index}"));
    let mut shown = shown.collect::<Vec<_>>().join(", ");
    let more = count.saturating_sub(u64::try_from(SHOWN_MAX).unwrap_or(u64::MAX));
    if more > 0 {
        shown = format!("{shown} and {more} more");
    }
    vec![
        format!("  {count:>6}  {what}: {} -> {}", decided(before), decided(after)),
        format!("          {shown}"),
    ]
}

fn decided(decided: &Decided) -> String {
    let rule = decided
        .rule
        .as_ref()
        .map_or_else(|| "no rule".to_owned(), |rule| format!("`{rule}`"));
    let approval = decided
        .approval
        .as_ref()
        .map(|approval| format!(" with approval `{approval}`"));
    format!("{} by {rule}{}", decided.effect, approval.unwrap_or_default())
}
