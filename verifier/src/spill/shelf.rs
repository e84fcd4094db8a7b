//! Values of any size by digest: those that were used last in memory, the others in a file.
//!
//! A value that goes to the file takes the place that it had there before, if it still fits; otherwise one of twice its size, so that what lies
//! unused is never more than what is used, however often values change.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use exhibit_schemas::cbor;
use exhibit_schemas::digest::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::scratch::Scratch;
use super::{Slots, Spill};

/// Values by digest.
pub(crate) struct Shelf<V> {
    spill: Spill,
    /// How many stand in memory at the most.
    most: usize,
    shelved: RefCell<Shelved<V>>,
}

struct Shelved<V> {
    near: BTreeMap<Digest, Near<V>>,
    /// The same by when they were used last.
    by_use: BTreeMap<u64, Digest>,
    uses: u64,
    /// Where the others are: place, room and length.
    far: Slots<32, 24>,
    file: Option<Scratch>,
    end: u64,
}

struct Near<V> {
    value: Rc<V>,
    used: u64,
    /// The file does not have it as it is.
    changed: bool,
}

impl<V: Clone + Serialize + DeserializeOwned> Shelf<V> {
    pub(crate) fn new(spill: &Spill, most: usize) -> Self {
        Self {
            spill: spill.clone(),
            most,
            shelved: RefCell::new(Shelved {
                near: BTreeMap::new(),
                by_use: BTreeMap::new(),
                uses: 0,
                far: Slots::new(spill),
                file: None,
                end: 0,
            }),
        }
    }

    /// A value as it is now; it stays so, whatever changes later.
    pub(crate) fn get(&self, key: Digest) -> Option<Rc<V>> {
        let mut shelved = self.shelved.borrow_mut();
        self.bring(&mut shelved, key)?;
        Some(Rc::clone(&shelved.near.get(&key)?.value))
    }

    /// A value, to change it.
    pub(crate) fn get_mut(&mut self, key: Digest) -> Option<&mut V> {
        let mut shelved = self.shelved.borrow_mut();
        self.bring(&mut shelved, key)?;
        drop(shelved);
        let near = self.shelved.get_mut().near.get_mut(&key)?;
        near.changed = true;
        Some(Rc::make_mut(&mut near.value))
    }

    /// Takes a value in; it takes the place of one that its key had before.
    pub(crate) fn insert(&mut self, key: Digest, value: V) {
        let mut shelved = self.shelved.borrow_mut();
        shelved.hold(key, Rc::new(value), true);
        self.leave(&mut shelved);
    }

    /// Has a value in memory, as the one that was used last.
    fn bring(&self, shelved: &mut Shelved<V>, key: Digest) -> Option<()> {
        if let Some(near) = shelved.near.get_mut(&key) {
            shelved.by_use.remove(&near.used);
            shelved.uses += 1;
            near.used = shelved.uses;
            shelved.by_use.insert(near.used, key);
            return Some(());
        }
        let value = self.spill.note(shelved.load(key))??;
        shelved.hold(key, Rc::new(value), false);
        self.leave(shelved);
        Some(())
    }

    /// Brings to the file what is too much for memory.
    fn leave(&self, shelved: &mut Shelved<V>) {
        while shelved.near.len() > self.most.max(1) {
            let left = shelved.leave();
            self.spill.note(left);
        }
    }

    /// Values that stand in memory.
    #[cfg(test)]
    pub(crate) fn in_memory(&self) -> usize {
        self.shelved.borrow().near.len()
    }
}

impl<V: Clone + Serialize + DeserializeOwned> Shelved<V> {
    fn hold(&mut self, key: Digest, value: Rc<V>, changed: bool) {
        self.uses += 1;
        let used = self.uses;
        self.by_use.insert(used, key);
        if let Some(before) = self.near.insert(key, Near { value, used, changed }) {
            self.by_use.remove(&before.used);
        }
    }

    /// Brings the value to the file that was not used for longest.
    fn leave(&mut self) -> Result<(), std::io::Error> {
        let first = self.by_use.pop_first();
        let Some((key, near)) = first.and_then(|(_, key)| Some((key, self.near.remove(&key)?))) else {
            return Ok(());
        };
        if !near.changed {
            return Ok(());
        }
        let bytes = cbor::encode(&*near.value);
        let length = u64::try_from(bytes.len()).map_err(std::io::Error::other)?;
        let before = self.far.get(key.as_bytes()).map(Far::parse);
        let (place, room) = match before {
            Some(before) if before.room >= length => (before.place, before.room),
            _ => {
                let room = length.saturating_mul(2);
                let place = self.end;
                self.end = place.saturating_add(room);
                (place, room)
            }
        };
        if self.file.is_none() {
            self.file = Some(Scratch::new()?);
        }
        if let Some(file) = &self.file {
            file.write(place, &bytes)?;
        }
        self.far.insert(key.0, Far { place, room, length }.bytes());
        Ok(())
    }

