//! libbpf's messages, which it prints to standard error by default, as part of the error that they explain.

use std::cell::RefCell;
use std::sync::Once;

use libbpf_rs::{PrintLevel, set_print};

thread_local! {
    /// libbpf's messages on this thread; `None` if they are not captured.
    static CAPTURED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `work` and returns libbpf's messages meanwhile, the verifier's log included.
///
/// From the first call on, libbpf prints nothing in this process.
pub(super) fn capture<T>(work: impl FnOnce() -> T) -> (T, String) {
    silence();
    CAPTURED.set(Some(String::new()));
    let result = work();
    (result, CAPTURED.take().unwrap_or_default())
}

/// Keeps libbpf from printing in this process.
pub(super) fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        set_print(Some((PrintLevel::Info, append)));
    });
}

fn append(_level: PrintLevel, message: String) {
    CAPTURED.with_borrow_mut(|captured| {
        if let Some(captured) = captured {
            captured.push_str(&message);
        }
    });
}
