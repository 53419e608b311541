//! What a driver promises, one function for each promise.
//!
//! Each takes the driver that is to be tried, and says how it broke the promise, if it did.

mod clock;
mod connecting;
mod dropping;
mod ending;
mod errors;
mod locks;
mod notifications;
mod rows;
mod values;

pub use clock::*;
pub use connecting::*;
pub use dropping::*;
pub use ending::*;
pub use errors::*;
pub use locks::*;
pub use notifications::*;
pub use rows::*;
pub use values::*;
