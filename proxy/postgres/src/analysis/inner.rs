//! Statements inside of statements: `COPY (…) TO`, `PREPARE … AS …`, `DECLARE … FOR …`.
//!
//! The inner statement's own text is cut out, so that the server can be asked about it, and so that it can be read again
//! when it runs. The cut is proven: the text parses to the very tree that stands in the outer statement.

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, Token};
use serde_json::Value;

use super::parse;

/// The text of the statement inside of another one; `None` when it cannot be cut out.
pub(super) fn text(sql: &str, outer: &NodeEnum) -> Option<String> {
    let (inner, opening) = match outer {
        NodeEnum::CopyStmt(copy) => (copy.query.as_deref()?, Token::Ascii40),
        NodeEnum::PrepareStmt(prepare) => (prepare.query.as_deref()?, Token::As),
        NodeEnum::DeclareCursorStmt(declare) => (declare.query.as_deref()?, Token::For),
        _ => return None,
    };
    let tokens = pg_query::scan(sql).ok()?.tokens;
    let mut tokens = tokens.iter().skip_while(|token| token.token != i32::from(opening));
    let start = usize::try_from(tokens.next()?.end).ok()?;
    let mut end = sql.len();
    let mut depth = 1_usize;
    for token in tokens {
        match Token::try_from(token.token).ok()? {
            Token::Ascii40 => depth += 1,
            Token::Ascii41 => depth = depth.checked_sub(1)?,
            Token::Ascii59 => depth = 0,
            _ => continue,
        }
        if depth == 0 {
            end = usize::try_from(token.start).ok()?;
            break;
        }
    }
    let text = sql.get(start..end)?.to_owned();
    let parsed = parse(&text).ok()?;
    let [parsed] = parsed.as_slice() else { return None };
    (shape(&parsed.node)? == shape(inner)?).then_some(text)
}

/// A tree without the places of its parts in the text.
fn shape(node: &Node) -> Option<Value> {
    let mut value = serde_json::to_value(node).ok()?;
    without_places(&mut value);
    Some(value)
}

fn without_places(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_places),
        Value::Object(fields) => {
            // Where a list begins and ends is a place, too (`list_start`, `rexpr_list_start`).
            let place = |name: &str| {
                ["location", "list_start", "list_end"]
                    .iter()
                    .any(|end| name.ends_with(end))
            };
            fields.retain(|name, _| !place(name));
            fields.values_mut().for_each(without_places);
        }
        _ => {}
    }
}
