//! See `pglock_fuzz::history`.
#![cfg_attr(fuzzing, no_main)]
pglock_fuzz::target!(pglock_fuzz::history);
