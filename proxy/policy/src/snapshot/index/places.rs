//! A set of rules: their places in the file, as bits.
//!
//! Not here: what the rules say.

/// Places of rules in the file, from 0. Sets of one policy can be of different lengths; what is past the end is not in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Vec<u64>);

impl Places {
    pub(crate) fn insert(&mut self, place: usize) {
        let (word, bit) = of(place);
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= bit;
        }
    }

    pub(crate) fn remove(&mut self, place: usize) {
        let (word, bit) = of(place);
        if let Some(bits) = self.0.get_mut(word) {
            *bits &= !bit;
        }
    }

    pub(crate) fn contains(&self, place: usize) -> bool {
        let (word, bit) = of(place);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// Adds all of another set.
    pub(crate) fn add(&mut self, other: &Self) {
        if other.0.len() > self.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (bits, others) in self.0.iter_mut().zip(&other.0) {
            *bits |= others;
        }
    }

    /// Adds what is in both of two sets.
    pub(super) fn add_among(&mut self, other: &Self, among: &Self) {
        let words = other.0.len().min(among.0.len());
        if words > self.0.len() {
            self.0.resize(words, 0);
        }
        for (bits, (others, among)) in self.0.iter_mut().zip(other.0.iter().zip(&among.0)) {
            *bits |= others & among;
        }
    }

    /// Whether anything that is in both of two sets is not in this one.
    pub(super) fn lacks(&self, other: &Self, among: &Self) -> bool {
        let own = self.0.iter().copied().chain(std::iter::repeat(0));
        let mut words = other.0.iter().zip(&among.0).zip(own);
        words.any(|((others, among), own)| others & among & !own != 0)
    }

    /// How many words it takes.
    pub(super) const fn words(&self) -> usize {
        self.0.len()
    }

    /// Takes out what is not in another set.
    pub(crate) fn keep(&mut self, other: &Self) {
        self.0.truncate(other.0.len());
        for (bits, others) in self.0.iter_mut().zip(&other.0) {
            *bits &= others;
        }
    }

    /// Takes out what is in another set, but for what is in a third.
    pub(super) fn take_out(&mut self, other: &Self, but: &Self) {
        let but = but.0.iter().copied().chain(std::iter::repeat(0));
        for ((bits, others), but) in self.0.iter_mut().zip(&other.0).zip(but) {
            *bits &= !others | but;
        }
    }

    /// The places, in the order of the file.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(word, bits)| {
            let mut left = *bits;
            std::iter::from_fn(move || {
                let bit = usize::try_from(left.trailing_zeros()).ok().filter(|_| left != 0)?;
                left &= left - 1;
                Some(word * BITS + bit)
            })
        })
    }
}

/// Bits of a word.
const BITS: usize = 64;

const fn of(place: usize) -> (usize, u64) {
    (place / BITS, 1 << (place % BITS))
}
