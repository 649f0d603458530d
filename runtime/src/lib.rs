//! The runtime of compiled residual networks.

#[cfg(feature = "app")]
pub mod app;
pub mod error;
pub mod geometry;
pub mod model;
pub mod network;
