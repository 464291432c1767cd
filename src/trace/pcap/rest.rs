/// The rest of a packet after the parsed headers: the captured bytes, and the length on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest<'a> {
    pub bytes: &'a [u8],
    pub wire: usize,
}

impl<'a> Rest<'a> {
    /// `None`: not captured.
    pub(super) fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    pub(super) fn byte(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    pub(super) fn half(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    pub(super) fn word(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    /// Skips a header of that length. `None`: it was not captured completely.
    pub(super) fn skip(self, length: usize) -> Option<Rest<'a>> {
        Some(Rest { bytes: self.bytes.get(length..)?, wire: self.wire.saturating_sub(length) })
    }

    /// Limits the length to the one in a header: the rest is padding, or was not captured.
    pub(super) fn limit(self, length: usize) -> Rest<'a> {
        Rest { bytes: self.bytes.get(..length).unwrap_or(self.bytes), wire: length }
    }
}
