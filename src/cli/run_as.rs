//! `--user`: the user that the program runs as after everything that needs root.

use std::str::FromStr;

use caps::{CapSet, Capability};
use nix::unistd::{Gid, Uid, User, geteuid};

use super::Failure;
use handfast_stack::engine::{become_user, drop_privileges};
use handfast_text::printable;

/// The default's name, and its number where no list of users has it (a small container).
const NOBODY: &str = "nobody";
const NOBODY_ID: u32 = 65_534;

/// A user, by name or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAs {
    name: String,
    uid: Uid,
    gid: Gid,
}

impl RunAs {
    fn nobody() -> RunAs {
        NOBODY.parse().unwrap_or_else(|_| RunAs::numbered(NOBODY_ID))
    }

    /// With a group of the same number.
    fn numbered(id: u32) -> RunAs {
        RunAs { name: id.to_string(), uid: Uid::from_raw(id), gid: Gid::from_raw(id) }
    }
}

impl FromStr for RunAs {
    type Err = String;

    fn from_str(text: &str) -> Result<RunAs, String> {
        let (user, number) = match text.parse::<u32>() {
            // All ones is no user: to setresuid(2) it means no change.
            Ok(u32::MAX) => return Err(format!("invalid user ID `{text}`")),
            Ok(number) => (User::from_uid(Uid::from_raw(number)), Some(number)),
            Err(_) => (User::from_name(text), None),
        };
        let known = user.ok().flatten();
        let known = known.map(|user| RunAs { name: user.name, uid: user.uid, gid: user.gid });
        known.or(number.map(RunAs::numbered)).ok_or_else(|| format!("unknown user `{text}` on this host"))
    }
}

/// Who the program is from some moment on.
pub(super) struct Identity {
    /// `None`: who it was.
    user: Option<RunAs>,
    /// It was not asked for: what stands in the way is no failure.
    by_default: bool,
}

impl Identity {
    /// The given user, or the default: programs of root run as `nobody`, others keep their user.
    pub(crate) fn choose(asked: Option<&RunAs>) -> Result<Identity, Failure> {
        let own = geteuid();
        let user = match asked {
            None => own.is_root().then(RunAs::nobody),
            Some(user) if user.uid == own => None,
            Some(user) if !own.is_root() => {
                return Err(Failure::new(format!("only root can become {}", printable(&user.name)))
                    .fix("leave --user out, or start handfast as root"));
            }
            Some(user) => Some(user.clone()),
        };
        Ok(Identity { user, by_default: asked.is_none() })
    }

    /// Whether it becomes another user, which may open nothing of root's.
    pub(crate) fn changes(&self) -> bool {
        self.user.is_some()
    }

    /// Becomes the user, without a capability. What to say of it.
    pub(crate) fn assume(&self) -> Result<String, Failure> {
        let became = self.become_user();
        drop_privileges().map_err(Failure::of)?;
        became.map(|who| format!("{who}, no capabilities"))
    }

    fn become_user(&self) -> Result<String, Failure> {
        let Some(user) = &self.user else { return Ok(format!("user {}", name(geteuid()))) };
        match missing()
            .map_or_else(|| become_user(user.uid, user.gid).map_err(|error| error.to_string()), Err)
        {
            Ok(()) => Ok(format!("user {}", printable(&user.name))),
            Err(why) if self.by_default => Ok(format!("user root ({why})")),
            Err(why) => Err(Failure::new(format!("cannot run as {}: {why}", printable(&user.name)))
                .fix("--user root, or give the container CAP_SETUID and CAP_SETGID")),
        }
    }
}

/// What it takes and is not there, as in a container.
fn missing() -> Option<String> {
    let has = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    let needed = [Capability::CAP_SETUID, Capability::CAP_SETGID];
    let lacking = needed.into_iter().find(|capability| !has(*capability))?;
    Some(format!("{lacking} is missing"))
}

fn name(uid: Uid) -> String {
    User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| printable(&user.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names_or_numbers() {
        let root: RunAs = "root".parse().expect("everywhere");
        assert_eq!((root.uid, "0".parse()), (Uid::from_raw(0), Ok(root)));
        let number = "4000000000".parse::<RunAs>().expect("a number needs no entry");
        assert_eq!((number.uid.as_raw(), number.gid.as_raw()), (4_000_000_000, 4_000_000_000));
        for wrong in ["", "hf-nobody-has-this", "-1", "4294967295"] {
            assert!(wrong.parse::<RunAs>().is_err(), "{wrong}");
        }
        assert_eq!(RunAs::nobody().uid.as_raw(), NOBODY_ID);
    }
}
