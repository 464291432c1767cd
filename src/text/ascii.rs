/// Text for a terminal whose character set has nothing but ASCII: a letter for each letter, so that
/// columns stay columns, and `?` for what nothing stands for.
pub fn ascii(text: &str) -> String {
    text.chars().map(|letter| if letter.is_ascii() { letter } else { stand_in(letter) }).collect()
}

const fn stand_in(letter: char) -> char {
    match letter {
        '─' => '-',
        '│' | '┃' => '|',
        '▶' | '→' => '>',
        '◀' | '←' => '<',
        '↑' => '^',
        '↓' => 'v',
        '✗' | '×' => 'x',
        '▁' => '_',
        '▂' | '…' | '·' | '░' => '.',
        '▃' | '⋮' => ':',
        '▄' => '-',
        '▅' => '=',
        '▆' => '+',
        '▇' => '*',
        '█' => '#',
        '±' => '~',
        'µ' => 'u',
        '’' | '‘' => '\'',
        '“' | '”' => '"',
        '–' | '—' => '-',
        '\u{a0}' => ' ',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn columns_stay_columns() {
        assert_eq!(ascii("ESTABLISHED ◀── SYN ACK  12 µs ██▄ née"), "ESTABLISHED <-- SYN ACK  12 us ##- n?e");
        assert_eq!(ascii(""), "");
    }

    fn look(folder: &Path, missing: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, missing);
                continue;
            }
            // What its tests hold is nothing that is printed.
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
            let lines = text.lines().filter(|line| !is_test && !line.trim_start().starts_with("//"));
            let unknown = lines.filter(|line| line.chars().any(|c| !c.is_ascii() && stand_in(c) == '?'));
            missing.extend(unknown.map(|line| format!("{}: {line}", path.display())));
        }
    }

    #[test]
    fn every_letter_of_the_sources_has_one_that_stands_for_it() {
        let mut missing = Vec::new();
        look(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut missing);
        assert_eq!(missing, [""; 0]);
    }
}
