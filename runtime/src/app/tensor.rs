//! `PROGRAM tensor IN.npy OUT.npy`: raw numbers through the network.

use std::io;

use super::batches::Batches;
use super::draft::Draft;
use super::{Failure, Problem, cli, failed, npy, open, product};
use crate::program::Model;

pub(super) fn run<M: Model>(task: &cli::Tensor) -> Result<(), Failure> {
    let network = M::NETWORK;
    let mut batches = Batches::open(network, &task.input).map_err(Failure::Run)?;
    let mut model = open::<M>(task.threads)?;
    let unwritable =
        |error: io::Error| Failure::Run(Problem::new(task.output.display(), format!("cannot be written: {error}")));
    let mut output = Draft::create(&task.output).map_err(unwritable)?;
    let mut shape = network.output_shape.to_vec();
    if let Some(first) = shape.first_mut() {
        *first = batches.images;
    }
    output.write(&npy::header(&shape)).map_err(unwritable)?;
    let result = product(network.output_shape.get(1..).unwrap_or_default());
    while let Some((images, input)) = batches.next().map_err(Failure::Run)? {
        let values = model.run(input).map_err(failed::<M>)?;
        output.write(&npy::bytes(&values[..images * result])).map_err(unwritable)?;
    }
    output.finish().map_err(unwritable)
}
