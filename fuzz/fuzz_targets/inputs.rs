//! See `pglock_fuzz::inputs`.
#![cfg_attr(fuzzing, no_main)]
pglock_fuzz::target!(pglock_fuzz::inputs);
