//! What was masked, by the identifiers of 45 CFR 164.514(b)(2)(i)(A) to (R), as far as the log can tell.
//!
//! A net's findings have a category. A policy's mask has none: it names columns, and only techniques that fit one kind of value say which
//! (`zip3`, `age`, `year`, `date_shift`). All others stand under one name that says so.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_policy::detect::Category;

use crate::census::Figures;
use crate::evidence::Evidence;

/// What masks are under whose technique fits values of any kind.
const UNKNOWN: &str = "no category in the policy";

/// Findings of nets and cells of masks, by category, the largest first.
pub(super) fn masked(figures: &Figures, evidence: &Evidence) -> Vec<(String, u64)> {
    let mut techniques: BTreeMap<&str, BTreeSet<Option<Category>>> = BTreeMap::new();
    for line in &evidence.policy_masks {
        let category = of_technique(&line.technique);
        techniques.entry(&line.mask).or_default().insert(category);
    }
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut add = |name: String, more: u64| {
        let count = counts.entry(name).or_default();
        *count = count.saturating_add(more);
    };
    for (word, findings) in &figures.found {
        let name = Category::from_word(word).map_or_else(|| UNKNOWN.to_owned(), named);
        add(name, *findings);
    }
    for (mask, cells) in &figures.masked {
        // A name that no policy has as a mask is a net's, whose findings are counted above.
        let Some(of) = techniques.get(mask.as_str()) else {
            continue;
        };
        // Policies that gave one mask techniques of different kinds leave its category open.
        let one = of.first().copied().flatten().filter(|_| of.len() == 1);
        add(one.map_or_else(|| UNKNOWN.to_owned(), named), *cells);
    }
    let mut lines: Vec<_> = counts.into_iter().collect();
    lines.sort_by(|left, right| (right.1, &left.0).cmp(&(left.1, &right.0)));
    lines
}

fn named(category: Category) -> String {
    format!("({}) {}", letter(category), category.as_str())
}

/// The kind of value that a technique fits alone.
fn of_technique(word: &str) -> Option<Category> {
    match word {
        "zip3" => Some(Category::Zip),
        "year" | "date_shift" => Some(Category::Date),
        "age" => Some(Category::Age),
        _ => None,
    }
}

/// The place of a category in 45 CFR 164.514(b)(2)(i).
const fn letter(category: Category) -> char {
    match category {
        Category::Name => 'A',
        Category::Address | Category::Place | Category::Zip => 'B',
        Category::Date | Category::Age => 'C',
        Category::Phone => 'D',
        Category::Fax => 'E',
        Category::Email => 'F',
        Category::Ssn => 'G',
        Category::Mrn => 'H',
        Category::HealthPlan => 'I',
        Category::Account | Category::Card | Category::Iban => 'J',
        Category::Licence | Category::Npi | Category::Dea => 'K',
        Category::Vehicle => 'L',
        Category::Device => 'M',
        Category::Url => 'N',
        Category::Ip => 'O',
        Category::Biometric => 'P',
        Category::Image => 'Q',
        Category::Unique => 'R',
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use exhibit_policy::detect::Category;

    use super::{letter, masked};
    use crate::census::Figures;
    use crate::evidence::{Evidence, PolicyMaskLine};

    fn mask(name: &str, technique: &str) -> PolicyMaskLine {
        PolicyMaskLine {
            policy: "1".to_owned(),
            mask: name.to_owned(),
            technique: technique.to_owned(),
            keyed: false,
            targets: Vec::new(),
            resources: Vec::new(),
        }
    }

    fn counts(each: &[(&str, u64)]) -> BTreeMap<String, u64> {
        each.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn what_is_masked_stands_under_its_category_where_one_is_known() {
        let (mut figures, mut evidence) = (Figures::default(), Evidence::default());
        figures.masked = counts(&[("codes", 4), ("birth", 5), ("either", 6), ("names", 7), ("a net", 100)]);
        figures.found = counts(&[("ssn", 3), ("date", 2)]);
        evidence.policy_masks = [
            ("codes", "zip3"),
            ("birth", "year"),
            ("birth", "date_shift"),
            ("either", "age"),
            ("either", "token"),
            ("names", "token"),
        ]
        .map(|(name, technique)| mask(name, technique))
        .into();
        let lines = masked(&figures, &evidence);
        let lines: Vec<_> = lines.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        let wanted = [
            ("no category in the policy", 13),
            ("(C) date", 7),
            ("(B) zip", 4),
            ("(G) ssn", 3),
        ];
        assert_eq!(lines, wanted);
    }

    #[test]
    fn every_letter_of_the_rule_has_a_category() {
        let letters: std::collections::BTreeSet<_> = Category::ALL.map(letter).into();
        assert!(letters.into_iter().eq('A'..='R'));
    }
}
