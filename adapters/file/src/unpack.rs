//! The bytes of a file, as they are or unpacked: what is packed with gzip can be read from any place, as other files.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

use flate2::read::MultiGzDecoder;

/// More than so many times its size a file must not unpack to: no data is that dull, but a bomb is.
pub(crate) const MOST_TIMES: u64 = 200;

/// This much it may unpack to, however small it is.
const ALWAYS: u64 = 16 << 20;

/// A file, plain or packed.
pub(crate) enum Input {
    Plain(File),
    Packed(Box<Unpacked>),
}

impl Input {
    pub(crate) fn new(file: File, is_packed: bool) -> Self {
        match is_packed {
            false => Self::Plain(file),
            true => Self::Packed(Box::new(Unpacked::new(file))),
        }
    }
}

/// Whether a name is that of a packed file.
pub(crate) fn is_packed(name: &str) -> bool {
    name.len() > 3
        && name.is_char_boundary(name.len() - 3)
        && name[name.len() - 3..].eq_ignore_ascii_case(".gz")
}

/// The content of a packed file.
pub(crate) struct Unpacked {
    decoder: MultiGzDecoder<BufReader<File>>,
    /// How much was read.
    at: u64,
}

impl Unpacked {
    pub(crate) fn new(file: File) -> Self {
        Self {
            decoder: MultiGzDecoder::new(BufReader::new(file)),
            at: 0,
        }
    }

    /// How many bytes there are, read to the end; or why it cannot be read. `goes_on` is asked now and then.
    pub(crate) fn measure(
        mut self,
        packed: u64,
        goes_on: impl Fn() -> bool,
    ) -> io::Result<Result<u64, &'static str>> {
        let most = packed.saturating_mul(MOST_TIMES).max(ALWAYS);
        let mut chunk = vec![0; 64 << 10];
        while goes_on() {
            match self.read(&mut chunk) {
                Ok(0) => return Ok(Ok(self.at)),
                Ok(_) if self.at > most => {
                    return Ok(Err("the file unpacks to more than 200 times its size"));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return match error.kind() {
                        io::ErrorKind::UnexpectedEof => Ok(Err("the packed file ends before its time")),
                        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                            Ok(Err("the file is not packed with gzip, or is damaged"))
                        }
                        _ => Err(error),
                    };
                }
            }
        }
        Ok(Ok(self.at))
    }
}

impl Read for Unpacked {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(into)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(into),
            Self::Packed(unpacked) => unpacked.read(into),
        }
    }
}

/// Backwards means from the beginning again, and forwards to unpack what lies between.
impl Seek for Input {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let unpacked = match self {
            Self::Plain(file) => return file.seek(to),
            Self::Packed(unpacked) => unpacked,
        };
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => unpacked.at.checked_add_signed(by),
            SeekFrom::End(_) => None,
        };
        let target = target.ok_or(io::ErrorKind::Unsupported)?;
        if target < unpacked.at {
            let mut file = unpacked.decoder.get_ref().get_ref().try_clone()?;
            file.rewind()?;
            **unpacked = Unpacked::new(file);
        }
        let missing = target - unpacked.at;
        io::copy(&mut unpacked.by_ref().take(missing), &mut io::sink())?;
        Ok(unpacked.at)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).expect("there is memory");
        encoder.finish().expect("there is memory")
    }

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("there is room");
        file.write_all(content).expect("there is room");
        file.rewind().expect("it is a file");
        file
    }

    #[test]
    fn a_packed_file_is_read_from_any_place() {
        // given: two members, as `cat a.gz b.gz` makes
        let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let (one, other) = content.split_at(300_001);
        let bytes = [packed(one), packed(other)].concat();
        let mut input = Input::new(file(&bytes), true);
        // when, then
        for at in [0, 700_000, 300_000, 300_001, 799_999, 1] {
            input.seek(SeekFrom::Start(at as u64)).expect("it is within");
            let mut four = [0];
            input.read_exact(&mut four).expect("it is within");
            assert_eq!(four[0], content[at]);
        }
    }

    #[test]
    fn what_is_no_gzip_and_what_unpacks_without_end_is_told() {
        let measure = |bytes: &[u8]| {
            let unpacked = Unpacked::new(file(bytes));
            unpacked
                .measure(bytes.len() as u64, || true)
                .expect("it can be read")
        };
        let whole = packed(b"id,name\n");
        assert_eq!(measure(&whole), Ok(8));
        assert!(
            measure(&whole[..whole.len() - 3])
                .expect_err("it is cut")
                .contains("ends")
        );
        assert!(
            measure(b"id,name\n1,Ann\n")
                .expect_err("it is plain")
                .contains("not packed")
        );
        let mut damaged = packed(&[7; 1_000]);
        let last = damaged.len() - 6;
        damaged[last] ^= 1;
        assert!(
            measure(&damaged)
                .expect_err("its sum is wrong")
                .contains("damaged")
        );
        let bomb = packed(&vec![0; 64 << 20]);
        assert!(measure(&bomb).expect_err("it is a bomb").contains("200 times"));
    }

    #[test]
    fn a_packed_file_is_known_by_its_name() {
        assert!(is_packed("orders.csv.gz") && is_packed("A.GZ"));
        assert!(!is_packed(".gz") && !is_packed("orders.csv") && !is_packed("é"));
    }
}
