//! What the columns of a database seem to hold, and the masks that would suit them.
//!
//! A protocol reads names, types and samples of values; [`ColumnScan`] looks at each value once and keeps counts alone, so no
//! value stays. A proposal comes from what the column's name says, from what detectors find in the samples, or from the
//! type: every element of a date but the year is an identifier (45 CFR 164.514(b)(2)(i)(C)).
//!
//! It is a beginning for a person who knows the data, and no proof: a sample misses what is rare, and detectors miss what
//! `docs/detectors.md` lists.
//!
//! Not here: how samples are read (the protocol), and how proposals are printed.

use std::collections::BTreeMap;

use crate::detect::{Category, Confidence, Detectors, Hints};
use crate::mask::Technique;

/// Bytes of one value that are looked at; a protocol need not read more of it.
pub const VALUE_BYTES_MAX: usize = 4 * 1_024;

/// Of a hundred values, how many a category must fill for the column to be one of it. Low, because samples hold what people
/// left out or mistyped, and a column that holds an identifier in a fifth of its rows holds identifiers.
const WHOLE_PERCENT: u64 = 20;

/// Of a hundred values, how many have to hold an identifier for the column to be text that needs detectors.
const INSIDE_PERCENT: u64 = 1;

/// Of a hundred bytes of a value, how many a finding must cover to be all of it; the rest is titles, marks and units.
const COVER_PERCENT: usize = 80;

/// What a column's type lets its values be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text of any length.
    Text,
    /// A JSON document.
    Json,
    /// A date, or a date with a time.
    Date,
    /// Numbers, truth values and UUIDs: nothing that a detector could tell from any other value of the type.
    Bare,
    /// Anything else, looked at in its text form.
    Other,
}

/// What one column seems to hold, as far as it was looked at.
#[derive(Clone, Debug)]
pub struct ColumnScan {
    resource: String,
    kind: Kind,
    label: Option<Category>,
    values: u64,
    /// Values that one category fills.
    whole: BTreeMap<Category, u64>,
    /// Values that hold anything at all, and how many hold each category.
    held: u64,
    inside: BTreeMap<Category, u64>,
}

/// Why a column is proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// Its name says what it holds.
    Name,
    /// So many of its sampled values are an identifier as a whole.
    Values {
        /// Those values.
        found: u64,
        /// All that were looked at.
        of: u64,
    },
    /// So many of its sampled values have identifiers in them.
    Text {
        /// Those values.
        found: u64,
        /// All that were looked at.
        of: u64,
    },
    /// Its type has dates.
    Type,
}

/// A mask that would suit a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The column, as a policy names it.
    pub resource: String,
    /// What it holds most.
    pub category: Category,
    /// What would mask it.
    pub technique: Technique,
    /// Why.
    pub because: Because,
}

impl ColumnScan {
    /// A column of which no value was looked at yet; `name` is its own, `resource` that of policies.
    pub fn new(resource: &str, name: &str, kind: Kind) -> Self {
        Self {
            resource: resource.to_owned(),
            kind,
            label: Category::of_label(name),
            values: 0,
            whole: BTreeMap::new(),
            held: 0,
            inside: BTreeMap::new(),
        }
    }

    /// The column, as a policy names it.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Whether values of the column say more than its name and type.
    pub fn wants_values(&self) -> bool {
        matches!(self.kind, Kind::Text | Kind::Json | Kind::Other)
    }

    /// Looks at one value, of which nothing but counts is kept.
    pub fn value(&mut self, value: &str) {
        let value = value.trim();
        if value.is_empty() || !self.wants_values() {
            return;
        }
        self.values += 1;
        let mut findings = Detectors::shared().find(value, &Hints::none());
        findings.retain(|finding| finding.confidence >= Confidence::Likely);
        if findings.is_empty() {
            return;
        }
        self.held += 1;
        let mut covered: BTreeMap<Category, usize> = BTreeMap::new();
        for finding in &findings {
            *covered.entry(finding.category).or_default() += finding.span.len();
        }
        for (category, bytes) in covered {
            *self.inside.entry(category).or_default() += 1;
            if bytes * 100 >= value.len() * COVER_PERCENT {
                *self.whole.entry(category).or_default() += 1;
            }
        }
    }

    /// The mask that would suit, if any would.
    pub fn proposal(&self) -> Option<Proposal> {
        let (category, technique, because) = self.proposed()?;
        Some(Proposal {
            resource: self.resource.clone(),
            category,
            technique,
            because,
        })
    }

    fn proposed(&self) -> Option<(Category, Technique, Because)> {
        let of = self.values;
        let most = |counts: &BTreeMap<Category, u64>| {
            let most = counts.iter().max_by_key(|(_, found)| **found);
            most.map(|(category, found)| (*category, *found))
        };
        // The name of a document says little of what is in it. A number that stands for a row of
        // another relation is what joins go by: a mask on one side of them is a decision for people.
        let says = |category: &Category| match self.kind {
            Kind::Json => false,
            Kind::Bare => *category != Category::Unique,
            Kind::Text | Kind::Date | Kind::Other => true,
        };
        if let Some(category) = self.label.filter(says) {
            return Some((category, self.suits(category), Because::Name));
        }
        if let Some((category, found)) = most(&self.whole)
            && found * 100 >= of * WHOLE_PERCENT
            && self.kind != Kind::Json
        {
            return Some((category, self.suits(category), Because::Values { found, of }));
        }
        if let Some((category, _)) = most(&self.inside)
            && self.held * 100 >= of * INSIDE_PERCENT
        {
            let technique = match self.kind {
                Kind::Text | Kind::Json => Technique::Detect,
                Kind::Date | Kind::Bare | Kind::Other => Technique::Null,
            };
            return Some((category, technique, Because::Text { found: self.held, of }));
        }
        (self.kind == Kind::Date).then_some((Category::Date, Technique::Year, Because::Type))
    }

    /// The technique for a column of a category.
    fn suits(&self, category: Category) -> Technique {
        match (self.kind, category) {
            (Kind::Date, _) | (Kind::Text, Category::Date) => Technique::Year,
            (Kind::Json, _) => Technique::Detect,
            (Kind::Bare | Kind::Other, _) => Technique::Null,
            // What joins go by keeps telling people apart, one domain for each category.
            (
                Kind::Text,
                Category::Ssn
                | Category::Mrn
                | Category::HealthPlan
                | Category::Account
                | Category::Device
                | Category::Unique,
            ) => Technique::Token {
                domain: category.as_str().to_owned(),
            },
            (Kind::Text, _) => Technique::Redact,
        }
    }
}

impl Proposal {
    /// The mask as a policy has it: a `[[masks]]` section for a target.
    pub fn section(&self, target: &str) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let mut lines = vec![
            "[[masks]]".to_owned(),
            format!("name = {}", quoted(&self.resource)),
            format!("targets = [{}]", quoted(target)),
            format!("resources = [{}]", quoted(&self.resource)),
            format!("technique = {}", quoted(self.technique.as_str())),
        ];
        if let Technique::Token { domain } = &self.technique {
            lines.push(format!("domain = {}", quoted(domain)));
        }
        lines.join("\n")
    }
}

impl std::fmt::Display for Because {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name => formatter.write_str("by its name"),
            Self::Values { found, of } => write!(formatter, "{found} of {of} values are one"),
            Self::Text { found, of } => write!(formatter, "{found} of {of} values have identifiers in them"),
            Self::Type => formatter.write_str("by its type: dates are identifiers but for their year"),
        }
    }
}

#[cfg(test)]
mod tests;
