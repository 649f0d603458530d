//! Checksums: whether a file of weights is the one that its publisher means.

use std::io::{self, Read};

use md5::Md5;
use sha2::{Digest, Sha256};

use crate::diagnostic::{Diagnostic, Place};

/// A checksum that a file must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// Its key in a spec: `sha256`, `sha256_prefix` or `md5`.
    pub key: &'static str,
    /// Its first hexadecimal digits, or all of them, in lower case.
    pub digits: String,
    /// Where the spec states it.
    pub place: Place,
}

/// What a file hashes to, in lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashes {
    /// SHA-256.
    pub sha256: String,
    /// MD5, when a checksum asked for it.
    pub md5: Option<String>,
}

impl Hashes {
    /// Hashes all that `file` gives, in the ways that `checksums` need.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(mut file: impl Read, checksums: &[Checksum]) -> io::Result<Self> {
        let mut sha256 = Sha256::new();
        let mut md5 = checksums.iter().any(|checksum| checksum.key == "md5").then(Md5::new);
        let mut buffer = vec![0; 1 << 18];
        loop {
            let length = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let bytes = buffer.get(..length).unwrap_or_default();
            sha256.update(bytes);
            if let Some(md5) = &mut md5 {
                md5.update(bytes);
            }
        }
        Ok(Self { sha256: hexadecimal(&sha256.finalize()), md5: md5.map(|md5| hexadecimal(&md5.finalize())) })
    }

    /// Compares with checksums. The error is `E-WHASH` at the first that departs; `file` names what was hashed.
    pub fn check(&self, checksums: &[Checksum], file: &str) -> Result<(), Diagnostic> {
        for checksum in checksums {
            let (algorithm, found) = match (checksum.key, &self.md5) {
                ("md5", Some(md5)) => ("MD5", md5),
                _ => ("SHA-256", &self.sha256),
            };
            if !found.starts_with(&checksum.digits) {
                return Err(Diagnostic::error("E-WHASH", format!("the {algorithm} of `{file}` is {found}"))
                    .at(checksum.place.clone())
                    .about(format!("weights.{}", checksum.key))
                    .expected(match checksum.key {
                        "sha256_prefix" => format!("one that begins with {}", checksum.digits),
                        _ => checksum.digits.clone(),
                    })
                    .hint("the file is not the one that the spec means, or it is damaged"));
            }
        }
        Ok(())
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn checksum(key: &'static str, digits: &str) -> Checksum {
        Checksum { key, digits: digits.to_owned(), place: Place::file(Path::new("net.yaml")) }
    }

    /// The hashes of `abc` that FIPS 180-2 and RFC 1321 give.
    #[test]
    fn hashes_are_those_of_the_standards() {
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let md5 = "900150983cd24fb0d6963f7d28e17f72";
        let right = [checksum("sha256", sha256), checksum("sha256_prefix", "ba7816bf"), checksum("md5", md5)];
        let hashes = Hashes::of(&b"abc"[..], &right).unwrap();
        assert_eq!((hashes.sha256.as_str(), hashes.md5.as_deref()), (sha256, Some(md5)));
        hashes.check(&right, "abc").unwrap();
        for (key, digits) in [("sha256_prefix", "ba7816b0"), ("md5", "00000000000000000000000000000000")] {
            let error = hashes.check(&[checksum(key, digits)], "abc").unwrap_err();
            assert_eq!((error.code, error.subject), ("E-WHASH", Some(format!("weights.{key}"))));
        }
        assert_eq!(Hashes::of(&b"abc"[..], &right[..2]).unwrap().md5, None);
    }

    #[test]
    fn hexadecimal_has_two_digits_per_byte() {
        assert_eq!(hexadecimal(&[0, 10, 255]), "000aff");
    }
}
