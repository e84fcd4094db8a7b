//! What people signed that counts for nothing: decisions and revocations about no request, or about one that they cannot decide, and
//! reviews that are not what they say. Each is a note among the findings; here they are listed with who said what, and why it is void.
//!
//! Not here: reviews that are what they say and are not the one that was asked for ([`crate::schedule`], [`crate::emergency`]), and what
//! is signed about reports, whose own tables say what of it counts ([`crate::sign_off`]).

use exhibit_schemas::event::approval::{ApprovalDecided, ApprovalRevoked};
use exhibit_schemas::event::trust::ReviewSigned;
use exhibit_schemas::merkle::Index;
use serde::Serialize;

use crate::batch::Placed;
use crate::review::Review;
use crate::schedule::Fault;

/// A signed word that counts for nothing.
#[derive(Clone, Debug, Serialize)]
pub struct VoidLine {
    /// Its index.
    pub entry: Index,
    /// When, by the person's clock.
    pub time: String,
    /// What it is: `decision`, `revocation`, `review`.
    pub kind: &'static str,
    /// Name of the person.
    pub person: String,
    /// Groups of the person then.
    pub groups: Vec<String>,
    /// What it is about: the leaf hash of a request, or the scope and the period of a review.
    pub about: String,
    /// The verdict of a decision.
    pub verdict: Option<String>,
    /// The person's words.
    pub words: String,
    /// Why it counts for nothing.
    pub why: String,
}

impl VoidLine {
    /// A decision.
    pub(crate) fn decision(placed: &Placed, body: &ApprovalDecided, why: String) -> Option<Self> {
        Some(Self {
            verdict: Some(body.verdict.to_string()),
            ..Self::of(placed, "decision", body.request.to_string(), &body.reason, why)?
        })
    }

    /// A word that takes an approval back.
    pub(crate) fn revocation(placed: &Placed, body: &ApprovalRevoked, why: String) -> Option<Self> {
        Self::of(placed, "revocation", body.request.to_string(), &body.reason, why)
    }

    /// A review that was not kept to be counted again.
    pub(crate) fn review(placed: &Placed, body: &ReviewSigned, why: Fault) -> Option<Self> {
        Self::of(placed, "review", about(body), &body.finding, why.in_words().to_owned())
    }

    /// A review that was counted again, or could not be.
    pub(crate) fn counted(review: &Review, why: Fault) -> Self {
        Self {
            entry: review.index,
            time: review.time.to_string(),
            kind: "review",
            person: review.person.clone(),
            groups: review.groups.clone(),
            about: about(&review.said),
            verdict: None,
            words: review.said.finding.clone(),
            why: why.in_words().to_owned(),
        }
    }

    /// `None` where it is not known whose key signed it, which was said with its seal.
    fn of(placed: &Placed, kind: &'static str, about: String, words: &str, why: String) -> Option<Self> {
        let signer = placed.signer.as_ref()?;
        Some(Self {
            entry: placed.index,
            time: placed.event.time.to_string(),
            kind,
            person: signer.name.clone(),
            groups: signer.groups.clone(),
            about,
            verdict: None,
            words: words.to_owned(),
            why,
        })
    }
}

fn about(body: &ReviewSigned) -> String {
    format!("{} {}..{}", body.scope, body.from, body.to)
}
