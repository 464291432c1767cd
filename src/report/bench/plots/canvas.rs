//! What all plots share: an SVG, its font and its colours.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;

use handfast_text::escape;
use handfast_text::palette::Colour;

pub(super) type PlotArea<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Drawn = Result<(), Box<dyn Error>>;

const WIDTH: u32 = 900;
const FONT: &str = "sans-serif";
/// Points; the crate takes a fifth off.
const FONT_SIZE: u32 = 16;

/// The colour for light pages: the page's style sheet replaces it on dark ones.
pub(super) fn rgb(colour: &Colour) -> RGBColor {
    let [red, green, blue] = colour.light;
    RGBColor(red, green, blue)
}

/// A colour as the plots' SVG has it.
pub(in crate::bench) fn attribute(colour: &Colour) -> String {
    handfast_text::palette::hex(colour.light).to_uppercase()
}

pub(super) fn label(colour: &Colour) -> TextStyle<'static> {
    let style = TextStyle::from((FONT, FONT_SIZE).into_font());
    TextStyle { color: rgb(colour).to_backend_color(), ..style }
}

/// An SVG of this height, drawn by `paint`; an error is shown in its place.
pub(super) fn draw(height: u32, paint: impl FnOnce(&PlotArea<'_>) -> Drawn) -> String {
    let mut svg = String::new();
    let drawn = {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        paint(&area).and_then(|()| Ok(area.present()?))
    };
    match drawn {
        // Inside a page the name space is known, and the width the page's.
        Ok(()) => svg.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1),
        Err(error) => nothing(&format!("cannot be drawn: {error}")),
    }
}

pub(super) fn nothing(why: &str) -> String {
    format!("<p class=\"muted\">{}</p>\n", escape(why))
}
