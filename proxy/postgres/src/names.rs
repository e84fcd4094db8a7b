//! Names of a session: prepared statements and portals, by messages and by SQL (`PREPARE`, `DECLARE`), which the server
//! keeps in the same two places.
//!
//! A name changes when the server confirms the message or statement that changes it. A prepared statement is a text, which
//! the server may plan again, so it is read again whenever it runs. A portal keeps the plan that it got, so it keeps what
//! was read of it then.
//!
//! What is kept is bounded in number and in bytes; the unnamed statement and portal aside, of which there is one each.
//!
//! Not here: what statements do (see [`crate::analysis`]).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use exhibit_schemas::digest::Digest;

use crate::analysis::{Analysis, Named, Statement, StatementClass};

/// Statements and portals of a session at the most, each; drivers keep some hundred.
pub(crate) const NAMES_MAX: usize = 2_000;

/// Bytes of named statements and portals of a session at the most: some hundred of the longest that drivers send.
pub(crate) const NAMES_BYTES_MAX: usize = 16 << 20;

/// What an entry costs beside its texts and the types that the agent gave.
const ENTRY_BYTES: usize = 768;

/// Types of a statement that are kept as the server describes them, at the most: more would hardly fit an event.
const DESCRIBED_MAX: usize = 128;

/// A prepared statement.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) sql: String,
    /// Of the text that the server keeps with it: that of the message that it was prepared in.
    pub(crate) source: Digest,
    /// Types of parameters, as far as the agent says them.
    pub(crate) types: Vec<u32>,
    /// All of them as the server has described them, once it has; it keeps them as long as the statement.
    pub(crate) described: OnceLock<Vec<u32>>,
    /// What `sql` was to a server that masks by itself when it was prepared: it keeps that meaning of its names.
    pub(crate) meant: Option<Digest>,
}

impl Prepared {
    /// Keeps what the server says of its parameters; more than are kept is as if it had said nothing.
    pub(crate) fn describe(&self, types: &[u32]) {
        if types.len() <= DESCRIBED_MAX {
            self.described.get_or_init(|| types.to_vec());
        }
    }

    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.sql.len() + self.types.len() * size_of::<u32>()
    }

    /// Whether its text, as it is read now, is to the server what it was when it was prepared.
    pub(crate) fn means(&self, now: &Analysis) -> bool {
        self.meant == now.mapped.as_ref().map(|mapped| Digest::of(mapped.text.as_bytes()))
    }
}

impl Portal {
    /// It keeps its statement, also when that is closed.
    fn bytes(&self) -> usize {
        let prepared = self.prepared.as_ref().map_or(0, |prepared| prepared.bytes());
        let values = self.values.as_ref().map_or(0, |values| values.len());
        ENTRY_BYTES + self.analysis.bytes() + prepared + values + self.held.len() * 2 * size_of::<u64>()
    }

    /// The same of the statement that it was bound from; a cursor has its plan.
    pub(crate) fn means(&self, now: &Analysis) -> bool {
        self.prepared.as_ref().is_none_or(|prepared| prepared.means(now))
    }
}

/// A portal, or a cursor.
pub(crate) struct Portal {
    pub(crate) analysis: Arc<Analysis>,
    /// The statement that it was bound from; a cursor has none.
    pub(crate) prepared: Option<Arc<Prepared>>,
    /// Whether it outlives its transaction.
    pub(crate) hold: bool,
    /// How many values the arrays hold that were bound and are compared with masked columns, by number of the parameter.
    pub(crate) held: BTreeMap<u32, u64>,
    /// Formats and values of its parameters, where the policy goes by what the server expects of it and they are short.
    pub(crate) values: Option<Arc<[u8]>>,
    /// What was proven of it then was proven for other masks than hold now.
    pub(crate) outdated: bool,
}

/// Statements and portals that the server has confirmed.
#[derive(Default)]
pub(crate) struct Names {
    statements: HashMap<String, Arc<Prepared>>,
    portals: HashMap<String, Arc<Portal>>,
    /// Bytes of those that have names.
    bytes: usize,
}

