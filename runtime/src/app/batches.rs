//! A `.npy` file of images, read batch by batch.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::{Problem, files, npy};
use crate::network::Network;

/// Images that wait to be run.
pub(super) struct Batches {
    place: String,
    file: BufReader<File>,
    /// Values of an image.
    image: usize,
    /// Images that a run takes.
    batch: usize,
    /// Images in the file.
    pub(super) images: usize,
    left: usize,
    bytes: Vec<u8>,
    input: Vec<f32>,
}

impl Batches {
    /// Opens a file and holds it to the network's input and to its own length.
    pub(super) fn open(network: &Network, path: &Path) -> Result<Self, Problem> {
        let place = path.display().to_string();
        let (file, length) = files::open(path)?;
        let mut file = Counted { inner: BufReader::new(file), count: 0 };
        let shape = npy::read_header(&mut file).map_err(|(found, expected)| {
            let hint = "numpy.save('in.npy', numpy.ascontiguousarray(x, dtype=numpy.float32)) writes what is expected";
            Problem::new(&place, found).expected(expected).hint(hint)
        })?;
        let (expected, batch) = (network.input_shape, network.images());
        let fits = if network.takes_maps() {
            shape.len() == 4 && shape[0] > 0 && shape[1..] == expected[1..]
        } else {
            shape == expected
        };
        let bytes = shape.iter().try_fold(4_u64, |bytes, &length| bytes.checked_mul(length as u64));
        let (true, Some(bytes)) = (fits, bytes) else {
            let problem = Problem::new(place, format!("a tensor of shape {shape:?}"));
            let [_, a, b, c] = *expected else { return Err(problem.expected(format!("shape {expected:?}"))) };
            let layout = if network.channels_last {
                "[images, height, width, channels]"
            } else {
                "[images, channels, height, width]"
            };
            return Err(problem
                .expected(format!("shape [any, {a}, {b}, {c}], that is {layout}"))
                .hint("one image needs a first axis of length 1: x[numpy.newaxis]"));
        };
        if file.count.checked_add(bytes) != Some(length) {
            let problem = Problem::new(place, format!("{} bytes of values", length.saturating_sub(file.count)))
                .expected(format!("{bytes} bytes for shape {shape:?}"))
                .hint("the file was cut off or damaged: write it again");
            return Err(problem);
        }
        let image = expected.iter().product::<usize>() / batch;
        let images = if network.takes_maps() { shape[0] } else { 1 };
        Ok(Self {
            place,
            file: file.inner,
            image,
            batch,
            images,
            left: images,
            bytes: vec![0; batch * image * 4],
            input: vec![0.0; batch * image],
        })
    }

    /// The next batch and how many images it has; the last may be short, and ends with zeros then.
    pub(super) fn next(&mut self) -> Result<Option<(usize, &[f32])>, Problem> {
        let images = self.left.min(self.batch);
        if images == 0 {
            return Ok(None);
        }
        let bytes = &mut self.bytes[..images * self.image * 4];
        let unreadable = |error: io::Error| Problem::new(&self.place, format!("cannot be read: {error}"));
        self.file.read_exact(bytes).map_err(unreadable)?;
        for (value, bytes) in self.input.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *value = f32::from_le_bytes(*bytes);
        }
        self.input[images * self.image..].fill(0.0);
        self.left -= images;
        Ok(Some((images, &self.input)))
    }
}

/// A reader that counts.
struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}
