//! The connection of an administrator: it reads what a server says of itself, installs a plan, and checks one.
//!
//! It reaches the server as the proxy does, with the same TLS and authentication, but as another role. Agents have no way to
//! it, and nothing of an agent goes through it. A plan is installed in one transaction, which ends by asking again: what
//! the server says then must call for the same plan, and let the agents' role read nothing that is masked.
//!
//! Not here: the command line.

use exhibit_policy::mask::MaskKey;
use exhibit_policy::snapshot::Snapshot;
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};
use zeroize::Zeroizing;

use super::facts::{self, Facts, FactsError};
use super::plan::Plan;
use super::refusal::PlanError;
use super::script::{APPLIED, Step, TwinStep};
use super::standing::{Drift, READABLE, Record, STANDING, Wanted, unreadable};
use super::warning::Warning;
use super::{SCHEMA, expression, literal};
use crate::config::{Config, ConfigError, Server};
use crate::greeting::Ready;
use crate::link::{Connection, Incoming, Room};
use crate::message::backend::Backend;
use crate::message::encode;
use crate::upstream::{Route, UpstreamError};

/// Rows of an answer at the most: columns of a database that a role may read.
const ROWS_MAX: usize = 1_000_000;

/// What every question is asked under. Nothing that is said here is logged by the server, for one statement has the key;
/// the lock lets one administrator at a time.
const BEGIN: [&str; 3] = [
    "BEGIN ISOLATION LEVEL READ COMMITTED",
    "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL lock_timeout = '30s'",
    "SELECT pg_advisory_xact_lock(hashtext('exhibit'))",
];

/// Settings by which a server would log statements and their parameters.
const UNLOGGED: &str = "SET LOCAL log_statement = 'none'; SET LOCAL log_min_duration_statement = -1; \
SET LOCAL log_min_duration_sample = -1; SET LOCAL log_transaction_sample_rate = 0; SET LOCAL log_duration = off; \
SET LOCAL log_min_error_statement = 'panic'; SET LOCAL log_parameter_max_length = 0; \
SET LOCAL log_parameter_max_length_on_error = 0; SET LOCAL track_activities = off";

/// Why an administrator's work did not come to its end. Nothing of it is in force then.
#[derive(Debug, thiserror::Error)]
pub enum AdministratorError {
    /// The configuration of the target is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The server cannot be reached, or does not let the administrator in.
    #[error("{0}")]
    Server(String),
    /// The server refused a statement.
    #[error("the server refused (SQLSTATE {code}): {text}")]
    Refused {
        /// SQLSTATE.
        code: String,
        /// What it said.
        text: String,
    },
    /// A view that agents use cannot stand over masked relations.
    #[error(
        "{view} reads masked columns with the rights of its owner, and cannot read them masked, for the server says: {text}; revoke the agents' rights on it, or make it a view WITH (security_invoker)"
    )]
    View {
        /// The view.
        view: String,
        /// What the server said.
        text: String,
    },
    /// The server's answer is not understood.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// There is no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Statements of a plan make roles and take rights away from others.
    #[error("the administrator is not a superuser, which a plan needs")]
    Superuser,
    /// After the plan the database is not as it has to be. It was rolled back.
    #[error("the plan was rolled back: {0}")]
    Fell(Drift),
}

impl From<UpstreamError> for AdministratorError {
    fn from(error: UpstreamError) -> Self {
        Self::Server(error.to_string())
    }
}

/// What a check found.
#[derive(Debug)]
pub struct Checked {
    /// The plan that the database calls for now.
    pub plan: Plan,
    /// In what it differs; nothing where it matches.
    pub drift: Option<Drift>,
}

/// A connection of an administrator.
pub struct Administrator {
    incoming: Incoming<ReadHalf<Connection>>,
    writer: WriteHalf<Connection>,
    /// The agents' role.
    role: String,
}

/// Rows of an answer, as text.
pub(crate) type Rows = Vec<Vec<Option<String>>>;

impl Administrator {
    /// Connects to the server of a target as somebody else than its agents' role.
    ///
    /// # Errors
    /// [`AdministratorError::Config`], [`AdministratorError::Server`].
    pub async fn connect(
        config: &Config,
        user: &str,
        password: Zeroizing<String>,
        database: &str,
    ) -> Result<Self, AdministratorError> {
        config.check()?;
        let route = Route {
            server: Server {
                user: user.to_owned(),
                ..config.server.clone()
            },
            password,
            connector: crate::tls::connector(config)?,
            room: Room::default(),
        };
        let Ready { incoming, writer, .. } = route.ready(database).await?;
        Ok(Self {
            incoming,
            writer,
            role: config.server.user.clone(),
        })
    }

    /// The plan for a target.
    ///
    /// # Errors
    /// [`AdministratorError`]; [`AdministratorError::Plan`] where there is none.
    pub async fn plan(&mut self, policy: &Snapshot, target: &str) -> Result<Plan, AdministratorError> {
        self.begin().await?;
        let plan = self.compile(policy, target).await;
        self.statement("ROLLBACK").await?;
        plan.map(|(plan, _)| plan)
    }

