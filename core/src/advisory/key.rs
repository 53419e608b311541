//! Where an advisory lock stands in the server's lock space, and under which name people know it. Knows no
//! recipe that makes a place of a name.

use alloc::sync::Arc;
use core::fmt;

use super::KeyMapping;

/// A place in the server's lock space, which every database has for itself. Sessions exclude each other
/// when the places of their keys are equal, whatever the locks are called.
///
/// The two spaces are apart: no bigint is the place of any pair
/// ([PostgreSQL's manual, advisory lock functions][manual]).
///
/// [manual]: https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADVISORY-LOCKS
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the server has these two spaces")]
pub enum AdvisoryPlace {
    /// The argument of `pg_advisory_lock(bigint)`.
    Bigint(i64),
    /// The arguments of `pg_advisory_lock(int, int)`.
    Pair(i32, i32),
}

impl AdvisoryPlace {
    /// What `pg_locks` shows: `classid`, `objid` and `objsubid`.
    pub(super) const fn columns(self) -> (u32, u32, u8) {
        match self {
            Self::Bigint(number) => {
                let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
                (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]), 1)
            }
            Self::Pair(first, second) => (first.cast_unsigned(), second.cast_unsigned(), 2),
        }
    }
}

impl From<i64> for AdvisoryPlace {
    fn from(number: i64) -> Self {
        Self::Bigint(number)
    }
}

impl From<(i32, i32)> for AdvisoryPlace {
    fn from((first, second): (i32, i32)) -> Self {
        Self::Pair(first, second)
    }
}

/// The arguments of the server's functions, and the columns of `pg_locks` that show them.
impl fmt::Display for AdvisoryPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bigint(number) => write!(f, "bigint {number}")?,
            Self::Pair(first, second) => write!(f, "ints ({first}, {second})")?,
        }
        let (classid, objid, objsubid) = self.columns();
        write!(f, " (in pg_locks: classid {classid}, objid {objid}, objsubid {objsubid})")
    }
}

/// The key of an advisory lock: its place, and the name that was mapped to it, if it was one. Cheap to clone.
///
/// Two keys are equal when both agree. Whether two locks exclude each other is said by the places alone.
///
/// ```
/// use pglock_core::{AdvisoryKey, AdvisoryPlace, KeyMapping};
///
/// let key = AdvisoryKey::from("invoice-42");
/// assert_eq!(key, KeyMapping::Fnv1a.key("invoice-42"));
/// assert_eq!(key.place(), AdvisoryPlace::Bigint(5_023_789_958_151_901_409));
/// assert_eq!(
///     key.to_string(),
///     "\"invoice-42\" at bigint 5023789958151901409 \
///      (in pg_locks: classid 1169692249, objid 2312212705, objsubid 1)"
/// );
/// assert_eq!(AdvisoryKey::from((7, 42)).place(), AdvisoryPlace::Pair(7, 42));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AdvisoryKey {
    place: AdvisoryPlace,
    name: Option<Arc<str>>,
}

impl AdvisoryKey {
    /// The key of a name that some recipe has mapped to this place; [`KeyMapping`] knows some.
    ///
    /// The name stays in this process, so any text will do.
    #[must_use]
    pub fn named(name: &str, place: impl Into<AdvisoryPlace>) -> Self {
        Self { place: place.into(), name: Some(name.into()) }
    }

    /// Where the lock stands.
    #[must_use]
    pub const fn place(&self) -> AdvisoryPlace {
        self.place
    }

    /// The name that was mapped to the place, if the key was made from one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether two different names were mapped to one place.
    ///
    /// Sessions that take two such locks exclude each other without need, and one session gets both at
    /// once. A key without a name clashes with none: its number may mean the very lock that the other names.
    ///
    /// ```
    /// use pglock_core::KeyMapping;
    ///
    /// let ruby = KeyMapping::WithAdvisoryLock { prefix: 0 };
    /// assert!(ruby.key("plumless").clashes_with(&ruby.key("buckeroo")));
    /// assert!(!ruby.key("plumless").clashes_with(&ruby.key("plumless")));
    /// ```
    #[must_use]
    pub fn clashes_with(&self, other: &Self) -> bool {
        self.place == other.place
            && matches!((&self.name, &other.name), (Some(one), Some(two)) if one != two)
    }
}

