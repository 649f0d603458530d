//! What hand-written programs need.

use resnet::{Input, Network, Output};

/// A description that says no more than the shapes.
pub const fn network(inputs: &'static [Input], outputs: &'static [Output], steps: usize) -> Network {
    Network {
        name: "by-hand",
        description: "",
        inputs,
        outputs,
        parameters: 0,
        macs: 0,
        passes: &[],
        steps,
        arena_bytes: 0,
        weight_bytes: 0,
        weights: "",
        checksums: &[],
        compiler: "",
        preprocess: None,
        labels: &[],
    }
}

/// The description of an input.
pub const fn input(shape: &'static [usize]) -> Input {
    Input { name: "input", shape, channels_last: false }
}

/// The description of an output.
pub const fn output(name: &'static str, shape: &'static [usize]) -> Output {
    Output { name, shape, softmax: false }
}

/// Packed weights: header and values.
pub fn blob(fingerprint: u64, values: &[f32]) -> Vec<u8> {
    let body: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let checksum = body.chunks_exact(8).fold(0xCBF2_9CE4_8422_2325, |hash: u64, word| {
        (hash ^ u64::from_le_bytes(word.try_into().unwrap())).wrapping_mul(0x0100_0000_01B3)
    });
    let mut blob = b"RESNETW1".to_vec();
    for word in [fingerprint, values.len() as u64, checksum] {
        blob.extend(word.to_le_bytes());
    }
    blob.resize(64, 0);
    blob.extend(body);
    blob
}

/// Random values between -1 and 1.
pub fn random(seed: u64, length: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
        })
        .collect()
}
