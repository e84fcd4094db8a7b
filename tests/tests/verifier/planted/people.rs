//! What people approved, and what passed by it: 308.a.4.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Action, Facts};
use exhibit_schemas::event::approval::{ApprovalRevoked, Grant, GrantBounds, GrantScope, Previewed, Terms, Verdict};
use exhibit_schemas::event::{Body, Kind, Timestamp};
use exhibit_tests::bundle_builder::clinic::{ALICE, BOB, Clinic, POLICY, clinic, clinic_under, previewing_policy};
use exhibit_tests::bundle_builder::{Batch, Plan, Planned as Event};

use super::plans::{
    Place, SECOND_US, approval, closed_mut, command_mut, decision_mut, delay, end_mut, event, insert, of, of_kind,
    principal, put, remove, request_mut, reseal, run_mut, session,
};
use super::{Case, Planted, Wanted, planted};

const ROW: &str = "308.a.4";

const MINUTE_US: u64 = 60 * SECOND_US;

/// The session whose command people approved, late enough in the log that what they do before stands in it.
const ONE: usize = 3;

pub(super) const CASES: &[Case] = &[
    ("approved after it ran", || {
        changed(|plan, _, decisions, command| {
            let late = plan.batches.remove(decisions[1].0);
            plan.batches.insert(command.0, late);
            said("approval-missing", (command.0 - 1, 0))
        })
    }),
    ("approved for another command", || {
        changed(|plan, _, decisions, command| {
            decision_mut(plan, decisions[1]).command = Digest::of(b"SELECT $integer");
            said("approval-binding", command)
        })
    }),
    ("asked of the requester, too", || {
        changed(|plan, request, _, _| {
            request_mut(plan, request).requirement.requester_may_approve = true;
            said("approval-requirement", request)
        })
    }),
    ("asked in another's name", || {
        changed(|plan, request, _, _| {
            let requester = request_mut(plan, request).requester.as_mut().unwrap();
            requester.subject.push('x');
            said("approval-asker", request)
        })
    }),
    ("shown a preview", || previewed(|_, _, _| Vec::new())),
    ("shown that there is none", || {
        previewed(|plan, _, request| {
            request_mut(plan, request).preview = Some(Previewed::Not("it failed".into()));
            Vec::new()
        })
    }),
    ("shown a preview that nobody asks for", || {
        changed(|plan, request, _, _| {
            request_mut(plan, request).preview = Some(Previewed::Not("it failed".into()));
            said("preview-unasked", request)
        })
    }),
    ("run and rolled back although it changes no rows", || {
        previewed(|plan, run, request| {
            let accesses = |facts: &mut Facts| facts.accesses[0].0 = Action::Define;
            accesses(&mut run_mut(plan, run).facts);
            accesses(&mut request_mut(plan, request).facts);
            let command = (request.0 + 3, request.1);
            accesses(&mut command_mut(plan, command).facts);
            said("preview-unasked", run)
        })
    }),
    ("asked without a preview", || {
        previewed(|plan, _, request| {
            request_mut(plan, request).preview = None;
            said("preview-missing", request)
        })
    }),
    ("asked without a reason for no preview", || {
        previewed(|plan, _, request| {
            request_mut(plan, request).preview = Some(Previewed::Not(" ".into()));
            said("preview-missing", request)
        })
    }),
    ("shown a count that no run has given", || {
        previewed(|plan, run, request| {
            remove(plan, run);
            said("preview-unrun", (request.0 - 1, request.1))
        })
    }),
    ("shown the count of a run two minutes before", || {
        previewed(|plan, run, request| {
            plan.earlier(run, 121_000_000);
            said("preview-late", request)
        })
    }),
    ("shown the count of another statement", || {
        previewed(|plan, run, request| {
            run_mut(plan, run).statement.push('x');
            said("preview-unrun", request)
        })
    }),
    ("shown the count of a run with other facts", || {
        previewed(|plan, run, request| {
            run_mut(plan, run).facts.columns = Some(Vec::new());
            said("preview-unrun", request)
        })
    }),
    ("run and rolled back what may only be read masked", || {
        previewed(|plan, run, request| {
            let masked = || Some(vec!["public.patients.ssn".into()]);
            run_mut(plan, run).facts.columns = masked();
            request_mut(plan, request).facts.columns = masked();
            command_mut(plan, (request.0 + 3, request.1)).facts.columns = masked();
            said("preview-unasked", run)
        })
    }),
    ("run and rolled back, and nobody asked", || {
        previewed(|plan, run, request| {
            run_mut(plan, run).command = Digest::of(b"another");
            request_mut(plan, request).preview = Some(Previewed::Not("it failed".into()));
            said("preview-unfollowed", run)
        })
    }),
    ("run and rolled back twice", || {
        previewed(|plan, run, _| {
            let body = plan.event(run).body.clone();
            insert(plan, run, body);
            said("preview-unfollowed", run)
        })
    }),
    ("approved too late", || {
        changed(|plan, request, decisions, command| {
            let late = request_mut(plan, request).expires.0 + 1;
            plan.event_mut(decisions[1]).time = Timestamp(late);
            said("approval-late", command)
        })
    }),
    ("approved by another group", || {
        changed(|plan, _, decisions, command| {
            reseal(plan, decisions[1].0, BOB);
            said("approval-group", command)
        })
    }),
    ("approved by its requester", || {
        changed(|plan, _, _, command| {
            principal(plan, ONE, |who| who.client_id = Some("alice".into()));
            said("approval-requester", command)
        })
    }),
    ("approved by one decision twice", || {
        changed(|plan, _, _, command| {
            let named = command_mut(plan, command).approvals.as_mut().unwrap();
            named[1] = named[0];
            said("approval-reused", command)
        })
    }),
    ("approved by one person twice", || {
        changed(|plan, _, decisions, command| {
            reseal(plan, decisions[1].0, ALICE);
            said("approval-people", command)
        })
    }),
    ("approved although a person refused", || {
        changed(|plan, request, decisions, command| {
            let mut refusal = plan.event(decisions[0]).clone();
            if let Body::ApprovalDecided(body) = &mut refusal.body {
                body.verdict = Verdict::Deny;
            }
            let events = vec![Event::new(refusal)];
            plan.batches.insert(request.0 + 1, Batch { seed: ALICE, events });
            said("approval-refused", (command.0 + 1, 0))
        })
    }),
    ("taken back before it passed", || {
        changed(|plan, request, decisions, command| {
            let body = ApprovalRevoked {
                index: plan.build().index_of(request).0,
                request: plan.batches[request.0].events[request.1].leaf,
                session: session(plan, ONE),
                reason: "the wrong table".into(),
            };
            // Between both decisions, so that the proxy knew of it.
            put(plan, decisions[1].0, ALICE, body.into());
            said("approval-revoked", (command.0 + 1, 0))
        })
    }),
    ("within the hours", || planted(by_the_hour(), |_| Vec::new())),
    ("outside of the hours", || {
        planted(by_the_hour(), |plan| {
            let (_, _, command) = approval(plan, ONE);
            // The request has until 22:28, and the hours until 22:20.
            delay(plan, command.0, 10 * MINUTE_US);
            said("approval-hours", command)
        })
    }),
    ("as many rows as were approved", || rows(5, &[])),
    ("more rows than were approved", || rows(4, &["approval-rows"])),
    ("a close for an approval that stops nothing", || {
        planted(clinic(6), |plan| {
            let close = of(plan, ONE, Kind::SessionClosed)[0];
            closed_mut(plan, close).reason = "approval".into();
            said("approval-stopped", close)
        })
    }),
    ("a grant", || granted(|_, _, _| Vec::new())),
    ("a grant that was used up", || {
        granted(|plan, decisions, again| {
            for place in decisions {
                grant_mut(plan, place).uses = 1;
            }
            said("grant-uses", again)
        })
    }),
    ("a grant that had ended", || {
        granted(|plan, _, again| {
            delay(plan, again.0, 32 * MINUTE_US);
            said("grant-late", again)
        })
    }),
    ("a grant by other decisions", || {
        granted(|plan, _, again| {
            command_mut(plan, again).approvals.as_mut().unwrap().reverse();
            said("grant-scope", again)
        })
    }),
];

