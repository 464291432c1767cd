use std::fmt;
use std::fs::File;
use std::io;
use std::str::FromStr;
use std::thread;

use nix::sched::{CloneFlags, setns};

use super::error::MeasureError;
use crate::netns::Netns;
use handfast_lab::Namespace;
use handfast_lab::bench::baseline::BaselineError;

/// One end of a pair: `IF`, or `NAMESPACE:IF`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    pub(super) namespace: Option<String>,
    pub(super) interface: String,
}

impl End {
    /// An interface of a lab.
    pub(super) fn of_lab(namespace: &Namespace, interface: &str) -> End {
        End { namespace: Some(namespace.name().to_owned()), interface: interface.to_owned() }
    }

    /// The namespace, for commands.
    pub(super) fn netns(&self) -> Netns {
        self.namespace.clone().map_or(Netns::Here, Netns::Named)
    }

    /// Calls `work` in a thread that is in the end's namespace.
    pub(super) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, MeasureError> {
        let there = || -> io::Result<T> {
            if let Some(name) = &self.namespace {
                setns(File::open(format!("/run/netns/{name}"))?, CloneFlags::CLONE_NEWNET)?;
            }
            Ok(work())
        };
        let enter =
            |source| MeasureError::Enter { namespace: self.namespace.clone().unwrap_or_default(), source };
        thread::scope(|scope| scope.spawn(there).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            .map_err(enter)
    }

    pub(super) fn bare<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, BaselineError> + Send,
    ) -> Result<T, MeasureError> {
        self.inside(work)?.map_err(|source| MeasureError::Bare { end: self.to_string(), source })
    }
}

impl FromStr for End {
    type Err = String;

    fn from_str(text: &str) -> Result<End, String> {
        let (namespace, interface) = match text.rsplit_once(':') {
            Some((namespace, interface)) => (Some(namespace.to_owned()), interface),
            None => (None, text),
        };
        let odd =
            |part: &str| part.is_empty() || part.contains(['/', ',']) || part.contains(char::is_whitespace);
        if odd(interface) || namespace.as_deref().is_some_and(|name| odd(name) || name.starts_with('.')) {
            return Err(format!("`{text}` is not IF or NAMESPACE:IF"));
        }
        Ok(End { namespace, interface: interface.to_owned() })
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}:{}", self.interface),
            None => f.write_str(&self.interface),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_read_and_paths_refused() {
        let end =
            |namespace: Option<&str>| End { namespace: namespace.map(str::to_owned), interface: "a".into() };
        assert_eq!("a".parse(), Ok(end(None)));
        assert_eq!("hf-x-client:a".parse(), Ok(end(Some("hf-x-client"))));
        for odd in ["", ":a", "n:", "../x:a", "n:a/b", "..:a"] {
            assert!(odd.parse::<End>().is_err(), "{odd:?}");
        }
    }
}
