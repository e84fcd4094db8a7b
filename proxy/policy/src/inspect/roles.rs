//! Roles that more people can have than their author may have meant.

use super::{Kind, Place, Warning};
use crate::snapshot::Snapshot;

/// Roles that do not say who vouches. Names and numbers are those of an issuer: the same ones of another issuer are somebody else's.
pub(super) fn any_issuer(snapshot: &Snapshot) -> Vec<Warning> {
    let warning = |element, name: &str| Warning {
        kind: Kind::AnyIssuer,
        place: Place { list: "roles", element },
        text: format!(
            "role `{name}` names no `issuer`: every issuer that a proxy is configured with says who has it, and subjects, groups and numbers \
             of one are not those of another; only of the method \"api-key\" there is a single one"
        ),
    };
    let roles = snapshot.roles.iter().enumerate();
    roles
        .filter(|(_, role)| role.of_any_issuer())
        .map(|(element, role)| warning(element, &role.name))
        .collect()
}
