//! What a call of a network gives: its outputs, by position and by name, flat or as typed arrays.

use std::fmt;
use std::marker::PhantomData;

use crate::network::Output;
use crate::program::Program;
use crate::tensor::Tensor;

/// The outputs of a call, borrowed from the network that made them.
///
/// ```
/// # use resnet::{Output, Outputs};
/// # const NAMED: &[Output] = &[
/// #     Output { name: "maps", shape: &[1, 2, 1, 2], softmax: false },
/// #     Output { name: "logits", shape: &[1, 3], softmax: false },
/// # ];
/// # let outputs = Outputs::new(NAMED, &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
/// for (output, values) in outputs.iter() {
///     println!("{} {:?}: {values:?}", output.name, output.shape);
/// }
/// assert_eq!(outputs.named("logits"), Some(&[4.0, 5.0, 6.0][..]));
/// assert_eq!(outputs.get(0), Some(&[0.0, 1.0, 2.0, 3.0][..]));
/// ```
#[derive(Clone, Copy, PartialEq)]
pub struct Outputs<'a> {
    described: &'static [Output],
    values: &'a [f32],
}

impl<'a> Outputs<'a> {
    /// Takes `values` as the outputs that are described, one after another without gaps; `None` when they are more or fewer.
    pub const fn new(described: &'static [Output], values: &'a [f32]) -> Option<Self> {
        if values.len() == start(described, described.len()) { Some(Self { described, values }) } else { None }
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.described.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.described.is_empty()
    }

    /// Each with its description, in the network's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'static Output, &'a [f32])> + use<'a> {
        let mut rest = self.values;
        self.described.iter().map(move |output| {
            let (values, behind) = rest.split_at(output.len());
            rest = behind;
            (output, values)
        })
    }

    /// The values of the output at `index` of [`Network::outputs`](crate::Network::outputs), without gaps, the last axis fastest.
    pub fn get(&self, index: usize) -> Option<&'a [f32]> {
        let length = self.described.get(index)?.len();
        let start = start(self.described, index);
        self.values.get(start..start + length)
    }

    /// The values of the output with this name.
    pub fn named(&self, name: &str) -> Option<&'a [f32]> {
        self.iter().find_map(|(output, values)| (output.name == name).then_some(values))
    }

    /// The values of all, one output after another.
    pub const fn values(&self) -> &'a [f32] {
        self.values
    }
}

impl fmt::Debug for Outputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(output, values)| (output.name, values))).finish()
    }
}

/// Where the output at `index` begins among the values of all.
pub(crate) const fn start(described: &[Output], index: usize) -> usize {
    let (mut start, mut at) = (0_usize, 0);
    while at < index {
        // A sum that wrapped around would lead outside of the outputs' memory.
        start = match start.checked_add(described[at].len()) {
            Some(start) => start,
            None => panic!("the outputs exceed the address space"),
        };
        at += 1;
    }
    start
}

/// The outputs of a call of a given program, as typed arrays.
pub struct Arrays<'a, P> {
    outputs: Outputs<'a>,
    program: PhantomData<fn() -> P>,
}

impl<'a, P: Program> Arrays<'a, P> {
    pub(crate) const fn new(outputs: Outputs<'a>) -> Self {
        Self { outputs, program: PhantomData }
    }

    /// The output at `INDEX`. A type that is not of its shape is refused by the Rust compiler.
    pub fn get<const INDEX: usize, Array: Tensor>(&self) -> &'a Array {
        const {
            assert!(INDEX < P::NETWORK.outputs.len(), "the network has fewer outputs");
            assert!(Array::LENGTH == P::NETWORK.outputs[INDEX].len(), "the type is not of the output's shape");
        }
        match self.outputs.get(INDEX).and_then(Array::from_flat) {
            Some(array) => array,
            None => unreachable!("the length is that of the type"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[Output] = &[
        Output { name: "maps", shape: &[1, 2, 1, 2], softmax: false },
        Output { name: "logits", shape: &[1, 3], softmax: true },
    ];

    #[test]
    fn outputs_lie_one_after_another() {
        let values = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let outputs = Outputs::new(TWO, &values).unwrap();
        assert_eq!((outputs.len(), outputs.is_empty(), outputs.values()), (2, false, &values[..]));
        assert_eq!(outputs.get(0), Some(&values[..4]));
        assert_eq!(outputs.get(1), Some(&values[4..]));
        assert_eq!(outputs.get(2), None);
        assert_eq!((outputs.named("maps"), outputs.named("logits")), (outputs.get(0), outputs.get(1)));
        assert_eq!(outputs.named("Logits"), None);
        let all: Vec<_> = outputs.iter().collect();
        assert_eq!(all, [(&TWO[0], &values[..4]), (&TWO[1], &values[4..])]);
        assert_eq!(outputs.iter().len(), 2);
        assert_eq!(format!("{outputs:?}"), r#"{"maps": [0.0, 1.0, 2.0, 3.0], "logits": [4.0, 5.0, 6.0]}"#);
    }

    #[test]
    fn an_output_may_be_empty() {
        const THREE: &[Output] = &[
            Output { name: "logits", shape: &[1, 3], softmax: false },
            Output { name: "none", shape: &[0, 3], softmax: false },
            Output { name: "maps", shape: &[1, 2, 1, 2], softmax: false },
        ];
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        let outputs = Outputs::new(THREE, &values).unwrap();
        assert_eq!((outputs.get(1), outputs.named("none")), (Some(&[][..]), Some(&[][..])));
        assert_eq!(outputs.named("maps"), Some(&values[3..]));
        assert!(<[[f32; 3]; 0]>::from_flat(&[]).unwrap().flat().is_empty());
        assert!(<[[f32; 3]; 0]>::boxed().flat().is_empty());
    }

    #[test]
    fn other_numbers_of_values_are_refused() {
        for count in [0, 6, 8] {
            assert_eq!(Outputs::new(TWO, &vec![0.0; count]), None);
        }
        assert!(Outputs::new(&[], &[]).unwrap().is_empty());
    }
}
