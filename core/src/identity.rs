//! Numbers that tell one client's writes from all others': identities, record version numbers,
//! fencing tokens; and the jitter that is drawn from the seed. Knows no source of randomness.

use core::fmt;
use core::time::Duration;

/// 16 bytes that no other client has; draw them from the system's generator.
///
/// Two clients with one identity write the same record version numbers and may both believe in
/// one lock. A process that is cloned (a restored snapshot of a virtual machine) needs a new one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity([u8; 16]);

impl Identity {
    /// An identity of these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The identity of every client with this seed: a deliberate bug.
    pub(crate) const fn of_seed(seed: u64) -> Self {
        Self((seed as u128).to_le_bytes())
    }

    fn halves(self) -> (u64, u64) {
        let whole = u128::from_le_bytes(self.0);
        let low = whole & u128::from(u64::MAX);
        (u64::try_from(low).unwrap_or(0), u64::try_from(whole >> 64).unwrap_or(0))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:032x})", u128::from_be_bytes(self.0))
    }
}

/// A record version number: the holder writes a new one with each heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rvn(i64);

impl Rvn {
    /// The mark, 2^62: numbers from here on are written by this library. The sequence that the Go
    /// library cirello.io/pglock draws from never gets here.
    pub const MARK: i64 = 1 << 62;

    /// Marked numbers from here on, 2^62 + 2^61, are tickets: see [`is_ticket`](Self::is_ticket).
    pub const TICKET: i64 = Self::MARK | 1 << 61;

    /// A number as it stands in a row.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number as it stands in a row.
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0
    }

    /// Whether this library wrote it, so that the row's other columns count.
    #[must_use]
    pub const fn is_marked(self) -> bool {
        self.0 >= Self::MARK
    }

    /// Whether it is a ticket: the place of one that waits in the row's line. It becomes the row's number when the
    /// lock is handed over to whoever drew it, who does not hold it before it has come for it; others may have the
    /// lock if nobody comes.
    #[must_use]
    pub const fn is_ticket(self) -> bool {
        self.0 >= Self::TICKET
    }
}

/// A fencing token: strictly grows with every grant of a name, unchanged by heartbeats.
///
/// The sequence that tokens are drawn from ends below [`Token::EPOCH`]; the bits from there on are kept for an
/// epoch that survives a fail-over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(i64);

impl Token {
    /// One epoch, 2^48: more grants than a table ever sees.
    pub const EPOCH: i64 = 1 << 48;

    /// A token as it stands in a row.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The token as it stands in a row.
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The record version numbers of one client: a keyed permutation of a counter, so that none comes
/// twice and no other client draws it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Numbers {
    keys: (u64, u64),
    counter: u64,
}

impl Numbers {
    const BITS: u64 = (1 << 61) - 1;

    pub(crate) fn new(identity: Identity) -> Self {
        let (low, high) = identity.halves();
        let first = scramble(low ^ scramble(high));
        Self { keys: (first, scramble(high ^ first)), counter: 0 }
    }

    pub(crate) fn draw(&mut self) -> Rvn {
        self.draw_from(Rvn::MARK)
    }

    pub(crate) fn draw_ticket(&mut self) -> Rvn {
        self.draw_from(Rvn::TICKET)
    }

    fn draw_from(&mut self, first: i64) -> Rvn {
        let n = self.counter;
        self.counter = self.counter.wrapping_add(1);
        let number = i64::try_from(self.permute(n)).unwrap_or(0);
        Rvn(first + number)
    }

    /// Each step can be undone modulo 2^61, so different counters give different numbers.
    fn permute(&self, counter: u64) -> u64 {
        let mut x = counter.wrapping_add(self.keys.0) & Self::BITS;
        x ^= x >> 31;
        x = x.wrapping_mul(0x9E37_79B9_7F4A_7C15) & Self::BITS;
        x ^= x >> 29;
        x = x.wrapping_add(self.keys.1) & Self::BITS;
        x ^= x >> 32;
        x = x.wrapping_mul(0xD6E8_FEB8_6659_FD93) & Self::BITS;
        x ^ (x >> 30)
    }
}

