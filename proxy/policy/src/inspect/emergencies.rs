//! Emergency access that nobody can use, or that nobody else would look at.

use exhibit_schemas::event::access::Effect;

use super::{Kind, Place, Warning};
use crate::emergency::Emergency;
use crate::probe::Predicates;
use crate::snapshot::{Approval, Mode, Snapshot};

/// What of the approvals' emergencies is weak.
pub(super) fn warnings(snapshot: &Snapshot) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (element, approval) in snapshot.approvals().iter().enumerate() {
        let Some(emergency) = &approval.emergency else { continue };
        let name = &approval.name;
        let mut warn = |kind, text| {
            let place = Place {
                list: "approvals",
                element,
            };
            warnings.push(Warning { kind, place, text });
        };
        if !snapshot
            .targets()
            .iter()
            .any(|target| is_asked(snapshot, approval, emergency, &target.name))
        {
            let text = format!(
                "nobody can use the emergency of approval `{name}`: nothing enforced asks for it on its targets"
            );
            warn(Kind::UnusableEmergency, text);
        }
        let own: Vec<_> = emergency
            .reviewers
            .iter()
            .filter(|group| emergency.groups.contains(group))
            .collect();
        if own.len() == emergency.reviewers.len() {
            let text = format!(
                "all who review the emergencies of approval `{name}` may use them, too: where one person alone is in {}, nobody \
                 else can review a use",
                emergency.reviewers.join(" or ")
            );
            warn(Kind::OwnEmergency, text);
        }
    }
    warnings
}

/// Whether anything on a target that the emergency is for waits for the approval.
fn is_asked(snapshot: &Snapshot, approval: &Approval, emergency: &Emergency, target: &str) -> bool {
    let asks = snapshot.rules.iter().any(|rule| {
        rule.mode == Mode::Enforce
            && rule.effect == Effect::Ask
            && rule.targets.contains(target)
            && rule.approval.as_ref() == Some(&approval.name)
    });
    let tries = snapshot.masks.iter().any(|mask| {
        let by = matches!(&mask.predicates, Predicates::Ask { approval: named, .. } if *named == approval.name);
        by && mask.is_for(target)
    });
    emergency.is_for(target) && (asks || tries)
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::warnings;
    use crate::snapshot::Snapshot;

    #[test]
    fn emergencies_that_nobody_can_use_or_look_at_are_named() {
        let said = |emergency: &str, rule: &str| {
            let text = format!(
                "version = 1\n[[roles]]\nname = \"r\"\nmatch = {{ method = \"api-key\" }}\n[[targets]]\nname = \"t\"\nprotocol = \
                 \"postgres\"\n[[targets]]\nname = \"u\"\nprotocol = \"postgres\"\n[[approvals]]\nname = \"a\"\ngroups = [\"g\"]\n\
                 people = 1\nexpires_s = 1\nemergency = {{ minutes = 1, review_within_days = 1, {emergency} }}\n[[rules]]\n\
                 name = \"x\"\nroles = [\"r\"]\ntargets = [\"t\"]\nactions = [\"read\"]\neffect = \"ask\"\napproval = \"a\"\n{rule}"
            );
            let snapshot = Snapshot::parse(text.as_bytes()).unwrap();
            warnings(&snapshot)
                .into_iter()
                .map(|warning| warning.kind)
                .collect::<Vec<_>>()
        };
        let apart = "groups = [\"o\"], reviewers = [\"p\"]";
        assert_eq!(said(apart, ""), []);
        assert_eq!(said(apart, "mode = \"observe\""), [Kind::UnusableEmergency]);
        let elsewhere = format!("{apart}, targets = [\"u\"]");
        assert_eq!(said(&elsewhere, ""), [Kind::UnusableEmergency]);
        assert_eq!(said("groups = [\"o\"], reviewers = [\"o\", \"p\"]", ""), []);
        assert_eq!(
            said("groups = [\"o\", \"p\"], reviewers = [\"o\"]", ""),
            [Kind::OwnEmergency]
        );
    }
}
