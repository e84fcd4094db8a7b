//! How many requests of one requester wait for people at once. An agent that asks on and on would bury what others ask, and whoever is
//! shown too much looks at nothing.
//!
//! Counted is what people are shown: a request from before it is recorded until something came of it, and one that stays open for a
//! retry until it is taken up or expires. A requester is a pipeline, whatever branch, run or job of it asks, or else an account.
//!
//! Previews are counted by requester, too: one under way, and so many within a minute, or an hour where nobody was asked then.
//!
//! Not here: what becomes of a request for which there is no place ([`crate::approval`], [`crate::threshold`]).
//!
//! # Known limits
//! The count is this process's own: each proxy counts for itself, and a start begins anew.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::Principal;

/// Requests of one requester that wait at once: more than people decide about between two others, and few enough to read.
pub(crate) const WAITING_OF_ONE_MAX: usize = 32;

/// That a request is one of those that wait, for as long as this is kept.
#[derive(Debug)]
pub(crate) struct Wait(());

/// All of one proxy: as many as it has sessions that wait and requests that stay open, each of which is bounded.
#[derive(Default)]
pub(crate) struct Waits {
    taken: Mutex<Vec<Taken>>,
}

struct Taken {
    requester: Requester,
    expires: Timestamp,
    wait: Weak<Wait>,
}

/// Who is counted as one.
#[derive(PartialEq, Eq)]
enum Requester {
    /// All runs of a repository.
    Pipeline {
        issuer: String,
        provider: String,
        repository_id: String,
    },
    /// All that come by one name. That of a role of AWS is the role's, and what a session of it calls itself stands in its client.
    Account {
        method: String,
        issuer: String,
        subject: String,
    },
}

impl Requester {
    fn of(principal: &Principal) -> Self {
        let issuer = principal.issuer.clone();
        match &principal.run {
            Some(run) => Self::Pipeline {
                issuer,
                provider: run.provider.clone(),
                repository_id: run.repository_id.clone(),
            },
            None => Self::Account {
                method: principal.method.clone(),
                issuer,
                subject: principal.subject.clone(),
            },
        }
    }
}

impl Waits {
    /// A place for one more request that expires then; `None` where as many wait as may.
    pub(crate) fn begin(&self, principal: &Principal, now: Timestamp, expires: Timestamp) -> Option<Arc<Wait>> {
        let requester = Requester::of(principal);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|one| now < one.expires && one.wait.strong_count() > 0);
        if taken.iter().filter(|one| one.requester == requester).count() >= WAITING_OF_ONE_MAX {
            return None;
        }
        let wait = Arc::new(Wait(()));
        taken.push(Taken {
            requester,
            expires,
            wait: Arc::downgrade(&wait),
        });
        Some(wait)
    }
}

/// Previews of one requester that count at once: each locks and works at a target. One counts for a minute from when it was begun, and
/// for an hour where nobody was asked then.
pub(crate) const RUNS_MAX: usize = 10;

const MINUTE_US: u64 = 60_000_000;
const HOUR_US: u64 = 60 * MINUTE_US;

/// That a preview is under way, for as long as this is kept.
pub(crate) struct Run {
    /// Whether people are asked with what it has shown.
    asked: Arc<AtomicBool>,
}

impl Run {
    /// People are asked about it now.
    pub(crate) fn is_asked_about(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }
}

/// The previews of one proxy that count.
#[derive(Default)]
pub(crate) struct Runs {
    begun: Mutex<Vec<Begun>>,
}

struct Begun {
    requester: Requester,
    at: Timestamp,
    run: Weak<Run>,
    asked: Arc<AtomicBool>,
}

impl Begun {
    fn counts(&self, now: Timestamp) -> bool {
        let counts_us = if self.asked.load(Ordering::Relaxed) {
            MINUTE_US
        } else {
            HOUR_US
        };
        // A clock that was set back forgets none of them.
        now.0.saturating_sub(self.at.0) < counts_us || self.run.strong_count() > 0
    }
}

impl Runs {
    /// That one more is under way; `None` where another one of its requester is, or too many were.
    pub(crate) fn begin(&self, principal: &Principal, now: Timestamp) -> Option<Arc<Run>> {
        let requester = Requester::of(principal);
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.retain(|one| one.counts(now));
        let own = || begun.iter().filter(|one| one.requester == requester);
        if own().count() >= RUNS_MAX || own().any(|one| one.run.strong_count() > 0) {
            return None;
        }
        let asked = Arc::new(AtomicBool::new(false));
        let run = Arc::new(Run {
            asked: Arc::clone(&asked),
        });
        begun.push(Begun {
            requester,
            at: now,
            run: Arc::downgrade(&run),
            asked,
        });
        Some(run)
    }
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::digest::Digest;
    use exhibit_schemas::event::Timestamp;
    use exhibit_schemas::event::access::{Principal, Run};

