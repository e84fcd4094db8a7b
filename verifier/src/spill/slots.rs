//! Records of one size by their keys: a hash table in a file.
//!
//! ```text
//! slot = 1 byte (1 where it is taken) || key || value
//! ```
//!
//! A record stands in the slot of its hash, or in the next free one behind it; at most half of the slots are taken. The slots are in the
//! order of the hashes, so that the file of twice as many is written from front to back.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};

use super::Spill;
use super::scratch::Scratch;

/// Records that stand in memory before there is a file.
const FEW_MAX: usize = 256;

/// Slots that a file begins with.
const SLOTS_MIN: u64 = 16_384;

/// Slots that are read at once.
const READ_SLOTS: usize = 8;

/// Records by key.
#[derive(Debug)]
pub(crate) struct Slots<const KEY: usize, const VALUE: usize> {
    spill: Spill,
    few: BTreeMap<[u8; KEY], [u8; VALUE]>,
    many: Option<Many<KEY, VALUE>>,
}

impl<const KEY: usize, const VALUE: usize> Slots<KEY, VALUE> {
    pub(crate) fn new(spill: &Spill) -> Self {
        Self {
            spill: spill.clone(),
            few: BTreeMap::new(),
            many: None,
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &[u8; KEY]) -> Option<[u8; VALUE]> {
        match &self.many {
            None => self.few.get(key).copied(),
            Some(many) => self.spill.note(many.find(key))?.map(|(_, value)| value),
        }
    }

    /// Whether there is a record of a key.
    pub(crate) fn has(&self, key: &[u8; KEY]) -> bool {
        self.get(key).is_some()
    }

    /// Takes a record in; gives the value that its key had before.
    pub(crate) fn insert(&mut self, key: [u8; KEY], value: [u8; VALUE]) -> Option<[u8; VALUE]> {
        if self.many.is_none() {
            let before = self.few.insert(key, value);
            if self.few.len() > FEW_MAX {
                self.many = self.spill.note(Many::of(std::mem::take(&mut self.few)));
            }
            return before;
        }
        let inserted = self.many.as_mut()?.insert(&key, &value);
        self.spill.note(inserted)?
    }

    /// Records that stand in memory.
    #[cfg(test)]
    pub(crate) fn in_memory(&self) -> usize {
        self.few.len()
    }
}

/// The file.
#[derive(Debug)]
struct Many<const KEY: usize, const VALUE: usize> {
    file: Scratch,
    hash: RandomState,
    slots: u64,
    taken: u64,
    /// Slots up to the last one that is taken: some may stand behind the last slot of a hash.
    end: u64,
}

impl<const KEY: usize, const VALUE: usize> Many<KEY, VALUE> {
    const SLOT_BYTES: usize = 1 + KEY + VALUE;

    fn of(few: BTreeMap<[u8; KEY], [u8; VALUE]>) -> Result<Self, std::io::Error> {
        let mut many = Self::empty(RandomState::new(), SLOTS_MIN)?;
        for (key, value) in few {
            many.insert(&key, &value)?;
        }
        Ok(many)
    }

    fn empty(hash: RandomState, slots: u64) -> Result<Self, std::io::Error> {
        Ok(Self {
            file: Scratch::new()?,
            hash,
            slots,
            taken: 0,
            end: 0,
        })
    }

    fn place(slot: u64) -> u64 {
        slot.saturating_mul(u64::try_from(Self::SLOT_BYTES).unwrap_or(u64::MAX))
    }

    /// The slot of a hash: the same share of all slots as the hash is of all hashes.
    fn first(&self, key: &[u8; KEY]) -> u64 {
        let share = u128::from(self.hash.hash_one(key)) * u128::from(self.slots);
        u64::try_from(share >> 64).unwrap_or(0)
    }

