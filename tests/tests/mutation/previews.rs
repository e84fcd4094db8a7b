//! Mutants of previews: runs that nobody was asked about, and what people are shown without a run, or without being asked to be.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::approval::{ApprovalRequested, PreviewRun, Previewed};
use exhibit_schemas::event::{Body, Kind};
use exhibit_tests::bundle_builder::Plan;
use exhibit_tests::bundle_builder::clinic::{clinic_under, previewing_policy};
use exhibit_verify::Code;

use super::events::{at, of_kind};
use super::{Base, Mutant, Random};

type Place = (usize, usize);

/// Sessions of the log.
const SESSIONS: u8 = 6;

/// How many of each class.
const EACH: usize = 4;

/// The log in which people are shown a preview of all that they are asked about.
pub(crate) fn previewing() -> Base {
    Base::of(clinic_under(&previewing_policy(), SESSIONS))
}

/// Longer than people may be asked after a run, with what its proxy has to record that.
const TOO_LONG_US: u64 = 121_000_000;

/// What is changed of a run and the request behind it, and what must be found where.
type Change = fn(&mut Plan, Place, Place) -> (Place, &'static [Code]);

const CLASSES: [(&str, Change); 6] = [
    ("preview-of-another", |plan, run, _| {
        run_mut(plan, run).command = Digest::of(b"DROP TABLE patients");
        (run, &[Code::PreviewUnfollowed])
    }),
    ("preview-dropped", |plan, _, request| {
        request_mut(plan, request).preview = None;
        (request, &[Code::PreviewMissing])
    }),
    ("preview-made-up", |plan, run, mut request| {
        let removed = plan.remove(run);
        plan.renumber(removed.session.expect("it is of a session").0);
        if request.0 == run.0 {
            request.1 -= 1;
        } else if of_kind(plan, Kind::ApprovalRequested)
            .iter()
            .all(|place| *place != request)
        {
            request.0 -= 1;
        }
        (request, &[Code::PreviewUnrun])
    }),
    ("preview-by-another-decision", |plan, run, _| {
        run_mut(plan, run).decision.reason.push('x');
        (run, &[Code::DecisionDiffers])
    }),
    ("preview-of-another-time", |plan, run, request| {
        plan.earlier(run, TOO_LONG_US);
        (request, &[Code::PreviewLate])
    }),
    ("preview-without-a-reason", |plan, _, request| {
        request_mut(plan, request).preview = Some(Previewed::Not(String::new()));
        (request, &[Code::PreviewMissing])
    }),
];

fn run_mut(plan: &mut Plan, place: Place) -> &mut PreviewRun {
    let Body::PreviewRun(body) = &mut plan.event_mut(place).body else {
        panic!("a run was looked for");
    };
    body
}

fn request_mut(plan: &mut Plan, place: Place) -> &mut ApprovalRequested {
    let Body::ApprovalRequested(body) = &mut plan.event_mut(place).body else {
        panic!("a request was looked for");
    };
    body
}

pub(crate) fn mutants(base: &Base, random: &mut Random) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    let previewing = previewing();
    for (class, change) in CLASSES {
        for _ in 0..EACH {
            let mut plan = previewing.plan();
            let requests = of_kind(&plan, Kind::ApprovalRequested);
            let request = random.pick(&requests);
            let runs = of_kind(&plan, Kind::PreviewRun);
            let run = *runs.iter().rfind(|run| **run < request).expect("it was run before");
            let (place, codes) = change(&mut plan, run, request);
            mutants.push(at(&previewing, class, &plan, place, codes));
        }
    }
    for _ in 0..EACH {
        let mut plan = base.plan();
        let request = random.pick(&of_kind(&plan, Kind::ApprovalRequested));
        request_mut(&mut plan, request).preview = Some(Previewed::Rows(1));
        let codes = &[Code::PreviewUnasked];
        mutants.push(at(base, "preview-that-nobody-asks-for", &plan, request, codes));
    }
    mutants
}
