use caps::CapSet;

/// Giving up privileges failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot give up the {set:?} capabilities: {source}")]
pub struct PrivilegeError {
    set: CapSet,
    source: caps::errors::CapsError,
}

/// Gives up every capability of the calling thread, for good: threads that it starts have none.
/// What was opened before keeps working; nothing new can be attached or bound.
pub fn drop_privileges() -> Result<(), PrivilegeError> {
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::clear(None, set).map_err(|source| PrivilegeError { set, source })?;
    }
    // Also not by executing something: without this, root's next program would have them again.
    nix::sys::prctl::set_no_new_privs()
        .map_err(|errno| PrivilegeError { set: CapSet::Bounding, source: errno.to_string().as_str().into() })
}