fn said(cause: &'static str, place: Place) -> Vec<Wanted> {
    vec![(ROW, cause, event(place))]
}

/// Of one approved command its request, both decisions and itself are there to be changed.
fn changed(change: fn(&mut Plan, Place, [Place; 2], Place) -> Vec<Wanted>) -> Planted {
    planted(clinic(6), |plan| {
        let (request, decisions, command) = approval(plan, ONE);
        change(plan, request, decisions, command)
    })
}

/// The same where people are shown a preview: the run before the request, and the request.
fn previewed(change: fn(&mut Plan, Place, Place) -> Vec<Wanted>) -> Planted {
    planted(clinic_under(&previewing_policy(), 6), |plan| {
        let (request, _, _) = approval(plan, ONE);
        let run = of(plan, ONE, Kind::PreviewRun)[0];
        change(plan, run, request)
    })
}

/// A clinic whose people approve in the first minutes of its log.
fn by_the_hour() -> Clinic {
    let hours = "people = 2\nhours = { windows = [\"Tue 22:00-22:20\"] }";
    let mut clinic = clinic_under(&POLICY.replacen("people = 2", hours, 1), 6);
    let plan = &mut clinic.plan;
    super::plans::restate(plan, |facts, event| exhibit_policy::hours::timed(facts, event.time));
    same_facts(plan);
    for request in of_kind(plan, Kind::ApprovalRequested) {
        let stated = exhibit_schemas::event::approval::Hours {
            windows: vec!["Tue 22:00-22:20".into()],
            zone: "UTC".into(),
        };
        request_mut(plan, request).requirement.hours = Some(stated);
    }
    clinic
}

