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
//! What counts is what was tried on the columns that a mask of the command's own policy covers: a mask that another policy has
//! named anew has what was tried before.
//!
//! Not here: whether a decision follows from the count that it states (the decision is made again).

use std::collections::{BTreeMap, BTreeSet};

use exhibit_policy::probe::{self, HOUR_US};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::Facts;
use exhibit_schemas::key::KeyId;
use exhibit_schemas::merkle::Index;

use crate::finding::{Code, Findings, Place};
use crate::policy::Policies;
use crate::session::JUDGED_US;

/// Microseconds of an hour that no difference between a decision and its event reaches beyond.
const SURE_US: u64 = HOUR_US - JUDGED_US;

/// A command that passed and tried values.
struct Command {
    index: Index,
    proxy: KeyId,
    /// The time of the event of its decision.
    time: Timestamp,
    /// The policy that it was decided by.
    policy: Digest,
    /// Values by column.
    tried: Vec<(String, u64)>,
    /// Values before it, as it states, by the masks of that policy.
    before: BTreeMap<String, u64>,
}

/// Everything that was tried, by target.
#[derive(Default)]
pub(crate) struct Probes {
    commands: BTreeMap<String, Vec<Command>>,
}

/// A command as a mask of a policy has it: that mask covers columns, whatever covered them when the command was decided.
struct Seen<'a> {
    command: &'a Command,
    /// Values on columns of the mask.
    values: u64,
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
        (digest, policy): (Digest, &Snapshot),
    ) {
        let masks = probe::by_mask(policy, target, facts);
        if masks.is_empty() {
            return;
        }
        let before = |mask: &&str| ((*mask).to_owned(), probe::before(facts, mask).unwrap_or(0));
        let command = Command {
            index,
            proxy,
            time,
            policy: digest,
            tried: probe::columns(facts)
                .map(|(column, values)| (column.to_owned(), values))
                .collect(),
            before: masks.keys().map(before).collect(),
        };
        self.commands.entry(target.to_owned()).or_default().push(command);
    }

    /// The log ends.
    pub(crate) fn finish(&mut self, policies: &Policies, findings: &mut Findings) {
        for (target, mut commands) in std::mem::take(&mut self.commands) {
            commands.sort_by_key(|command| (command.time, command.index));
            let masks = commands.iter().flat_map(|command| {
                let masks = command.before.keys();
                masks.map(|mask| (command.policy, mask.clone()))
            });
            let mut told = BTreeSet::new();
            for (digest, mask) in masks.collect::<BTreeSet<_>>() {
                let Some(policy) = policies.get(digest) else { continue };
                let all = seen(&commands, policy, &target, &mask);
                let of_policy =
                    |one: &&Seen<'_>| one.command.policy == digest && one.command.before.contains_key(&mask);
                let mut by_proxy: BTreeMap<KeyId, Vec<&Seen<'_>>> = BTreeMap::new();
                for one in &all {
                    by_proxy.entry(one.command.proxy).or_default().push(one);
                }
                for own in by_proxy.values() {
                    stated(own, of_policy, &mask, findings);
                }
                let all: Vec<&Seen<'_>> = all.iter().collect();
                let limit = policy.probes_per_hour(&mask);
                let found = exceeded(&all, of_policy, limit).filter(|_| told.insert(mask.clone()));
                if let Some((index, tried)) = found {
                    let proxies = by_proxy.len();
                    let detail = format!(
                        "{tried} values were tried under mask `{mask}` of {target} within an hour up to here, by {proxies} proxies in all; its policy lets {limit} be"
                    );
                    findings.add(Code::ProbeLimit, Place::Entry(index), detail);
                }
            }
        }
    }
}

/// The commands that tried values on columns which a mask of a policy covers.
fn seen<'a>(commands: &'a [Command], policy: &Snapshot, target: &str, mask: &str) -> Vec<Seen<'a>> {
    let covered = |column: &str| policy.mask(target, column).is_some_and(|found| found.name == mask);
    let seen = commands.iter().map(|command| {
        let tried = command.tried.iter().filter(|(column, _)| covered(column));
        let values = tried.fold(0_u64, |sum, (_, values)| sum.saturating_add(*values));
        Seen { command, values }
    });
    seen.filter(|seen| seen.values > 0).collect()
}

/// Holds that each command of a proxy states what the proxy had recorded. They are in the order of their times.
fn stated(own: &[&Seen<'_>], of_policy: impl Fn(&&Seen<'_>) -> bool, mask: &str, findings: &mut Findings) {
    let sums = sums(own);
    for Seen { command: one, .. } in own.iter().copied().filter(of_policy) {
        let from = own.partition_point(|other| other.command.time.0.saturating_add(SURE_US) <= one.time.0);
        let to = own.partition_point(|other| other.command.time.0.saturating_add(JUDGED_US) < one.time.0);
        let recorded = between(&sums, from, to);
        let before = one.before.get(mask).copied().unwrap_or(0);
        if before < recorded {
            let detail = format!(
                "it states that {before} values were tried under mask `{mask}` in the hour before; its proxy had recorded {recorded}"
            );
            findings.add(Code::ProbeCount, Place::Entry(one.index), detail);
        }
    }
}

/// The first command of a policy with which more was tried within an hour than that lets be, and how many values that were.
fn exceeded(all: &[&Seen<'_>], of_policy: impl Fn(&&Seen<'_>) -> bool, limit: u64) -> Option<(Index, u64)> {
    let sums = sums(all);
    let own = all.iter().copied().enumerate().filter(|(_, one)| of_policy(one));
    let mut found = own.filter_map(|(place, one)| {
        let time = one.command.time;
        let from = all.partition_point(|other| other.command.time.0.saturating_add(SURE_US) <= time.0);
        let tried = between(&sums, from, place.saturating_add(1));
        (tried > limit).then_some((one.command.index, tried))
    });
    found.next()
}

/// How many values were tried before each, and after the last.
fn sums(seen: &[&Seen<'_>]) -> Vec<u64> {
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
