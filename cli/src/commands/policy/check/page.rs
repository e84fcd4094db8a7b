//! What there is to say of a policy file, as a page for a person and as JSON.

use exhibit_policy::inspect::Reach;
use serde_json::json;

use super::Checked;
use crate::output::printable;

impl Checked {
    pub(super) fn text(&self) -> String {
        let digest = match &self.policy {
            Ok(digest) => digest,
            Err(error) => return printable(&format!("{}: {error}", self.file)),
        };
        let warnings = self.warnings.iter().map(|(line, warning)| {
            format!(
                "{}, line {line}: {} ({})",
                self.file,
                warning.text,
                warning.kind.as_str()
            )
        });
        let mut lines: Vec<String> = warnings.collect();
        if !self.reach.is_empty() {
            lines.push("without an approval, agents".to_owned());
            lines.extend(self.reach.iter().map(reached));
        }
        lines.push(match self.warnings.len() {
            0 => format!("{}: fine, snapshot {digest}", self.file),
            1 => format!("{}: 1 warning, snapshot {digest}", self.file),
            count => format!("{}: {count} warnings, snapshot {digest}", self.file),
        });
        printable(&lines.join("\n"))
    }

    /// The same for programs; every field is always there.
    pub(super) fn json(&self) -> serde_json::Value {
        let warnings = self
            .warnings
            .iter()
            .map(|(line, warning)| json!({ "kind": warning.kind.as_str(), "line": line, "text": warning.text }));
        let reach = self.reach.iter().map(|reach| {
            json!({
                "role": reach.role,
                "target": reach.target,
                "action": reach.action.as_str(),
                "rule": reach.rule,
                "resources": reach.resources,
                "conditional": reach.conditional,
            })
        });
        json!({
            "policy": self.policy.as_ref().ok().map(ToString::to_string),
            "error": self.policy.as_ref().err(),
            "warnings": warnings.collect::<Vec<_>>(),
            "without_approval": reach.collect::<Vec<_>>(),
        })
    }
}

fn reached(reach: &Reach) -> String {
    let what = match &reach.resources {
        None => "anything".to_owned(),
        Some(resources) => resources.join(", "),
    };
    let when = if reach.conditional { ", under conditions" } else { "" };
    format!(
        "  of role `{}` on `{}`: {} {what} (rule `{}`{when})",
        reach.role,
        reach.target,
        reach.action.as_str(),
        reach.rule
    )
}
