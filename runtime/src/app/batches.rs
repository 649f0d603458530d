//! `.npy` files of images, read batch by batch.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{Problem, files, names, npy, product};
use crate::network::{Input, Network};

/// Images that wait to be run.
pub(super) struct Batches {
    sources: Vec<Source>,
    /// Images that a run takes.
    batch: usize,
    /// Images in the files.
    pub(super) images: usize,
    left: usize,
    input: Vec<f32>,
}

/// The file of one input.
struct Source {
    place: String,
    file: BufReader<File>,
    /// Values of an image.
    image: usize,
    images: usize,
}

impl Batches {
    /// Opens a file, or of several inputs those of a folder, and holds each to the network's input and to its own length.
    pub(super) fn open(network: &Network, path: &Path) -> Result<Self, Problem> {
        let paths = paths(network, path)?;
        let sources: Vec<Source> = paths
            .iter()
            .zip(network.inputs)
            .map(|(path, input)| Source::open(network, input, path))
            .collect::<Result<_, _>>()?;
        let images = sources.first().map_or(1, |source| source.images);
        if let Some(other) = sources.iter().find(|source| source.images != images) {
            let first = sources.first().map_or("", |source| &source.place);
            let problem = Problem::new(&other.place, format!("{} images", other.images));
            return Err(problem.expected(format!("{images} images, as in {first}")));
        }
        let (batch, input) = (network.images(), vec![0.0; network.input_length()]);
        Ok(Self { sources, batch, images, left: images, input })
    }

    /// The next batch and how many images it has; the last may be short, and ends with zeros then.
    pub(super) fn next(&mut self) -> Result<Option<(usize, &[f32])>, Problem> {
        let images = self.left.min(self.batch);
        if images == 0 {
            return Ok(None);
        }
        let mut rest = self.input.as_mut_slice();
        for source in &mut self.sources {
            let (values, behind) = rest.split_at_mut(self.batch * source.image);
            rest = behind;
            source.read(&mut values[..images * source.image])?;
            values[images * source.image..].fill(0.0);
        }
        self.left -= images;
        Ok(Some((images, &self.input)))
    }
}

/// The files of the inputs.
fn paths(network: &Network, path: &Path) -> Result<Vec<PathBuf>, Problem> {
    if network.inputs.len() == 1 {
        return Ok(vec![path.to_path_buf()]);
    }
    let names = names::files(network.inputs.iter().map(|input| input.name), "input");
    if !path.is_dir() {
        return Err(Problem::new(path.display(), "this is no folder")
            .expected(format!("a folder with a file for each of the network's inputs: {}", names.join(", "))));
    }
    Ok(names.iter().map(|name| path.join(name)).collect())
}

impl Source {
    fn open(network: &Network, input: &Input, path: &Path) -> Result<Self, Problem> {
        let place = path.display().to_string();
        let (file, length) = files::open(path)?;
        let mut file = Counted { inner: BufReader::new(file), count: 0 };
        let shape = npy::read_header(&mut file).map_err(|(found, expected)| {
            let hint = "numpy.save('in.npy', numpy.ascontiguousarray(x, dtype=numpy.float32)) writes what is expected";
            Problem::new(&place, found).expected(expected).hint(hint)
        })?;
        let expected = input.shape;
        let fits = if network.takes_maps() {
            shape.len() == 4 && shape[0] > 0 && shape[1..] == expected[1..]
        } else {
            shape == expected
        };
        let bytes = shape.iter().try_fold(4_u64, |bytes, &length| bytes.checked_mul(length as u64));
        let (true, Some(bytes)) = (fits, bytes) else {
            let problem = Problem::new(place, format!("a tensor of shape {shape:?}"));
            let ([_, a, b, c], true) = (expected, network.takes_maps()) else {
                return Err(problem.expected(format!("shape {expected:?}")));
            };
            let layout = if input.channels_last {
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
        let images = if network.takes_maps() { shape[0] } else { 1 };
        Ok(Self { place, file: file.inner, image: product(expected) / network.images(), images })
    }

    fn read(&mut self, values: &mut [f32]) -> Result<(), Problem> {
        let mut bytes = [0; 1 << 14];
        for values in values.chunks_mut(bytes.len() / 4) {
            let bytes = &mut bytes[..values.len() * 4];
            let unreadable = |error: io::Error| Problem::new(&self.place, format!("cannot be read: {error}"));
            self.file.read_exact(bytes).map_err(unreadable)?;
            for (value, bytes) in values.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *value = f32::from_le_bytes(*bytes);
            }
        }
        Ok(())
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
