//! What a scoped export is asked for, and which session is of it.
//!
//! All that is given has to hold. In JSON: `{"session": hex, "subject": text, "target": text, "from": time, "to": time, "patient": hex}`,
//! in this order, each only where it is given; times in the one form that events are printed in.

use serde::{Deserialize, Serialize};

use crate::event::access::PatientToken;
use crate::event::{SessionId, Timestamp};

/// Bytes of a name at the most; no claim of an identity provider and no target comes near.
const NAME_BYTES_MAX: usize = 1_024;

/// Why a scope is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// It asks for nothing.
    #[error("a scope names a session, a subject, a target, a period or a patient")]
    Empty,
    /// An id is none.
    #[error("a session, and the token of a patient, is 32 hexadecimal digits in lower case")]
    Id,
    /// A name is none.
    #[error("a name in a scope has 1 to {NAME_BYTES_MAX} bytes and no control characters")]
    Name,
    /// The period is none.
    #[error("a period in a scope has both ends, in their one form, and begins before it ends")]
    Period,
}

/// What was asked for; a session is of it where all of it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Scope {
    // Invariant: something is given, names are printable, and the period begins before it ends.
    session: Option<SessionId>,
    subject: Option<String>,
    target: Option<String>,
    period: Option<(Timestamp, Timestamp)>,
    patient: Option<PatientToken>,
}

/// A scope as JSON has it.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patient: Option<String>,
}

impl TryFrom<Written> for Scope {
    type Error = ScopeError;

    fn try_from(written: Written) -> Result<Self, ScopeError> {
        let time = |text: &str| Timestamp::parse(text).filter(|time| time.to_string() == text);
        let period = match (&written.from, &written.to) {
            (None, None) => None,
            (Some(from), Some(to)) => Some(time(from).zip(time(to)).ok_or(ScopeError::Period)?),
            _ => return Err(ScopeError::Period),
        };
        let id = |text: Option<String>| text.map(|text| lower(&text).ok_or(ScopeError::Id)).transpose();
        Self::new(
            id(written.session)?.map(SessionId),
            written.subject,
            written.target,
            period,
            id(written.patient)?.map(PatientToken),
        )
    }
}

/// 16 bytes in lower-case hexadecimal.
fn lower(text: &str) -> Option<[u8; 16]> {
    let id = SessionId::from_hex(text)?;
    (id.to_string() == text).then_some(id.0)
}

impl From<Scope> for Written {
    fn from(scope: Scope) -> Self {
        Self {
            session: scope.session.map(|session| session.to_string()),
            subject: scope.subject,
            target: scope.target,
            from: scope.period.map(|(from, _)| from.to_string()),
            to: scope.period.map(|(_, to)| to.to_string()),
            patient: scope.patient.map(|patient| patient.to_string()),
        }
    }
}

/// What decides whether a session is of a scope.
#[derive(Clone, Debug)]
pub struct Member {
    /// Whom its opening names; `None` where there is none.
    pub opened: Option<Opening>,
    /// When its last event was made.
    pub last: Timestamp,
    /// Whether a chunk of it has a record of the scope's patient.
    pub of_patient: bool,
}

/// What the opening of a session says.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The principal's subject.
    pub subject: String,
    /// The target.
    pub target: String,
    /// When.
    pub time: Timestamp,
}

impl Scope {
    /// A scope of what is given.
    ///
    /// # Errors
    /// [`ScopeError`].
    pub fn new(
        session: Option<SessionId>,
        subject: Option<String>,
        target: Option<String>,
        period: Option<(Timestamp, Timestamp)>,
        patient: Option<PatientToken>,
    ) -> Result<Self, ScopeError> {
        let named = |name: &String| (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
        if ![&subject, &target].into_iter().flatten().all(named) {
            return Err(ScopeError::Name);
        }
        if period.is_some_and(|(from, to)| from >= to) {
            return Err(ScopeError::Period);
        }
        let nothing =
            session.is_none() && subject.is_none() && target.is_none() && period.is_none() && patient.is_none();
        if nothing {
            return Err(ScopeError::Empty);
        }
        Ok(Self {
            session,
            subject,
            target,
            period,
            patient,
        })
    }

    /// Reads the JSON of a scope; takes only the form that [`Scope::to_json`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let scope: Self = serde_json::from_str(text).ok()?;
        (scope.to_json() == text).then_some(scope)
    }

    /// Its JSON, compact.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts are JSON")
    }

    /// The session that it names.
    pub const fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// The subject that it names.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The target that it names.
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// The period that it names.
    pub const fn period(&self) -> Option<(Timestamp, Timestamp)> {
        self.period
    }

    /// The patient that it names.
    pub const fn patient(&self) -> Option<PatientToken> {
        self.patient
    }

    /// Whether a session is of it. One is of a period if it was opened before the period's end, and its last event is not before the
    /// period's beginning.
    pub fn holds(&self, session: SessionId, member: &Member) -> bool {
        let opened = member.opened.as_ref();
        let of = |wanted: &Option<String>, name: fn(&Opening) -> &str| {
            wanted.as_deref().is_none_or(|wanted| opened.map(name) == Some(wanted))
        };
        let in_time = self
            .period
            .is_none_or(|(from, to)| opened.is_some_and(|opened| opened.time < to) && member.last >= from);
        self.session.is_none_or(|wanted| wanted == session)
            && of(&self.subject, |opened| &opened.subject)
            && of(&self.target, |opened| &opened.target)
            && in_time
            && (self.patient.is_none() || member.of_patient)
    }
}

impl std::fmt::Display for Scope {
    /// In words: `the session 41…, of the subject "ci"`.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.session {
            Some(session) => write!(formatter, "the session {session}")?,
            None => formatter.write_str("the sessions")?,
        }
        if let Some(subject) = &self.subject {
            write!(formatter, " of the subject {subject:?}")?;
        }
        if let Some(target) = &self.target {
            write!(formatter, " on the target {target:?}")?;
        }
        if let Some((from, to)) = self.period {
            write!(formatter, " in the period {from}..{to}")?;
        }
        if let Some(patient) = self.patient {
            write!(formatter, " that released records of the patient {patient}")?;
        }
        Ok(())
    }
}
