//! What each pass is worth: a network compiled in several variants, timed in turn.
//!
//! [`report`] is what was found; `resnetc bench` finds it and shows it.

pub mod page;
pub mod report;
