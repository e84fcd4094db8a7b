//! The sample files of a new deployment. Tests read each of them with its reader.

use exhibit_schemas::checkpoint::Origin;

/// No keys yet.
pub(super) const API_KEYS: &str = "\
# API keys of agents. `exhibit key api SUBJECT --group GROUP` adds one and prints it once; here is only its digest.
";

/// A policy that lets nothing through but what it names.
pub(super) const POLICY: &str = r#"# The policy. What no rule allows is denied. `exhibit policy check policy.toml` reads it as a proxy would.
version = 1

# Who: every pattern that is given must match the verified identity.
[[roles]]
name = "reader"
match = { method = "api-key", groups = ["readers"] }

# Where.
[[targets]]
name = "clinic"
protocol = "postgres"

# Who must approve what a rule asks about.
[[approvals]]
name = "dba"
groups = ["dba"]
people = 1
expires_s = 900

# What: the first rule that matches an access decides it; the strictest over all accesses of a statement holds.
[[rules]]
name = "reads"
roles = ["reader"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.*", "none"]        # "none": a statement that names nothing, such as SELECT 1
effect = "allow"

[[rules]]
name = "session"
roles = ["reader"]
targets = ["clinic"]
actions = ["session", "transaction"]
effect = "allow"

[[rules]]
name = "schema"
roles = ["reader"]
targets = ["clinic"]
actions = ["define"]
resources = ["public.*"]
effect = "ask"
approval = "dba"
reason = "a schema change needs a person of dba"

# How long a session may last: in silence, and in all.
[limits]
idle_s = 3600
session_s = 86400

# What nobody sees: the first mask that names a column masks it. Techniques: redact, null, partial, token, year.
# [[masks]]
# name = "ssn"
# targets = ["clinic"]
# resources = ["public.patients.ssn"]
# technique = "partial"
# keep = 4

# The net under everything released, whatever column, error or notice it stands in: what detectors find of these categories
# becomes a token such as [ssn], is counted, and is told by a `detection` event. `except` names columns that it passes over;
# `ends_session = true` ends the session of an agent that gets at one. It is no proof: mask columns that hold identifiers.
[[nets]]
name = "identifiers"
targets = ["clinic"]
categories = ["ssn", "card", "iban", "email", "phone", "fax", "mrn", "health-plan", "account", "licence", "npi", "dea", "vehicle", "device"]
floor = "likely"                        # possible, likely, strong, certain
ends_session = false
"#;

/// The configuration of one machine.
pub(super) fn config(origin: &Origin) -> String {
    format!(
        r#"# Exhibit on one machine: `exhibit up --config exhibit.toml`. Paths are relative to this file.

[ledger]
origin = "{}"    # the log's name; it never changes
directory = "ledger"            # the store, log.key and ledger.key
listen = "127.0.0.1:7443"       # HTTPS API; clients show a certificate of client_ca
tls = {{ certificate = "tls/ledger.pem", key = "tls/ledger.key", client_ca = "tls/ca.pem" }}

# Who may read the evidence: people by groups of their enrolled keys (`exhibit key enrol KEY.pub --name YOU --group compliance`),
# and tokens of [[ledger.oidc]]. Nobody else; what they read is recorded first: docs/identity.md.
[[ledger.readers]]
role = "compliance"             # everything
people = ["compliance"]
[[ledger.readers]]
role = "auditor"                # everything but what waits
people = ["auditors"]
[[ledger.readers]]
role = "approver"               # what waits for approval
people = ["dba"]

# Who is told that an approval waits: docs/webhooks.md.
# [[ledger.webhooks]]
# name = "on-call"
# url = "https://hooks.example/exhibit"
# secret_file = "secrets/on-call.secret"

[proxy]
directory = "proxy"             # proxy.key, digest.key, mask.key, credentials.key
policy = "policy.toml"
api_keys = "api-keys.toml"
trust = "trust.toml"

# One section to each database. Put the password of `user` into secrets/clinic.password (mode 0600). Where the server has
# TLS, its proof of the password is bound to it; channel_binding = "require" in `server` insists on that.
# [[proxy.postgres]]
# target = "clinic"             # its name in the policy
# listen = "127.0.0.1:6432"
# tls = {{ certificate = "tls/proxy.pem", key = "tls/proxy.key" }}
# server = {{ host = "127.0.0.1", port = 5432, user = "exhibit", password_file = "secrets/clinic.password", tls = "verify-full", ca = "tls/pg-ca.pem" }}

# One section to each store of objects, for agents with S3's own clients: docs/s3.md. `hosts` are names below which hosts name buckets;
# agents sign for `region`. Put the store's secret access key into secrets/lake.secret (mode 0600). `exhibit key s3 ID` says what an
# API key signs with; jobs of CI services come with their tokens ([[proxy.oidc]], docs/identity.md).
# [[proxy.s3]]
# target = "lake"               # its name in the policy
# listen = "127.0.0.1:9443"
# hosts = ["s3.gateway.example"]
# region = "us-east-1"
# tls = {{ certificate = "tls/proxy.pem", key = "tls/proxy.key" }}
# store = {{ url = "https://store.example:7480", ca = "tls/store-ca.pem", access_key_id = "EXHIBIT", secret_file = "secrets/lake.secret" }}

[client]                        # how `exhibit` itself reaches the ledger
ledger = "https://127.0.0.1:7443"
certificate = "tls/operator.pem"
key = "tls/operator.key"
ca = "tls/ca.pem"
trust = "trust.toml"
# person = "/home/you/.ssh/id_ed25519.pub"    # the key that you read and decide with; without it ssh-agent's only one
administrator = "administrator.key"    # keep it elsewhere when keys are not changed from here
"#,
        origin.as_str()
    )
}
