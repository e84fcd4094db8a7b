//! Two years of a clinic in one log: as many events as are ordered, from a seed, through the real ledger.
//!
//! ```text
//! seed ─▶ sessions of agents and pipelines, at two proxies and two targets, in bursts over two years
//!      ─▶ decided by the real policy, sealed in batches, appended to a real ledger ─▶ its tiles, as a bundle
//! ```
//!
//! Agents read masked rows with whose records they are, are denied, and ask people, who approve, refuse, or stay silent; log-ins
//! are refused, nets catch identifiers, reviews are signed in time, policies and keys change. What was put in is counted on the way
//! ([`Counts`]), so that whoever counts again has something to compare with. The same order gives the same bytes.
//!
//! No clock is read: events have the times of the story. The ledger's own clock stands still at its beginning, since it judges
//! nothing but whether a request has expired when a person decides, and how much one person claims in a day.
//!
//! Not here: proxies (what they would record is made here, and not by them) and the fetching of an export over HTTPS; the bundle
//! is of the tiles that the ledger would answer with.

mod access;
mod agenda;
mod bundle;
mod log;
mod policy;
mod random;
mod session;

use std::collections::BTreeMap;
use std::path::Path;

use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::LoginRefused;
use exhibit_schemas::event::trust::{MaskKeyAnnounced, MaskKeyId, PolicyInForce, PolicySnapshot};
use exhibit_schemas::event::{Body, Timestamp};

use self::agenda::{Agenda, Change};
use self::log::Log;
use self::random::Random;
use self::session::Session;
use crate::HarnessError;

/// The log's name.
pub const ORIGIN: &str = "years.example/exhibit";

/// Seed of the log's key.
const LOG: u8 = 1;

/// Seeds of the administrators' keys.
const ADMINISTRATORS: [(&str, u8); 2] = [("root", 2), ("second", 3)];

/// Seeds of the proxies' keys; the key of the second is rotated into [`ROTATED`].
const PROXIES: [u8; 2] = [10, 11];

/// Seed of the ledger's event key.
const LEDGER: u8 = 12;

/// Seed of the key that the second proxy rotates into.
const ROTATED: u8 = 13;

/// 2024-01-01T00:00:00Z, a Monday.
const START_US: u64 = 1_704_067_200_000_000;

/// To 2026-01-01T00:00:00Z.
const SPAN_US: u64 = 731 * DAY_US;

const DAY_US: u64 = 24 * HOUR_US;

const HOUR_US: u64 = 3_600_000_000;

/// Sessions at a time: each burst has so many, which take turns.
const SESSIONS_OF_A_BURST: usize = 8;

/// What is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Events at the least; what has begun is brought to its end. Seals come on top.
    pub events: u64,
    /// What everything that varies is drawn from.
    pub seed: u64,
}

/// What was put in.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Entries: events and seals.
    pub entries: u64,
    /// Events by kind.
    pub events: BTreeMap<String, u64>,
    /// Commands by outcome.
    pub commands: BTreeMap<String, u64>,
    /// Log-ins that were refused; one event stands for several.
    pub refused_logins: u64,
    /// Replies that released rows.
    pub replies_with_rows: u64,
    /// Policies.
    pub policies: u64,
    /// How often a proxy took up a policy, or an other one.
    pub policy_terms: u64,
    /// Keys that were enrolled, with those of genesis and those that others were rotated into.
    pub keys: u64,
    /// Periods that schedules wanted reviewed and that were over at the head.
    pub periods_over: u64,
}

impl Counts {
    /// Events of all kinds.
    pub fn all_events(&self) -> u64 {
        self.events.values().sum()
    }

    /// Events of a kind, by its word.
    pub fn of(&self, kind: &str) -> u64 {
        self.events.get(kind).copied().unwrap_or(0)
    }

    /// Commands of an outcome, by its word.
    pub fn outcome(&self, outcome: &str) -> u64 {
        self.commands.get(outcome).copied().unwrap_or(0)
    }
}

/// Makes the log under a directory: the ledger in `ledger/`, its bundle in `bundle/`, whom to trust in `trust.toml`.
///
/// # Errors
/// [`HarnessError`], also when the ledger refuses a batch.
pub fn make(order: Order, directory: &Path) -> Result<Counts, HarnessError> {
    let policy = policy::version(0);
    let log = Log::begin(&directory.join("ledger"), policy.reviews())?;
    let mut years = Years {
        random: Random::new(order.seed),
        policy,
        mask_keys: BTreeMap::new(),
        second: PROXIES[1],
        log,
    };
    years.take_up(0)?;
    for proxy in PROXIES {
        years.announce(proxy)?;
    }
    let mut agenda = Agenda::new(years.policy.reviews());
    loop {
        let made = years.log.counts.all_events();
        let reached = u128::from(SPAN_US) * u128::from(made.min(order.events)) / u128::from(order.events.max(1));
        let now = START_US + u64::try_from(reached).unwrap_or(SPAN_US);
        while let Some((time, change)) = agenda.due(now) {
            years.change(time, change)?;
        }
        if made >= order.events {
            break;
        }
        years.log.now = years.log.now.max(now);
        years.burst()?;
    }
    years.log.flush()?;
    years.log.counts.periods_over = agenda.over(years.log.clock());
    bundle::write(years.log, directory)
}

