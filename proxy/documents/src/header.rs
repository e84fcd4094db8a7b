//! Headers of tables: which names their cells say, and whether they can be names.
//!
//! A header is released as it is, so what may be a row of data is none where a document holds PHI. Not here: masks of columns
//! (`table.rs`).

use std::collections::BTreeSet;

use exhibit_policy::mask::document::DocumentMasker;

/// The name that a cell of a header says: without blanks around, and without characters that nobody sees.
pub(crate) fn name(cell: &str) -> String {
    let seen = cell.chars().filter(|character| !is_invisible(*character));
    seen.collect::<String>().trim().to_owned()
}

/// Characters that are drawn as nothing: soft hyphens, marks of direction, joiners, blanks without width.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
    )
}

/// Whether these can be the names of columns, and no row of data.
pub(crate) fn are_names(names: &[String]) -> bool {
    let mut seen = BTreeSet::new();
    names.iter().all(|name| {
        !name.is_empty()
            && !name.bytes().all(|byte| byte.is_ascii_digit())
            && !DocumentMasker::looks_like_value(name)
            && seen.insert(name.to_lowercase())
    })
}
