//! Approvals that whoever asks may give.

use super::{Kind, Place, Warning};
use crate::snapshot::Snapshot;

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

#[cfg(test)]
mod tests {
    use super::own;
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
}