    /// Installs the plan for a target, in one transaction.
    ///
    /// # Errors
    /// [`AdministratorError`]; then nothing has changed.
    pub async fn apply(&mut self, policy: &Snapshot, target: &str, key: &MaskKey) -> Result<Plan, AdministratorError> {
        self.begin().await?;
        match self.install(policy, target, key).await {
            Ok(plan) => {
                self.statement("COMMIT").await?;
                Ok(plan)
            }
            Err(error) => {
                // Where the connection is gone, the server rolls back by itself.
                let _ = self.statement("ROLLBACK").await;
                Err(error)
            }
        }
    }

    /// Compares what is installed with what the policy calls for.
    ///
    /// # Errors
    /// [`AdministratorError`]; a difference is not one of them.
    pub async fn check(
        &mut self,
        policy: &Snapshot,
        target: &str,
        key: &MaskKey,
    ) -> Result<Checked, AdministratorError> {
        self.begin().await?;
        let (plan, _) = self.compile(policy, target).await?;
        let drift = self.drift(policy, target, key, &plan).await;
        self.statement("ROLLBACK").await?;
        match drift {
            Ok(()) => Ok(Checked { plan, drift: None }),
            Err(Fall::Drift(drift)) => Ok(Checked {
                plan,
                drift: Some(drift),
            }),
            Err(Fall::Error(error)) => Err(error),
        }
    }

    async fn begin(&mut self) -> Result<(), AdministratorError> {
        for statement in BEGIN {
            self.statement(statement).await?;
        }
        Ok(())
    }

    async fn compile(&mut self, policy: &Snapshot, target: &str) -> Result<(Plan, Facts), AdministratorError> {
        let rows = self.statement(&facts::query(&self.role)).await?;
        let document = rows.into_iter().next().and_then(|row| row.into_iter().next().flatten());
        let facts = Facts::parse(&document.unwrap_or_default())?;
        let plan = Plan::compile(policy, target, &self.role, &facts)?;
        Ok((plan, facts))
    }

    async fn install(&mut self, policy: &Snapshot, target: &str, key: &MaskKey) -> Result<Plan, AdministratorError> {
        let (plan, facts) = self.compile(policy, target).await?;
        if !facts.server.superuser {
            return Err(AdministratorError::Superuser);
        }
        self.statement(UNLOGGED).await?;
        let mut warnings = Vec::new();
        for step in plan.steps() {
            match &step.twin {
                _ if step.takes_key => drop(self.with_key(&step.sql, key).await?),
                None => drop(self.statement(&step.sql).await?),
                Some(twin) => warnings.extend(self.stand_in(step, twin).await?),
            }
        }
        let record = [&plan.target, &plan.role].map(|text| literal(text));
        let digests = [plan.policy.to_string(), plan.masks.clone(), plan.digest.to_string()];
        let digests = digests.map(|digest| literal(&digest));
        let record = [record.join(", "), digests.join(", ")].join(", ");
        self.statement(&format!("DELETE FROM {SCHEMA}.{APPLIED}")).await?;
        self.statement(&format!(
            "INSERT INTO {SCHEMA}.{APPLIED} (target, role, policy, masks, plan) VALUES ({record})"
        ))
        .await?;
        let now = self.record().await?.map_err(AdministratorError::Fell)?.now;
        self.statement(&format!("UPDATE {SCHEMA}.{APPLIED} SET state = {}", literal(&now)))
            .await?;
        // What follows only asks; the commit is the caller's.
        let (again, left) = self.compile(policy, target).await?;
        if let Some(view) = again.reads_raw(policy, &left) {
            return Err(AdministratorError::Fell(Drift::Raw(view)));
        }
        if let Some(relation) = again.right_left(policy, &left) {
            return Err(AdministratorError::Fell(Drift::Right(relation)));
        }
        if again.digest() != plan.digest() {
            return Err(AdministratorError::Fell(Drift::Plan));
        }
        match self.drift(policy, target, key, &again).await {
            Ok(()) => Ok(plan.warned(warnings)),
            Err(Fall::Drift(drift)) => Err(AdministratorError::Fell(drift)),
            Err(Fall::Error(error)) => Err(error),
        }
    }

    /// Makes the twin of a view. One that agents can do without is left out where the server does not take it: they are
    /// denied the view then, of which there is a warning.
    async fn stand_in(&mut self, step: &Step, twin: &TwinStep) -> Result<Option<Warning>, AdministratorError> {
        self.statement("SAVEPOINT twin").await?;
        match self.statement(&step.sql).await {
            Err(AdministratorError::Refused { text, .. }) if twin.needed => Err(AdministratorError::View {
                view: twin.view.clone(),
                text,
            }),
            Err(AdministratorError::Refused { text, .. }) => {
                self.statement("ROLLBACK TO twin").await?;
                let (view, why) = (twin.view.clone(), format!("the server does not take it: {text}"));
                Ok(Some(Warning::NoTwin { view, why }))
            }
            other => other.map(|_| None),
        }
    }