/// A command has the facts of the request that people were asked by.
fn same_facts(plan: &mut Plan) {
    for request in of_kind(plan, Kind::ApprovalRequested) {
        let (facts, digest) = {
            let body = request_mut(plan, request);
            (body.facts.clone(), body.command)
        };
        for command in of_kind(plan, Kind::Command) {
            let body = command_mut(plan, command);
            if body.digest == digest {
                body.facts = facts.clone();
            }
        }
    }
}

/// Five rows are changed by an approval for so many.
fn rows(most: u64, causes: &[&'static str]) -> Planted {
    planted(clinic(6), |plan| {
        let (_, decisions, command) = approval(plan, ONE);
        decision_mut(plan, decisions[0]).terms = Some(Terms {
            rows: Some(most),
            grant: None,
        });
        let end = (command.0 + 1, 1);
        end_mut(plan, end).changed = Some(5);
        causes.iter().map(|cause| (ROW, *cause, event(end))).collect()
    })
}

/// A log in which both grant for the session what they approve, and one more command passes by that.
fn granted(change: fn(&mut Plan, [Place; 2], Place) -> Vec<Wanted>) -> Planted {
    let bounds = "grants = { scopes = [\"session\"], minutes = 60, uses = 100, rows = 100 }";
    let policy = POLICY.replacen("expires_s = 900", &format!("expires_s = 900\n{bounds}"), 1);
    // Behind the fourth session come readings, which are good for minutes.
    planted(clinic_under(&policy, 4), |plan| {
        for request in of_kind(plan, Kind::ApprovalRequested) {
            request_mut(plan, request).requirement.grants = Some(GrantBounds {
                scopes: vec![GrantScope::Session],
                minutes: 60,
                uses: 100,
                rows: Some(100),
            });
        }
        let (request, decisions, command) = approval(plan, ONE);
        for place in decisions {
            let (scope, minutes, uses) = (GrantScope::Session, 30, 2);
            decision_mut(plan, place).terms = Some(Terms {
                rows: None,
                grant: Some(Grant { scope, minutes, uses }),
            });
        }
        passes_again(plan, request, command);
        change(plan, decisions, (command.0 + 2, 0))
    })
}

fn grant_mut(plan: &mut Plan, place: Place) -> &mut Grant {
    let terms = decision_mut(plan, place).terms.as_mut();
    terms.and_then(|terms| terms.grant.as_mut()).unwrap()
}

/// The command passes once more by the grant, behind the reply to the first.
fn passes_again(plan: &mut Plan, request: Place, command: Place) {
    let leaf = plan.batches[request.0].events[request.1].leaf;
    let mut more = plan.batches[command.0..command.0 + 2].to_vec();
    let last = more[1].events[1].event.time.0;
    let mut bytes = 0;
    // The numbers only have to differ from all others before they are given anew.
    for (number, planned) in (1..).zip(more.iter_mut().flat_map(|batch| &mut batch.events)) {
        planned.event.time.0 = last + number;
        planned.event.session.as_mut().unwrap().1 = 999 + number;
        match &mut planned.event.body {
            Body::Command(body) => (body.request, body.retries) = (None, Some(leaf)),
            Body::ResponseChunk(body) => body.command = 1_000,
            Body::ResponseEnd(body) => (body.command, bytes) = (1_000, body.bytes),
            other => panic!("a command and its reply: {}", other.kind()),
        }
        *planned = Event::new(planned.event.clone());
    }
    plan.batches.splice(command.0 + 2..command.0 + 2, more);
    let session = session(plan, ONE);
    plan.renumber(session);
    let close = of(plan, ONE, Kind::SessionClosed)[0];
    let close = closed_mut(plan, close);
    (close.commands, close.bytes) = (close.commands + 1, close.bytes + bytes);
}
