//! Sessions: who opens one, and where it stands.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Principal, Run, SessionClosed, SessionOpened};
use exhibit_schemas::event::{SessionId, SessionPlace, Timestamp};

use super::{HOUR_US, Years};
use crate::HarnessError;

/// Agents with keys of their own.
const AGENTS: u64 = 40;

/// Repositories whose pipelines come.
const REPOSITORIES: u64 = 12;

/// A session that is open.
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) proxy: u8,
    pub(super) target: &'static str,
    pub(super) principal: Principal,
    pub(super) bytes: u64,
    next: u64,
    commands: u64,
    left: u64,
}

impl Session {
    /// The place of its next event.
    pub(super) fn next_place(&mut self) -> SessionPlace {
        let place = SessionPlace(self.id, self.next);
        self.next += 1;
        place
    }

    /// The number that its next event will have.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// It runs a command.
    pub(super) fn runs(&mut self) {
        self.commands += 1;
        self.left = self.left.saturating_sub(1);
    }

    pub(super) const fn is_over(&self) -> bool {
        self.left == 0
    }
}

impl Years {
    /// Opens a session of an agent or a pipeline.
    pub(super) fn open(&mut self) -> Result<Session, HarnessError> {
        let proxy = self.any_proxy();
        let is_pipeline = self.random.once_in(3);
        let principal = if is_pipeline { self.pipeline() } else { self.agent() };
        let mut session = Session {
            id: SessionId(self.random.bytes()),
            proxy,
            target: if self.random.once_in(4) { "billing" } else { "clinic" },
            principal: principal.clone(),
            bytes: 0,
            next: 0,
            commands: 0,
            left: 4 + self.random.below(14),
        };
        let opened = SessionOpened {
            target: session.target.into(),
            protocol: "postgres".into(),
            principal,
            peer: format!("10.0.{}.{}:40000", self.random.below(16), self.random.below(250)),
            transport: "TLSv1.3 TLS13_AES_128_GCM_SHA256".into(),
            policy: self.policy.digest(),
            client: Some(if is_pipeline { "psycopg" } else { "psql" }.into()),
            expires: is_pipeline.then(|| Timestamp(self.log.now + HOUR_US)),
            mask_key: self.mask_keys.get(&proxy).map(|(key, _)| *key),
        };
        self.add(&mut session, opened.into())?;
        Ok(session)
    }

    fn agent(&mut self) -> Principal {
        let subject = format!("ci-agent-{}", self.random.below(AGENTS));
        Principal {
            method: "api-key".into(),
            issuer: "api-keys.toml".into(),
            evidence: Digest::of(subject.as_bytes()),
            subject,
            client_id: None,
            groups: vec!["developers".into()],
            run: None,
        }
    }

    /// A run of a pipeline, with a token of its own.
    fn pipeline(&mut self) -> Principal {
        let repository = format!("years/service-{}", self.random.below(REPOSITORIES));
        let run = Run {
            provider: "github-actions".into(),
            repository_id: "456789".into(),
            owner_id: "1234".into(),
            reference: "refs/heads/main".into(),
            commit: hex::encode(self.random.bytes()),
            workflow: Some("nightly".into()),
            run_id: self.random.below(1 << 40).to_string(),
            job_id: None,
            actor: format!("developer-{}", self.random.below(20)),
            actor_id: "77".into(),
            trigger: "schedule".into(),
            environment: None,
            repository: repository.clone(),
        };
        Principal {
            method: "oidc".into(),
            issuer: "https://token.actions.githubusercontent.com".into(),
            subject: format!("repo:{repository}:ref:refs/heads/main"),
            client_id: None,
            groups: Vec::new(),
            evidence: Digest::of(&self.random.bytes()),
            run: Some(Box::new(run)),
        }
    }

    pub(super) fn close(&mut self, mut session: Session) -> Result<(), HarnessError> {
        let closed = SessionClosed {
            reason: "agent".into(),
            commands: session.commands,
            bytes: session.bytes,
        };
        self.add(&mut session, closed.into())?;
        Ok(())
    }
}
