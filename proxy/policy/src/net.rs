//! The net under everything that is released: detectors run over what no mask of a column took.
//!
//! A net of the policy (`[[nets]]`) names categories of identifiers. What detectors find of them, in cells, names of columns,
//! errors, notices, notifications and settings, gives way to a typed token such as `[ssn]`, and is counted; a cell of a type
//! that has no room for a token becomes NULL. A protocol sends every text through the session's [`SessionNet`] and every row
//! through a [`RowMasker`], which sends its cells; the gate takes the counts from there into the evidence, together with
//! what is released, and lets nothing out where the net ends the session.
//!
//! It is a net and no proof: what must not leave is named by column. See `docs/detectors.md` for what it finds and misses.
//!
//! Not here: how a protocol's values are read ([`CellKind`]), and the detectors ([`crate::detect`]).
//!
//! [`RowMasker`]: crate::mask::RowMasker

mod search;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::search::{Instead, Search};
use crate::detect::{Category, Confidence, Hints, Names, Tally, Wanted};
use crate::mask::CellKind;
use crate::pattern::Pattern;
use crate::snapshot::Snapshot;

/// Places that are told apart between two releases; findings in more columns are counted together, so that their events fit
/// one batch with what is released.
pub const PLACES_MAX: usize = 64;

/// A net of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Net {
    /// Its name.
    pub name: String,
    /// Whether a finding ends the session.
    pub ends_session: bool,
    /// How sure a detector must be.
    pub floor: Confidence,
    /// What it masks.
    pub categories: BTreeSet<Category>,
    pub(crate) targets: BTreeSet<String>,
    /// Resources whose cells it passes over.
    pub(crate) except: Vec<Pattern>,
}

impl Net {
    /// Patterns of the resources whose cells it passes over.
    pub fn except(&self) -> impl Iterator<Item = &str> {
        self.except.iter().map(Pattern::as_str)
    }

    fn covers(&self, origin: Option<&str>) -> bool {
        origin.is_none_or(|origin| !self.except.iter().any(|pattern| pattern.matches(origin)))
    }

    fn add_to(&self, wanted: Wanted) -> Wanted {
        let categories = self.categories.iter();
        categories.fold(wanted, |wanted, category| wanted.with(*category, self.floor))
    }
}

/// Where a finding stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// A value of a row.
    Cell,
    /// The name of a column.
    Column,
    /// A text of an error.
    Error,
    /// A text of a notice.
    Notice,
    /// What another session sent.
    Notification,
    /// The value of a setting.
    Setting,
}

impl Channel {
    /// The word in events and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cell => "cell",
            Self::Column => "column",
            Self::Error => "error",
            Self::Notice => "notice",
            Self::Notification => "notification",
            Self::Setting => "setting",
        }
    }

    /// The channel of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        let all = [
            Self::Cell,
            Self::Column,
            Self::Error,
            Self::Notice,
            Self::Notification,
            Self::Setting,
        ];
        all.into_iter().find(|channel| channel.as_str() == word)
    }
}

/// A column as the net sees it. Without more it is one of an unknown kind that no net passes over.
#[derive(Clone, Debug, Default)]
pub struct NetColumn {
    /// What evidence calls it: the resource that it comes from, or its name as released.
    place: Option<Arc<str>>,
    kind: CellKind,
    /// The category that name or type says, where a net names it.
    label: Option<Category>,
    /// Its values are names, for which later texts are searched.
    learns: bool,
    /// `None`: every net.
    wanted: Option<Wanted>,
}

impl NetColumn {
    /// The same column by another name in evidence: one that is no data, where its own may be.
    pub(crate) fn called(mut self, place: &str) -> Self {
        self.place = self.place.map(|_| place.into());
        self
    }

    /// A document in which values of this column stand, by a name that is no data.
    pub(crate) fn document(&self, place: &str) -> Self {
        Self {
            place: Some(place.into()),
            kind: CellKind::Json,
            label: None,
            learns: false,
            wanted: self.wanted,
        }
    }

    /// Whether the same nets are over both.
    pub(crate) fn is_under_nets_of(&self, other: &Self) -> bool {
        self.wanted == other.wanted
    }
}

/// What a type alone says of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A date, with or without a time.
    Date,
    /// An address of a network or a machine in one.
    NetworkAddress,
    /// An address of a piece of hardware.
    HardwareAddress,
}

impl Meaning {
    const fn category(self) -> Category {
        match self {
            Self::Date => Category::Date,
            Self::NetworkAddress => Category::Ip,
            Self::HardwareAddress => Category::Device,
        }
    }
}

/// What is known of a column.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// Its name as released.
    pub name: &'a str,
    /// The resource that its values come from.
    pub origin: Option<&'a str>,
    /// The name that says what its values are, where one does.
    pub label: Option<&'a str>,
    /// What its type says.
    pub meaning: Option<Meaning>,
}

/// Findings in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caught {
    /// The net that names their categories.
    pub net: String,
    /// Where.
    pub channel: Channel,
    /// Of cells, the column.
    pub column: Option<String>,
    /// How many, by category.
    pub findings: Vec<(Category, u64)>,
    /// Whether the session ends for it.
    pub ends: bool,
}

/// The nets over one session, the names that it has read, and what was caught since that was last taken.
#[derive(Debug, Default)]
pub struct SessionNet {
    nets: Vec<Net>,
    wanted: Wanted,
    names: Names,
    caught: BTreeMap<(Channel, Option<Arc<str>>), Tally>,
}

