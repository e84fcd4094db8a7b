//! What one listed person lets pass in an emergency: which decision, and until when.
//!
//! Not here: who may, and that hours do not hold then ([`exhibit_policy::approval::check`]).

use exhibit_policy::approval as policy;
use exhibit_policy::emergency;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::approval::Verdict;

use crate::answers::Answers;

impl Answers {
    /// The decision that lets it pass now because of an emergency.
    ///
    /// # Errors
    /// Why nobody can know.
    pub(crate) fn emergency(&self, now: Timestamp) -> Result<Option<Digest>, &'static str> {
        let words = self.words()?;
        let (request, decided) = self.said(&words);
        let found = policy::emergency(&request, &decided);
        let found = found.filter(|decided| now <= emergency::ends(request.body, decided.time, now));
        Ok(found.map(|decided| decided.leaf))
    }

    /// Whether this is one decision that lets it pass in an emergency, and that counts by now; how long it lasts aside.
    ///
    /// # Errors
    /// Why nobody can know.
    pub(crate) fn is_emergency(&self, decisions: &[Digest]) -> Result<bool, &'static str> {
        let words = self.words()?;
        let (request, decided) = self.said(&words);
        let counts = decided.iter().any(|decided| {
            decided.body.verdict == Verdict::Emergency
                && decisions == [decided.leaf]
                && policy::check(&request, decided).is_ok()
        });
        Ok(counts)
    }

    /// Until when what passes first at `first` by these decisions may be released; `None` where the approval says nothing of it.
    ///
    /// # Errors
    /// Why nobody can know.
    pub(crate) fn ends(&self, decisions: &[Digest], first: Timestamp) -> Result<Option<Timestamp>, &'static str> {
        let words = self.words()?;
        let (request, decided) = self.said(&words);
        let mut named = decided.iter().filter(|made| decisions.contains(&made.leaf));
        let used = named.find(|made| made.body.verdict == Verdict::Emergency);
        Ok(used.map(|used| emergency::ends(request.body, used.time, first)))
    }
}
