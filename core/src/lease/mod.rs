//! Lease locks: one row of the table as this client sees it, with whoever of this client wants it.
//!
//! [`row::Row`] holds one of three small machines: `open` (not ours as far as we know), `held`, and
//! `giving_back`. None of them knows sessions or other rows.

pub(crate) mod answer;
mod giving_back;
pub(crate) mod held;
mod open;
pub(crate) mod row;
mod sighting;
mod trust;
pub(crate) mod waiter;
