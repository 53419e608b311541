//! Keys of advisory locks as the library sqlx makes them of names. The recipe never changes: with another
//! place, two versions of a program would get in at once.

use hmac::{Hmac, KeyInit, Mac};
use pglock_core::AdvisoryKey;
use sha2::Sha256;

/// The key that `PgAdvisoryLock::new(name)` of `sqlx-postgres` stands for, from sqlx 0.5.12 on, seen up to
/// 0.9.0-alpha.1.
///
/// It is a bigint: the first eight bytes, little-endian, of HKDF-SHA256 ([RFC 5869]) over the name's UTF-8,
/// without salt and with sqlx's own info.
///
/// ```
/// use pglock_core::AdvisoryPlace;
///
/// let key = pglock_wire::sqlx_key("my first Postgres advisory lock!");
/// assert_eq!(key.place(), AdvisoryPlace::Bigint(-5_560_419_505_042_474_287));
/// assert_eq!(key.name(), Some("my first Postgres advisory lock!"));
/// ```
///
/// [RFC 5869]: https://datatracker.ietf.org/doc/html/rfc5869
#[must_use]
pub fn sqlx_key(name: &str) -> AdvisoryKey {
    let secret = hmac([0; HASH], name.as_bytes());
    let output = hmac(secret, FIRST_BLOCK);
    let [a, b, c, d, e, f, g, h, ..] = output;
    AdvisoryKey::named(name, i64::from_le_bytes([a, b, c, d, e, f, g, h]))
}

/// The length of a SHA-256 hash in bytes.
const HASH: usize = 32;

/// The length of a block of SHA-256 in bytes.
const BLOCK: usize = 64;

/// sqlx's info, and the number of the block of output.
const FIRST_BLOCK: &[u8] = b"SQLx (Rust) Postgres advisory lock\x01";

/// A key as long as a hash is filled up with zeros to a block.
fn hmac(key: [u8; HASH], message: &[u8]) -> [u8; HASH] {
    let mut block = [0; BLOCK];
    for (to, from) in block.iter_mut().zip(key) {
        *to = from;
    }
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pglock_core::AdvisoryPlace;

    /// From Python, with `name` as UTF-8: `secret = hmac.digest(bytes(32), name, "sha256")`, then
    /// `output = hmac.digest(secret, b"SQLx (Rust) Postgres advisory lock\x01", "sha256")` and
    /// `int.from_bytes(output[:8], "little", signed=True)`. The first line stands in sqlx's own
    /// documentation.
    #[test]
    fn names_are_mapped_as_sqlx_does() {
        for (name, number) in [
            ("my first Postgres advisory lock!", -5_560_419_505_042_474_287),
            ("", 8_559_922_135_585_776_354),
            ("a", -2_537_430_154_616_479_981),
            ("foobar", 3_064_072_971_036_460_509),
            ("invoice-42", -3_097_039_121_606_862_008),
            ("ключ 🔒", 1_910_048_261_665_160_037),
            ("a\0b", -3_840_933_396_954_753_274),
            (&"x".repeat(64), 8_286_977_737_738_223_322),
            (&"x".repeat(65), -2_766_737_731_467_747_029),
            (&"x".repeat(1000), 7_820_946_800_567_525_258),
            (&"ß".repeat(255), 605_150_073_468_428_927),
        ] {
            let key = sqlx_key(name);
            assert_eq!((key.place(), key.name()), (AdvisoryPlace::Bigint(number), Some(name)));
        }
    }
}