/// What becomes of names when the server confirms a message or a statement.
#[derive(Clone)]
pub(crate) enum Change {
    Statement(String, Option<Arc<Prepared>>),
    Portal(String, Option<Arc<Portal>>),
    NoStatements,
    NoPortals,
}

impl Change {
    /// Bytes that it adds, where it gives something a name.
    fn bytes(&self) -> usize {
        match self {
            Self::Statement(name, Some(prepared)) if !name.is_empty() => name.len() + prepared.bytes(),
            Self::Portal(name, Some(portal)) if !name.is_empty() => name.len() + portal.bytes(),
            _ => 0,
        }
    }
}

/// Why no statement or portal gets a name.
pub(crate) const TOO_LARGE: &str =
    "the session's prepared statements and portals have too many bytes; close some, or use the unnamed one";

/// In the place of the digest of a message whose text the server keeps with nothing.
pub(crate) const NO_TEXT: Digest = Digest([0; 32]);

/// Of the text that the server keeps with what these statements prepare.
pub(crate) fn source(statements: &[Statement], text: &str) -> Digest {
    let prepares = |one: &Statement| matches!(one.named, Some(Named::Prepare { .. }));
    if statements.iter().any(prepares) {
        Digest::of(text.as_bytes())
    } else {
        NO_TEXT
    }
}

/// What a statement does to names, once it has run; `source` is the digest of the text of its message.
pub(crate) fn changes(statement: &Statement, source: Digest) -> Vec<Change> {
    let Some(named) = &statement.named else {
        return Vec::new();
    };
    match named {
        Named::Prepare { name, query, meant } => {
            let prepared = Prepared {
                sql: query.clone(),
                source,
                types: Vec::new(),
                described: OnceLock::new(),
                meant: meant.as_ref().map(|text| Digest::of(text.as_bytes())),
            };
            vec![Change::Statement(name.clone(), Some(Arc::new(prepared)))]
        }
        Named::Deallocate { name: Some(name) } => vec![Change::Statement(name.clone(), None)],
        Named::Deallocate { name: None } => vec![Change::NoStatements],
        Named::Declare { name, query, hold } => {
            let portal = |analysis: &Arc<Analysis>| {
                Arc::new(Portal {
                    analysis: Arc::clone(analysis),
                    prepared: None,
                    hold: *hold,
                    held: BTreeMap::new(),
                    values: None,
                    outdated: false,
                })
            };
            vec![Change::Portal(name.clone(), query.as_ref().map(portal))]
        }
        Named::Close { name: Some(name) } => vec![Change::Portal(name.clone(), None)],
        Named::Close { name: None } => vec![Change::NoPortals],
        Named::Discard => vec![Change::NoStatements, Change::NoPortals],
        Named::Execute { .. } | Named::Fetch { .. } => Vec::new(),
    }
}

impl Names {
    pub(crate) fn apply(&mut self, change: Change) {
        self.bytes = self.bytes.saturating_add(change.bytes());
        match change {
            Change::Statement(name, prepared) => {
                let before = match prepared {
                    Some(prepared) => self.statements.insert(name.clone(), prepared),
                    None => self.statements.remove(&name),
                };
                self.gone(&Change::Statement(name, before));
            }
            Change::Portal(name, portal) => {
                let before = match portal {
                    Some(portal) => self.portals.insert(name.clone(), portal),
                    None => self.portals.remove(&name),
                };
                self.gone(&Change::Portal(name, before));
            }
            Change::NoStatements => {
                self.statements.clear();
                self.count();
            }
            Change::NoPortals => {
                self.portals.clear();
                self.count();
            }
        }
    }

    fn gone(&mut self, before: &Change) {
        self.bytes = self.bytes.saturating_sub(before.bytes());
    }

    /// Counts the bytes again, after many are gone.
    fn count(&mut self) {
        let named = |name: &str, bytes: usize| if name.is_empty() { 0 } else { name.len() + bytes };
        let statements = self.statements.iter();
        let statements: usize = statements.map(|(name, prepared)| named(name, prepared.bytes())).sum();
        let portals = self.portals.iter();
        let portals: usize = portals.map(|(name, portal)| named(name, portal.bytes())).sum();
        self.bytes = statements + portals;
    }

