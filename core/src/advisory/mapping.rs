//! How names become places, each way with a name of its own. A recipe never changes: with another place,
//! two versions of a program would get in at once. Knows no cryptographic hash.

use super::{AdvisoryKey, AdvisoryPlace};

/// A recipe that makes the key of an advisory lock out of a name, so that programs that follow the same
/// one exclude each other. The bytes that count are the name's UTF-8.
///
/// The mapping of sqlx's `PgAdvisoryLock::new` needs SHA-256, so it is to be found in `pglock-wire`.
///
/// ```
/// use pglock_core::{AdvisoryPlace, KeyMapping};
///
/// let key = KeyMapping::WithAdvisoryLock { prefix: 0 }.key("invoice-42");
/// assert_eq!(key.place(), AdvisoryPlace::Pair(1_944_164_891, 0));
/// assert_eq!(key.name(), Some("invoice-42"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyMapping {
    /// A bigint: the 64 bits of FNV-1a, read as a signed number.
    ///
    /// The manual of the Go library `github.com/allisson/go-pglock/v3` makes the ids of named locks so, from
    /// version 3.1.0 on, seen up to 3.2.0.
    #[default]
    Fnv1a,
    /// Two ints: the low 31 bits of the name's CRC-32, and those of a prefix.
    ///
    /// The Ruby gem `with_advisory_lock` makes its keys so from version 2.0.0 on, seen up to 7.5.0. A name
    /// that is a number there is not hashed: to lock out `with_advisory_lock(42)`, use
    /// `AdvisoryKey::from((42, 0))`.
    WithAdvisoryLock {
        /// The gem's environment variable `WITH_ADVISORY_LOCK_PREFIX` as Ruby's `to_i` reads it: 0 where
        /// that is unset or begins with no number. The low 31 bits count.
        prefix: i64,
    },
    /// A bigint: the CRC-32 of a database's name times a constant.
    ///
    /// Migrations of the Rust library `sqlx` hold it for the database that they change, from version 0.4.0
    /// on, seen up to 0.9.0-alpha.1.
    SqlxMigrations,
}

impl KeyMapping {
    /// The key that this mapping makes of a name; of any text, also an empty one.
    #[must_use]
    pub fn key(self, name: &str) -> AdvisoryKey {
        AdvisoryKey::named(name, self.place(name.as_bytes()))
    }

    fn place(self, name: &[u8]) -> AdvisoryPlace {
        match self {
            Self::Fnv1a => fnv1a(name).cast_signed().into(),
            Self::WithAdvisoryLock { prefix } => (low(i64::from(crc32(name))), low(prefix)).into(),
            Self::SqlxMigrations => (SQLX_MIGRATIONS * i64::from(crc32(name))).into(),
        }
    }
}

/// Below 2^30, so that its product with any 32 bits fits.
const SQLX_MIGRATIONS: i64 = 0x3D32_AD9E;

/// The low 31 bits.
fn low(number: i64) -> i32 {
    i32::try_from(number & i64::from(i32::MAX)).unwrap_or(0)
}

pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// The CRC-32 of zlib, PNG and Ethernet, bit by bit: names are short.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            let feedback = if crc & 1 == 1 { 0xEDB8_8320 } else { 0 };
            (crc >> 1) ^ feedback
        })
    })
}

/// The expected numbers come from Python's own library; `name` is the name's UTF-8.
#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    /// Empty, plain, beyond ASCII, with a NUL, long.
    fn names() -> [String; 8] {
        let short = ["", "a", "foobar", "invoice-42", "ключ 🔒", "a\0b"].map(Into::into);
        let [empty, a, foobar, invoice, lock, nul] = short;
        [empty, a, foobar, invoice, lock, nul, "x".repeat(1000), "ß".repeat(255)]
    }

    fn agree<P: Into<AdvisoryPlace>>(mapping: KeyMapping, expected: [P; 8]) {
        for (name, expected) in names().iter().zip(expected) {
            let key = mapping.key(name);
            assert_eq!((key.place(), key.name()), (expected.into(), Some(name.as_str())));
        }
    }

    /// The vectors of the algorithm's authors, as in their `test_fnv.c` and in draft-eastlake-fnv.
    #[test]
    fn fnv1a_has_the_published_values() {
        assert_eq!(fnv1a(b""), 0xCBF2_9CE4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xAF63_DC4C_8601_EC8C);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_F739_67E8);
    }

    /// `step = lambda hash, byte: (hash ^ byte) * 0x100000001b3 % 2**64`, then
    /// `hash = functools.reduce(step, name, 0xcbf29ce484222325)` and
    /// `struct.unpack("<q", struct.pack("<Q", hash))`, which is what Go's `int64(h.Sum64())` does.
    #[test]
    fn names_are_mapped_as_go_pglocks_manual_does() {
        agree(
            KeyMapping::default(),
            [
                -3_750_763_034_362_895_579,
                -5_808_556_873_153_909_620,
                -8_821_353_812_377_114_648,
                5_023_789_958_151_901_409,
                -1_534_129_778_052_292_512,
                -1_886_276_961_191_958_862,
                -2_184_859_513_441_168_699,
                2_755_870_164_636_603_787,
            ],
        );
    }

    /// The check value of CRC-32/ISO-HDLC in the catalogue of CRC algorithms, and `zlib.crc32(name)`.
    #[test]
    fn crc32_has_the_published_value() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32("ключ 🔒".as_bytes()), 0xB00C_E80F);
    }

    /// `zlib.crc32(name) & 0x7fffffff`
    #[test]
    fn names_are_mapped_as_the_ruby_gem_does() {
        agree(
            KeyMapping::WithAdvisoryLock { prefix: 0 },
            [
                (0, 0),
                (1_756_872_259, 0),
                (519_446_421, 0),
                (1_944_164_891, 0),
                (806_152_207, 0),
                (367_556_721, 0),
                (994_167_270, 0),
                (1_128_874_196, 0),
            ],
        );
    }

    /// `prefix & 0x7fffffff`, as in Ruby
    #[test]
    fn the_gems_prefix_is_the_second_number() {
        for (prefix, second) in
            [(12, 12), (-1, 2_147_483_647), (4_294_967_301, 5), (2_147_483_648, 0), (i64::MIN, 0)]
        {
            let place = KeyMapping::WithAdvisoryLock { prefix }.key("a").place();
            assert_eq!(place, AdvisoryPlace::Pair(1_756_872_259, second), "{prefix}");
        }
    }

    /// `0x3d32ad9e * zlib.crc32(name)`
    #[test]
    fn databases_are_mapped_as_sqlxs_migrations_do() {
        agree(
            KeyMapping::SqlxMigrations,
            [
                0,
                4_008_724_892_388_209_754,
                2_738_220_902_118_928_118,
                4_201_024_122_771_692_458,
                3_032_590_741_474_335_810,
                377_382_034_817_987_262,
                1_020_742_774_832_957_940,
                1_159_050_608_518_186_712,
            ],
        );
    }

    /// Pairs that others have found.
    #[test]
    fn names_that_hash_alike_are_told_apart() {
        let clash =
            |mapping: KeyMapping, one, two| mapping.key(one).clashes_with(&mapping.key(two));
        assert!(clash(KeyMapping::Fnv1a, "8yn0iYCKYHlIj4-BwPqk", "GReLUrM4wMqfg9yzV3KQ"));
        for mapping in [KeyMapping::WithAdvisoryLock { prefix: 7 }, KeyMapping::SqlxMigrations] {
            assert!(clash(mapping, "plumless", "buckeroo"));
        }
    }
}
