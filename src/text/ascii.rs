/// Text for a terminal that shows only ASCII: one letter for each letter, so that columns stay aligned, and
/// `?` for a letter without a substitute.
pub fn ascii(text: &str) -> String {
    text.chars().map(|letter| if letter.is_ascii() { letter } else { substitute(letter) }).collect()
}

const fn substitute(letter: char) -> char {
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

    fn scan(folder: &Path, missing: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                scan(&path, missing);
                continue;
            }
            // The text in tests is not printed.
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
            let lines = text.lines().filter(|line| !is_test && !line.trim_start().starts_with("//"));
            let unknown = lines.filter(|line| line.chars().any(|c| !c.is_ascii() && substitute(c) == '?'));
            missing.extend(unknown.map(|line| format!("{}: {line}", path.display())));
        }
    }

    #[test]
    fn every_letter_of_the_sources_has_a_substitute() {
        let mut missing = Vec::new();
        scan(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut missing);
        assert_eq!(missing, [""; 0]);
    }
}
