//! The guest's root: an initramfs in cpio's "newc" format, as the kernel takes it
//! (Documentation/driver-api/early-userspace/buffer-format.rst). Not compressed: it is made in a second.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{output, program};

/// The first process. busybox's shell suffices: what is tried is in nic-test.
const INIT: &str = include_str!("../init");

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const LINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// An archive that grows.
struct Archive {
    bytes: Vec<u8>,
    /// Entries so far: inode numbers must differ.
    entries: u32,
    directories: BTreeSet<PathBuf>,
}

/// Everything that all kernels share: busybox, ip, ethtool, handfast, this program, their libraries.
pub fn root(scratch: &Path, handfast: &Path) -> Result<Vec<u8>, String> {
    fs::create_dir_all(scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    let mut archive = Archive { bytes: Vec::new(), entries: 0, directories: BTreeSet::new() };
    for directory in ["bin", "dev", "proc", "sys", "run", "tmp", "modules", "etc"] {
        archive.directory(Path::new(directory));
    }
    // The first process has it open before /dev is mounted. Its number is 5, 1 everywhere.
    archive.entry("dev/console", CHARACTER_DEVICE, &[], (5, 1));
    archive.entry("init", PROGRAM, INIT.as_bytes(), (0, 0));
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let programs = [
        ("busybox", program("busybox")?),
        ("ip", program("ip")?),
        ("ethtool", program("ethtool")?),
        ("handfast", stripped(handfast, &scratch.join("handfast"))?),
        ("nic-test", stripped(&own, &scratch.join("nic-test"))?),
    ];
    for applet in ["sh", "kill"] {
        archive.entry(&format!("bin/{applet}"), LINK, b"busybox", (0, 0));
    }
    let mut libraries = BTreeSet::new();
    for (name, path) in &programs {
        archive.file(&Path::new("bin").join(name), path)?;
        libraries.extend(needed(path)?);
    }
    for library in &libraries {
        archive.file(library.strip_prefix("/").unwrap_or(library), library)?;
    }
    Ok(archive.bytes)
}

/// The root with one kernel's modules, and what is to be tried.
pub fn complete(root: &[u8], modules: &Path, nics: &[&str], cells: &[&str]) -> Result<Vec<u8>, String> {
    let mut archive = Archive { bytes: root.to_vec(), entries: 10_000, directories: BTreeSet::new() };
    let files = fs::read_dir(modules).map_err(|error| format!("{}: {error}", modules.display()))?;
    for path in files.flatten().map(|entry| entry.path()) {
        archive.file(&Path::new("modules").join(path.file_name().unwrap_or_default()), &path)?;
    }
    let wanted = format!("{} {}\n", nics.join(","), cells.join(","));
    archive.entry("etc/wanted", PROGRAM, wanted.as_bytes(), (0, 0));
    archive.entry("TRAILER!!!", 0, &[], (0, 0));
    Ok(archive.bytes)
}

/// Without what only a debugger reads: guests boot faster.
fn stripped(from: &Path, to: &Path) -> Result<PathBuf, String> {
    output("strip", &["-o", &to.to_string_lossy(), &from.to_string_lossy()])?;
    Ok(to.to_owned())
}

/// The libraries that a program needs, and the loader; none if it is linked statically.
fn needed(program: &Path) -> Result<Vec<PathBuf>, String> {
    let Ok(listed) = output("ldd", &[&program.to_string_lossy()]) else { return Ok(Vec::new()) };
    if let Some(missing) = listed.lines().find(|line| line.contains("not found")) {
        return Err(format!("{}: {}", program.display(), missing.trim()));
    }
    // "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)", or "/lib64/ld-linux-x86-64.so.2 (0x…)"
    let words = listed.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    Ok(words.map(PathBuf::from).collect())
}

impl Archive {
    fn file(&mut self, name: &Path, from: &Path) -> Result<(), String> {
        let contents = fs::read(from).map_err(|error| format!("{}: {error}", from.display()))?;
        if let Some(directory) = name.parent() {
            self.directory(directory);
        }
        self.entry(&name.to_string_lossy(), PROGRAM, &contents, (0, 0));
        Ok(())
    }

    /// And those above it.
    fn directory(&mut self, directory: &Path) {
        let above: Vec<&Path> = directory.ancestors().filter(|path| !path.as_os_str().is_empty()).collect();
        for path in above.into_iter().rev() {
            if self.directories.insert(path.to_owned()) {
                self.entry(&path.to_string_lossy(), DIRECTORY, &[], (0, 0));
            }
        }
    }

    fn entry(&mut self, name: &str, mode: u32, contents: &[u8], device: (u32, u32)) {
        self.entries += 1;
        let links = if mode == DIRECTORY { 2 } else { 1 };
        let (size, name_size) = (contents.len() as u32, name.len() as u32 + 1);
        // Inode, mode, user, group, links, time, size, the file's device, its own, name's size, checksum.
        let fields = [self.entries, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, name_size, 0]
            .map(|n| format!("{n:08x}"));
        self.bytes.extend_from_slice(b"070701");
        self.bytes.extend_from_slice(fields.concat().as_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(contents);
        self.pad();
    }

    /// Headers and contents begin at multiples of 4.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cpio is not needed to make it, and not to check it either: the format is fixed.
    #[test]
    fn entries_are_as_the_kernel_reads_them() {
        let mut archive = Archive { bytes: Vec::new(), entries: 0, directories: BTreeSet::new() };
        archive.directory(Path::new("a/b"));
        archive.entry("a/b/c", PROGRAM, b"hello", (0, 0));
        let text = String::from_utf8(archive.bytes).unwrap();
        assert_eq!(text.matches("070701").count(), 3, "each directory once");
        let last = text.rfind("070701").unwrap();
        let field = |n: usize| u32::from_str_radix(&text[last + 6 + n * 8..last + 14 + n * 8], 16).unwrap();
        assert_eq!((field(1), field(6), field(11)), (PROGRAM, 5, 6), "mode, size, size of the name");
        assert_eq!(&text[last + 110..last + 115], "a/b/c");
        assert!(text.ends_with("hello\0\0\0") && text.len().is_multiple_of(4));
    }
}
