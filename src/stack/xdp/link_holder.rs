//! The process that keeps a program attached: it holds a descriptor of the program's link, which
//! /proc shows.

use std::fs;

use procfs::process::all_processes;

use super::kernel_tcp::Process;

/// The process that holds the link of this program, if this process may see it.
pub(super) fn process_of(program: u32) -> Option<Process> {
    let mut processes = all_processes().into_iter().flatten().flatten();
    let found = processes.find(|process| holds_link(process.pid.unsigned_abs(), &[program]))?;
    Some(Process { pid: found.pid, name: found.stat().ok()?.comm })
}

/// Whether the process `pid` holds the link of one of these programs, by id.
pub fn holds_link(pid: u32, programs: &[u32]) -> bool {
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .filter_map(|text| linked_program(&text))
        .any(|program| programs.contains(&program))
}

/// The program's id in the fdinfo of a link. The fdinfo of a program has an id too, but that descriptor
/// does not keep the program attached.
fn linked_program(text: &str) -> Option<u32> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    field("link_type:").filter(|kind| *kind == "xdp")?;
    field("prog_id:")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_distinguished_from_a_program() {
        let link = "pos:\t0\nlink_type:\txdp\nlink_id:\t7\nprog_tag:\t31\nprog_id:\t75384\nifindex:\t2\n";
        assert_eq!(linked_program(link), Some(75384));
        assert_eq!(linked_program("pos:\t0\nprog_type:\t6\nprog_id:\t75384\n"), None);
        assert_eq!(linked_program("link_type:\ttcx\nprog_id:\t75384\n"), None);
    }
}
