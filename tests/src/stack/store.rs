//! The stack's store of objects: the proxy in front of it, what agents sign with, and what `make stack` says of both.
//!
//! Not here: the store ([`crate::ceph`]).

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{LAKE, Stack};
use crate::HarnessError;
use crate::authority::certify;
use crate::ceph::{Ceph, DOMAIN, REGION};

/// Name of the target of a policy that is a store of objects: its first of the protocol; `None` where it has none.
///
/// # Errors
/// [`HarnessError::Toml`].
pub fn target(policy: &str) -> Result<Option<String>, HarnessError> {
    let policy: toml::Table = toml::from_str(policy).map_err(HarnessError::Toml)?;
    let targets = policy.get("targets").and_then(toml::Value::as_array);
    let text = |target: &toml::Value, key: &str| target.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let store = targets
        .into_iter()
        .flatten()
        .find(|target| text(target, "protocol").as_deref() == Some("s3"));
    Ok(store.and_then(|target| text(target, "name")))
}

/// Writes the files that the proxy in front of a store needs.
pub(super) fn deploy(store: &Ceph, directory: &Path) -> Result<(), HarnessError> {
    let write = |name: &str, bytes: &[u8]| crate::write(&directory.join(name), bytes);
    write("secrets/lake.secret", store.owner().secret_key.as_bytes())?;
    write("tls/store-ca.pem", &std::fs::read(store.authority())?)?;
    let below = format!("*.{DOMAIN}");
    let own = certify(&["127.0.0.1", "localhost", DOMAIN, &below])?;
    write("tls/s3-ca.pem", own.authority.as_bytes())?;
    write("tls/s3.pem", own.certificate.as_bytes())?;
    write("tls/s3.key", own.key.as_bytes())
}

impl Stack {
    /// The section of the store in the configuration.
    pub(super) fn store_text(&self, policy: &str) -> Result<String, HarnessError> {
        let Some((store, [port, plain])) = &self.store else {
            return Ok(String::new());
        };
        let target = target(policy)?.unwrap_or_else(|| LAKE.to_owned());
        let (url, id) = (store.tls_endpoint(), &store.owner().access_key);
        let tls = "tls = { certificate = \"tls/s3.pem\", key = \"tls/s3.key\" }";
        let sections = [(port, tls), (plain, "")].map(|(port, tls)| {
            format!(
                r#"
[[proxy.s3]]
target = "{target}"
listen = "127.0.0.1:{port}"
hosts = ["{DOMAIN}"]
region = "{REGION}"
{tls}
store = {{ url = "{url}", ca = "tls/store-ca.pem", access_key_id = "{id}", secret_file = "secrets/lake.secret" }}
"#
            )
        });
        Ok(sections.concat())
    }

    /// Where the store is reached through the proxy.
    pub fn store_url(&self) -> Option<String> {
        let ports = self.store.as_ref().map(|(_, ports)| ports);
        ports.map(|[port, _]| format!("https://127.0.0.1:{port}"))
    }

    /// The same without TLS.
    pub fn store_plain_url(&self) -> Option<String> {
        let ports = self.store.as_ref().map(|(_, ports)| ports);
        ports.map(|[_, port]| format!("http://127.0.0.1:{port}"))
    }

    /// The authority of the certificate that is seen there.
    pub fn store_authority(&self) -> PathBuf {
        self.directory.join("tls/s3-ca.pem")
    }

    /// What the agent signs requests to the store with: id and secret.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn store_keys(&self) -> Result<(String, String), HarnessError> {
        let id = self.api_key.split('_').nth(1).unwrap_or_default();
        let told = crate::run(self.exhibit()?.args(["key", "s3", id, "--json"]))?;
        let told: serde_json::Value = serde_json::from_str(&told).map_err(|error| HarnessError::Failed {
            program: "exhibit key s3".to_owned(),
            said: error.to_string(),
        })?;
        let text = |name: &str| {
            told.get(name)
                .and_then(|text| text.as_str())
                .unwrap_or_default()
                .to_owned()
        };
        Ok((text("access_key_id"), text("secret_access_key")))
    }

    /// How the store is reached, past the proxy and through it; `None` without one.
    pub(super) fn describe_store(&self) -> Result<Option<serde_json::Value>, HarnessError> {
        let (Some((store, _)), Some(url)) = (&self.store, self.store_url()) else {
            return Ok(None);
        };
        let (owner, (access_key, secret_key)) = (store.owner(), self.store_keys()?);
        Ok(Some(json!({
            "direct": {
                "endpoint": store.endpoint(),
                "access_key": owner.access_key,
                "secret_key": owner.secret_key,
                "region": REGION,
                "tls_endpoint": store.tls_endpoint(),
                "ca": self.directory.join("tls/store-ca.pem"),
            },
            "proxy": {
                "endpoint": self.store_plain_url(),
                "access_key": access_key,
                "secret_key": secret_key,
                "region": REGION,
                "tls_endpoint": url,
                "ca": self.store_authority(),
            },
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::target;
    use crate::stack::{LAKE, LAKE_POLICY, POLICY};

    #[test]
    fn a_policy_says_which_target_is_a_store() {
        assert_eq!(target(POLICY).unwrap(), None);
        assert_eq!(
            target(&format!("{POLICY}{LAKE_POLICY}")).unwrap().as_deref(),
            Some(LAKE)
        );
        assert_eq!(
            target("[[targets]]\nname = \"x\"\nprotocol = \"s3\"")
                .unwrap()
                .as_deref(),
            Some("x")
        );
        assert!(target("[[targets]").is_err());
    }
}