    /// The slot of a key with its value, or the free one where it has to stand.
    fn seek(&self, key: &[u8; KEY]) -> Result<(u64, Option<[u8; VALUE]>), std::io::Error> {
        let mut buffer = vec![0; Self::SLOT_BYTES * READ_SLOTS];
        let mut slot = self.first(key);
        loop {
            self.file.read(Self::place(slot), &mut buffer)?;
            for record in buffer.chunks_exact(Self::SLOT_BYTES) {
                match Self::split(record) {
                    None => return Ok((slot, None)),
                    Some((other, value)) if other == *key => return Ok((slot, Some(value))),
                    Some(_) => slot += 1,
                }
            }
        }
    }

    fn find(&self, key: &[u8; KEY]) -> Result<Option<(u64, [u8; VALUE])>, std::io::Error> {
        let (slot, value) = self.seek(key)?;
        Ok(value.map(|value| (slot, value)))
    }

    fn insert(&mut self, key: &[u8; KEY], value: &[u8; VALUE]) -> Result<Option<[u8; VALUE]>, std::io::Error> {
        let (slot, before) = self.seek(key)?;
        let record = [&[1], key.as_slice(), value.as_slice()].concat();
        self.file.write(Self::place(slot), &record)?;
        self.end = self.end.max(slot + 1);
        if before.is_none() {
            self.taken += 1;
            if self.taken * 2 > self.slots {
                self.grow()?;
            }
        }
        Ok(before)
    }

    /// Goes on in a file of twice as many slots.
    fn grow(&mut self) -> Result<(), std::io::Error> {
        let mut greater = Self::empty(self.hash.clone(), self.slots * 2)?;
        let mut buffer = vec![0; Self::SLOT_BYTES * READ_SLOTS];
        let mut slot = 0;
        while slot < self.end {
            self.file.read(Self::place(slot), &mut buffer)?;
            for (key, value) in buffer.chunks_exact(Self::SLOT_BYTES).filter_map(Self::split) {
                greater.insert(&key, &value)?;
            }
            slot += u64::try_from(READ_SLOTS).unwrap_or(1);
        }
        *self = greater;
        Ok(())
    }

    /// Key and value of a slot that is taken.
    fn split(record: &[u8]) -> Option<([u8; KEY], [u8; VALUE])> {
        let (taken, record) = record.split_first()?;
        let (key, value) = record.split_at_checked(KEY)?;
        (*taken == 1).then_some((key.try_into().ok()?, value.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::{FEW_MAX, Slots, Spill};

    fn key(number: u64) -> [u8; 8] {
        number.to_be_bytes()
    }

    #[test]
    fn records_are_found_whether_few_or_many_and_memory_holds_few() {
        let spill = Spill::default();
        let mut slots = Slots::<8, 8>::new(&spill);
        for number in 0..30_000 {
            assert_eq!(slots.insert(key(number), key(number + 1)), None);
            assert!(slots.in_memory() <= FEW_MAX, "{number}");
        }
        for number in 0..30_000 {
            assert_eq!(slots.get(&key(number)), Some(key(number + 1)), "{number}");
        }
        assert_eq!(slots.get(&key(30_000)), None);
        assert_eq!(
            slots.insert(key(7), key(0)),
            Some(key(8)),
            "the last value of a key holds"
        );
        assert_eq!(slots.get(&key(7)), Some(key(0)));
        spill.check().unwrap();
    }

    #[test]
    fn a_key_of_zeros_is_none_that_is_free() {
        let mut slots = Slots::<8, 0>::new(&Spill::default());
        for number in 1..=5_000 {
            slots.insert(key(number), []);
        }
        assert!(!slots.has(&key(0)));
        slots.insert(key(0), []);
        assert!(slots.has(&key(0)));
    }

    #[test]
    fn a_file_that_takes_nothing_is_said() {
        let spill = Spill::default();
        let mut slots = Slots::<8, 8>::new(&spill);
        for number in 0..=u64::try_from(FEW_MAX).unwrap() {
            slots.insert(key(number), key(0));
        }
        slots.many.as_mut().unwrap().file = Scratch::full();
        spill.check().unwrap();
        slots.insert(key(u64::MAX), key(0));
        let error = spill.check().unwrap_err().to_string();
        assert!(error.contains("cannot keep"), "{error}");
    }
}
