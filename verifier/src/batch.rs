//! Batches: which events lie under which seal, and whether their keys might say so.
//!
//! Entries come in order. Events wait until the seal that closes their batch; then seal, keys and times are checked, and
//! the events come out, decoded, for the checks of what they say. At most one batch waits.
//!
//! After an error the events come out all the same and key events still take effect, so that one fault is not found again
//! in everything that follows. That weakens nothing: a bundle with any error is refused.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::chain::{next_seal, same_emitter};
use exhibit_schemas::checkpoint::VerifierKey;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::trust::{Administrator, Genesis, MaskKeyId, Role};
use exhibit_schemas::event::{Body, Event, Timestamp};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::keyring::{KeyRecord, Keyring, KeyringError};
use exhibit_schemas::merkle::{Frontier, Index};
use exhibit_schemas::seal::{BATCH_EVENTS_MAX, Chain, SEAL_FIRST_BYTE, SealPayload, UnverifiedSeal};

use crate::finding::{Code, Findings, Place};

/// An event at its place.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) index: Index,
    pub(crate) leaf: Digest,
    pub(crate) event: Event,
    /// The signer's key as it was then, of what people signed and of who read the evidence.
    pub(crate) signer: Option<KeyRecord>,
}

struct Waiting {
    index: Index,
    leaf: Digest,
    /// `None` of an event that a scoped bundle withholds.
    bytes: Option<Vec<u8>>,
}

struct Standing {
    chain: Chain,
    gaps: u64,
}

/// Seals, keys and times as of the last entry.
pub(crate) struct Batches {
    keyring: Keyring,
    log: VerifierKey,
    genesis: Genesis,
    first_administrator: KeyId,
    chains: BTreeMap<KeyId, Standing>,
    times: BTreeMap<KeyId, Timestamp>,
    waiting: VecDeque<Waiting>,
    strangers: BTreeSet<KeyId>,
    /// Proxies and keys of masks of which a fault was told.
    told_of_masks: BTreeSet<(KeyId, Option<MaskKeyId>)>,
    withheld: Withheld,
    gaps: u64,
    /// Entries before this batch are missing, so its seal may cover more than is here.
    begins_in_gap: bool,
    seals: u64,
    unreadable: u64,
}

impl Batches {
    /// Begins with the keys of the anchors: genesis must say the same.
    pub(crate) fn new(anchors: &TrustAnchors) -> Result<Self, KeyringError> {
        let administrators = anchors.administrators.iter().map(|(name, key)| Administrator {
            name: name.clone(),
            key: key.to_bytes(),
        });
        let genesis = Genesis {
            origin: anchors.log.origin.as_str().to_owned(),
            log_key: anchors.log.key.to_bytes(),
            administrators: administrators.collect(),
        };
        let first = anchors.administrators.first();
        let (_, first) = first.ok_or(KeyringError::Genesis("the anchors name no administrator"))?;
        Ok(Self {
            keyring: Keyring::begin(&genesis, first.id())?,
            log: anchors.log.clone(),
            genesis,
            first_administrator: first.id(),
            chains: BTreeMap::new(),
            times: BTreeMap::new(),
            waiting: VecDeque::new(),
            strangers: BTreeSet::new(),
            told_of_masks: BTreeSet::new(),
            withheld: Withheld::default(),
            gaps: 0,
            begins_in_gap: false,
            seals: 0,
            unreadable: 0,
        })
    }

    /// The log's key.
    pub(crate) const fn log(&self) -> &VerifierKey {
        &self.log
    }

    /// Every key that the log enrolled.
    pub(crate) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Seals so far.
    pub(crate) fn seals(&self) -> u64 {
        self.seals
    }

    /// What a scoped bundle withholds, so far.
    pub(crate) fn withheld(&self) -> &Withheld {
        &self.withheld
    }

    /// Events so far that could not be decoded.
    pub(crate) fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Takes an entry and gives the events that are no longer waiting for a seal.
    pub(crate) fn entry(&mut self, index: Index, leaf: Digest, bytes: &[u8], findings: &mut Findings) -> Vec<Placed> {
        if bytes.first() == Some(&SEAL_FIRST_BYTE) {
            self.seals += 1;
            return self.seal(index, leaf, bytes, findings);
        }
        self.wait(index, leaf, Some(bytes.to_vec()), findings)
    }

