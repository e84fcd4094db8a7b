//! Approvals that whoever asks may give, and those whose previews nobody can see.

use exhibit_schemas::event::access::Action;

use super::{Kind, Place, Warning};
use crate::snapshot::Snapshot;

/// The protocol whose commands can be run and rolled back.
const WITH_PREVIEWS: &str = "postgres";

/// Approvals that lift the rule that nobody approves what is that person's own.
pub(super) fn own(snapshot: &Snapshot) -> Vec<Warning> {
    let approvals = snapshot.approvals().iter().enumerate();
    let own = approvals.filter(|(_, approval)| approval.requester_may_approve);
    let warnings = own.map(|(element, approval)| {
        let name = &approval.name;
        let alone = approval.people <= 1 && approval.all_groups.as_ref().is_none_or(|groups| groups.len() <= 1);
        let text = if alone || approval.emergency.is_some() {
            format!("whoever asks for approval `{name}` may let it pass alone, without anybody else")
        } else {
            let people = approval.people;
            format!("whoever asks for approval `{name}` counts among the {people} people who give it")
        };
        Warning {
            kind: Kind::OwnApproval,
            place: Place {
                list: "approvals",
                element,
            },
            text,
        }
    });
    warnings.collect()
}

/// Approvals with a preview that no rule asks for about changes of rows, at a target that could run and roll them back.
pub(super) fn idle_previews(snapshot: &Snapshot) -> Vec<Warning> {
    let protocol = |target: &str| {
        let found = snapshot.targets().iter().find(|one| one.name == target);
        found.map(|one| one.protocol.as_str())
    };
    let sealed = |target: &str| !snapshot.recipients(target).is_empty();
    let shows = |name: &str| {
        let mut rules = snapshot
            .rules
            .iter()
            .filter(|rule| rule.approval.as_deref() == Some(name));
        rules.any(|rule| {
            let changes = rule
                .actions
                .iter()
                .any(|action| matches!(action, Action::Write | Action::Delete));
            let mut targets = rule.targets.iter();
            changes && targets.any(|target| protocol(target) == Some(WITH_PREVIEWS) && !sealed(target))
        })
    };
    let approvals = snapshot.approvals().iter().enumerate();
    let idle = approvals.filter(|(_, approval)| approval.preview.is_some() && !shows(&approval.name));
    let warnings = idle.map(|(element, approval)| Warning {
        kind: Kind::IdlePreview,
        place: Place {
            list: "approvals",
            element,
        },
        text: format!(
            "approval `{}` has a preview, and no rule asks for it about `write` or `delete` on a target that can show one: one of \
             PostgreSQL whose exact commands are not sealed",
            approval.name
        ),
    });
    warnings.collect()
}

#[cfg(test)]
mod tests {
    use super::{idle_previews, own};
    use crate::snapshot::Snapshot;

    #[test]
    fn approvals_that_a_requester_may_give_are_named() {
        let said = |approval: &str| {
            let text = format!(
                "version = 1\n[[roles]]\nname = \"r\"\nmatch = {{ method = \"api-key\" }}\n[[targets]]\nname = \"t\"\nprotocol = \
                 \"postgres\"\n[[approvals]]\nname = \"a\"\ngroups = [\"g\"]\nexpires_s = 1\n{approval}"
            );
            let warnings = own(&Snapshot::parse(text.as_bytes()).unwrap());
            warnings.into_iter().map(|warning| warning.text).collect::<Vec<_>>()
        };
        let alone = "whoever asks for approval `a` may let it pass alone, without anybody else";
        assert_eq!(said("people = 1"), [""; 0]);
        assert_eq!(said("people = 1\nrequester_may_approve = false"), [""; 0]);
        assert_eq!(said("people = 1\nrequester_may_approve = true"), [alone]);
        let two = said("people = 2\nrequester_may_approve = true");
        assert_eq!(
            two,
            ["whoever asks for approval `a` counts among the 2 people who give it"]
        );
        let emergency = "emergency = { groups = [\"g\"], minutes = 1, reviewers = [\"h\"], review_within_days = 1 }";
        assert_eq!(
            said(&format!("people = 2\nrequester_may_approve = true\n{emergency}")),
            [alone]
        );
        let each = "people = 1\nall_groups = [\"g\", \"h\"]\nrequester_may_approve = true";
        assert_ne!(said(each), [alone]);
    }

    #[test]
    fn previews_that_nobody_can_see_are_named() {
        let said = |protocol: &str, actions: &str, preview: &str, more: &str| {
            let text = format!(
                "version = 1\n[[roles]]\nname = \"r\"\nmatch = {{ method = \"api-key\" }}\n[[targets]]\nname = \"t\"\nprotocol = \
                 \"{protocol}\"\n[[approvals]]\nname = \"a\"\ngroups = [\"g\"]\npeople = 1\nexpires_s = 1\n{preview}\n\
                 [[rules]]\nname = \"asks\"\nroles = [\"r\"]\ntargets = [\"t\"]\nactions = [{actions}]\neffect = \"ask\"\n\
                 approval = \"a\"\n{more}"
            );
            idle_previews(&Snapshot::parse(text.as_bytes()).unwrap()).len()
        };
        let preview = "preview = \"rolled-back\"";
        let sealed = "[sealed]\nrecipients = [\"age1lvyvwawkr0mcnnnncaghunadrqkmuf9e6507x9y920xxpp866cnql7dp2z\"]";
        assert_eq!(said("postgres", "\"read\", \"write\"", preview, ""), 0);
        assert_eq!(said("postgres", "\"delete\"", preview, ""), 0);
        assert_eq!(said("postgres", "\"read\"", preview, ""), 1);
        assert_eq!(said("postgres", "\"read\"", "", ""), 0);
        assert_eq!(said("s3", "\"write\"", preview, ""), 1);
        assert_eq!(said("postgres", "\"write\"", preview, sealed), 1);
    }
}
