//! libbpf prints to standard error on its own; here its words go into the error that they explain.

use std::cell::RefCell;
use std::sync::Once;

use libbpf_rs::{PrintLevel, set_print};

thread_local! {
    /// What libbpf said on this thread; `None` while nobody listens.
    static HEARD: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `work` and returns what libbpf said meanwhile, the verifier's log included.
///
/// From the first call on, libbpf prints nothing in this process.
pub fn listen<T>(work: impl FnOnce() -> T) -> (T, String) {
    silence();
    HEARD.set(Some(String::new()));
    let result = work();
    (result, HEARD.take().unwrap_or_default())
}

/// Keeps libbpf from printing in this process.
pub fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        set_print(Some((PrintLevel::Info, hear)));
    });
}

fn hear(_level: PrintLevel, message: String) {
    HEARD.with_borrow_mut(|heard| {
        if let Some(heard) = heard {
            heard.push_str(&message);
        }
    });
}
