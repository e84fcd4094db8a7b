//! The nearest right spelling of a name that is not known.

/// Names further apart than this are not offered.
const DISTANCE_MAX: usize = 3;

/// The nearest of the names in serde's "unknown field `a`, expected one of `b`, `c`" and its like.
pub(super) fn nearest(message: &str) -> Option<&str> {
    let rest = ["unknown field ", "unknown variant "]
        .iter()
        .find_map(|start| message.strip_prefix(start))?;
    let mut names = rest.split('`').skip(1).step_by(2);
    let found = names.next()?;
    names
        .map(|name| (distance(found, name), name))
        .min()
        .filter(|(distance, name)| *distance <= DISTANCE_MAX && *distance < name.chars().count())
        .map(|(_, name)| name)
}

/// Levenshtein's edit distance of two short names.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, character) in left.chars().enumerate() {
        let mut next = vec![above + 1];
        let mut beside = above + 1;
        for ((other, diagonal), over) in right.iter().zip(&row).zip(row.iter().skip(1)) {
            beside = (diagonal + usize::from(character != *other))
                .min(over + 1)
                .min(beside + 1);
            next.push(beside);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances_are_counted_in_edits() {
        for (left, right, wanted) in [
            ("", "", 0),
            ("abc", "", 3),
            ("ledgr", "ledger", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left, right), wanted, "{left} {right}");
        }
    }

    #[test]
    fn only_a_near_name_is_offered() {
        let check = |message: &str, wanted| assert_eq!(nearest(message), wanted, "{message}");
        check(
            "unknown field `orign`, expected one of `origin`, `listen`, `tls`",
            Some("origin"),
        );
        check("unknown field `hots`, expected `host` or `port`", Some("host"));
        check(
            "unknown variant `verify_full`, expected one of `verify-full`, `off`",
            Some("verify-full"),
        );
        check("unknown field `wholly-other`, expected `host` or `port`", None);
        check("unknown field `x`, expected `tls`", None);
        check("unknown field `a`, there are no fields", None);
        check("missing field `directory`", None);
    }
}