/// A key without a name.
impl From<AdvisoryPlace> for AdvisoryKey {
    fn from(place: AdvisoryPlace) -> Self {
        Self { place, name: None }
    }
}

/// A key without a name.
impl From<i64> for AdvisoryKey {
    fn from(number: i64) -> Self {
        AdvisoryPlace::from(number).into()
    }
}

/// A key without a name.
impl From<(i32, i32)> for AdvisoryKey {
    fn from(numbers: (i32, i32)) -> Self {
        AdvisoryPlace::from(numbers).into()
    }
}

/// A name under the default mapping.
impl From<&str> for AdvisoryKey {
    fn from(name: &str) -> Self {
        KeyMapping::default().key(name)
    }
}

/// The name in quotation marks, if there is one, and the place.
impl fmt::Display for AdvisoryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.name() {
            write!(f, "{name:?} at ")?;
        }
        self.place.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn keys_without_a_name_stand_where_they_say() {
        assert_eq!(AdvisoryKey::from(-1).place(), AdvisoryPlace::Bigint(-1));
        assert_eq!(AdvisoryKey::from((-1, 2)).place(), AdvisoryPlace::Pair(-1, 2));
        assert_eq!(AdvisoryKey::from(AdvisoryPlace::Bigint(3)), AdvisoryKey::from(3));
        assert_eq!(AdvisoryKey::from(3).name(), None);
    }

    #[test]
    fn no_bigint_is_a_pair() {
        assert_ne!(AdvisoryPlace::from(1), AdvisoryPlace::from((0, 1)));
        assert_ne!(AdvisoryPlace::from(-1), AdvisoryPlace::from((-1, -1)));
    }

    /// The order of the two numbers counts, as it does for the server.
    #[test]
    fn a_pair_turned_round_is_another_place() {
        assert_ne!(AdvisoryPlace::from((1, 2)), AdvisoryPlace::from((2, 1)));
    }

    #[test]
    fn any_text_is_kept_as_the_name() {
        for name in ["", "a\0b", " ключ 🔒 "] {
            let key = AdvisoryKey::named(name, (1, 2));
            assert_eq!((key.name(), key.place()), (Some(name), AdvisoryPlace::Pair(1, 2)));
        }
    }

    #[test]
    fn text_alone_is_a_name_under_the_default_mapping() {
        assert_eq!(AdvisoryKey::from("a"), KeyMapping::Fnv1a.key("a"));
    }

    #[test]
    fn equal_keys_have_the_name_in_common_too() {
        let key = AdvisoryKey::named("a", 1);
        assert_eq!(key, AdvisoryKey::named("a", 1));
        assert_ne!(key, AdvisoryKey::named("b", 1));
        assert_ne!(key, AdvisoryKey::named("a", 2));
        assert_ne!(key, AdvisoryKey::from(1));
    }

    #[test]
    fn two_names_at_one_place_clash() {
        let key = AdvisoryKey::named("a", 1);
        assert!(key.clashes_with(&AdvisoryKey::named("b", 1)));
        assert!(!key.clashes_with(&AdvisoryKey::named("a", 1)));
        assert!(!key.clashes_with(&AdvisoryKey::named("b", 2)));
        assert!(!key.clashes_with(&AdvisoryKey::named("b", (0, 1))));
        assert!(!key.clashes_with(&AdvisoryKey::from(1)));
        assert!(!AdvisoryKey::from(1).clashes_with(&key));
        assert!(!AdvisoryKey::from(1).clashes_with(&AdvisoryKey::from(1)));
    }

    #[test]
    fn keys_are_shown_as_the_server_shows_them() {
        for (key, shown) in [
            (0.into(), "bigint 0 (in pg_locks: classid 0, objid 0, objsubid 1)"),
            (
                i64::MIN.into(),
                "bigint -9223372036854775808 (in pg_locks: classid 2147483648, objid 0, objsubid 1)",
            ),
            ((-1, 2).into(), "ints (-1, 2) (in pg_locks: classid 4294967295, objid 2, objsubid 2)"),
            (
                AdvisoryKey::named("a \"b\"\n", -2),
                "\"a \\\"b\\\"\\n\" at bigint -2 \
                 (in pg_locks: classid 4294967295, objid 4294967294, objsubid 1)",
            ),
        ] {
            assert_eq!(key.to_string(), shown);
        }
    }
}
