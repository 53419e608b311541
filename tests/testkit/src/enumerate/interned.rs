//! Things that are met again and again, kept once and known by a number.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

/// A map that is quick, and safe as nobody chooses its keys to slow it down.
pub(super) type QuickMap<K, V> = HashMap<K, V, BuildHasherDefault<Quick>>;

/// Things and a table of their numbers, in which each is found by its hash: a few bytes more than the things.
#[derive(Debug)]
pub(super) struct Interned<T> {
    things: Vec<T>,
    /// Numbers, counted from one; zero where there is none. Always a power of two, and less than half full.
    places: Vec<u32>,
}

impl<T: Eq + Hash> Interned<T> {
    pub(super) fn new() -> Self {
        Self { things: Vec::new(), places: vec![0; 64] }
    }

    /// The number of a thing, which is the next one if it is new.
    pub(super) fn number(&mut self, thing: T) -> u32 {
        let place = self.place_of(&thing);
        if let Some(number) = self.places[place].checked_sub(1) {
            return number;
        }
        let number = u32::try_from(self.things.len()).unwrap_or(u32::MAX);
        self.things.push(thing);
        self.places[place] = number.saturating_add(1);
        if self.places.len() < 2 * self.things.len() {
            self.widen();
        }
        number
    }

    pub(super) fn get(&self, number: u32) -> &T {
        &self.things[number as usize]
    }

    pub(super) const fn len(&self) -> usize {
        self.things.len()
    }

    /// Where its number stands, or is to stand.
    fn place_of(&self, thing: &T) -> usize {
        let mut place = self.first_place_of(thing);
        while let Some(number) = self.places[place].checked_sub(1) {
            if self.things[number as usize] == *thing {
                break;
            }
            place = (place + 1) % self.places.len();
        }
        place
    }

    fn first_place_of(&self, thing: &T) -> usize {
        let hash = BuildHasherDefault::<Quick>::default().hash_one(thing);
        usize::try_from(hash >> 32).unwrap_or(0) % self.places.len()
    }

    fn widen(&mut self) {
        self.places = vec![0; 2 * self.places.len()];
        for (number, thing) in (1..).zip(&self.things) {
            let mut place = self.first_place_of(thing);
            while self.places[place] != 0 {
                place = (place + 1) % self.places.len();
            }
            self.places[place] = number;
        }
    }
}

/// Mixes a word at a time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quick(u64);

impl Quick {
    const fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 32;
    }
}

impl Hasher for Quick {
    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0xD6E8_FEB8_6659_FD93)
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.mix(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.mix(n.into());
    }

    fn write_u16(&mut self, n: u16) {
        self.mix(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.mix(n.into());
    }

    fn write_u64(&mut self, n: u64) {
        self.mix(n);
    }

    fn write_usize(&mut self, n: usize) {
        self.mix(n as u64);
    }
}
