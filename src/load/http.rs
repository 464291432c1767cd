//! As much of an HTTP/1 response as says whether it is whole (RFC 9112 6.3): the status, and where
//! the body ends, at Content-Length or at the end of the connection.

use zerocopy::FromZeros;

/// How far a response has been read. Six octets, so that it fits into its connection's sixteen.
#[derive(Clone, Copy, Debug, Default, FromZeros)]
#[repr(C, packed(2))]
pub(super) struct Response {
    /// The status while it is read, then Content-Length or [`NO_LENGTH`], then what is left of it.
    value: u32,
    at: At,
    /// Octets of the current word that were as expected.
    matched: u8,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromZeros)]
#[repr(u8)]
enum At {
    #[default]
    Status,
    /// The rest of a line that says nothing to us.
    Rest,
    LineStart,
    Name,
    Length,
    /// CR of the empty line was there.
    EmptyLine,
    Body,
    UntilClose,
    Done,
    /// Not HTTP, or a status that is none of success.
    Bad,
}

/// What the octets so far come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    More,
    /// All of it has arrived.
    Whole,
    /// A status other than 2xx and 3xx.
    Status,
    /// No HTTP/1 response, or cut short.
    Garbage,
}

const NO_LENGTH: u32 = u32::MAX;
const NAME: &[u8] = b"content-length:";

impl Response {
    /// Of a response that came to [`Progress::Status`]: which.
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

    /// The next octets, in order.
    pub(super) fn data(&mut self, mut data: &[u8]) -> Progress {
        while let [octet, rest @ ..] = data {
            match self.at {
                At::Rest => {
                    let Some(end) = data.iter().position(|octet| *octet == b'\n') else {
                        return Progress::More;
                    };
                    (self.at, data) = (At::LineStart, &data[end + 1..]);
                    continue;
                }
                At::Body => return self.body(data.len()),
                At::UntilClose => return Progress::More,
                At::Done => return Progress::Whole,
                At::Bad => return Progress::Garbage,
                _ => {}
            }
            if let Some(end) = self.octet(*octet) {
                return end;
            }
            data = rest;
        }
        if self.at == At::Body { self.body(0) } else { Progress::More }
    }

    /// The peer has closed: no more will come.
    pub(super) fn end(&self) -> Progress {
        match self.at {
            At::UntilClose | At::Done => Progress::Whole,
            _ => Progress::Garbage,
        }
    }

    /// One octet of the head.
    fn octet(&mut self, octet: u8) -> Option<Progress> {
        match self.at {
            At::Status => return self.status_line(octet),
            At::LineStart => match octet {
                b'\r' => self.at = At::EmptyLine,
                b'\n' => self.head_ends(),
                _ => {
                    (self.at, self.matched) = (At::Name, 0);
                    self.name(octet);
                }
            },
            At::Name => self.name(octet),
            At::Length => match octet {
                b'0'..=b'9' => {
                    let before = if self.value == NO_LENGTH { 0 } else { self.value };
                    self.value = before.saturating_mul(10).saturating_add(u32::from(octet - b'0'));
                }
                b'\n' => self.at = At::LineStart,
                b' ' | b'\t' | b'\r' => {}
                _ => return Some(self.bad(Progress::Garbage)),
            },
            At::EmptyLine if octet == b'\n' => self.head_ends(),
            At::EmptyLine => return Some(self.bad(Progress::Garbage)),
            At::Rest | At::Body | At::UntilClose | At::Done | At::Bad => {}
        }
        None
    }

    /// `HTTP/1.1 200`.
    fn status_line(&mut self, octet: u8) -> Option<Progress> {
        let fits = match self.matched {
            at @ 0..=6 => Some(&octet) == b"HTTP/1.".get(usize::from(at)),
            8 => octet == b' ',
            _ => octet.is_ascii_digit(),
        };
        if !fits {
            return Some(self.bad(Progress::Garbage));
        }
        self.matched += 1;
        if self.matched > 9 {
            self.value = self.value * 10 + u32::from(octet - b'0');
        }
        if self.matched == 12 {
            let status = self.value;
            if !(200..400).contains(&status) {
                return Some(self.bad(Progress::Status));
            }
            (self.at, self.value) = (At::Rest, NO_LENGTH);
        }
        None
    }

    fn name(&mut self, octet: u8) {
        if Some(&octet.to_ascii_lowercase()) != NAME.get(usize::from(self.matched)) {
            self.at = if octet == b'\n' { At::LineStart } else { At::Rest };
            return;
        }
        self.matched += 1;
        if usize::from(self.matched) == NAME.len() {
            (self.at, self.value) = (At::Length, NO_LENGTH);
        }
    }

    fn head_ends(&mut self) {
        self.at = if self.value == NO_LENGTH { At::UntilClose } else { At::Body };
    }

    fn body(&mut self, octets: usize) -> Progress {
        self.value = self.value.saturating_sub(u32::try_from(octets).unwrap_or(u32::MAX));
        if self.value > 0 {
            return Progress::More;
        }
        self.at = At::Done;
        Progress::Whole
    }

    fn bad(&mut self, why: Progress) -> Progress {
        self.at = At::Bad;
        why
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The response whole, and octet by octet: both must come to the same.
    fn read(text: &str) -> (Progress, Progress) {
        let mut whole = Response::default();
        let at_once = whole.data(text.as_bytes());
        let mut split = Response::default();
        let mut last = Progress::More;
        for octet in text.as_bytes() {
            last = split.data(&[*octet]);
            if last != Progress::More {
                break;
            }
        }
        assert_eq!(at_once, last, "{text:?}");
        assert_eq!(whole.end(), split.end(), "{text:?}");
        (at_once, whole.end())
    }

    #[test]
    fn a_response_ends_at_its_length_or_with_the_connection() {
        use Progress::{Garbage, More, Status, Whole};
        for (text, now, at_close) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Whole, Whole),
            ("HTTP/1.1 200 OK\r\nServer: x\r\ncontent-LENGTH:2\r\n\r\nhi", Whole, Whole),
            ("HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", Whole, Whole),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", More, Garbage),
            ("HTTP/1.0 301 Moved\r\nContent-Length: 0\r\n\r\n", Whole, Whole),
            ("HTTP/1.1 200 OK\r\n\r\nhi", More, Whole),
            ("HTTP/1.1 200 OK\r\nContent-Type: a\r\n\r\n", More, Whole),
            ("HTTP/1.1 200\r\n\r\n", More, Whole),
            ("HTTP/1.1 200 OK\r\nContent-Lengthy: 2\r\n\r\nhi", More, Whole),
            ("HTTP/1.1 200 OK\r\nX: Content-Length: 2\r\n\r\nhi", More, Whole),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nhi", More, Garbage),
            ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhi", Garbage, Garbage),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2", More, Garbage),
            ("HTTP/1.1 200 OK\r\n", More, Garbage),
            ("HTTP/1.1 404 Not Found\r\n\r\n", Status, Garbage),
            ("HTTP/1.1 100 Continue\r\n\r\n", Status, Garbage),
            ("HTTP/1.1 503", Status, Garbage),
            ("HTTP/2 200\r\n", Garbage, Garbage),
            ("hello", Garbage, Garbage),
            ("HTTP/1.1 2x0", Garbage, Garbage),
            ("", More, Garbage),
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
            assert_eq!((response.data(text.as_bytes()), response.status()), (Progress::Status, status));
        }
    }

    #[test]
    fn it_is_as_small_as_it_says() {
        assert_eq!(size_of::<Response>(), 6);
    }
}
