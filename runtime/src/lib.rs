//! The runtime of compiled residual networks.

pub mod geometry;
pub mod network;
