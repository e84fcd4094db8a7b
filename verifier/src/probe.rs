//! Values that were tried on masked columns ([`exhibit_policy::probe`]), counted again.
//!
//! | check | about |
//! | --- | --- |
//! | a command states no fewer values before it than its proxy had recorded in the hour before | one proxy: an error |
//! | no more values were tried within an hour than the policy lets be | all proxies: a note, since none knows of the others |
//!
//! The time of an event lies up to [`JUDGED_US`] after its decision, so an hour is taken that much shorter. What was asked about
//! counts from when it was asked. What a proxy counts without a command that passed (people refused it) only makes its own
//! count higher.
//!
//! Not here: whether a decision follows from the count that it states (the decision is made again).

use std::collections::BTreeMap;

use exhibit_policy::probe::{self, HOUR_US};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::Facts;
use exhibit_schemas::key::KeyId;
use exhibit_schemas::merkle::Index;

use crate::finding::{Code, Findings, Place};
use crate::session::JUDGED_US;

/// Microseconds of an hour that no difference between a decision and its event reaches beyond.
const SURE_US: u64 = HOUR_US - JUDGED_US;

/// A command that passed and tried values under a mask.
struct Seen {
    index: Index,
    proxy: KeyId,
    /// The time of the event of its decision.
    time: Timestamp,
    /// Values before it, as it states.
    before: u64,
    values: u64,
    /// What the policy lets be tried in an hour.
    limit: u64,
}

/// Everything that was tried, by target and mask.
#[derive(Default)]
pub(crate) struct Probes {
    seen: BTreeMap<(String, String), Vec<Seen>>,
}

impl Probes {
    /// Takes a command that passed; `time` is that of the event of its decision.
    pub(crate) fn passed(
        &mut self,
        index: Index,
        proxy: KeyId,
        time: Timestamp,
        target: &str,
        facts: &Facts,
        policy: &Snapshot,
    ) {
        for (mask, values) in probe::by_mask(policy, target, facts) {
            let key = (target.to_owned(), mask.to_owned());
            self.seen.entry(key).or_default().push(Seen {
                index,
                proxy,
                time,
                before: probe::before(facts, mask).unwrap_or(0),
                values,
                limit: policy.probes_per_hour(mask),
            });
        }
    }

    /// The log ends.
    pub(crate) fn finish(&mut self, findings: &mut Findings) {
        for ((target, mask), mut seen) in std::mem::take(&mut self.seen) {
            seen.sort_by_key(|seen| (seen.time, seen.index));
            let mut by_proxy: BTreeMap<KeyId, Vec<&Seen>> = BTreeMap::new();
            for one in &seen {
                by_proxy.entry(one.proxy).or_default().push(one);
            }
            for own in by_proxy.values() {
                stated(own, &mask, findings);
            }
            let all: Vec<&Seen> = seen.iter().collect();
            exceeded(&all, by_proxy.len(), &target, &mask, findings);
        }
    }
}

/// Holds that each command of a proxy states what the proxy had recorded. They are in the order of their times.
fn stated(own: &[&Seen], mask: &str, findings: &mut Findings) {
    let sums = sums(own);
    for one in own {
        let from = own.partition_point(|other| other.time.0.saturating_add(SURE_US) <= one.time.0);
        let to = own.partition_point(|other| other.time.0.saturating_add(JUDGED_US) < one.time.0);
        let recorded = between(&sums, from, to);
        if one.before < recorded {
            let detail = format!(
                "it states that {} values were tried under mask `{mask}` in the hour before; its proxy had recorded {recorded}",
                one.before
            );
            findings.add(Code::ProbeCount, Place::Entry(one.index), detail);
        }
    }
}

/// Holds that no more was tried within an hour than the policy lets be; told once for each mask.
fn exceeded(all: &[&Seen], proxies: usize, target: &str, mask: &str, findings: &mut Findings) {
    let sums = sums(all);
    for (place, one) in all.iter().enumerate() {
        let from = all.partition_point(|other| other.time.0.saturating_add(SURE_US) <= one.time.0);
        let tried = between(&sums, from, place.saturating_add(1));
        if tried > one.limit {
            let detail = format!(
                "{tried} values were tried under mask `{mask}` of {target} within an hour up to here, by {proxies} proxies in all; its policy lets {} be",
                one.limit
            );
            findings.add(Code::ProbeLimit, Place::Entry(one.index), detail);
            return;
        }
    }
}

/// How many values were tried before each, and after the last.
fn sums(seen: &[&Seen]) -> Vec<u64> {
    let mut sum: u64 = 0;
    let before = seen.iter().map(|one| {
        let before = sum;
        sum = sum.saturating_add(one.values);
        before
    });
    let mut sums: Vec<u64> = before.collect();
    sums.push(sum);
    sums
}

fn between(sums: &[u64], from: usize, to: usize) -> u64 {
    let at = |place: usize| sums.get(place).copied().unwrap_or(0);
    at(to).saturating_sub(at(from))
}