impl SessionNet {
    /// The nets that a policy casts under a target.
    pub fn new(policy: &Snapshot, target: &str) -> Self {
        let nets: Vec<Net> = policy.nets(target).cloned().collect();
        Self {
            wanted: nets.iter().fold(Wanted::default(), |wanted, net| net.add_to(wanted)),
            nets,
            names: Names::default(),
            caught: BTreeMap::new(),
        }
    }

    /// Casts the nets of another policy; the names that were read stay known.
    pub fn renew(&mut self, policy: &Snapshot, target: &str) {
        let Self { nets, wanted, .. } = Self::new(policy, target);
        self.nets = nets;
        self.wanted = wanted;
    }

    /// Whether there is none: everything passes.
    pub fn is_empty(&self) -> bool {
        self.nets.is_empty()
    }

    /// A column that is described.
    pub fn column(&self, known: Known<'_>, kind: CellKind) -> NetColumn {
        if self.is_empty() {
            return NetColumn::default();
        }
        let covering = self.nets.iter().filter(|net| net.covers(known.origin));
        let wanted = covering.fold(Wanted::default(), |wanted, net| net.add_to(wanted));
        let named = known.label.and_then(Category::of_label);
        let label = [named, known.meaning.map(Meaning::category)].into_iter().flatten();
        NetColumn {
            place: Some(known.origin.unwrap_or(known.name).into()),
            kind,
            label: label.into_iter().find(|category| wanted.names(*category)),
            // What an agent calls a column teaches nothing.
            learns: known.origin.is_some() && named == Some(Category::Name) && self.wanted.names(Category::Name),
            wanted: Some(wanted),
        }
    }

    /// Remembers the names in a column of names, whoever masks them.
    pub(crate) fn learn(&mut self, column: &NetColumn, value: &[u8]) {
        if column.learns
            && let Ok(name) = std::str::from_utf8(value)
        {
            self.names.learn(name);
        }
    }

    /// A cell as it may be released; `None` is NULL.
    pub(crate) fn cell(&mut self, column: &NetColumn, value: Vec<u8>) -> Option<Vec<u8>> {
        match self.searched(column, &value) {
            None => Some(value),
            Some(masked) => masked,
        }
    }

    /// What stands in the place of a cell, where that is `None` NULL; `None` where it may be released as it is.
    pub(crate) fn searched(&mut self, column: &NetColumn, value: &[u8]) -> Option<Instead<Vec<u8>>> {
        if self.is_empty() {
            return None;
        }
        let mut search = Search {
            hints: self.hints(),
            label: column.label,
            wanted: column.wanted.as_ref().unwrap_or(&self.wanted),
            tally: Tally::default(),
        };
        let masked = search.cell(column.kind, value)?;
        let tally = search.tally;
        self.count((Channel::Cell, column.place.clone()), &tally);
        Some(masked)
    }

    /// What is looked for in a column.
    pub(crate) fn wanted(&self, column: &NetColumn) -> Wanted {
        column.wanted.unwrap_or(self.wanted)
    }

    /// Counts what was found in a column by somebody who searched it in pieces.
    pub(crate) fn found(&mut self, column: &NetColumn, tally: &Tally) {
        if !tally.is_empty() {
            self.count((Channel::Cell, column.place.clone()), tally);
        }
    }

    /// A text beside rows as it may be released; `None` where it may be as it is. Names of columns and values of settings are
    /// words of a schema: only what cannot be one is masked in them.
    pub fn text(&mut self, channel: Channel, text: &[u8]) -> Option<Vec<u8>> {
        if self.is_empty() {
            return None;
        }
        let wanted = match channel {
            Channel::Column | Channel::Setting => self.wanted.at_least(Confidence::Strong),
            Channel::Cell | Channel::Error | Channel::Notice | Channel::Notification => self.wanted,
        };
        let mut search = Search {
            hints: self.hints(),
            label: None,
            wanted: &wanted,
            tally: Tally::default(),
        };
        let masked = search.bytes(text)?;
        let tally = search.tally;
        self.count((channel, None), &tally);
        Some(masked)
    }

    /// Takes what was caught.
    pub fn take(&mut self) -> Vec<Caught> {
        if self.caught.is_empty() {
            return Vec::new();
        }
        let caught = std::mem::take(&mut self.caught);
        let mut all = Vec::new();
        for ((channel, column), tally) in caught {
            for net in &self.nets {
                let own = |(category, _): &(Category, u64)| net.categories.contains(category);
                let findings: Vec<_> = tally.counts().filter(own).collect();
                if !findings.is_empty() {
                    all.push(Caught {
                        net: net.name.clone(),
                        channel,
                        column: column.as_deref().map(str::to_owned),
                        findings,
                        ends: net.ends_session,
                    });
                }
            }
        }
        all
    }

    pub(crate) fn hints(&self) -> Hints<'_> {
        if self.names.is_empty() {
            Hints::none()
        } else {
            Hints::none().names(&self.names)
        }
    }

    fn count(&mut self, (channel, column): (Channel, Option<Arc<str>>), tally: &Tally) {
        let place = (channel, column);
        let place = if self.caught.len() < PLACES_MAX || self.caught.contains_key(&place) {
            place
        } else {
            (channel, None)
        };
        self.caught.entry(place).or_default().extend(tally);
    }
}

#[cfg(test)]
mod tests;