    async fn drift(&mut self, policy: &Snapshot, target: &str, key: &MaskKey, plan: &Plan) -> Result<(), Fall> {
        let role = self.role.clone();
        let wanted = Wanted {
            policy,
            target,
            role: &role,
            key,
        };
        let there = format!("SELECT 1 WHERE to_regclass('{SCHEMA}.standing') IS NOT NULL");
        if self.statement(&there).await?.is_empty() {
            return Err(Fall::Drift(Drift::Missing));
        }
        let record = match self.record().await {
            // What is installed does not even answer.
            Err(AdministratorError::Refused { .. }) => Err(Drift::State),
            record => record?,
        }?;
        record.agrees(&wanted)?;
        if record.plan != plan.digest().to_string() {
            return Err(Fall::Drift(Drift::Plan));
        }
        let readable = self.statement(READABLE).await?;
        Ok(unreadable(texts(readable), &wanted)?)
    }

    async fn record(&mut self) -> Result<Result<Record, Drift>, AdministratorError> {
        Ok(Record::read(texts(self.statement(&STANDING).await?)))
    }

    /// Runs a statement that is no agent's.
    pub(crate) async fn statement(&mut self, sql: &str) -> Result<Rows, AdministratorError> {
        let query = encode::message(b'Q', &[sql.as_bytes(), &[0]].concat());
        self.send(&query).await
    }

    /// Runs a statement with the key as parameters, which no log and no list of activities has.
    async fn with_key(&mut self, sql: &str, key: &MaskKey) -> Result<Rows, AdministratorError> {
        let mut bind = Zeroizing::new(vec![0, 0]);
        // Three parameters, all in text form: no format codes.
        bind.extend([0, 0, 0, 3]);
        let pads = key
            .pads()
            .map(|pad| Zeroizing::new(format!("\\x{}", *Zeroizing::new(hex::encode(*pad)))));
        let texts = pads.iter().map(|pad| pad.as_str());
        for text in texts.chain([expression::letters()]) {
            bind.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            bind.extend_from_slice(text.as_bytes());
        }
        bind.extend([0, 0]);
        let messages = [
            encode::message(b'P', &[&[0], sql.as_bytes(), &[0, 0, 0]].concat()),
            encode::message(b'B', &bind),
            encode::message(b'E', &[0; 5]),
            encode::message(b'S', &[]),
        ];
        let messages = Zeroizing::new(messages.concat());
        self.send(&messages).await
    }

    async fn send(&mut self, messages: &[u8]) -> Result<Rows, AdministratorError> {
        let gone = |error: std::io::Error| AdministratorError::Server(format!("the server is gone: {error}"));
        self.writer.write_all(messages).await.map_err(gone)?;
        self.writer.flush().await.map_err(gone)?;
        let mut rows = Vec::new();
        let mut failed = None;
        loop {
            let raw = self.incoming.raw().await.map_err(UpstreamError::from)?;
            match Backend::parse(&raw).map_err(UpstreamError::from)? {
                Backend::DataRow(cells) if rows.len() < ROWS_MAX => {
                    let text = |cell: Option<Vec<u8>>| cell.map(String::from_utf8).transpose();
                    let cells: Result<Vec<_>, _> = cells.into_iter().map(text).collect();
                    rows.push(cells.map_err(|_| AdministratorError::from(UpstreamError::Protocol))?);
                }
                Backend::Error(fields) => {
                    let field = |wanted: u8| {
                        let field = fields.iter().find(|(name, _)| *name == wanted);
                        field.map(|(_, text)| text.clone()).unwrap_or_default()
                    };
                    failed = Some(AdministratorError::Refused {
                        code: field(b'C'),
                        text: field(b'M'),
                    });
                }
                Backend::Ready(_) => return failed.map_or(Ok(rows), Err),
                Backend::ParseComplete
                | Backend::BindComplete
                | Backend::RowDescription(_)
                | Backend::CommandComplete { .. }
                | Backend::Notice(_)
                | Backend::NoData
                | Backend::ParameterStatus { .. } => {}
                _ => return Err(UpstreamError::Protocol.into()),
            }
        }
    }
}

/// The same rows with an empty text in the place of NULL.
fn texts(rows: Rows) -> Vec<Vec<String>> {
    let texts = |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap_or_default).collect();
    rows.into_iter().map(texts).collect()
}

/// Why a check stops: a difference, or an error.
enum Fall {
    Drift(Drift),
    Error(AdministratorError),
}

impl From<Drift> for Fall {
    fn from(drift: Drift) -> Self {
        Self::Drift(drift)
    }
}

impl From<AdministratorError> for Fall {
    fn from(error: AdministratorError) -> Self {
        Self::Error(error)
    }
}
