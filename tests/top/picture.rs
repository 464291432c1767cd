//! The picture of the README, of programs that run: `make pictures`.

use std::path::Path;

use crate::live::{Pair, printed};

/// Seconds that are drawn: those that there are columns for.
const SECONDS: &str = "58";

/// A responder that drops a SYN in a hundred on purpose, so that there is a drop to read of; a benchmark
/// calls it.
#[test]
#[ignore = "a minute, and it writes docs/top.svg"]
fn the_live_view_is_drawn_for_the_readme() {
    let answers = ["--cores", "0", "--fault", "drop=1%", "--listen", "198.18.1.0/24:7=echo"];
    let Some(mut pair) = Pair::on(1, &answers, &["--concurrency", "512"]) else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/top.svg");
    let path = path.to_str().expect("UTF-8");
    let size = ["--width", "100", "--height", "27", "--intervals", SECONDS, "--svg", path];
    printed(&pair.sockets[0], &size);
    assert!(pair.bench.0.try_wait().expect("a child of ours").is_none(), "drawn without traffic");
}
