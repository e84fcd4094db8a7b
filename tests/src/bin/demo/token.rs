//! The token of a CI job: what GitHub Actions would hand to a workflow that asks for one, signed by a key of this demo.
//!
//! Not here: what a token has to be (`docs/identity.md`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_tests::HarnessError;
use serde_json::{Value, json};

/// Whose tokens these are.
const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// Whom they are for.
const AUDIENCE: &str = "https://exhibit.clinic.example";

/// The key's name among those of the issuer.
const KEY: &str = "demo";

/// How long a token lasts; GitHub's do so, too.
const LIFETIME_S: u64 = 300;

const US_PER_S: u64 = 1_000_000;

/// The name of a file, beside the configuration, that holds the issuer's keys.
pub(crate) const KEYS: &str = "ci-keys.json";

/// An issuer of tokens.
pub(crate) struct Issuer(SigningKey);

impl Issuer {
    /// One with a new key.
    pub(crate) fn new() -> Result<Self, HarnessError> {
        Ok(Self(SigningKey::from_bytes(&exhibit_tests::random()?)))
    }

    /// What the deployment has to know of it: the section of its configuration, and the file of keys that this names.
    pub(crate) fn known(&self) -> (String, String) {
        let section = format!(
            "\n[[proxy.oidc]]\nissuer = \"{ISSUER}\"\naudience = [\"{AUDIENCE}\"]\nclaims = \"github-actions\"\nalgorithms = [\"EdDSA\"]\nkeys = \"{KEYS}\"\n"
        );
        let public = URL_SAFE_NO_PAD.encode(self.0.verifying_key().as_bytes());
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": KEY, "x": public });
        (section, json!({ "keys": [key] }).to_string())
    }

    /// A token of a run of the repository of this name and number.
    pub(crate) fn token(&self, repository: &str, number: u32) -> String {
        let now_s = SystemClock.now().0 / US_PER_S;
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(&json!({ "alg": "EdDSA", "kid": KEY, "typ": "JWT" }));
        let claims = part(&json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": format!("repo:{repository}:ref:refs/heads/main"),
            "iat": now_s,
            "nbf": now_s,
            "exp": now_s + LIFETIME_S,
            "repository": repository,
            "repository_id": number.to_string(),
            "repository_owner_id": "4567",
            "ref": "refs/heads/main",
            "sha": "0f3c2a9d51e6704b8f3c2a9d51e6704b8f3c2a9d",
            "workflow_ref": format!("{repository}/.github/workflows/nightly.yml@refs/heads/main"),
            "run_id": "7001",
            "run_attempt": "1",
            "actor": "kim-olsen",
            "actor_id": "8001",
            "event_name": "schedule",
        }));
        let signed = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes()).to_bytes());
        format!("{signed}.{signature}")
    }
}