    /// Takes the leaf hash of an event that a scoped bundle withholds. It is sealed as the others are, so its author is known.
    pub(crate) fn hash(&mut self, index: Index, leaf: Digest, findings: &mut Findings) -> Vec<Placed> {
        self.wait(index, leaf, None, findings)
    }

    fn wait(&mut self, index: Index, leaf: Digest, bytes: Option<Vec<u8>>, findings: &mut Findings) -> Vec<Placed> {
        self.waiting.push_back(Waiting { index, leaf, bytes });
        if self.waiting.len() > BATCH_EVENTS_MAX
            && let Some(first) = self.waiting.pop_front()
        {
            return self.unsealed(&first, findings).into_iter().collect();
        }
        Vec::new()
    }

    /// Entries are missing here: what follows is taken up without another finding.
    pub(crate) fn gap(&mut self, findings: &mut Findings) -> Vec<Placed> {
        self.gaps += 1;
        self.begins_in_gap = true;
        // Their seal may be among what is missing.
        let waiting = std::mem::take(&mut self.waiting);
        waiting
            .iter()
            .filter_map(|waiting| self.open(waiting, None, findings))
            .collect()
    }

    /// The log ends: what still waits has no seal.
    pub(crate) fn finish(&mut self, findings: &mut Findings) -> Vec<Placed> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting
            .iter()
            .filter_map(|waiting| self.unsealed(waiting, findings))
            .collect()
    }

    fn unsealed(&mut self, waiting: &Waiting, findings: &mut Findings) -> Option<Placed> {
        findings.add(Code::EventUnsealed, Place::Entry(waiting.index), "no seal covers it");
        self.open(waiting, None, findings)
    }

    fn seal(&mut self, index: Index, leaf: Digest, bytes: &[u8], findings: &mut Findings) -> Vec<Placed> {
        let mut waiting = std::mem::take(&mut self.waiting);
        let begins_in_gap = std::mem::take(&mut self.begins_in_gap);
        let unverified = match UnverifiedSeal::read(bytes) {
            Ok(unverified) => unverified,
            Err(error) => {
                let first = waiting.front().map_or(index, |first| first.index);
                findings.add(Code::SealFormat, Place::entries(first, index), error.to_string());
                self.gaps += 1; // whose chain it belongs to is not known
                return waiting
                    .iter()
                    .filter_map(|waiting| self.open(waiting, None, findings))
                    .collect();
            }
        };
        let payload = unverified.claimed();
        let count = usize::try_from(payload.count).unwrap_or(usize::MAX);
        let before = waiting.len().saturating_sub(count);
        let batch = waiting.split_off(before);
        let mut placed: Vec<Placed> = waiting
            .iter()
            .filter_map(|waiting| self.unsealed(waiting, findings))
            .collect();
        let place = Place::entries(batch.front().map_or(index, |first| first.index), index);
        if batch.len() < count {
            if !begins_in_gap {
                let detail = format!("it states {count} events, {} stand before it", batch.len());
                findings.add(Code::SealCount, place.clone(), detail);
            }
        } else if root(&batch) != payload.root {
            findings.add(Code::SealRoot, place.clone(), format!("of key {}", payload.emitter));
        }
        match self.keyring.record(payload.emitter) {
            Some(record) => {
                if let Err(error) = unverified.verify(&record.key) {
                    findings.add(Code::SealSignature, Place::Entry(index), error.to_string());
                }
            }
            None if self.strangers.insert(payload.emitter) => {
                let detail = format!(
                    "key {} was never enrolled; its seals cannot be checked",
                    payload.emitter
                );
                findings.add(Code::KeyNotInForce, place, detail);
            }
            None => {}
        }
        self.follow(index, leaf, payload, findings);
        let mut told = BTreeSet::new();
        for waiting in &batch {
            let opened = self.open(waiting, Some((payload, &mut told)), findings);
            placed.extend(opened);
        }
        placed
    }

    /// Checks that the seal follows its emitter's last one, and goes on from it in any case.
    fn follow(&mut self, index: Index, leaf: Digest, payload: &SealPayload, findings: &mut Findings) {
        let state = self.chains.get(&payload.emitter);
        let forgiven = self.gaps > state.map_or(0, |state| state.gaps);
        if let Err(error) = next_seal(state.map(|state| state.chain), payload, leaf)
            && !forgiven
        {
            findings.add(Code::SealChain, Place::Entry(index), error.to_string());
        }
        let chain = Chain {
            boot: payload.boot,
            sequence: payload.sequence.saturating_add(1),
            previous: Some(leaf),
        };
        let gaps = self.gaps;
        self.chains.insert(payload.emitter, Standing { chain, gaps });
    }

    /// Decodes an event and checks who says it, and when. `told` holds what was already said of its batch.
    fn open(
        &mut self,
        waiting: &Waiting,
        seal: Option<(&SealPayload, &mut BTreeSet<Code>)>,
        findings: &mut Findings,
    ) -> Option<Placed> {
        let (index, place) = (waiting.index, Place::Entry(waiting.index));
        let Some(bytes) = &waiting.bytes else {
            self.withhold(index, seal, findings);
            return None;
        };
        let event = match Event::decode(bytes) {
            Ok(event) => event,
            Err(error) => {
                findings.add(Code::EventFormat, place, error.to_string());
                self.unreadable += 1;
                return None;
            }
        };
        self.check_genesis(index, &event, findings);
        let emitter = event.emitter.0;
        if let Some((payload, told)) = seal {
            if let Err(error) = same_emitter(&event, payload)
                && told.insert(Code::EventUnsealed)
            {
                findings.add(Code::EventUnsealed, place.clone(), error.to_string());
            }
            let may = self
                .keyring
                .may_emit(emitter, event.kind())
                .and_then(|_| match &event.body {
                    Body::EvidenceRead(read) => self.keyring.may_read(emitter, read),
                    Body::PolicySigned(signed) => self.keyring.may_sign(emitter, signed),
                    _ => Ok(()),
                });
            if let Err(error) = may {
                let code = match error {
                    KeyringError::WrongRole { .. } | KeyringError::Reading { .. } => Code::KeyRole,
                    KeyringError::Reader(_) => Code::ReadAuthor,
                    KeyringError::OtherLog { .. } => Code::PolicySignature,
                    _ => Code::KeyNotInForce,
                };
                let known = self.strangers.contains(&emitter) && code == Code::KeyNotInForce;
                if !known && told.insert(code) {
                    findings.add(code, place.clone(), error.to_string());
                }
            }
        }
        // The last time is taken even when it goes back, so that one wrong date is found once.
        if let Some(last) = self.times.insert(emitter, event.time)
            && event.time < last
        {
            let detail = format!("key {emitter}: {} µs back", last.0 - event.time.0);
            findings.add(Code::TimeOrder, place.clone(), detail);
        }
        let signer = match &event.body {
            Body::ApprovalDecided(_)
            | Body::ApprovalRevoked(_)
            | Body::EvidenceRead(_)
            | Body::ReviewSigned(_)
            | Body::ReportSigned(_)
            | Body::ExceptionNoted(_)
            | Body::ExceptionClosed(_) => self.keyring.record(emitter).cloned(),
            // Of one that may not sign, or for another log, that was said.
            Body::PolicySigned(signed) if self.keyring.may_sign(emitter, signed).is_ok() => {
                self.keyring.record(emitter).cloned()
            }
            _ => None,
        };
        self.step_keys(index, &event, findings);
        let leaf = waiting.leaf;
        Some(Placed {
            index,
            leaf,
            event,
            signer,
        })
    }

    /// Notes whose event is withheld, and checks that their key was in force. What an administrator says may not be withheld: it could
    /// end a key.
    fn withhold(&mut self, index: Index, seal: Option<(&SealPayload, &mut BTreeSet<Code>)>, findings: &mut Findings) {
        let Some((payload, told)) = seal else { return }; // that no seal covers it was said
        if let Err(error) = self.keyring.in_force(payload.emitter)
            && !self.strangers.contains(&payload.emitter)
            && told.insert(Code::KeyNotInForce)
        {
            findings.add(Code::KeyNotInForce, Place::Entry(index), error.to_string());
        }
        let role = self.keyring.record(payload.emitter).map(|record| record.role);
        if role == Some(Role::Administrator) {
            let detail = format!("it is an event of the administrator's key {}", payload.emitter);
            findings.add(Code::ScopeMissing, Place::Entry(index), detail);
        }
        self.withheld.add(role, (payload.emitter, payload.boot), index);
    }

    /// Takes what the event changes about keys, and holds sessions to the key of masks of their proxy.
    fn step_keys(&mut self, index: Index, event: &Event, findings: &mut Findings) {
        let place = Place::Entry(index);
        let is_genesis = index == Index(0) && matches!(event.body, Body::Genesis(_));
        if !is_genesis && let Err(error) = self.keyring.apply(index, event.emitter, &event.body) {
            if error.is_of_masks() {
                self.of_masks(Code::MaskKeyOrder, place, event, &error, findings);
            } else {
                findings.add(Code::KeyEvent, place, error.to_string());
            }
        } else if let Body::SessionOpened(opened) = &event.body {
            match self.keyring.may_open(event.emitter.0, opened) {
                Err(error) if error.is_of_masks() => {
                    self.of_masks(Code::MaskKeyNotInForce, place, event, &error, findings);
                }
                _ => self.keyring.opened(event.emitter),
            }
        }
    }

    /// Says once of a proxy and a key of masks that they do not belong together then. Where entries are missing, the
    /// announcement may be among them.
    fn of_masks(&mut self, code: Code, place: Place, event: &Event, error: &KeyringError, findings: &mut Findings) {
        let key = match &event.body {
            Body::MaskKeyAnnounced(announced) => Some(announced.key),
            Body::SessionOpened(opened) => opened.mask_key,
            _ => None,
        };
        if self.gaps == 0 && self.unreadable == 0 && self.told_of_masks.insert((event.emitter.0, key)) {
            findings.add(code, place, error.to_string());
        }
    }

    fn check_genesis(&self, index: Index, event: &Event, findings: &mut Findings) {
        if index != Index(0) {
            return;
        }
        let Body::Genesis(genesis) = &event.body else {
            let detail = format!("the first entry is a {} event", event.kind());
            return findings.add(Code::GenesisAnchors, Place::Entry(index), detail);
        };
        let differs = [
            ("the origin", genesis.origin != self.genesis.origin),
            ("the log key", genesis.log_key != self.genesis.log_key),
            (
                "the administrators",
                genesis.administrators != self.genesis.administrators,
            ),
            ("the signer", event.emitter.0 != self.first_administrator),
        ];
        for (what, _) in differs.iter().filter(|(_, differs)| *differs) {
            let detail = format!("{what} of genesis: not that of the trust anchors");
            findings.add(Code::GenesisAnchors, Place::Entry(index), detail);
        }
    }
}

/// Events that a scoped bundle withholds, as their seals tell.
#[derive(Debug, Default)]
pub(crate) struct Withheld {
    by_role: BTreeMap<&'static str, u64>,
    /// The last one of each run of an emitter.
    last: BTreeMap<(KeyId, u64), Index>,
}

impl Withheld {
    fn add(&mut self, role: Option<Role>, run: (KeyId, u64), index: Index) {
        *self.by_role.entry(role.map_or("unknown", Role::as_str)).or_default() += 1;
        self.last.insert(run, index);
    }

    /// How many there are of emitters of each role.
    pub(crate) const fn by_role(&self) -> &BTreeMap<&'static str, u64> {
        &self.by_role
    }

    /// Whether a run of an emitter has one behind this index.
    pub(crate) fn has_behind(&self, run: (KeyId, u64), index: Index) -> bool {
        self.last.get(&run).is_some_and(|last| *last > index)
    }
}

fn root(batch: &VecDeque<Waiting>) -> Digest {
    let mut frontier = Frontier::default();
    for waiting in batch {
        frontier.append(waiting.leaf, |_, _, _| {});
    }
    frontier.root()
}
