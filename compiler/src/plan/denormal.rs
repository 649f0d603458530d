//! Weights too small for the usual form of a f32, below 1.18e-38 in size.
//!
//! Programs run with such numbers taken as zero where the processor can do so. Packed as zero they are that everywhere, and cost
//! nothing on a processor that computes them slowly.

use super::Step;
use crate::diagnostic::Diagnostic;

/// How many layers a warning names.
const NAMED: usize = 4;

/// Makes them zeros of the same sign, and says of which layers they were. Each step's weights end where the next one's begin.
pub(super) fn flush(steps: &[Step], weights: &mut [f32]) -> Option<Diagnostic> {
    let mut starts: Vec<(usize, &str)> =
        steps.iter().filter_map(|step| Some((step.operands.weights?, step.name.as_str()))).collect();
    starts.sort_unstable();
    let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([weights.len()]);
    let mut found: Vec<(&str, usize)> = Vec::new();
    for ((start, name), end) in starts.iter().zip(ends) {
        let mut count = 0;
        for weight in weights.get_mut(*start..end).into_iter().flatten().filter(|weight| weight.is_subnormal()) {
            *weight = 0.0_f32.copysign(*weight);
            count += 1;
        }
        if count > 0 {
            found.push((name, count));
        }
    }
    if found.is_empty() {
        return None;
    }
    let mut layers: Vec<String> = found.iter().take(NAMED).map(|(name, count)| format!("`{name}` ({count})")).collect();
    if let Some(more @ 1..) = found.len().checked_sub(NAMED) {
        layers.push(format!("{more} more"));
    }
    let total: usize = found.iter().map(|(_, count)| count).sum();
    let message = format!(
        "{total} of {} packed weights are too small for a normal f32 (less than {:e} in size) and become zero: {}",
        weights.len(),
        f32::MIN_POSITIVE,
        layers.join(", ")
    );
    let hint = "programs take such numbers as zero, since many processors compute them a hundred times slower; a few \
                change no result that can be told, but many are a sign of weights that were scaled wrongly or have died in training";
    Some(Diagnostic::warning("W-DENORMAL", message).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::super::geometry::{Activation, DenseGeometry, Images};
    use super::super::{Kernel, Operands};
    use super::*;

    fn step(name: &str, weights: Option<usize>) -> Step {
        Step {
            name: name.to_owned(),
            summary: String::new(),
            shape: Vec::new(),
            parameters: 0,
            macs: 0,
            kernel: Kernel::Dense(DenseGeometry {
                batch: 1,
                features: 1,
                units: 1,
                panel: 16,
                activation: Activation::None,
            }),
            operands: Operands { weights, ..Operands::default() },
            images: Images::TOGETHER,
            part: None,
        }
    }

    #[test]
    fn small_weights_become_zero_and_are_told_by_layer() {
        let steps = [step("a", Some(0)), step("none", None), step("b", Some(2)), step("c", Some(4))];
        let (least, small) = (f32::MIN_POSITIVE, f32::MIN_POSITIVE / 2.0);
        let mut weights = [1.0, -small, least, -least, small, f32::from_bits(1), f32::NAN, 0.0];
        let warning = flush(&steps, &mut weights).unwrap().to_string();
        let bits: Vec<u32> = weights.iter().map(|weight| weight.to_bits()).collect();
        let expected = [1.0, -0.0, least, -least, 0.0, 0.0, f32::NAN, 0.0].map(f32::to_bits);
        assert_eq!(bits, expected);
        assert!(
            warning.starts_with(
                "warning[W-DENORMAL]: 3 of 8 packed weights are too small for a normal f32 (less than 1.1754944e-38 in \
                 size) and become zero: `a` (1), `c` (2)\n  hint: "
            ),
            "{warning}"
        );
        assert_eq!(flush(&steps, &mut weights), None);
    }

    #[test]
    fn a_warning_names_the_first_few_layers() {
        let names: Vec<String> = (0..7).map(|index| format!("layer{index}")).collect();
        let steps: Vec<Step> = names.iter().enumerate().map(|(index, name)| step(name, Some(index))).collect();
        let warning = flush(&steps, &mut [1e-40; 7]).unwrap();
        assert!(warning.message.ends_with("`layer2` (1), `layer3` (1), 3 more"), "{}", warning.message);
    }
}
