//! Mutants of what is said of refused log-ins, sealed again by the proxy that says it.

use exhibit_schemas::event::{Body, Kind, Timestamp};
use exhibit_verify::Code;

use super::{Base, Expected, Mutant, Random};

/// How many of each class.
const EACH: u64 = 4;

pub(crate) fn mutants(base: &Base, random: &mut Random) -> Vec<Mutant> {
    (0..2 * EACH)
        .map(|number| changed(base, random, number < EACH))
        .collect()
}

/// One counts nobody, or began after it was recorded.
fn changed(base: &Base, random: &mut Random, nobody: bool) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&plan.find(|event| event.kind() == Kind::LoginRefused));
    let later = Timestamp(plan.event(place).time.0 + 1 + u64::try_from(random.below(1_000)).unwrap());
    let Body::LoginRefused(refused) = &mut plan.event_mut(place).body else {
        panic!("a refused log-in was looked for");
    };
    let class = if nobody {
        refused.count = 0;
        "login-of-nobody"
    } else {
        refused.since = later;
        "login-from-later-on"
    };
    let index = plan.build().index_of(place);
    let expected = Expected::at(&[Code::LoginCount], index, index);
    base.sealed(class, format!("#{index}"), &plan, expected)
}
