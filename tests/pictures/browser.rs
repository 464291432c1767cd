//! One call of Chromium draws all of them and reports the faults of each.

use std::fs;
use std::process::Command;

use crate::{docs, pictures};

/// Without network and user settings.
const OPTIONS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-file-access-from-files",
];

/// Of each picture, standing in the page: a text that lost characters, or that is cut off at the
/// picture's edge; and, as an image, that it can be read at all.
const INSPECT: &str = r#"
const faults = [];
let texts = 0;
for (const figure of document.getElementsByTagName("figure")) {
    const complain = what => faults.push(figure.id + ": " + what);
    const svg = figure.getElementsByTagName("svg")[0];
    const image = figure.getElementsByTagName("img")[0];
    if (image && !(image.complete && image.naturalWidth > 0)) complain("is no image");
    if (!svg || svg.getBoundingClientRect().width == 0) { complain("is not drawn"); continue; }
    const frame = svg.viewBox.baseVal;
    const [width, height] = frame.width ? [frame.width, frame.height]
        : [svg.width.baseVal.value, svg.height.baseVal.value];
    for (const text of svg.getElementsByTagName("text")) {
        const wanted = text.textContent.replace(/^\n|\n$/g, "");
        if (wanted == "") continue;
        texts += 1;
        if (text.getNumberOfChars() != wanted.length) complain("loses characters of '" + wanted + "'");
        // Its position, rotated or not.
        const box = text.getBoundingClientRect(), all = svg.getBoundingClientRect();
        const scale = all.width / width;
        const out = [all.left - box.left, all.top - box.top, box.right - all.right,
            box.bottom - all.top - height * scale];
        if (Math.max(...out) > 1) complain("cuts off '" + wanted + "'");
    }
}
document.getElementById("result").textContent = "texts " + texts + "\n" + faults.join("\n");
"#;

/// The page with every picture, and the browser's report: the number of texts, and each fault.
/// `None` without a browser.
fn look(pictures: &[(String, String)], files: bool) -> Option<(usize, Vec<String>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut page = String::from("<html xmlns=\"http://www.w3.org/1999/xhtml\"><body>\n");
    for (name, picture) in pictures {
        let image =
            if files { format!("<img src=\"file://{}/{name}\"/>", docs().display()) } else { String::new() };
        page += &format!(
            "<figure id=\"{name}\">{}{image}</figure>\n",
            picture.trim_start_matches(HEAD).trim_start()
        );
    }
    page += "<pre id=\"result\"></pre>\n<script><![CDATA[\nonload = () => {";
    page += &format!("{INSPECT}}};\n]]></script></body></html>\n");
    // As XHTML: an SVG that is no XML is none.
    let path = folder.path().join("pictures.xhtml");
    fs::write(&path, page).expect("the page");
    let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
    let mut command = Command::new("chromium");
    let output = command.args(OPTIONS).args([&profile, "--dump-dom"]).arg(path).output();
    let Ok(output) = output else {
        assert!(std::env::var_os("CI").is_none(), "in CI there is chromium: tools/setup test");
        eprintln!("SKIPPED: there is no chromium: tools/setup test");
        return None;
    };
    let dom = String::from_utf8_lossy(&output.stdout);
    let result = dom.split_once("<pre id=\"result\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let (result, _) =
        result.unwrap_or_else(|| panic!("no result: {}\n{dom}", String::from_utf8_lossy(&output.stderr)));
    let mut lines = result.lines().map(str::to_owned);
    let texts = lines.next().and_then(|line| line.strip_prefix("texts ")?.parse().ok());
    Some((
        texts.unwrap_or_else(|| panic!("the script did not end: {dom}")),
        lines.filter(|line| !line.is_empty()).collect(),
    ))
}

/// What plotters writes before its drawing.
const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

#[test]
fn every_picture_is_drawn_whole_in_a_browser() {
    let Some((texts, faults)) = look(&pictures(), true) else { return };
    assert_eq!(faults, [""; 0]);
    assert!(texts > 300, "only {texts} texts were drawn");
}

#[test]
fn a_browser_finds_what_is_wrong() {
    let picture = |body: &str| {
        let head =
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100\" height=\"50\" viewBox=\"0 0 100 50\">";
        format!("{head}{body}</svg>")
    };
    let pictures = [
        ("good", picture("<text x=\"9\" y=\"20\">a\u{a0}\u{a0}b</text>")),
        ("collapses", picture("<g xml:space=\"preserve\"><text x=\"9\" y=\"20\">a  b</text></g>")),
        ("cut", picture("<text x=\"70\" y=\"20\">too long for it</text>")),
    ]
    .map(|(name, picture)| (name.to_owned(), picture));
    let Some((texts, faults)) = look(&pictures, false) else { return };
    assert_eq!((texts, faults.len()), (3, 2), "{faults:?}");
    assert!(
        faults[0].starts_with("collapses: loses") && faults[1].starts_with("cut: cuts off"),
        "{faults:?}"
    );
}
