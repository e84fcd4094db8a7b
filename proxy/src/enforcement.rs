//! What an administrator of a target's database asks: the plan of masking by the database itself, its installation, the
//! check, and which masks would suit.
//!
//! The policy, the key of tokens and the way to the server are those of the `[proxy]` section, so what is installed is for
//! exactly the proxy that runs with it. Who connects is an administrator of the database, not the agents' role.
//!
//! Not here: what is installed (`exhibit_postgres::enforce`).

use exhibit_policy::mask::MaskKey;
use exhibit_policy::scan::Proposal;
use exhibit_policy::snapshot::{PolicyError, Snapshot};
use exhibit_postgres::enforce::{Administrator, AdministratorError};
pub use exhibit_postgres::enforce::{Checked, MaskedRelation, Plan, PlanError, Shown, Step};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::mask_key;
use crate::secret::SecretError;

/// Why nothing was planned, applied or checked.
#[derive(Debug, thiserror::Error)]
pub enum EnforcementError {
    /// The file of the policy cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The policy is refused.
    #[error("{}: {error}", path.display())]
    Policy {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        error: PolicyError,
    },
    /// The key of tokens is refused.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// No listener is for that target.
    #[error("no [[proxy.postgres]] is for the target `{0}`")]
    Target(String),
    /// Nobody says which database.
    #[error("`server` of the target `{0}` names no database: name one")]
    Database(String),
    /// The server did not do it.
    #[error(transparent)]
    Administrator(#[from] AdministratorError),
}

/// How an administrator logs in.
pub struct Login {
    /// The role.
    pub user: String,
    /// Its password.
    pub password: Zeroizing<String>,
    /// The database; that of the configuration when absent.
    pub database: Option<String>,
}

/// What a scan of a target's database found.
#[derive(Debug)]
pub struct Scanned {
    /// Columns that were looked at.
    pub columns: usize,
    /// Those of them that the policy masks now.
    pub masked: Vec<String>,
    /// Masks that would suit others.
    pub proposals: Vec<Proposal>,
    /// Relations whose rows could not be read, with the SQLSTATE.
    pub unread: Vec<(String, String)>,
}

/// A target whose database an administrator is connected to.
pub struct Enforcement {
    administrator: Administrator,
    policy: Snapshot,
    target: String,
    key: MaskKey,
}

impl Enforcement {
    /// Reads policy and key, and connects.
    ///
    /// # Errors
    /// [`EnforcementError`].
    pub async fn connect(config: &Config, target: &str, login: Login) -> Result<Self, EnforcementError> {
        let path = &config.policy;
        let bytes = std::fs::read(path).map_err(|error| EnforcementError::File {
            path: path.clone(),
            error,
        })?;
        let policy = Snapshot::parse(&bytes).map_err(|error| EnforcementError::Policy {
            path: path.clone(),
            error,
        })?;
        let key = mask_key::read(&config.directory.join(mask_key::FILE))?;
        let mut listeners = config.postgres.iter();
        let listener = listeners.find(|listener| listener.target == target);
        let listener = listener.ok_or_else(|| EnforcementError::Target(target.to_owned()))?;
        let database = login.database.or_else(|| listener.server.database.clone());
        let database = database.ok_or_else(|| EnforcementError::Database(target.to_owned()))?;
        let administrator = Administrator::connect(listener, &login.user, login.password, &database).await?;
        Ok(Self {
            administrator,
            policy,
            target: target.to_owned(),
            key,
        })
    }

    /// The plan that policy and database call for.
    ///
    /// # Errors
    /// [`EnforcementError::Administrator`].
    pub async fn plan(&mut self) -> Result<Plan, EnforcementError> {
        Ok(self.administrator.plan(&self.policy, &self.target).await?)
    }

    /// Installs it, in one transaction.
    ///
    /// # Errors
    /// [`EnforcementError::Administrator`]; then nothing has changed.
    pub async fn apply(&mut self) -> Result<Plan, EnforcementError> {
        Ok(self.administrator.apply(&self.policy, &self.target, &self.key).await?)
    }

    /// Looks at names, types and samples of the database's columns, and proposes masks for those that have none.
    ///
    /// # Errors
    /// [`EnforcementError::Administrator`].
    pub async fn scan(
        &mut self,
        rows: u32,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Scanned, EnforcementError> {
        let survey = self.administrator.survey(rows, progress).await?;
        let masked = |resource: &str| self.policy.mask(&self.target, resource).is_some();
        let (with, without): (Vec<_>, Vec<_>) = survey.columns.iter().partition(|column| masked(column.resource()));
        Ok(Scanned {
            columns: survey.columns.len(),
            masked: with.iter().map(|column| column.resource().to_owned()).collect(),
            proposals: without.iter().filter_map(|column| column.proposal()).collect(),
            unread: survey.unread,
        })
    }

    /// Compares it with what is installed.
    ///
    /// # Errors
    /// [`EnforcementError::Administrator`]; a difference is not one.
    pub async fn check(&mut self) -> Result<Checked, EnforcementError> {
        Ok(self.administrator.check(&self.policy, &self.target, &self.key).await?)
    }
}

impl EnforcementError {
    /// Why there is no plan, where that is what is wrong.
    pub fn refusals(&self) -> Option<Vec<String>> {
        match self {
            Self::Administrator(AdministratorError::Plan(PlanError::Refused(refusals))) => {
                Some(refusals.iter().map(ToString::to_string).collect())
            }
            _ => None,
        }
    }
}
