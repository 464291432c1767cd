use super::checksum::Checksum;
use crate::observe::DropReason;

/// Type, code, checksum, and four bytes that depend on the type.
const HEADER_LEN: usize = 8;

/// Type and code, and what follows the header, of an intact message.
pub(super) fn check(message: &[u8], pseudo: Checksum) -> Result<((u8, u8), &[u8]), DropReason> {
    let (&[kind, code, ..], body) =
        message.split_first_chunk::<HEADER_LEN>().ok_or(DropReason::FrameTruncated)?;
    if pseudo.add_bytes(message).is_intact() {
        Ok(((kind, code), body))
    } else {
        Err(DropReason::IcmpChecksum)
    }
}
