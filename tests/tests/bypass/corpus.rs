//! The corpus as data: files of attempts, each with an identifier, a line that says what it tries, and steps.
//!
//! ```text
//! --@ area.name: what it tries
//! SELECT …                          one simple query; the same as \simple SELECT …
//! \extended SELECT …                Parse, Describe, Bind, Describe, Execute, Sync; results as text
//! \binary SELECT …                  the same with results in binary formats
//! \bound 'value' SELECT … $1        the same with a parameter
//! \rows 1 SELECT …                  so many rows to an Execute, until there are no more
//! \pipeline … ;; …                  several statements before one Sync
//! \named q SELECT …                 a statement with a name, described and run
//! \again q                          bind and run what has that name
//! \portal c                         describe and run a portal of that name
//! \function 2925 a|b                a FunctionCall by the function's number, with texts as arguments
//! \copy-in data                     what to send at the next request for COPY data
//! \second SELECT …                  a simple query of another session
//! ```
//!
//! A step goes on to the next line that begins with a backslash or `--@`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where the corpus is.
pub(crate) fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bypass")
}

/// One of its files.
pub(crate) fn text(name: &str) -> String {
    std::fs::read_to_string(place().join(name)).unwrap()
}

/// One thing that somebody tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) id: String,
    pub(crate) tries: String,
    pub(crate) steps: Vec<Step>,
}

/// One step of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Simple(String),
    Second(String),
    Extended(Extended),
    Pipeline(Vec<String>),
    Named { name: String, sql: String },
    Again(String),
    Portal(String),
    Function { number: u32, arguments: Vec<String> },
    CopyIn(String),
}

/// A statement of the extended protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extended {
    pub(crate) sql: String,
    pub(crate) parameter: Option<String>,
    pub(crate) binary: bool,
    /// Rows to an Execute; all when 0.
    pub(crate) rows: u32,
}

/// All attempts.
pub(crate) fn attempts() -> Vec<Attempt> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(place().join("attempts"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 14, "files of attempts are missing: {files:?}");
    files.iter().flat_map(|file| read(file)).collect()
}

/// What no server before PostgreSQL 18 understands.
pub(crate) fn eighteen() -> Vec<Attempt> {
    list("eighteen.sql")
}

/// The list of this name.
pub(crate) fn list(name: &str) -> Vec<Attempt> {
    read(&place().join(name))
}

fn read(file: &Path) -> Vec<Attempt> {
    let attempts = parse(&std::fs::read_to_string(file).unwrap());
    let area = file.file_stem().unwrap().to_str().unwrap();
    let mut ids = BTreeSet::new();
    for attempt in &attempts {
        assert_eq!(attempt.id.split('.').next(), Some(area), "{}", attempt.id);
        assert!(ids.insert(&attempt.id) && !attempt.tries.is_empty(), "{}", attempt.id);
    }
    attempts
}

pub(crate) fn parse(text: &str) -> Vec<Attempt> {
    let parts = text.split("\n--@ ").skip(1);
    parts
        .map(|part| parse_attempt(part).unwrap_or_else(|| panic!("this is no attempt: {part}")))
        .collect()
}

fn parse_attempt(part: &str) -> Option<Attempt> {
    let (head, body) = part.split_once('\n')?;
    let (id, tries) = head.split_once(": ")?;
    let mut steps: Vec<String> = Vec::new();
    for line in body.lines().filter(|line| !line.is_empty()) {
        match steps.last_mut() {
            Some(step) if !line.starts_with('\\') => {
                step.push('\n');
                step.push_str(line);
            }
            _ => steps.push(line.to_owned()),
        }
    }
    let steps = steps.iter().map(|step| parse_step(step)).collect::<Option<Vec<_>>>()?;
    (!steps.is_empty()).then(|| Attempt {
        id: id.to_owned(),
        tries: tries.to_owned(),
        steps,
    })
}

fn parse_step(step: &str) -> Option<Step> {
    let Some(verb) = step.strip_prefix('\\') else {
        return Some(Step::Simple(step.to_owned()));
    };
    let (verb, rest) = verb.split_once(' ')?;
    let extended = |sql: &str| Extended {
        sql: sql.to_owned(),
        parameter: None,
        binary: false,
        rows: 0,
    };
    Some(match verb {
        "simple" => Step::Simple(rest.to_owned()),
        "second" => Step::Second(rest.to_owned()),
        "extended" => Step::Extended(extended(rest)),
        "binary" => Step::Extended(Extended {
            binary: true,
            ..extended(rest)
        }),
        "bound" => {
            let (parameter, sql) = rest.strip_prefix('\'')?.split_once("' ")?;
            Step::Extended(Extended {
                parameter: Some(parameter.to_owned()),
                ..extended(sql)
            })
        }
        "rows" => {
            let (rows, sql) = rest.split_once(' ')?;
            Step::Extended(Extended {
                rows: rows.parse().ok()?,
                ..extended(sql)
            })
        }
        "pipeline" => Step::Pipeline(rest.split(" ;; ").map(str::to_owned).collect()),
        "named" => {
            let (name, sql) = rest.split_once(' ')?;
            Step::Named {
                name: name.to_owned(),
                sql: sql.to_owned(),
            }
        }
        "again" => Step::Again(rest.to_owned()),
        "portal" => Step::Portal(rest.to_owned()),
        "function" => {
            let (number, arguments) = rest.split_once(' ')?;
            Step::Function {
                number: number.parse().ok()?,
                arguments: arguments.split('|').map(str::to_owned).collect(),
            }
        }
        "copy-in" => Step::CopyIn(rest.to_owned()),
        _ => return None,
    })
}
