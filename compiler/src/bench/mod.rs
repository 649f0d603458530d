//! What each pass is worth: a network compiled in several variants, timed in turn.
//!
//! [`report`] is what was found; `resnetc bench` finds it and shows it.

pub mod layers;
pub mod page;
pub mod profile;
pub mod report;
pub mod statistics;
pub mod turns;
pub mod variants;
pub mod worth;
