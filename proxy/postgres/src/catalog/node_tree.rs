//! The server's own text of a parsed query (`pg_node_tree`, as `outfuncs.c` writes it), read into nodes.
//!
//! ```text
//! {VAR :varno 3 :varattno 2 ...}     a node: its kind, and fields of one word, list or node
//! ({VAR ...} {CONST ...})            a list; `(o 23 25)` and `(b 8 9)` are lists of numbers
//! <>                                 nothing
//! :constvalue 6 [ 24 0 0 0 97 37 ]   a field of several words
//! ```
//!
//! A backslash takes a letter for itself. What is not of this shape is `None`: a field without a word (which a column named
//! `:x` would make), a field twice, or more than the limits.
//!
//! Not here: what nodes mean ([`super::definition`]).

use std::collections::BTreeMap;

/// Nodes and lists inside of each other at the most: the walk over them is as deep. Each node of an expression is two.
const DEPTH_MAX: usize = 256;

/// Something that a field or a list holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value<'t> {
    /// A word as it stands, with its backslashes.
    Word(&'t str),
    List(Vec<Value<'t>>),
    Node(Node<'t>),
}

/// A node: its kind, and what each field holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Node<'t> {
    pub(super) kind: &'t str,
    pub(super) fields: BTreeMap<&'t str, Vec<Value<'t>>>,
}

impl<'t> Node<'t> {
    /// What a field of one value holds.
    pub(super) fn one(&self, field: &str) -> Option<&Value<'t>> {
        match self.fields.get(field)?.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// The word of a field.
    pub(super) fn word(&self, field: &str) -> Option<&'t str> {
        match self.one(field)? {
            Value::Word(word) => Some(word),
            _ => None,
        }
    }

    /// The number that a field holds.
    pub(super) fn number<N: std::str::FromStr>(&self, field: &str) -> Option<N> {
        self.word(field)?.parse().ok()
    }

    /// The node that a field holds.
    pub(super) fn node(&self, field: &str) -> Option<&Node<'t>> {
        match self.one(field)? {
            Value::Node(node) => Some(node),
            _ => None,
        }
    }

    /// The list that a field holds; nothing (`<>`) is an empty one.
    pub(super) fn list(&self, field: &str) -> Option<&[Value<'t>]> {
        match self.one(field)? {
            Value::List(items) => Some(items),
            Value::Word("<>") => Some(&[]),
            _ => None,
        }
    }
}

/// Reads one value, and nothing after it.
pub(super) fn read(text: &str) -> Option<Value<'_>> {
    let mut words = Words { rest: text };
    let first = words.next()?;
    let value = value(first, &mut words, DEPTH_MAX)?;
    words.next().is_none().then_some(value)
}

fn value<'t>(word: &'t str, words: &mut Words<'t>, depth: usize) -> Option<Value<'t>> {
    let depth = depth.checked_sub(1)?;
    match word {
        "(" => {
            let mut items = Vec::new();
            loop {
                match words.next()? {
                    ")" => return Some(Value::List(items)),
                    word => items.push(value(word, words, depth)?),
                }
            }
        }
        "{" => node(words, depth).map(Value::Node),
        ")" | "}" => None,
        word => Some(Value::Word(word)),
    }
}

fn node<'t>(words: &mut Words<'t>, depth: usize) -> Option<Node<'t>> {
    let kind = words.next().filter(|kind| !matches!(*kind, "(" | ")" | "{" | "}"))?;
    let mut fields = BTreeMap::new();
    let mut word = words.next()?;
    while word != "}" {
        let name = word.strip_prefix(':')?;
        let mut values = Vec::new();
        word = words.next()?;
        while word != "}" && !word.starts_with(':') {
            values.push(value(word, words, depth)?);
            word = words.next()?;
        }
        if values.is_empty() || fields.insert(name, values).is_some() {
            return None;
        }
    }
    Some(Node { kind, fields })
}

/// The words of a text (`read.c`, `pg_strtok`).
struct Words<'t> {
    rest: &'t str,
}

impl<'t> Iterator for Words<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let text = self.rest.trim_start_matches([' ', '\n', '\t']);
        let sign = |letter: char| matches!(letter, '(' | ')' | '{' | '}');
        let mut taken = false;
        let ends = |letter: char| {
            if std::mem::take(&mut taken) {
                return false;
            }
            taken = letter == '\\';
            sign(letter) || matches!(letter, ' ' | '\n' | '\t')
        };
        let end = if text.starts_with(sign) {
            1
        } else {
            text.find(ends).unwrap_or(text.len())
        };
        let (word, rest) = text.split_at_checked(end).filter(|(word, _)| !word.is_empty())?;
        self.rest = rest;
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::{DEPTH_MAX, Value, read};

    #[test]
    fn reads_nodes_lists_and_words() {
        let text = r"({A :x <> :y 6 [ 1 2 ] :z (o 23 25)} {B :name od\ d\(\) :inner {C :k -1}})";
        let Some(Value::List(items)) = read(text) else {
            panic!("it is a list")
        };
        let [Value::Node(first), Value::Node(second)] = items.as_slice() else {
            panic!("two nodes")
        };
        assert_eq!((first.kind, first.list("x")), ("A", Some(&[][..])));
        assert_eq!(first.one("y"), None, "several words are no single one");
        assert_eq!(first.list("z").map(<[Value<'_>]>::len), Some(3));
        assert_eq!(second.word("name"), Some(r"od\ d\(\)"));
        assert_eq!(
            second.node("inner").and_then(|inner| inner.number::<i16>("k")),
            Some(-1)
        );
    }

    #[test]
    fn refuses_what_is_not_of_the_shape() {
        for text in [
            "",
            "(",
            ")",
            "{",
            "{}",
            "{A",
            "{A :x}",
            "{A x}",
            "{A :x 1 :x 2}",
            "{A :resname :expr :resno 1}",
            "{A :x 1} {B :y 2}",
            "(1))",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn bounds_the_depth() {
        let nested = |depth: usize| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
        assert!(read(&nested(DEPTH_MAX - 1)).is_some());
        assert!(read(&nested(DEPTH_MAX)).is_none());
    }
}
