//! Parser for the parts of an HTTP/1 response that tell when it is complete (RFC 9112 6.3): the status,
//! and the end of the body, at Content-Length or at the end of the connection.

use zerocopy::FromZeros;

/// The parser's state: six bytes, part of the 16 of its connection.
#[derive(Clone, Copy, Debug, Default, FromZeros)]
#[repr(C, packed(2))]
pub(super) struct Response {
    /// The status while it is read, then Content-Length or [`NO_LENGTH`], then what is left of it.
    value: u32,
    state: ParserState,
    /// Bytes of the current word that matched.
    matched: u8,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromZeros)]
#[repr(u8)]
enum ParserState {
    #[default]
    Status,
    /// The rest of a line that is ignored.
    Rest,
    LineStart,
    Name,
    Length,
    /// After the CR of the empty line.
    EmptyLine,
    Body,
    UntilClose,
    Done,
    /// Not HTTP, or not a status of success.
    Bad,
}

/// The result of the bytes so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    Incomplete,
    /// All of it has arrived.
    Complete,
    /// A status other than 2xx and 3xx.
    ErrorStatus,
    /// Not an HTTP/1 response, or truncated.
    Invalid,
}

const NO_LENGTH: u32 = u32::MAX;
const NAME: &[u8] = b"content-length:";

impl Response {
    /// The status, of a response with [`Parsed::ErrorStatus`].
    pub(super) fn status(self) -> u16 {
        self.value as u16
    }

    /// A number stored in place of the response once that is complete.
    pub(super) fn aux(self) -> u32 {
        self.value
    }

    pub(super) fn set_aux(&mut self, aux: u32) {
        self.value = aux;
    }

    /// Takes the next bytes, in order.
    pub(super) fn data(&mut self, mut data: &[u8]) -> Parsed {
        while let [byte, rest @ ..] = data {
            match self.state {
                ParserState::Rest => {
                    let Some(end) = data.iter().position(|byte| *byte == b'\n') else {
                        return Parsed::Incomplete;
                    };
                    (self.state, data) = (ParserState::LineStart, &data[end + 1..]);
                    continue;
                }
                ParserState::Body => return self.body(data.len()),
                ParserState::UntilClose => return Parsed::Incomplete,
                ParserState::Done => return Parsed::Complete,
                ParserState::Bad => return Parsed::Invalid,
                _ => {}
            }
            if let Some(end) = self.byte(*byte) {
                return end;
            }
            data = rest;
        }
        if self.state == ParserState::Body { self.body(0) } else { Parsed::Incomplete }
    }

    /// The peer has closed: there is no more data.
    pub(super) fn end(&self) -> Parsed {
        match self.state {
            ParserState::UntilClose | ParserState::Done => Parsed::Complete,
            _ => Parsed::Invalid,
        }
    }

    /// One byte of the head.
    fn byte(&mut self, byte: u8) -> Option<Parsed> {
        match self.state {
            ParserState::Status => return self.status_line(byte),
            ParserState::LineStart => match byte {
                b'\r' => self.state = ParserState::EmptyLine,
                b'\n' => self.head_ends(),
                _ => {
                    (self.state, self.matched) = (ParserState::Name, 0);
                    self.name(byte);
                }
            },
            ParserState::Name => self.name(byte),
            ParserState::Length => match byte {
                b'0'..=b'9' => {
                    let before = if self.value == NO_LENGTH { 0 } else { self.value };
                    self.value = before.saturating_mul(10).saturating_add(u32::from(byte - b'0'));
                }
                b'\n' => self.state = ParserState::LineStart,
                b' ' | b'\t' | b'\r' => {}
                _ => return Some(self.bad(Parsed::Invalid)),
            },
            ParserState::EmptyLine if byte == b'\n' => self.head_ends(),
            ParserState::EmptyLine => return Some(self.bad(Parsed::Invalid)),
            ParserState::Rest
            | ParserState::Body
            | ParserState::UntilClose
            | ParserState::Done
            | ParserState::Bad => {}
        }
        None
    }

