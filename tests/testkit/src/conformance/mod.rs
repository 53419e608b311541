//! What drivers promise, as tests.

mod alarm;
mod block_on;
mod bridge;
mod broken;
mod driver;
mod gate;
mod handle;
pub mod promise;
mod proof;
mod relay;
mod session;
mod subject;
mod tests;
mod url;

pub use broken::Broken;
pub use proof::{PROMISES, Promise, prove};
pub use subject::Subject;
