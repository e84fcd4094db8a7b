//! What sessions of a target share: definitions that were loaded once stand for every session that sees the same.
//!
//! Whether it is the same is told by the [`Seen`] state, which the server makes of the versions of its catalogs' rows. A
//! session that sees definitions of its own (in a transaction, or temporary ones) sees another state.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use exhibit_gate::gate::CatalogDocument;

use super::document::{own_document, system_document};
use super::layer::Layer;
use super::load::{CatalogError, cells, load};
use super::queries::Table;
use crate::message::Raw;

/// Definitions that are kept for sessions to come, of each half. Sessions hold what they use by themselves.
const KEPT_MAX: usize = 4;

/// The state of definitions that a session sees: two digests by the server, of what initdb made and of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(super) system: String,
    pub(super) all: String,
}

impl Seen {
    /// Reads the one row of the state.
    pub(crate) fn of(rows: &[Raw]) -> Result<Self, CatalogError> {
        let [row] = rows else {
            return Err(CatalogError::State);
        };
        let [system, all] = <[String; 2]>::try_from(cells(row)?).map_err(|_| CatalogError::State)?;
        Ok(Self { system, all })
    }
}

/// What initdb made.
pub(crate) struct System {
    /// Its state, where that is sure.
    seen: Option<String>,
    pub(super) layer: Layer,
    pub(super) document: CatalogDocument,
}

/// Everything that a session sees, but for its search path.
pub(crate) struct Definitions {
    /// Their state, where that is sure.
    seen: Option<Seen>,
    pub(super) system: Arc<System>,
    pub(super) own: Layer,
    pub(super) document: CatalogDocument,
}

/// The definitions of a target that were loaded last.
#[derive(Default)]
pub(crate) struct SharedDefinitions {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    systems: VecDeque<Arc<System>>,
    definitions: VecDeque<Arc<Definitions>>,
}

impl System {
    pub(super) fn new(seen: Option<String>, layer: Layer) -> Self {
        Self {
            seen,
            document: system_document(&layer),
            layer,
        }
    }
}

impl Definitions {
    pub(super) fn new(seen: Option<Seen>, system: Arc<System>, own: Layer) -> Self {
        Self {
            seen,
            document: own_document(&system, &own),
            system,
            own,
        }
    }
}

impl Definitions {
    /// Whether they are sure to be those of that state.
    pub(super) fn are_of(&self, seen: &Seen) -> bool {
        self.seen.as_ref() == Some(seen)
    }
}

impl SharedDefinitions {
    /// The definitions of a state, if they were loaded.
    pub(crate) fn definitions(&self, seen: &Seen) -> Option<Arc<Definitions>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        found(&mut kept.definitions, |known| known.seen.as_ref() == Some(seen))
    }

    /// What initdb made, if it was loaded.
    pub(crate) fn system(&self, seen: &Seen) -> Option<Arc<System>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        found(&mut kept.systems, |known| known.seen.as_ref() == Some(&seen.system))
    }

    /// Takes what the queries about what initdb made gave. It is shared where the states before and after are the same.
    ///
    /// # Errors
    /// [`CatalogError`] when the rows are not of the queries' shapes.
    pub(crate) fn take_system(&self, tables: &[Vec<Raw>]) -> Result<Arc<System>, CatalogError> {
        let (seen, tables) = between(tables)?;
        let system = Arc::new(System::new(seen.map(|seen| seen.system), load(&Table::SYSTEM, tables)?));
        if system.seen.is_some() {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            keep(&mut kept.systems, &system);
        }
        Ok(system)
    }

    /// Takes what the queries about everything else gave, in the same way.
    ///
    /// # Errors
    /// [`CatalogError`] when the rows are not of the queries' shapes.
    pub(crate) fn take(&self, system: Arc<System>, tables: &[Vec<Raw>]) -> Result<Arc<Definitions>, CatalogError> {
        let (seen, tables) = between(tables)?;
        // What initdb made may have changed since it was loaded.
        let seen = seen.filter(|seen| system.seen.as_ref() == Some(&seen.system));
        let definitions = Arc::new(Definitions::new(seen, system, load(&Table::OWN, tables)?));
        if definitions.seen.is_some() {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            keep(&mut kept.definitions, &definitions);
        }
        Ok(definitions)
    }
}

/// The tables between two states, and the state where both are the same.
fn between(tables: &[Vec<Raw>]) -> Result<(Option<Seen>, &[Vec<Raw>]), CatalogError> {
    let [before, tables @ .., after] = tables else {
        return Err(CatalogError::State);
    };
    let (before, after) = (Seen::of(before)?, Seen::of(after)?);
    Ok(((before == after).then_some(before), tables))
}

/// The one that was asked for; it was used last then.
fn found<T>(kept: &mut VecDeque<Arc<T>>, wanted: impl Fn(&T) -> bool) -> Option<Arc<T>> {
    let place = kept.iter().position(|kept| wanted(kept))?;
    let found = kept.remove(place)?;
    keep(kept, &found);
    Some(found)
}

fn keep<T>(kept: &mut VecDeque<Arc<T>>, new: &Arc<T>) {
    kept.push_front(Arc::clone(new));
    kept.truncate(KEPT_MAX);
}
