#![doc = include_str!("../GUIDE.md")]
//!
//! [`Connect`]: crate::Connect
//! [`Session`]: crate::Session
//! [`Timer`]: crate::Timer
//! [`Alarm`]: crate::Alarm
//! [`Clock`]: crate::Clock
//! [`Locks`]: crate::Locks
//! [`BootClock`]: crate::BootClock
//! [`blocking::Connect`]: crate::blocking::Connect
//! [`blocking::Session`]: crate::blocking::Session
//! [`blocking::Locks`]: crate::blocking::Locks
