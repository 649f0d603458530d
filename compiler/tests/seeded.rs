//! Seeded weights, against values that the rule's reference in Python made.

use resnetc::frontend::weights::{Axes, Request, Role, seeded};
use resnetc::ir::Shape;
use sha2::{Digest, Sha256};

#[test]
fn values_are_those_of_the_reference_bit_for_bit() {
    let mut rows = 0;
    for line in include_str!("fixtures/seeded.txt").lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split(' ').collect();
        let [name, role, shape, seed, layout, hash, bits @ ..] = fields.as_slice() else { panic!("{line}") };
        let role = match *role {
            "kernel" => Role::Kernel,
            "bias" => Role::Bias,
            "gamma" => Role::Gamma,
            "beta" => Role::Beta,
            "mean" => Role::Mean,
            "variance" => Role::Variance,
            other => panic!("{other}"),
        };
        let request = Request {
            name: (*name).to_owned(),
            role,
            shape: Shape(shape.split('x').map(|extent| extent.parse().unwrap()).collect()),
            axes: if *layout == "HWIO" { Axes::OutputLast } else { Axes::OutputFirst },
            place: None,
        };
        let tensor = seeded::tensor(&request, seed.parse().unwrap()).unwrap();
        let first: Vec<_> = tensor.values().iter().take(3).map(|value| format!("{:08x}", value.to_bits())).collect();
        assert_eq!(first, *bits, "{name}");
        let bytes: Vec<u8> = tensor.values().iter().flat_map(|value| value.to_le_bytes()).collect();
        let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, *hash, "{name}");
        rows += 1;
    }
    assert_eq!(rows, 11);
}
