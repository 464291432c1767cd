/// Kernel release and name of this machine.
pub(super) fn machine() -> (String, String) {
    let Ok(names) = nix::sys::utsname::uname() else { return Default::default() };
    let text = |name: &std::ffi::OsStr| name.to_string_lossy().into_owned();
    (text(names.release()), text(names.nodename()))
}
