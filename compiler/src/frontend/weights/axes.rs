//! From Keras' order of axes to the graph's.

use crate::ir::Shape;

/// The shape of a tensor when its output axis stands last: `[H, W, C_in, C_out]`, `[features, units]`; vectors stay.
pub fn output_last(shape: &Shape) -> Shape {
    match shape.0.as_slice() {
        [out, input, height, width] => [*height, *width, *input, *out].into(),
        [units, features] => [*features, *units].into(),
        _ => shape.clone(),
    }
}

/// The values of a tensor whose output axis stands last, in the order of `shape`, whose output axis stands first.
pub fn to_output_first(values: Vec<f32>, shape: &Shape) -> Vec<f32> {
    // Both cases move [spatial, C_in, C_out] to [C_out, C_in, spatial].
    let [outputs, inputs, spatial] = match shape.0.as_slice() {
        [out, input, height, width] => [*out, *input, height * width],
        [units, features] => [*units, *features, 1],
        _ => return values,
    };
    let mut moved = Vec::with_capacity(values.len());
    for output in 0..outputs {
        for input in 0..inputs {
            let first = input * outputs + output;
            moved.extend((0..spatial).filter_map(|pixel| values.get(pixel * inputs * outputs + first)));
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_turn_their_axes() {
        let shape = Shape::from([2, 3, 1, 2]);
        // The value at [h, w, i, o] is 100 w + 10 i + o.
        let file: Vec<f32> =
            (0..2).flat_map(|w| (0..3).flat_map(move |i| (0..2).map(move |o| (100 * w + 10 * i + o) as f32))).collect();
        let turned = to_output_first(file, &shape);
        assert_eq!(turned, [0., 100., 10., 110., 20., 120., 1., 101., 11., 111., 21., 121.]);
        assert_eq!(output_last(&shape), Shape::from([1, 2, 3, 2]));
        assert_eq!(to_output_first(vec![1., 2., 3., 4., 5., 6.], &Shape::from([3, 2])), [1., 4., 2., 5., 3., 6.]);
    }
}