    /// `HTTP/1.1 200`.
    fn status_line(&mut self, byte: u8) -> Option<Parsed> {
        let fits = match self.matched {
            at @ 0..=6 => Some(&byte) == b"HTTP/1.".get(usize::from(at)),
            8 => byte == b' ',
            _ => byte.is_ascii_digit(),
        };
        if !fits {
            return Some(self.bad(Parsed::Invalid));
        }
        self.matched += 1;
        if self.matched > 9 {
            self.value = self.value * 10 + u32::from(byte - b'0');
        }
        if self.matched == 12 {
            let status = self.value;
            if !(200..400).contains(&status) {
                return Some(self.bad(Parsed::ErrorStatus));
            }
            (self.state, self.value) = (ParserState::Rest, NO_LENGTH);
        }
        None
    }

    fn name(&mut self, byte: u8) {
        if Some(&byte.to_ascii_lowercase()) != NAME.get(usize::from(self.matched)) {
            self.state = if byte == b'\n' { ParserState::LineStart } else { ParserState::Rest };
            return;
        }
        self.matched += 1;
        if usize::from(self.matched) == NAME.len() {
            (self.state, self.value) = (ParserState::Length, NO_LENGTH);
        }
    }

    fn head_ends(&mut self) {
        self.state = if self.value == NO_LENGTH { ParserState::UntilClose } else { ParserState::Body };
    }

    fn body(&mut self, bytes: usize) -> Parsed {
        self.value = self.value.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
        if self.value > 0 {
            return Parsed::Incomplete;
        }
        self.state = ParserState::Done;
        Parsed::Complete
    }

    fn bad(&mut self, why: Parsed) -> Parsed {
        self.state = ParserState::Bad;
        why
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The response at once, and byte by byte: the results must be equal.
    fn read(text: &str) -> (Parsed, Parsed) {
        let mut whole = Response::default();
        let at_once = whole.data(text.as_bytes());
        let mut split = Response::default();
        let mut last = Parsed::Incomplete;
        for byte in text.as_bytes() {
            last = split.data(&[*byte]);
            if last != Parsed::Incomplete {
                break;
            }
        }
        assert_eq!(at_once, last, "{text:?}");
        assert_eq!(whole.end(), split.end(), "{text:?}");
        (at_once, whole.end())
    }

    #[test]
    fn a_response_ends_at_its_length_or_with_the_connection() {
        use Parsed::{Complete, ErrorStatus, Incomplete, Invalid};
        for (text, now, at_close) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Complete, Complete),
            ("HTTP/1.1 200 OK\r\nServer: x\r\ncontent-LENGTH:2\r\n\r\nhi", Complete, Complete),
            ("HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", Complete, Complete),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", Incomplete, Invalid),
            ("HTTP/1.0 301 Moved\r\nContent-Length: 0\r\n\r\n", Complete, Complete),
            ("HTTP/1.1 200 OK\r\n\r\nhi", Incomplete, Complete),
            ("HTTP/1.1 200 OK\r\nContent-Type: a\r\n\r\n", Incomplete, Complete),
            ("HTTP/1.1 200\r\n\r\n", Incomplete, Complete),
            ("HTTP/1.1 200 OK\r\nContent-Lengthy: 2\r\n\r\nhi", Incomplete, Complete),
            ("HTTP/1.1 200 OK\r\nX: Content-Length: 2\r\n\r\nhi", Incomplete, Complete),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nhi", Incomplete, Invalid),
            ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhi", Invalid, Invalid),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2", Incomplete, Invalid),
            ("HTTP/1.1 200 OK\r\n", Incomplete, Invalid),
            ("HTTP/1.1 404 Not Found\r\n\r\n", ErrorStatus, Invalid),
            ("HTTP/1.1 100 Continue\r\n\r\n", ErrorStatus, Invalid),
            ("HTTP/1.1 503", ErrorStatus, Invalid),
            ("HTTP/2 200\r\n", Invalid, Invalid),
            ("hello", Invalid, Invalid),
            ("HTTP/1.1 2x0", Invalid, Invalid),
            ("", Incomplete, Invalid),
        ] {
            assert_eq!(read(text), (now, at_close), "{text:?}");
        }
    }

    #[test]
    fn a_wrong_status_is_known() {
        for (text, status) in
            [("HTTP/1.1 404 Not Found\r\n", 404), ("HTTP/1.0 503", 503), ("HTTP/1.1 100 ", 100)]
        {
            let mut response = Response::default();
            assert_eq!((response.data(text.as_bytes()), response.status()), (Parsed::ErrorStatus, status));
        }
    }

    #[test]
    fn the_parser_has_six_bytes() {
        assert_eq!(size_of::<Response>(), 6);
    }
}