    use super::{HOUR_US, MINUTE_US, RUNS_MAX, Runs, WAITING_OF_ONE_MAX, Waits};

    fn principal(subject: &str, repository_id: Option<&str>) -> Principal {
        let run = repository_id.map(|id| Run {
            provider: "github-actions".into(),
            repository: "octo/app".into(),
            repository_id: id.into(),
            owner_id: "2".into(),
            reference: format!("refs/heads/{subject}"),
            commit: "c0ffee".into(),
            workflow: None,
            run_id: subject.into(),
            job_id: None,
            actor: subject.into(),
            actor_id: "4".into(),
            trigger: "push".into(),
            environment: None,
        });
        Principal {
            method: "oidc".into(),
            issuer: "https://token.example".into(),
            subject: subject.into(),
            client_id: None,
            groups: Vec::new(),
            evidence: Digest::of(subject.as_bytes()),
            run: run.map(Box::new),
        }
    }

    /// Whether a request finds a place beside as many of another as may wait.
    fn beside(many: impl Fn(usize) -> Principal, one: &Principal) -> bool {
        let waits = Waits::default();
        let begin = |principal: &Principal| waits.begin(principal, Timestamp(1), Timestamp(9));
        let kept: Vec<_> = (0..WAITING_OF_ONE_MAX).map(|number| begin(&many(number))).collect();
        assert!(kept.iter().all(Option::is_some), "the limit itself is let in");
        begin(one).is_some()
    }

    #[test]
    fn whoever_is_one_is_counted_as_one_whatever_it_may_choose() {
        let branch = |number: usize| principal(&format!("branch-{number}"), Some("1"));
        assert!(!beside(branch, &principal("another", Some("1"))), "a pipeline");
        assert!(beside(branch, &principal("branch-0", Some("2"))), "another repository");
        assert!(beside(branch, &principal("branch-0", None)));
        let role = |name: &str, session: &str| Principal {
            client_id: Some(format!("AROAEXAMPLEROLEIDENT1:{session}")),
            ..principal(&format!("arn:aws:iam::123456789012:role/{name}"), None)
        };
        let sessions = |number: usize| role("ci", &number.to_string());
        assert!(!beside(sessions, &role("ci", "x")), "a role of AWS");
        assert!(beside(sessions, &role("other", "x")));
        let user = |number: usize| principal(&format!("arn:aws:iam::1:user/team/{number}"), None);
        assert!(beside(user, &principal("arn:aws:iam::1:user/team/x", None)), "users");
        let mut elsewhere = principal("ci", None);
        elsewhere.issuer = "https://other.example".into();
        assert!(beside(|_| principal("ci", None), &elsewhere));
        assert!(!beside(|_| principal("ci", None), &principal("ci", None)));
    }

    #[test]
    fn a_place_is_free_again_when_it_is_given_back_and_when_its_request_expires() {
        let waits = Waits::default();
        let begin = |now: u64, expires: u64| waits.begin(&principal("ci", None), Timestamp(now), Timestamp(expires));
        let mut kept: Vec<_> = (1..WAITING_OF_ONE_MAX).map(|_| begin(1, 9)).collect();
        kept.push(begin(1, 5));
        assert!(begin(4, 9).is_none());
        let later = begin(5, 9);
        assert!(later.is_some(), "one has expired, though it is kept");
        assert!(begin(5, 9).is_none());
        drop(later);
        assert!(begin(5, 9).is_some());
    }

    #[test]
    fn a_requester_has_one_preview_at_a_time_and_so_many_within_a_minute() {
        let runs = Runs::default();
        let (one, other) = (principal("one", None), principal("other", None));
        let begin = |requester, at| {
            let run = runs.begin(requester, Timestamp(at));
            run.inspect(|run| run.is_asked_about())
        };
        let first = begin(&one, 0);
        assert!(first.is_some());
        assert!(begin(&one, 1).is_none(), "one is under way");
        assert!(begin(&other, 1).is_some(), "of another requester");
        drop(first);
        for number in 1..RUNS_MAX {
            assert!(begin(&one, 2).is_some(), "{number}");
        }
        assert!(begin(&one, MINUTE_US - 1).is_none(), "too many");
        assert!(begin(&one, MINUTE_US).is_some(), "the first was a minute ago");
        let long = begin(&other, MINUTE_US * 2);
        assert!(begin(&other, MINUTE_US * 9).is_none(), "still under way");
        drop(long);
    }

    #[test]
    fn previews_that_nobody_was_asked_about_count_for_an_hour() {
        let runs = Runs::default();
        let one = principal("one", None);
        for number in 0..RUNS_MAX {
            assert!(runs.begin(&one, Timestamp(0)).is_some(), "{number}");
        }
        assert!(runs.begin(&one, Timestamp(MINUTE_US)).is_none());
        assert!(runs.begin(&one, Timestamp(HOUR_US - 1)).is_none());
        assert!(runs.begin(&one, Timestamp(HOUR_US)).is_some());
    }
}