/// The clinic as it stands.
struct Years {
    log: Log,
    random: Random,
    policy: Snapshot,
    /// The key of masks of each proxy, and how many it had before.
    mask_keys: BTreeMap<u8, (MaskKeyId, u8)>,
    /// The key of the second proxy.
    second: u8,
}

impl Years {
    fn proxies(&self) -> [u8; 2] {
        [PROXIES[0], self.second]
    }

    fn any_proxy(&mut self) -> u8 {
        if self.random.once_in(2) {
            PROXIES[0]
        } else {
            self.second
        }
    }

    /// Sessions that take turns until all are closed.
    fn burst(&mut self) -> Result<(), HarnessError> {
        if self.random.once_in(6) {
            self.refuse_login()?;
        }
        let mut open = Vec::new();
        for _ in 0..SESSIONS_OF_A_BURST {
            open.push(self.open()?);
        }
        while !open.is_empty() {
            let place = self.random.index(open.len());
            self.log.now += 1_000_000 + self.random.below(5_000_000);
            if let Some(session) = open.get_mut(place) {
                if session.is_over() {
                    self.close(open.swap_remove(place))?;
                } else {
                    self.step(session)?;
                }
            }
        }
        self.log.flush()
    }

    fn refuse_login(&mut self) -> Result<(), HarnessError> {
        let count = 1 + self.random.below(5);
        let user = format!("ci-{}", self.random.below(50));
        let refused = LoginRefused {
            target: "clinic".into(),
            protocol: "postgres".into(),
            peer: format!("192.0.2.{}", self.random.below(250)),
            method: "api-key".into(),
            reason: "unknown".into(),
            named: Digest::of(user.as_bytes()),
            user: Some(user),
            count,
            since: Timestamp(self.log.now),
        };
        self.log.counts.refused_logins += count;
        let proxy = self.any_proxy();
        self.log.say(proxy, None, refused.into())?;
        Ok(())
    }

    /// Both proxies take up a version of the policy.
    fn take_up(&mut self, version: u64) -> Result<(), HarnessError> {
        self.policy = policy::version(version);
        self.log.counts.policies += 1;
        for proxy in self.proxies() {
            self.say_in_force(proxy, &policy::text(version))?;
        }
        self.log.flush()
    }

    fn say_in_force(&mut self, proxy: u8, text: &str) -> Result<(), HarnessError> {
        let policy = Digest::of(text.as_bytes());
        let snapshot = PolicySnapshot {
            policy,
            part: 0,
            parts: 1,
            bytes: Bytes(text.as_bytes().to_vec()),
        };
        self.log.counts.policy_terms += 1;
        self.log.say(proxy, None, snapshot.into())?;
        self.log.say(proxy, None, PolicyInForce { policy }.into())?;
        Ok(())
    }

    /// A proxy masks under its next key from now on, which takes a start of it.
    fn announce(&mut self, proxy: u8) -> Result<(), HarnessError> {
        let before = self.mask_keys.get(&proxy).copied();
        let number = before.map_or(0, |(_, number)| number + 1);
        let key = MaskKeyId([proxy.wrapping_mul(16).wrapping_add(number); 16]);
        self.mask_keys.insert(proxy, (key, number));
        if before.is_some() {
            self.log.boot(proxy)?;
        }
        let replaces = before.into_iter().map(|(key, _)| key).collect();
        self.log.say(proxy, None, MaskKeyAnnounced { key, replaces }.into())?;
        self.log.flush()
    }

    /// Something that the calendar asks for.
    fn change(&mut self, time: u64, change: Change) -> Result<(), HarnessError> {
        self.log.now = self.log.now.max(time);
        match change {
            Change::Policy(version) => self.take_up(version),
            Change::MaskKey(proxy) => self.announce(proxy),
            Change::ProxyKey => {
                let before = self.second;
                self.second = ROTATED;
                self.log.rotate(before, ROTATED)?;
                if let Some(masks) = self.mask_keys.remove(&before) {
                    self.mask_keys.insert(ROTATED, masks);
                }
                let version = agenda::policy_at(time);
                self.say_in_force(ROTATED, &policy::text(version))?;
                self.log.flush()
            }
            Change::PersonLeaves(seed) => self.log.revoke(seed),
            Change::Reading => self.log.read(),
            Change::Review { scope, from, reviewer } => self.log.review(scope, from, reviewer),
        }
    }

    /// Adds an event to a session.
    fn add(&mut self, session: &mut Session, body: Body) -> Result<Digest, HarnessError> {
        let place = session.next_place();
        self.log.say(session.proxy, Some(place), body)
    }
}
