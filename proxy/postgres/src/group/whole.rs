//! Whether a group says all of what it runs, and goes by no name that only its session knows: run again, in a session like it,
//! it is the same. Only then can a retry take up what people were asked.
//!
//! What is not sure is taken not to. Words are looked for as they stand, in strings and comments, too.

use std::collections::BTreeSet;

use crate::message::frontend::Frontend;

/// Words by which a statement can go by the name of another, or of a cursor (`WHERE CURRENT OF`).
const BY_NAME: [&str; 4] = ["execute", "fetch", "move", "current"];

/// Whether the messages say all.
pub(crate) fn says_all<'a>(messages: impl Iterator<Item = &'a Frontend>) -> bool {
    let mut statements: BTreeSet<&str> = BTreeSet::new();
    let mut portals: BTreeSet<&str> = BTreeSet::new();
    for message in messages {
        let known = match message {
            Frontend::Query { sql } => !goes_by_names(sql),
            Frontend::Parse { name, sql, .. } => {
                statements.insert(name);
                !goes_by_names(sql)
            }
            Frontend::Bind { portal, statement, .. } => {
                portals.insert(portal);
                statements.contains(statement.as_str())
            }
            Frontend::Execute { portal } => portals.contains(portal.as_str()),
            Frontend::Describe { .. } | Frontend::Flush | Frontend::Sync => true,
            Frontend::Close { .. }
            | Frontend::CopyData
            | Frontend::CopyDone
            | Frontend::CopyFail
            | Frontend::FunctionCall
            | Frontend::Terminate => false,
        };
        if !known {
            return false;
        }
    }
    true
}

/// Whether a text may go by a name that only its session knows.
pub(super) fn goes_by_names(sql: &str) -> bool {
    let of_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
    sql.split(|letter| !of_word(letter))
        .any(|word| BY_NAME.iter().any(|name| word.eq_ignore_ascii_case(name)))
}

#[cfg(test)]
mod tests {
    use super::says_all;
    use crate::message::frontend::Frontend;

    fn query(sql: &str) -> Frontend {
        Frontend::Query { sql: sql.to_owned() }
    }

    fn parse(name: &str) -> Frontend {
        Frontend::Parse {
            name: name.to_owned(),
            sql: "ALTER TABLE claims ADD paid boolean".to_owned(),
            types: Vec::new(),
        }
    }

    fn bind(portal: &str, statement: &str) -> Frontend {
        Frontend::Bind {
            portal: portal.to_owned(),
            statement: statement.to_owned(),
            parameters: 0,
        }
    }

    fn execute(portal: &str) -> Frontend {
        let portal = portal.to_owned();
        Frontend::Execute { portal }
    }

    #[test]
    fn a_text_that_goes_by_no_name_says_all() {
        for (sql, all) in [
            ("ALTER TABLE claims ADD paid boolean", true),
            ("UPDATE claims SET removed = CURRENT_TIMESTAMP", true),
            ("EXECUTE nightly(5)", false),
            ("EXPLAIN ANALYZE EXECUTE nightly(5)", false),
            ("FETCH 5 FROM c", false),
            ("MOVE 5 FROM c", false),
            ("DELETE FROM claims WHERE CURRENT/**/OF c", false),
            ("DELETE FROM claims WHERE id = 1; eXecute nightly(5)", false),
        ] {
            assert_eq!(says_all([query(sql)].iter()), all, "{sql}");
        }
    }

    #[test]
    fn what_came_in_an_earlier_group_is_not_said() {
        let whole = [parse("s"), bind("p", "s"), execute("p"), Frontend::Sync];
        assert!(says_all(whole.iter()));
        for part in [
            vec![bind("p", "s"), execute("p")],
            vec![parse("s"), bind("p", "t"), execute("p")],
            vec![parse("s"), bind("p", "s"), execute("q")],
            vec![bind("p", "s"), parse("s"), execute("p")],
            vec![execute("p")],
        ] {
            assert!(!says_all(part.iter()), "{part:?}");
        }
    }
}
