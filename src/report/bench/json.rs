//! Readable JSON: one line per field, second or core, not one per number.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// Containers down to this depth have a line for each of their values.
const OPEN_DEPTH: usize = 2;

/// Writes `value`, with a line feed at the end.
///
/// # Errors
/// Those of `writer`.
pub fn write_json<T: Serialize>(mut writer: impl Write, value: &T) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut writer, JsonLayout::default()))?;
    writer.write_all(b"\n")?;
    writer.flush()
}

/// Pretty outside, compact inside.
#[derive(Default)]
struct JsonLayout {
    depth: usize,
    pretty: PrettyFormatter<'static>,
    compact: CompactFormatter,
}

/// Calls the formatter of the current depth.
macro_rules! pass {
    ($($method:ident($($argument:ident: $kind:ty),*);)*) => {$(
        fn $method<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $kind)*) -> io::Result<()> {
            if self.depth > OPEN_DEPTH {
                self.compact.$method(writer $(, $argument)*)
            } else {
                self.pretty.$method(writer $(, $argument)*)
            }
        }
    )*};
}

macro_rules! begin {
    ($($method:ident)*) => {$(
        fn $method<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
            self.depth += 1;
            if self.depth > OPEN_DEPTH {
                self.compact.$method(writer)
            } else {
                self.pretty.$method(writer)
            }
        }
    )*};
}

macro_rules! end {
    ($($method:ident)*) => {$(
        fn $method<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
            let ended = if self.depth > OPEN_DEPTH {
                self.compact.$method(writer)
            } else {
                self.pretty.$method(writer)
            };
            self.depth -= 1;
            ended
        }
    )*};
}

impl Formatter for JsonLayout {
    begin! { begin_array begin_object }
    end! { end_array end_object }
    pass! {
        begin_array_value(first: bool);
        end_array_value();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_field_and_second_and_none_for_each_number() {
        let value = serde_json::json!({"a": {"b": {"c": [1, 2]}}, "e": [], "series": [{"x": 1}, {"x": 2}]});
        let mut text = Vec::new();
        write_json(&mut text, &value).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        let expected = "{\n  \"a\": {\n    \"b\": {\"c\":[1,2]}\n  },\n  \"e\": [],\n  \"series\": [\n    \
                        {\"x\":1},\n    {\"x\":2}\n  ]\n}\n";
        assert_eq!(text, expected);
    }
}
