//! `COPY` over the connection: its options, as far as masks must know them, and what tells whose its columns are.
//!
//! The server describes no columns of what it copies out. So, on a target with masks, the proxy asks it right before
//! about a statement with the same columns (the *probe*): the query itself, or `SELECT columns FROM ONLY relation`. What
//! the server says of the probe's columns holds for those of the copy, and must be what was proven.

use pg_query::NodeEnum;
use pg_query::protobuf::{CopyStmt, DefElem, Node};

use super::{CopyDirection, inner};

/// A `COPY` over the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Which way it goes.
    pub direction: CopyDirection,
    /// How rows that are copied out are written; `None` where an option is not understood.
    pub form: Option<CopyForm>,
    /// The statement whose columns are those that are copied out.
    pub probe: Option<String>,
    /// Whether it is all of a relation, of which generated columns are left out.
    pub whole_relation: bool,
}

/// How rows are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyForm {
    /// Text format.
    Text {
        /// Between cells.
        delimiter: u8,
        /// What stands for NULL.
        null: Vec<u8>,
        /// Whether the first line names the columns.
        header: bool,
    },
    /// CSV format.
    Csv(CsvOptions),
    /// Binary format.
    Binary,
}

/// Options of the CSV format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvOptions {
    /// Between cells.
    pub delimiter: u8,
    /// What stands for NULL.
    pub null: Vec<u8>,
    /// Around cells.
    pub quote: u8,
    /// Before quotes inside of quotes.
    pub escape: u8,
    /// Whether the first line names the columns.
    pub header: bool,
    /// Columns that are quoted whatever they hold; `None` is all of them.
    pub force_quote: Option<Vec<String>>,
}

impl CopyForm {
    /// Whether the first line names the columns.
    pub(crate) const fn has_names(&self) -> bool {
        match self {
            Self::Text { header, .. } | Self::Csv(CsvOptions { header, .. }) => *header,
            Self::Binary => false,
        }
    }
}

impl CsvOptions {
    /// Whether a column is quoted whatever it holds.
    pub fn forces(&self, column: &str) -> bool {
        let named = |names: &Vec<String>| names.iter().any(|name| name == column);
        self.force_quote.as_ref().is_none_or(named)
    }
}

impl Copy {
    /// What a statement `COPY` over the connection is; `sql` is its own text.
    pub(super) fn of(copy: &CopyStmt, sql: &str) -> Self {
        let direction = if copy.is_from {
            CopyDirection::In
        } else {
            CopyDirection::Out
        };
        let out = direction == CopyDirection::Out;
        Self {
            direction,
            form: out.then(|| form(&copy.options)).flatten(),
            probe: out.then(|| probe(copy, sql)).flatten(),
            whole_relation: copy.relation.is_some() && copy.attlist.is_empty(),
        }
    }
}

fn probe(copy: &CopyStmt, sql: &str) -> Option<String> {
    let Some(relation) = &copy.relation else {
        return inner::text(sql, &NodeEnum::CopyStmt(Box::new(copy.clone())));
    };
    let columns = copy.attlist.iter().map(|column| match &column.node {
        Some(NodeEnum::String(name)) => Some(quoted(&name.sval)),
        _ => None,
    });
    let columns = columns.collect::<Option<Vec<_>>>()?;
    let columns = if columns.is_empty() {
        "*".to_owned()
    } else {
        columns.join(", ")
    };
    let schema = match relation.schemaname.as_str() {
        "" => String::new(),
        schema => format!("{}.", quoted(schema)),
    };
    // The catalog of a relation can only be the database itself; the server checks that.
    Some(format!(
        "SELECT {columns}{OF_ITSELF}{schema}{}",
        quoted(&relation.relname)
    ))
}

/// What stands before the relation that is copied.
const OF_ITSELF: &str = " FROM ONLY ";

/// The probe of a relation, with the rows of those below it; any other probe as it is.
pub(super) fn with_below(probe: &str) -> String {
    probe.replacen(OF_ITSELF, " FROM ", 1)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The options of `COPY … TO STDOUT`; `None` where one is not understood. The server refuses wrong ones itself.
fn form(options: &[Node]) -> Option<CopyForm> {
    let mut format = "text".to_owned();
    let (mut delimiter, mut null, mut quote, mut escape) = (None, None, None, None);
    let mut header = false;
    let mut force_quote = Some(Vec::new());
    let mut seen = Vec::new();
    for option in options {
        let Some(NodeEnum::DefElem(option)) = &option.node else {
            return None;
        };
        if seen.contains(&option.defname.as_str()) {
            return None;
        }
        seen.push(option.defname.as_str());
        match option.defname.as_str() {
            "format" => format = text(option)?,
            "delimiter" => delimiter = Some(byte(option)?),
            "null" => null = Some(text(option)?.into_bytes()),
            "quote" => quote = Some(byte(option)?),
            "escape" => escape = Some(byte(option)?),
            "header" => header = switch(option)?,
            "force_quote" => force_quote = columns(option)?,
            // The client's encoding, which is UTF-8, is what holds without the option.
            "encoding" if matches!(text(option)?.to_ascii_lowercase().as_str(), "utf8" | "utf-8") => {}
            _ => return None,
        }
    }
    match format.as_str() {
        "text" => {
            let null = null.unwrap_or_else(|| b"\\N".to_vec());
            // Another mark with a backslash could be read as an escape.
            let plain = null == b"\\N" || !null.contains(&b'\\');
            plain.then_some(CopyForm::Text {
                delimiter: delimiter.unwrap_or(b'\t'),
                null,
                header,
            })
        }
        "csv" => {
            let quote = quote.unwrap_or(b'"');
            Some(CopyForm::Csv(CsvOptions {
                delimiter: delimiter.unwrap_or(b','),
                null: null.unwrap_or_default(),
                quote,
                escape: escape.unwrap_or(quote),
                header,
                force_quote,
            }))
        }
        "binary" => Some(CopyForm::Binary),
        _ => None,
    }
}

fn text(option: &DefElem) -> Option<String> {
    match option.arg.as_ref()?.node.as_ref()? {
        NodeEnum::String(value) => Some(value.sval.clone()),
        _ => None,
    }
}

fn byte(option: &DefElem) -> Option<u8> {
    match text(option)?.as_bytes() {
        [byte] => Some(*byte),
        _ => None,
    }
}

/// A switch, as `defGetBoolean` of the server reads it.
fn switch(option: &DefElem) -> Option<bool> {
    let Some(arg) = &option.arg else {
        return Some(true);
    };
    match arg.node.as_ref()? {
        NodeEnum::Boolean(value) => Some(value.boolval),
        NodeEnum::Integer(value) => match value.ival {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        NodeEnum::String(value) => match value.sval.to_ascii_lowercase().as_str() {
            "true" | "on" => Some(true),
            "false" | "off" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// Names of columns, `Some(None)` for all of them.
#[expect(
    clippy::option_option,
    reason = "not understood, all of them, and these are three answers"
)]
fn columns(option: &DefElem) -> Option<Option<Vec<String>>> {
    match option.arg.as_ref()?.node.as_ref()? {
        NodeEnum::AStar(_) => Some(None),
        NodeEnum::List(list) => {
            let name = |item: &Node| match &item.node {
                Some(NodeEnum::String(name)) => Some(name.sval.clone()),
                _ => None,
            };
            Some(Some(list.items.iter().map(name).collect::<Option<_>>()?))
        }
        _ => None,
    }
}
