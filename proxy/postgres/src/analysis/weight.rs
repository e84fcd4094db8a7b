//! How much memory an analysis takes, about: what is kept of a session's statements is bounded in bytes.

use std::mem::size_of;

use exhibit_schemas::event::access::{Access, Attribute, Facts};

use super::{Analysis, Named, Output, Probe, Statement, Subjects};

/// What a piece of memory of its own costs beside its bytes.
const PIECE_BYTES: usize = 32;

impl Analysis {
    /// Bytes that it takes, about, and not less than its texts and columns have.
    pub(crate) fn bytes(&self) -> usize {
        let statements: usize = self.statements.iter().map(statement).sum();
        let probes = self.probes.iter().map(Probe::bytes).sum::<usize>();
        let mapped = self.mapped.as_ref().map_or(0, super::Mapped::bytes);
        size_of::<Self>() + self.redacted.len() + facts(&self.facts) + statements + probes + mapped
    }
}

fn facts(facts: &Facts) -> usize {
    let access = |Access(_, resource): &Access| size_of::<Access>() + text(resource.as_deref());
    let attribute = |(name, value): (&String, &Attribute)| {
        let held = match value {
            Attribute::Text(held) => held.len(),
            _ => 0,
        };
        size_of::<Attribute>() + 2 * PIECE_BYTES + name.len() + held
    };
    facts.accesses.iter().map(access).sum::<usize>() + facts.attributes.iter().map(attribute).sum::<usize>()
}

fn statement(statement: &Statement) -> usize {
    let outputs = statement.outputs.iter().flat_map(|outputs| outputs.iter());
    let outputs = outputs.map(Output::bytes).sum::<usize>();
    let subjects = match &statement.subjects {
        Subjects::Named(columns) => columns.iter().map(|column| 2 * PIECE_BYTES + column.len()).sum(),
        Subjects::Nobody | Subjects::Unknown => 0,
    };
    let copied = statement.copy.as_ref().and_then(|copy| copy.probe.as_deref());
    let named = match &statement.named {
        Some(Named::Prepare { name, query, meant }) => name.len() + query.len() + text(meant.as_deref()),
        Some(Named::Declare { name, query, .. }) => name.len() + query.as_ref().map_or(0, |query| query.bytes()),
        Some(Named::Execute { name } | Named::Fetch { name }) => name.len(),
        Some(Named::Deallocate { name } | Named::Close { name }) => text(name.as_deref()),
        Some(Named::Discard) | None => 0,
    };
    size_of::<Statement>() + statement.kind.len() + outputs + subjects + text(copied) + named
}

fn text(text: Option<&str>) -> usize {
    text.map_or(0, |text| PIECE_BYTES + text.len())
}
