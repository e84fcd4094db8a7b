//! Both forms of the rules that have a pattern come to what sets come to.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Holders, Places};

/// Some words of bits, and some rules in them.
fn places() -> impl Strategy<Value = BTreeSet<usize>> {
    prop::collection::btree_set(0..200_usize, 0..40)
}

fn bits(places: &BTreeSet<usize>) -> Places {
    let mut bits = Places::default();
    for place in places {
        bits.insert(*place);
    }
    bits
}

proptest! {
    #[test]
    fn few_and_many_are_the_same_rules(holders in places(), found in places(), among in places()) {
        let open: BTreeSet<usize> = holders.intersection(&among).copied().collect();
        let all: BTreeSet<usize> = found.union(&open).copied().collect();
        for form in [Holders::Few(holders.iter().copied().collect()), Holders::Many(bits(&holders))] {
            let (mut found, among) = (bits(&found), bits(&among));
            prop_assert_eq!(form.have_more(&found, &among), open.iter().any(|place| !found.contains(*place)));
            form.add(&mut found, &among);
            prop_assert_eq!(found.iter().collect::<BTreeSet<_>>(), all.clone());
        }
    }

    #[test]
    fn the_form_is_the_smaller_one(holders in places()) {
        let words = bits(&holders).words();
        let few = matches!(Holders::of(holders.iter().copied().collect()), Holders::Few(_));
        prop_assert_eq!(few, holders.len() < words);
    }
}
