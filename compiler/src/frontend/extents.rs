//! Extents of the inputs that the user gives.

/// What the user says of the extents of a network's inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputExtents {
    /// Channels when they are given, height and width of the only picture.
    Picture(Option<usize>, [usize; 2]),
    /// By name, of an ONNX model: one extent for each axis that has the name in the file, or all extents of the input of the name.
    Named(Vec<(String, Vec<usize>)>),
}

/// Extents may be as large.
const LARGEST: usize = 1 << 24;

impl InputExtents {
    /// What is expected, as messages say it.
    pub const EXPECTED: &str = "a side, `height,width` or `channels,height,width`, each from 1 to 65536; of an ONNX model also \
                                `AXIS=EXTENT` or `INPUT=EXTENT,EXTENT,...`, several with commas between them";

    /// A side, height and width, or channels, height and width, each from 1 to 65536.
    pub fn picture(extents: &[usize]) -> Option<Self> {
        let shape = match extents {
            [side] => Self::Picture(None, [*side; 2]),
            [height, width] => Self::Picture(None, [*height, *width]),
            [channels, height, width] => Self::Picture(Some(*channels), [*height, *width]),
            _ => return None,
        };
        extents.iter().all(|extent| (1..=65536).contains(extent)).then_some(shape)
    }

    /// Reads `160`, `160,128`, `3,160,128`, `height=160,width=128` or `left=1,3,160,128,right=1,3,160,128`.
    pub fn parse(text: &str) -> Option<Self> {
        let extent = |text: &str| text.trim().parse().ok().filter(|extent| (1..=LARGEST).contains(extent));
        if !text.contains('=') {
            return Self::picture(&text.split(',').map(extent).collect::<Option<Vec<_>>>()?);
        }
        let mut named: Vec<(String, Vec<usize>)> = Vec::new();
        for part in text.split(',') {
            // Names of values may have an equals sign, numbers have none.
            match part.rsplit_once('=') {
                Some((name, first)) => named.push((name.trim().to_owned(), vec![extent(first)?])),
                None => named.last_mut()?.1.push(extent(part)?),
            }
        }
        Some(Self::Named(named))
    }
}

#[cfg(test)]
mod tests {
    use super::InputExtents::{self, Named, Picture};

    #[test]
    fn shapes_are_read() {
        let named = |names: &[(&str, &[usize])]| {
            Some(Named(names.iter().map(|(name, extents)| ((*name).to_owned(), extents.to_vec())).collect()))
        };
        for (text, expected) in [
            ("160", Some(Picture(None, [160, 160]))),
            ("160, 128", Some(Picture(None, [160, 128]))),
            ("3,160,128", Some(Picture(Some(3), [160, 128]))),
            ("height=160,width=128", named(&[("height", &[160]), ("width", &[128])])),
            (" left = 1, 3,160,128 , n=4", named(&[("left", &[1, 3, 160, 128]), ("n", &[4])])),
            ("a=b:0=7", named(&[("a=b:0", &[7])])),
        ] {
            assert_eq!(InputExtents::parse(text), expected, "{text}");
        }
        for text in ["", "0", "1,2,3,4", "-1", "a", "a=", "a=0", "3,a=1", "a=1,,2", "65537", "a=16777217"] {
            assert_eq!(InputExtents::parse(text), None, "{text}");
        }
    }
}
