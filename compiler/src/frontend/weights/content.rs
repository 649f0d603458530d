//! The bytes of a file, and what was decoded from them.

use crate::limits;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Shared bytes, whoever owns them.
pub type Part = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Parts that lie end to end and are addressed as if they were one. What is stored in one piece is never copied out of its file.
#[derive(Clone, Default)]
pub struct Content {
    /// Each with the address of its first byte, ascending.
    parts: Vec<(usize, Part)>,
    length: usize,
}

impl Content {
    /// Adds a part behind the others; gives the addresses of its bytes.
    pub fn push(&mut self, part: Part) -> Range<usize> {
        let start = self.length;
        self.length = start.saturating_add((*part).as_ref().len());
        self.parts.push((start, part));
        start..self.length
    }

    /// Adds the parts of another content behind these; gives the address of its first byte.
    pub fn append(&mut self, other: Self) -> usize {
        let start = self.length;
        self.parts.extend(other.parts.into_iter().map(|(at, part)| (start.saturating_add(at), part)));
        self.length = start.saturating_add(other.length);
        start
    }

    /// The addresses of everything.
    pub fn range(&self) -> Range<usize> {
        0..self.length
    }

    /// The part that a range lies in, with the place that the range has inside it.
    pub fn part(&self, range: &Range<usize>) -> Option<(Part, Range<usize>)> {
        let behind = self.parts.partition_point(|(start, _)| *start <= range.start);
        let (start, part) = self.parts.get(behind.checked_sub(1)?)?;
        let inside = range.start.checked_sub(*start)?..range.end.checked_sub(*start)?;
        (inside.start <= inside.end && inside.end <= (**part).as_ref().len()).then(|| (Arc::clone(part), inside))
    }

    /// The bytes of a range that lies in one part.
    pub fn get(&self, range: &Range<usize>) -> Option<&[u8]> {
        let behind = self.parts.partition_point(|(start, _)| *start <= range.start);
        let (start, part) = self.parts.get(behind.checked_sub(1)?)?;
        (**part).as_ref().get(range.start.checked_sub(*start)?..range.end.checked_sub(*start)?)
    }
}

impl From<Cow<'static, [u8]>> for Content {
    fn from(bytes: Cow<'static, [u8]>) -> Self {
        let mut content = Self::default();
        content.push(Arc::new(bytes));
        content
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes in {} parts", self.length, self.parts.len())
    }
}

/// Deflate makes at most this many bytes of one.
const DEFLATE: u64 = 1032;

/// How many bytes a file may still decode to.
#[derive(Debug)]
pub struct Budget {
    left: u64,
    whole: u64,
}

impl Budget {
    /// For a file of `length` bytes: twice its length or what a small one may unpack to, but never more than deflate can make of it.
    pub fn of(length: usize) -> Self {
        let length = length as u64;
        let whole = limits::UNPACKED_BYTES.get().max(length.saturating_mul(2)).min(length.saturating_mul(DEFLATE));
        Self { left: whole, whole }
    }

    /// Takes what is about to be decoded.
    ///
    /// # Errors
    /// A sentence, when there is less left.
    pub fn take(&mut self, bytes: u64) -> Result<(), String> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            format!("what is packed in the file gives more than {} bytes, which is no file of weights", self.whole)
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stay_in_their_part() {
        let mut content = Content::from(Cow::Borrowed(&b"abc"[..]));
        assert_eq!(content.push(Arc::new(Vec::<u8>::new())), 3..3);
        assert_eq!(content.push(Arc::new(b"defg".to_vec())), 3..7);
        assert_eq!(content.append(Content::from(Cow::Borrowed(&b"hi"[..]))), 7);
        assert_eq!(content.range(), 0..9);
        assert_eq!(content.get(&(1..3)), Some(&b"bc"[..]));
        assert_eq!(content.get(&(4..7)), Some(&b"efg"[..]));
        assert_eq!(content.get(&(7..9)), Some(&b"hi"[..]));
        assert_eq!(content.get(&(9..9)), Some(&b""[..]));
        for wrong in [2..4, 8..10, 10..11, Range { start: 5, end: 4 }] {
            assert_eq!(content.get(&wrong), None);
            assert!(content.part(&wrong).is_none());
        }
        assert_eq!(content.part(&(4..6)).unwrap().1, 1..3);
    }

    #[test]
    fn budgets_follow_the_size_of_the_file() {
        assert!(Budget::of(10).take(10_320).is_ok());
        assert!(Budget::of(10).take(10_321).unwrap_err().contains("more than 10320 bytes"));
        let mut large = Budget::of(1 << 31);
        assert!(large.take(1 << 32).is_ok());
        assert!(large.take(1).is_err());
        assert!(Budget::of(1 << 25).take((1 << 30) + 1).is_err());
    }
}
