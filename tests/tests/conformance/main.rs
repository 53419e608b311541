//! The shipped adapters keep the promises of drivers, and drivers that do not are found out.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod async_std;
mod postgres;
mod smol;
mod sqlx;
mod tokio;
mod wrong;
