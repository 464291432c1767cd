use caps::{CapSet, Capability};
use nix::errno::Errno;
use nix::sys::prctl::set_no_new_privs;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

/// Giving up privileges failed.
#[allow(missing_docs, reason = "the fields are those of the sentence")]
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// The kernel refused to clear a set of capabilities.
    #[error("cannot give up the {set:?} capabilities: {source}")]
    Capabilities { set: CapSet, source: caps::errors::CapsError },
    /// The kernel refused `PR_SET_NO_NEW_PRIVS`.
    #[error("cannot rule out new privileges (PR_SET_NO_NEW_PRIVS): {0}")]
    NewPrivileges(Errno),
    /// The kernel refused the change of user or groups.
    #[error("cannot become uid {uid}: {call}: {errno}")]
    User { uid: Uid, call: &'static str, errno: Errno },
}

/// Gives up every capability of the calling thread, for good: threads that it starts have none, and
/// what it executes gets none. What was opened before keeps working; nothing new can be attached or
/// bound.
///
/// The bounding set goes as well where CAP_SETPCAP is there to clear it, as root has. Without, no file
/// can give anything of it either: new privileges are ruled out.
pub fn drop_privileges() -> Result<(), PrivilegeError> {
    drop_bounding_set()?;
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::clear(None, set).map_err(|source| PrivilegeError::Capabilities { set, source })?;
    }
    // Also not by executing something: without this, root's next program would have them again.
    set_no_new_privs().map_err(PrivilegeError::NewPrivileges)
}

/// Makes all threads of the process those of another user, without supplementary groups. Needs
/// CAP_SETUID and CAP_SETGID, and leaves no capability.
///
/// # Errors
/// [`PrivilegeError`]; [`PrivilegeError::User`] leaves the user as it was.
pub fn become_user(uid: Uid, gid: Gid) -> Result<(), PrivilegeError> {
    drop_bounding_set()?;
    let failed = |call| move |errno| PrivilegeError::User { uid, call, errno };
    setgroups(&[]).map_err(failed("setgroups"))?;
    setresgid(gid, gid, gid).map_err(failed("setresgid"))?;
    setresuid(uid, uid, uid).map_err(failed("setresuid"))
}

/// Of the calling thread, if it may: threads that it starts have none of it either.
pub(super) fn drop_bounding_set() -> Result<(), PrivilegeError> {
    let set = CapSet::Bounding;
    match caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP) {
        Ok(true) => caps::clear(None, set).map_err(|source| PrivilegeError::Capabilities { set, source }),
        _ => Ok(()),
    }
}
