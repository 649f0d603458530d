//! `PROGRAM tensor IN.npy OUT.npy`: raw numbers through the network.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::{Failure, Problem, cli, failed, npy, open, product};
use crate::program::Model;

pub(super) fn run<M: Model>(task: &cli::Tensor) -> Result<(), Failure> {
    let network = M::NETWORK;
    let wrong = |problem| Failure::Run(problem);
    let place = task.input.display();
    let unreadable = |error: io::Error| wrong(Problem::new(place.to_string(), format!("cannot be read: {error}")));
    let file = File::open(&task.input).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut reader = Counted { inner: BufReader::new(file), count: 0 };
    let shape = npy::read_header(&mut reader).map_err(|(found, expected)| {
        let hint = "numpy.save('in.npy', numpy.ascontiguousarray(x, dtype=numpy.float32)) writes what is expected";
        wrong(Problem::new(place.to_string(), found).expected(expected).hint(hint))
    })?;
    let [_, a, b, c] = network.input_shape;
    let fits = shape.len() == 4 && shape[0] > 0 && shape[1..] == network.input_shape[1..];
    let bytes = shape.iter().try_fold(4_u64, |bytes, &length| bytes.checked_mul(length as u64));
    let (true, Some(bytes)) = (fits, bytes) else {
        let layout = if network.channels_last {
            "[images, height, width, channels]"
        } else {
            "[images, channels, height, width]"
        };
        let problem = Problem::new(place, format!("a tensor of shape {shape:?}"))
            .expected(format!("shape [any, {a}, {b}, {c}], that is {layout}"))
            .hint("one image needs a first axis of length 1: x[numpy.newaxis]");
        return Err(wrong(problem));
    };
    if reader.count + bytes != length {
        let problem = Problem::new(place, format!("{} bytes of values", length.saturating_sub(reader.count)))
            .expected(format!("{bytes} bytes for shape {shape:?}"))
            .hint("the file was cut off or damaged: write it again");
        return Err(wrong(problem));
    }

    let mut model = open::<M>(task.threads)?;
    let unwritable =
        |error: io::Error| Failure::Run(Problem::new(task.output.display(), format!("cannot be written: {error}")));
    let mut output = Draft::create(&task.output).map_err(unwritable)?;
    let mut result_shape = network.output_shape.to_vec();
    if let Some(first) = result_shape.first_mut() {
        *first = shape[0];
    }
    output.write(&npy::header(&result_shape)).map_err(unwritable)?;

    let batch = network.input_shape[0];
    let image = a * b * c;
    let result = product(&network.output_shape[1..]);
    let mut bytes = vec![0; batch * image * 4];
    let mut input = vec![0.0; batch * image];
    let mut left = shape[0];
    while left > 0 {
        let images = left.min(batch);
        let bytes = &mut bytes[..images * image * 4];
        reader.inner.read_exact(bytes).map_err(unreadable)?;
        for (value, bytes) in input.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *value = f32::from_le_bytes(*bytes);
        }
        // The last group may be short: what is left of the input is zeros, and what comes of it is dropped.
        input[images * image..].fill(0.0);
        let values = model.run(&input).map_err(failed::<M>)?;
        let values: Vec<u8> = values[..images * result].iter().flat_map(|value| value.to_le_bytes()).collect();
        output.write(&values).map_err(unwritable)?;
        left -= images;
    }
    output.finish().map_err(unwritable)
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

/// A file that takes its name only when it is whole; until then it lies beside it, and goes when dropped.
struct Draft {
    target: PathBuf,
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Draft {
    fn create(target: &Path) -> io::Result<Self> {
        let Some(name) = target.file_name() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
        };
        if target.exists() && !target.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is something that is no ordinary file"));
        }
        let mut draft = std::ffi::OsString::from(".");
        draft.push(name);
        draft.push(format!(".{}.tmp", std::process::id()));
        let path = target.with_file_name(draft);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Self { target: target.to_path_buf(), path, file: Some(BufWriter::new(file)) })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
    }

    fn finish(mut self) -> io::Result<()> {
        if let Some(mut file) = self.file.take() {
            // A failure leaves the draft to be removed.
            let written = file.flush().and_then(|()| fs::rename(&self.path, &self.target));
            if let Err(error) = written {
                let _ = fs::remove_file(&self.path);
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}