    /// Reads a value from the file.
    fn load(&self, key: Digest) -> Result<Option<V>, std::io::Error> {
        let Some((file, far)) = self.file.as_ref().zip(self.far.get(key.as_bytes())) else {
            return Ok(None);
        };
        let far = Far::parse(far);
        let mut bytes = vec![0; usize::try_from(far.length).map_err(std::io::Error::other)?];
        file.read(far.place, &mut bytes)?;
        cbor::decode(&bytes).map(Some).map_err(std::io::Error::other)
    }
}

/// Where a value lies in the file.
#[derive(Clone, Copy)]
struct Far {
    place: u64,
    room: u64,
    length: u64,
}

impl Far {
    fn bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        let numbers = [self.place, self.room, self.length].map(u64::to_be_bytes);
        bytes.copy_from_slice(numbers.as_flattened());
        bytes
    }

    fn parse(bytes: [u8; 24]) -> Self {
        let mut numbers = bytes
            .chunks_exact(8)
            .map(|number| number.try_into().map_or(0, u64::from_be_bytes));
        let mut next = || numbers.next().unwrap_or(0);
        Self {
            place: next(),
            room: next(),
            length: next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::digest::Digest;

    use super::super::scratch::Scratch;
    use super::{Shelf, Spill};

    fn key(number: usize) -> Digest {
        Digest::of(&number.to_be_bytes())
    }

    #[test]
    fn values_are_as_they_were_left_wherever_they_are() {
        let spill = Spill::default();
        let mut shelf = Shelf::<Vec<usize>>::new(&spill, 10);
        for number in 0..1_000 {
            shelf.insert(key(number), vec![number]);
            assert!(shelf.in_memory() <= 10);
        }
        // Each grows, by turns, so that each goes to the file and comes back many times, and does not fit where it was.
        for round in 0..20 {
            for number in 0..1_000 {
                shelf.get_mut(key(number)).unwrap().push(round);
            }
        }
        for number in 0..1_000 {
            let expected: Vec<_> = std::iter::once(number).chain(0..20).collect();
            assert_eq!(*shelf.get(key(number)).unwrap(), expected);
        }
        assert!(shelf.get(key(1_000)).is_none());
        spill.check().unwrap();
    }

    #[test]
    fn what_lies_unused_is_never_more_than_what_is_used() {
        let spill = Spill::default();
        let mut shelf = Shelf::<Vec<u8>>::new(&spill, 1);
        for length in 0..1_000 {
            shelf.insert(key(0), vec![200; length]);
            shelf.insert(key(1), vec![200; length]);
        }
        // Two bytes of CBOR to each number, twice that as room, and twice that as all rooms before.
        assert!(
            shelf.shelved.borrow().end < 2 * 1_000 * 2 * 2 * 2,
            "{}",
            shelf.shelved.borrow().end
        );
    }

    #[test]
    fn the_last_value_of_a_key_holds_and_a_value_that_was_taken_out_stays() {
        let mut shelf = Shelf::<Vec<usize>>::new(&Spill::default(), 1);
        shelf.insert(key(0), vec![1]);
        shelf.insert(key(1), vec![1]);
        shelf.insert(key(0), vec![2]);
        let taken = shelf.get(key(0)).unwrap();
        shelf.get_mut(key(0)).unwrap().push(3);
        assert_eq!((*taken).as_slice(), [2]);
        assert!(shelf.get(key(1)).is_some());
        assert_eq!((*shelf.get(key(0)).unwrap()).as_slice(), [2, 3]);
    }

    #[test]
    fn a_file_that_takes_nothing_or_holds_something_else_is_said() {
        for full in [true, false] {
            let spill = Spill::default();
            let mut shelf = Shelf::<Vec<usize>>::new(&spill, 1);
            shelf.insert(key(0), vec![1]);
            shelf.insert(key(1), vec![1]);
            spill.check().unwrap();
            if full {
                shelf.shelved.get_mut().file = Some(Scratch::full());
                shelf.insert(key(2), vec![1]);
            } else {
                shelf.shelved.get_mut().file = Some(Scratch::new().unwrap());
                assert!(shelf.get(key(0)).is_none());
            }
            assert!(spill.check().is_err(), "{full}");
        }
    }
}
