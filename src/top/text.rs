use ratatui::buffer::Buffer;

/// The picture's letters, a line for each of its lines; what is empty at an end is left out.
pub fn text(buffer: &Buffer) -> String {
    let lines = buffer.area.rows().map(|row| {
        let line: String =
            row.columns().filter_map(|at| buffer.cell(at.as_position())).map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned() + "\n"
    });
    lines.collect::<String>().trim_end().to_owned() + "\n"
}
