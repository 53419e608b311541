//! Names of locks and labels of owners: text that fits the table's columns. Knows no quoting; both
//! travel as parameters.

use alloc::string::String;
use alloc::sync::Arc;
use core::borrow::Borrow;
use core::fmt;

/// The longest name or owner, in characters: the width of the table's columns.
const LONGEST: usize = 255;

/// The name of a lock: 1 to 255 characters, any but NUL. Trailing spaces count. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockName(Arc<str>);

impl LockName {
    /// Checks a name.
    ///
    /// # Errors
    /// When it is empty, longer than 255 characters or contains a NUL character.
    pub fn new(name: &str) -> Result<Self, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        fits(name).map_err(|misfit| match misfit {
            Misfit::Long(characters) => NameError::TooLong { characters },
            Misfit::Nul => NameError::Nul,
        })?;
        Ok(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// So that a collection of names can be asked for a text.
impl Borrow<str> for LockName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who holds a lock, for people: at most 255 characters, any but NUL; may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(Arc<str>);

impl Owner {
    /// Checks a label.
    ///
    /// # Errors
    /// When it is longer than 255 characters or contains a NUL character.
    pub fn new(label: &str) -> Result<Self, OwnerError> {
        fits(label).map_err(|misfit| match misfit {
            Misfit::Long(characters) => OwnerError::TooLong { characters },
            Misfit::Nul => OwnerError::Nul,
        })?;
        Ok(Self(label.into()))
    }

    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

enum Misfit {
    Long(usize),
    Nul,
}

fn fits(text: &str) -> Result<(), Misfit> {
    let characters = text.chars().count();
    if characters > LONGEST {
        Err(Misfit::Long(characters))
    } else if text.contains('\0') {
        Err(Misfit::Nul)
    } else {
        Ok(())
    }
}

/// Why a text cannot name a lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NameError {
    /// The name is empty.
    Empty,
    /// The name has more than 255 characters.
    TooLong {
        /// How many it has.
        characters: usize,
    },
    /// The name contains a NUL character, which PostgreSQL cannot store.
    Nul,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the lock's name is empty; give it 1 to 255 characters"),
            Self::TooLong { characters } => {
                write!(f, "the lock's name has {characters} characters; at most 255 fit")
            }
            Self::Nul => f.write_str("the lock's name contains a NUL character; remove it"),
        }
    }
}

impl core::error::Error for NameError {}

/// Why a text cannot label an owner.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OwnerError {
    /// The label has more than 255 characters.
    TooLong {
        /// How many it has.
        characters: usize,
    },
    /// The label contains a NUL character, which PostgreSQL cannot store.
    Nul,
}

impl fmt::Display for OwnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { characters } => {
                write!(f, "the owner's label has {characters} characters; at most 255 fit")
            }
            Self::Nul => f.write_str("the owner's label contains a NUL character; remove it"),
        }
    }
}

impl core::error::Error for OwnerError {}

impl From<&LockName> for String {
    fn from(name: &LockName) -> Self {
        name.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn names_of_1_to_255_characters_pass() {
        for good in ["a", " a ", "\"; DROP TABLE x --", "ключ 🔒", &"ß".repeat(255)] {
            assert_eq!(LockName::new(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn other_names_are_refused_with_the_reason() {
        assert_eq!(LockName::new(""), Err(NameError::Empty));
        assert_eq!(LockName::new("a\0"), Err(NameError::Nul));
        assert_eq!(LockName::new(&"ß".repeat(256)), Err(NameError::TooLong { characters: 256 }));
    }

    #[test]
    fn names_and_owners_are_shown_as_they_are() {
        let (name, owner) = (LockName::new("a b").unwrap(), Owner::new("me").unwrap());
        assert_eq!((name.to_string().as_str(), owner.to_string().as_str()), ("a b", "me"));
        assert_eq!((String::from(&name).as_str(), owner.as_str()), ("a b", "me"));
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        let long = "x".repeat(256);
        for (name, words) in [
            ("", "the lock's name is empty; give it 1 to 255 characters"),
            (&long, "the lock's name has 256 characters; at most 255 fit"),
            ("a\0", "the lock's name contains a NUL character; remove it"),
        ] {
            assert_eq!(LockName::new(name).unwrap_err().to_string(), words);
        }
        for (label, words) in [
            (long.as_str(), "the owner's label has 256 characters; at most 255 fit"),
            ("a\0", "the owner's label contains a NUL character; remove it"),
        ] {
            assert_eq!(Owner::new(label).unwrap_err().to_string(), words);
        }
    }

    #[test]
    fn an_owner_may_be_empty() {
        assert_eq!(Owner::new("").unwrap(), Owner::default());
        assert_eq!(Owner::new("\0"), Err(OwnerError::Nul));
    }
}
