//! The picture of the README, of programs that run: `make pictures`.

use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::live::{Pair, printed};

/// Seconds that are drawn.
const SECONDS: &str = "48";

#[test]
#[ignore = "a minute, and it writes docs/top.svg"]
fn the_live_view_is_drawn_for_the_readme() {
    let Some(pair) = Pair::start(&["--connections", "64", "--workload", "lifecycle"]) else { return };
    // Something to drop: a stray RST for a listener, at times.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/top.svg");
    let path = path.to_str().expect("UTF-8");
    let size = ["--width", "100", "--height", "30", "--intervals", SECONDS, "--svg", path];
    printed(&pair.sockets[0], &size);
    thread::sleep(Duration::from_millis(1));
}
