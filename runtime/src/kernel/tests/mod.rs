//! Every kernel against a naive reference in f64, element by element, on every instruction set of the host, over many shapes and
//! random values; with what lies around the result checked too: zeros in frames and behind the last channel, and memory of
//! others untouched.

mod activate;
mod conv;
mod dense;
mod elementwise;
mod group_norm;
mod moves;
mod nest;
mod pool;
mod softmax;
mod support;
