//! Weights made from names, so that a network can be tested without a file of weights.
//!
//! A tensor's generator starts at the FNV-1a hash of its name, exclusive or the seed; splitmix64 gives the k-th value, in the row-major
//! order of the file's own axes. Its upper 24 bits are a fraction in `[0, 1)`, spread over a range that depends on
//! the tensor's role: He's bound `sqrt(6 / fan_in)` for kernels, fixed ranges for the rest. The sum is in f64, rounded once to f32.

use super::{Request, Role, axes};
use crate::ir::Tensor;

/// The tensors of a seed, one per request, in their order.
pub fn tensors(requests: &[Request], seed: u64) -> Vec<Tensor> {
    requests.iter().filter_map(|request| tensor(request, seed)).collect()
}

/// The tensor that answers a request; always there, as its length is that of the shape.
pub fn tensor(request: &Request, seed: u64) -> Option<Tensor> {
    let shape = &request.shape;
    let values = values(&request.name, bounds(request.role, &shape.0), shape.len(), seed);
    let values = match request.axes {
        super::Axes::OutputFirst => values,
        super::Axes::OutputLast => axes::to_output_first(values, shape),
    };
    Tensor::new(shape.clone(), values)
}

/// `count` values of the tensor of a name, between the bounds, the upper excluded.
pub fn values(name: &str, (low, high): (f64, f64), count: usize, seed: u64) -> Vec<f32> {
    let state = fnv1a(name) ^ seed;
    let span = high - low;
    let value = |k: u64| {
        let unit = (splitmix64(state, k) >> 40) as f64 / f64::from(1_u32 << 24);
        (low + span * unit) as f32
    };
    (1..=count as u64).map(value).collect()
}

/// The k-th number, from 1, that the generator splitmix64 gives from a state on.
pub fn splitmix64(state: u64, k: u64) -> u64 {
    let z = state.wrapping_add(k.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The range of a role. The shape has its output axis first.
pub fn bounds(role: Role, shape: &[usize]) -> (f64, f64) {
    match role {
        Role::Kernel => {
            let fan_in: usize = shape.iter().skip(1).product();
            let bound = (6.0 / fan_in as f64).sqrt();
            (-bound, bound)
        }
        Role::Gamma => (0.3, 0.7),
        Role::Beta | Role::Bias | Role::Mean => (-0.1, 0.1),
        Role::Variance => (0.5, 1.5),
    }
}

fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}
