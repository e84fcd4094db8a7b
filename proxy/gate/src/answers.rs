//! What people answer to one question, and what that comes to.
//!
//! Not here: which answers count ([`exhibit_policy::approval`]), and how they are heard ([`crate::hearing`]).

use std::sync::Arc;

use exhibit_policy::approval::{self as policy, Decided, Tally, tally};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::terms::{Allowed, allowed};
use tokio::sync::{broadcast, watch};

use crate::approval::Question;
use crate::hearing::{Hearing, Said, Words};
use crate::recorder::{Heard, VerifiedRevocation};
use crate::waits::Wait;

/// What was published about a question so far, and what comes.
pub(crate) struct Answers {
    pub(crate) question: Arc<Question>,
    hearing: Arc<Hearing>,
    said: Arc<Said>,
    /// Until something comes of it, it is one of those that wait.
    wait: Option<Arc<Wait>>,
}

impl Answers {
    /// The answers to a question that was recorded after `since` was subscribed.
    pub(crate) fn new(
        question: Question,
        wait: Arc<Wait>,
        hearing: &Arc<Hearing>,
        since: broadcast::Receiver<Arc<Heard>>,
    ) -> Self {
        Self {
            said: hearing.of(question.leaf(), since),
            hearing: Arc::clone(hearing),
            question: Arc::new(question),
            wait: Some(wait),
        }
    }

    /// Something came of it: it makes room for another question of its requester.
    pub(crate) fn settled(mut self) -> Self {
        drop(self.wait.take());
        self
    }

    /// Is told when there are more.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.said.changes()
    }

    /// What they come to by now.
    ///
    /// # Errors
    /// Why nobody can know.
    pub(crate) fn tally(&self) -> Result<Tally, &'static str> {
        let words = self.words()?;
        let (request, decided) = self.said(&words);
        Ok(tally(&request, &decided, &revocations(&words)))
    }

    /// Whether the question is approved, by exactly these decisions, or let pass in an emergency by this one.
    pub(crate) fn are(&self, decisions: &[Digest]) -> Result<bool, &'static str> {
        Ok(match self.tally()? {
            Tally::Approved(leaves) if leaves == decisions => true,
            // Whoever approves after it passed in an emergency does not undo that.
            Tally::Approved(_) | Tally::Emergency(_) => self.is_emergency(decisions)?,
            Tally::Refused(_) | Tally::Waiting(_) => false,
        })
    }

    /// Whether somebody who may has taken back what people decided, or refuses it after all.
    pub(crate) fn are_taken_back(&self) -> Result<bool, &'static str> {
        let words = self.words()?;
        let (request, decided) = self.said(&words);
        let taken_back = policy::taken_back(&request, &decided, &revocations(&words));
        Ok(policy::is_refused(&request, &decided) || taken_back.is_some())
    }

    /// What all who approve it, and count, let through.
    pub(crate) fn allowed(&self) -> Result<Allowed, &'static str> {
        let words = self.words()?;
        let (request, decided) = self.said(&words);
        let approving = policy::approving(&request, &decided);
        let terms: Vec<_> = approving.iter().map(|decided| (decided.time, decided.body)).collect();
        Ok(allowed(request.body, &terms))
    }

    pub(crate) fn words(&self) -> Result<Words, &'static str> {
        self.hearing.catch_up();
        self.said.words()
    }

    /// The question, and what people decided about it.
    pub(crate) fn said<'a>(&'a self, words: &'a Words) -> (policy::Request<'a>, Vec<Decided<'a>>) {
        let Question {
            body,
            session,
            requester,
            ..
        } = &*self.question;
        let request = policy::Request {
            leaf: self.question.leaf(),
            session: *session,
            requester,
            body,
        };
        let decided = words.decided().map(|made| Decided {
            leaf: made.leaf,
            time: made.time,
            signer: &made.signer,
            revoked: words.revoked.contains(&made.signer.key.id()),
            body: &made.body,
        });
        (request, decided.collect())
    }
}

fn revocations(words: &Words) -> Vec<policy::Revocation<'_>> {
    let taken = words.made.iter().filter_map(|heard| match &**heard {
        Heard::TakenBack(revocation) => Some(revocation.as_ref()),
        Heard::Decided(_) | Heard::Revoked(_) => None,
    });
    taken
        .map(|VerifiedRevocation { leaf, signer, body }| policy::Revocation {
            leaf: *leaf,
            signer,
            body,
        })
        .collect()
}