/// Spreads waits so that clients do not move in step. Safety never depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A span between half of `span` and the whole of it.
    pub(crate) fn spread(&mut self, span: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let half = u64::try_from(span.as_nanos() / 2).unwrap_or(u64::MAX / 2);
        let drawn = scramble(self.0).checked_rem(half.saturating_add(1)).unwrap_or(0);
        Duration::from_nanos(half.saturating_add(drawn))
    }
}

/// The finaliser of SplitMix64.
const fn scramble(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::string::ToString;

    fn numbers(last: u8) -> Numbers {
        let mut bytes = [0; 16];
        bytes[15] = last;
        Numbers::new(Identity::new(bytes))
    }

    #[test]
    fn numbers_are_marked_and_never_come_twice() {
        let mut seen = BTreeSet::new();
        for client in 0..20 {
            let mut numbers = numbers(client);
            for n in 0..5_000 {
                let is_ticket = n % 3 == 0;
                let rvn = if is_ticket { numbers.draw_ticket() } else { numbers.draw() };
                assert!(rvn.is_marked());
                assert_eq!(rvn.is_ticket(), is_ticket);
                assert!(seen.insert(rvn), "{rvn:?} of client {client} came twice");
            }
        }
    }

    /// The inverse of an odd factor modulo 2^64, and so modulo 2^61.
    fn inverse(factor: u64) -> u64 {
        (0..6).fold(factor, |x, _| x.wrapping_mul(2_u64.wrapping_sub(factor.wrapping_mul(x))))
    }

    fn unshift(y: u64, by: u32) -> u64 {
        (1..64_u32.div_ceil(by)).fold(y, |x, n| x ^ (y >> (n * by)))
    }

    fn counter_of(rvn: Rvn, keys: (u64, u64)) -> u64 {
        let x = unshift(u64::try_from(rvn.as_i64() - Rvn::MARK).unwrap(), 30);
        let x = x.wrapping_mul(inverse(0xD6E8_FEB8_6659_FD93)) & Numbers::BITS;
        let x = unshift(x, 32).wrapping_sub(keys.1) & Numbers::BITS;
        let x = unshift(x, 29).wrapping_mul(inverse(0x9E37_79B9_7F4A_7C15)) & Numbers::BITS;
        unshift(x, 31).wrapping_sub(keys.0) & Numbers::BITS
    }

    #[test]
    fn a_number_tells_its_counter_so_no_two_counters_share_one() {
        let mut numbers = numbers(1);
        for n in (0..1_000).chain((0..61).map(|bit| 1 << bit)) {
            numbers.counter = n;
            assert_eq!(counter_of(numbers.draw(), numbers.keys), n);
        }
    }

    fn unscramble(x: u64) -> u64 {
        let x = unshift(x, 31).wrapping_mul(inverse(0x94D0_49BB_1331_11EB));
        let x = unshift(x, 27).wrapping_mul(inverse(0xBF58_476D_1CE4_E5B9));
        unshift(x, 30)
    }

    #[test]
    fn the_keys_tell_the_identity_so_no_two_identities_share_them() {
        for bit in 0..128 {
            let whole = 0x0123_4567_89AB_CDEF_FEDC_BA98_7654_3210_u128 ^ (1 << bit);
            let (first, second) = Numbers::new(Identity::new(whole.to_le_bytes())).keys;
            let high = unscramble(second) ^ first;
            let low = unscramble(first) ^ scramble(high);
            assert_eq!(u128::from(high) << 64 | u128::from(low), whole, "bit {bit}");
        }
    }

    #[test]
    fn one_identity_gives_one_sequence() {
        assert_eq!(numbers(7).draw(), numbers(7).draw());
        assert_ne!(numbers(7).draw(), numbers(8).draw());
    }

    #[test]
    fn a_token_is_shown_as_its_number() {
        assert_eq!(Token::new(17).to_string(), "17");
    }

    #[test]
    fn jitter_stays_between_half_and_whole() {
        let mut jitter = Jitter::new(1);
        let span = Duration::from_millis(10);
        for _ in 0..1_000 {
            let drawn = jitter.spread(span);
            assert!(drawn >= span / 2 && drawn <= span);
        }
        assert_eq!(jitter.spread(Duration::ZERO), Duration::ZERO);
        assert!(jitter.spread(Duration::MAX) >= Duration::from_nanos(u64::MAX / 2));
    }
}