    /// Other masks hold from here on. Statements are read again; portals keep their plans, and what was proven of those.
    pub(crate) fn outdate_portals(&mut self) {
        for portal in self.portals.values_mut() {
            *portal = Arc::new(Portal {
                analysis: Arc::clone(&portal.analysis),
                prepared: portal.prepared.clone(),
                hold: portal.hold,
                held: portal.held.clone(),
                values: portal.values.clone(),
                outdated: true,
            });
        }
    }

    /// Whether any statement has a name, so that code may have given it to another one.
    pub(crate) fn any_statement(&self) -> bool {
        self.statements.keys().any(|name| !name.is_empty())
    }

    /// Forgets statements that the server does not have as they were prepared; `there` are the names and texts that it has.
    pub(crate) fn confirm(&mut self, there: &HashMap<String, String>) {
        let same = |name: &String, prepared: &mut Arc<Prepared>| {
            // The unnamed one cannot be prepared by code.
            name.is_empty()
                || there
                    .get(name)
                    .is_some_and(|text| Digest::of(text.as_bytes()) == prepared.source)
        };
        self.statements.retain(same);
        self.count();
    }

    /// Forgets portals that a code block may have opened anew, and those that ended with their transaction.
    pub(crate) fn after(&mut self, statements: &[Statement], idle: bool) {
        if statements.iter().any(|statement| statement.class == StatementClass::Do) {
            self.portals.clear();
            self.count();
        }
        if idle && !self.portals.is_empty() {
            // A cursor that a rollback took along stays known here; the server then says that it does not exist.
            self.portals.retain(|_, portal| portal.hold);
            self.count();
        }
    }
}

/// Names as they will be when the messages of a group before this one have succeeded.
pub(crate) struct Ahead<'a> {
    names: &'a Names,
    statements: HashMap<String, Option<Arc<Prepared>>>,
    portals: HashMap<String, Option<Arc<Portal>>>,
    no_statements: bool,
    no_portals: bool,
    /// Bytes that the messages before give names to.
    bytes: usize,
}

impl<'a> Ahead<'a> {
    pub(crate) fn of(names: &'a Names) -> Self {
        Self {
            names,
            statements: HashMap::new(),
            portals: HashMap::new(),
            no_statements: false,
            no_portals: false,
            bytes: 0,
        }
    }

    pub(crate) fn statement(&self, name: &str) -> Option<Arc<Prepared>> {
        match self.statements.get(name) {
            Some(prepared) => prepared.clone(),
            None if self.no_statements => None,
            None => self.names.statements.get(name).cloned(),
        }
    }

    pub(crate) fn portal(&self, name: &str) -> Option<Arc<Portal>> {
        match self.portals.get(name) {
            Some(portal) => portal.clone(),
            None if self.no_portals => None,
            None => self.names.portals.get(name).cloned(),
        }
    }

    pub(crate) fn apply(&mut self, change: Change) {
        self.bytes = self.bytes.saturating_add(change.bytes());
        match change {
            Change::Statement(name, prepared) => drop(self.statements.insert(name, prepared)),
            Change::Portal(name, portal) => drop(self.portals.insert(name, portal)),
            Change::NoStatements => {
                self.statements.clear();
                self.no_statements = true;
            }
            Change::NoPortals => {
                self.portals.clear();
                self.no_portals = true;
            }
        }
    }

    /// Whether no more names are taken.
    pub(crate) fn is_full(&self) -> bool {
        let statements = self.names.statements.len() + self.statements.len();
        statements >= NAMES_MAX || self.names.portals.len() + self.portals.len() >= NAMES_MAX
    }

    /// Whether with these changes names would keep more bytes than they may. What the group takes names away from counts until
    /// the server has confirmed that.
    pub(crate) fn too_large(&self, changes: &[Change]) -> bool {
        let more: usize = changes.iter().map(Change::bytes).sum();
        more > 0 && self.names.bytes.saturating_add(self.bytes).saturating_add(more) > NAMES_BYTES_MAX
    }
}
