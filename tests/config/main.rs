//! `handfast respond --config FILE`: every mistake with its place, without rights; and, as root in
//! labs of their own (`hf-t…`), reloading on SIGHUP without losing a connection.

mod documented;
mod file;
mod mistakes;
mod reload;
mod traffic;
