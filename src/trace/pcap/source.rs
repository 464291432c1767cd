use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

/// Magic of a gzip file (RFC 1952 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Opens a capture: a file, a FIFO, or for `-` standard input. gzip is decompressed.
///
/// # Errors
/// It cannot be opened or read.
pub fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    match path.to_str() {
        Some("-") => unpacked(io::stdin()),
        _ => unpacked(File::open(path)?),
    }
}

fn unpacked<R: Read + 'static>(source: R) -> io::Result<Box<dyn Read>> {
    let mut source = BufReader::with_capacity(1 << 16, source);
    let packed = source.fill_buf()?.starts_with(&GZIP);
    Ok(if packed { Box::new(BufReader::new(MultiGzDecoder::new(source))) } else { Box::new(source) })
}
