//! The policies: one that decides, masks and asks for reviews, and later ones with one more rule each.

use exhibit_policy::snapshot::Snapshot;

const POLICY: &str = r#"version = 1

[[roles]]
name = "agent"
match = { method = "api-key", subject = "ci-*" }

[[roles]]
name = "pipeline"
match = { method = "oidc", issuer = "https://token.actions.githubusercontent.com" }

[[targets]]
name = "clinic"
protocol = "postgres"

[[targets]]
name = "billing"
protocol = "postgres"

[limits]
expiry_ends_session = true

[[approvals]]
name = "schema"
groups = ["dba"]
people = 2
expires_s = 900

[[rules]]
name = "no-mass-deletes"
roles = ["agent", "pipeline"]
targets = ["clinic", "billing"]
actions = ["delete"]
when = { no_where = true }
effect = "deny"
reason = "a delete needs a WHERE"

[[rules]]
name = "schema-changes"
roles = ["agent", "pipeline"]
targets = ["clinic", "billing"]
actions = ["define"]
effect = "ask"
approval = "schema"

[[rules]]
name = "reads"
roles = ["agent", "pipeline"]
targets = ["clinic", "billing"]
actions = ["read"]
resources = ["public.*"]
effect = "allow"

[[masks]]
name = "ssn"
targets = ["clinic"]
resources = ["public.patients.ssn"]
technique = "partial"
keep = 4

[[masks]]
name = "names"
targets = ["clinic"]
resources = ["public.patients.*name"]
technique = "redact"

[[masks]]
name = "mrn"
targets = ["clinic"]
resources = ["public.patients.mrn"]
technique = "token"
domain = "mrn"

[[masks]]
name = "birth"
targets = ["clinic"]
resources = ["public.patients.birth_date"]
technique = "year"

[[masks]]
name = "holder"
targets = ["billing"]
resources = ["public.invoices.holder"]
technique = "redact"

[[nets]]
name = "identifiers"
targets = ["clinic"]
categories = ["ssn", "email"]

[[patients]]
name = "patient"
targets = ["clinic"]
resources = ["public.patients.id"]

[[reviews]]
name = "everything"
scope = "all"
every = "month"
within_days = 10
groups = ["compliance"]

[[reviews]]
name = "who-was-let-in"
scope = "sessions"
every = "week"
within_days = 5
groups = ["compliance"]
"#;

/// The text of a version, from 0.
pub(super) fn text(version: u64) -> String {
    let mut text = POLICY.to_owned();
    for number in 1..=version {
        let rule = format!(
            "\n[[rules]]\nname = \"archive-{number}\"\nroles = [\"agent\"]\ntargets = [\"clinic\"]\nactions = [\"write\"]\n\
             resources = [\"archive_{number}.*\"]\neffect = \"deny\"\n"
        );
        text.push_str(&rule);
    }
    text
}

/// A version as it decides.
pub(super) fn version(version: u64) -> Snapshot {
    Snapshot::parse(text(version).as_bytes()).expect("the policy is right")
}
