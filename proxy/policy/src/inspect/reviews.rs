//! What schedules of reviews leave out.

use exhibit_schemas::review::Scope;

use super::{Kind, Place, Warning};
use crate::snapshot::Snapshot;

/// What no schedule asks anybody to review, where some ask for something. A policy without any says so by that.
pub(super) fn unreviewed(snapshot: &Snapshot) -> Option<Warning> {
    let asked = |scope: Scope| {
        let mut schedules = snapshot.reviews().iter();
        schedules.any(|schedule| schedule.scope == scope || schedule.scope == Scope::All)
    };
    let left_out = Scope::ALL
        .iter()
        .filter(|scope| **scope != Scope::All && !asked(**scope));
    let left_out: Vec<_> = left_out.map(|scope| scope.as_str()).collect();
    (!snapshot.reviews().is_empty() && !left_out.is_empty()).then(|| Warning {
        kind: Kind::Unreviewed,
        place: Place {
            list: "reviews",
            element: 0,
        },
        text: format!("no schedule asks for reviews of {}", left_out.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::unreviewed;
    use crate::snapshot::Snapshot;

    #[test]
    fn what_schedules_leave_out_is_named_where_there_are_any() {
        let said = |scopes: &[&str]| {
            let schedules = scopes.iter().map(|scope| {
                format!("[[reviews]]\nname = \"{scope}\"\nscope = \"{scope}\"\nevery = \"day\"\nwithin_days = 1\ngroups = [\"g\"]\n")
            });
            let text = format!("version = 1\n{}", schedules.collect::<String>());
            let snapshot = Snapshot::parse(text.as_bytes()).unwrap();
            unreviewed(&snapshot).map(|warning| warning.text)
        };
        assert_eq!(said(&[]), None);
        assert_eq!(said(&["all"]), None);
        assert_eq!(
            said(&["sessions", "commands", "approvals", "readings", "changes"]),
            None
        );
        let wanted = "no schedule asks for reviews of sessions, approvals, readings, changes";
        assert_eq!(said(&["commands"]).as_deref(), Some(wanted));
    }
}
