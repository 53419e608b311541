//! See `pglock_fuzz::identifiers`.
#![cfg_attr(fuzzing, no_main)]
pglock_fuzz::target!(pglock_fuzz::identifiers);
