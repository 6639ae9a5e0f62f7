//! Going flat: a pure plan of rounds, and the hand that carries them out.

mod act;
mod plan;

pub use act::{NotDone, Task, flatten};
pub use plan::{Confirmation, Reduction, Round, Scene, Tries, is_stop, round};
