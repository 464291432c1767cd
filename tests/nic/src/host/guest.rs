//! One guest: QEMU, its NICs, and how long it may take.

use std::fmt::{self, Display, Formatter};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::cells::{self, Nic, Wire};

/// By the host's clock, generous for a machine that others use too; nothing is judged by it. A guest that
/// prints nothing at all is on a machine that is too slow, or cannot boot.
const FIRST_LINE: Duration = Duration::from_secs(300);
/// Between two lines of console or results.
const SILENCE: Duration = Duration::from_secs(600);
const WHOLE: Duration = Duration::from_secs(3600);
/// Ticks per second of /proc's times, on every Linux.
const USER_HZ: u64 = 100;

/// `no_timer_check`: under load the timer's check at boot can fail. The rest makes the guest quick.
const COMMAND_LINE: &str = "console=ttyS0 rdinit=/init no_timer_check nokaslr mitigations=off panic=-1 \
                            loglevel=4";

pub struct Run {
    pub vmlinux: PathBuf,
    pub image: Vec<u8>,
    /// Where console and results go.
    pub logs: PathBuf,
    pub nics: Vec<&'static str>,
}

/// What a guest took.
pub struct Spent {
    wall: Duration,
    /// Of QEMU.
    processor: Duration,
}

impl Display for Spent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} s, {} s of processor time", self.wall.as_secs(), self.processor.as_secs())
    }
}

/// Starts the guest and hands over its lines as they come, until it has powered off.
///
/// # Errors
/// It did not end by itself within its time, or QEMU did not start.
pub fn run(run: &Run, line: &mut impl FnMut(&str)) -> Result<Spent, String> {
    fs::create_dir_all(&run.logs).map_err(|error| format!("{}: {error}", run.logs.display()))?;
    let (console, results) = (run.logs.join("console"), run.logs.join("results"));
    let image = run.logs.join("initramfs");
    fs::write(&image, &run.image).map_err(|error| format!("{}: {error}", image.display()))?;
    for file in [&console, &results] {
        File::create(file).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let errors = run.logs.join("qemu");
    let mut qemu = command(run, &image, &console, &results, &errors)?;
    let began = Instant::now();
    let ended = follow(&mut qemu, &console, &results, line);
    let _ = fs::remove_file(&image);
    let processor = ended.map_err(|error| {
        let words = fs::read_to_string(&errors).unwrap_or_default();
        format!("{error} {}", words.lines().last().unwrap_or_default())
    })?;
    Ok(Spent { wall: began.elapsed(), processor })
}

/// Reads what is new every quarter of a second. Returns QEMU's processor time.
fn follow(
    qemu: &mut Child,
    console: &Path,
    results: &Path,
    line: &mut impl FnMut(&str),
) -> Result<Duration, String> {
    let (began, mut news) = (Instant::now(), Instant::now());
    let (mut printed, mut told) = (0, 0);
    let mut processor = Duration::ZERO;
    loop {
        let ended = qemu.try_wait().map_err(|error| error.to_string())?;
        let size = fs::metadata(console).map_or(0, |file| file.len());
        let text = fs::read_to_string(results).unwrap_or_default();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if size > printed || whole > told {
            news = Instant::now();
        }
        text[told..whole].lines().for_each(&mut *line);
        (printed, told) = (size, whole);
        processor = processor_time(qemu.id()).unwrap_or(processor);
        if let Some(status) = ended {
            return if status.success() { Ok(processor) } else { Err(format!("QEMU ended: {status}")) };
        }
        let limit = match printed {
            0 if began.elapsed() > FIRST_LINE => Some("the guest printed nothing: this machine is too slow"),
            _ if news.elapsed() > SILENCE => Some("the guest fell silent"),
            _ if began.elapsed() > WHOLE => Some("the guest takes too long"),
            _ => None,
        };
        if let Some(limit) = limit {
            let _ = qemu.kill();
            let _ = qemu.wait();
            return Err(limit.to_owned());
        }
        sleep(Duration::from_millis(250));
    }
}

/// utime and stime of /proc/PID/stat; the name before them may have spaces.
fn processor_time(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    (ticks > 0).then(|| Duration::from_millis(ticks * 1000 / USER_HZ))
}

/// QEMU in a network namespace of its own, which ends with it, and with it taps and bridges.
/// Not KVM: where it is there, it may still not start a kernel.
fn command(run: &Run, image: &Path, console: &Path, results: &Path, errors: &Path) -> Result<Child, String> {
    let chosen: Vec<&Nic> = run.nics.iter().filter_map(|name| cells::nic(name)).collect();
    let here = std::env::current_dir().map_err(|error| error.to_string())?;
    let unpacked = here.join("target/nic/root");
    let qemu = unpacked.join("usr/bin/qemu-system-x86_64");
    let mut script = "set -e\n".to_owned();
    chosen.iter().for_each(|nic| script += &taps(nic));
    script += "exec \"$@\"";
    let mut args: Vec<String> = [
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-machine",
        "q35",
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        "max,la57=off",
        "-smp",
        "2",
        "-m",
        "1536",
        "-append",
        COMMAND_LINE,
    ]
    .map(str::to_owned)
    .to_vec();
    for (option, path) in [("-kernel", run.vmlinux.as_path()), ("-initrd", image)] {
        args.extend([option.to_owned(), path.display().to_string()]);
    }
    for path in [console, results] {
        args.extend(["-serial".to_owned(), format!("file:{}", path.display())]);
    }
    args.extend(["-L".to_owned(), unpacked.join("usr/share/qemu").display().to_string()]);
    args.extend(["-L".to_owned(), unpacked.join("usr/share/seabios").display().to_string()]);
    chosen.iter().for_each(|nic| args.extend(devices(nic)));
    let errors = File::create(errors).map_err(|error| format!("{}: {error}", errors.display()))?;
    let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
    let libraries = libraries.map(|place| unpacked.join(place).display().to_string()).join(":");
    Command::new("unshare")
        .args(["--net", "--", "nice", "-n", "10", "sh", "-c", &script, "sh", "env"])
        .arg(format!("LD_LIBRARY_PATH={libraries}"))
        .arg(qemu)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors)
        .spawn()
        .map_err(|error| format!("unshare: {error}; it takes root"))
}

fn tap(nic: &Nic, end: usize) -> String {
    format!("hf-t{}-{end}", cells::index(nic))
}

/// The commands that make a NIC's taps and the bridge between them.
fn taps(nic: &Nic) -> String {
    if nic.wire == Wire::Hub {
        return String::new();
    }
    let bridge = format!("hf-b{}", cells::index(nic));
    let mut script = format!("ip link add name {bridge} type bridge mcast_snooping 0\n");
    for end in [0, 1] {
        let tap = tap(nic, end);
        script += &format!(
            "ip tuntap add dev {tap} mode tap multi_queue vnet_hdr\n\
             ip link set {tap} mtu 9000 master {bridge} up\n"
        );
    }
    script + &format!("ip link set {bridge} mtu 9000 up\n")
}

/// QEMU's options for both NICs.
fn devices(nic: &Nic) -> Vec<String> {
    let mut args = Vec::new();
    for end in [0, 1] {
        let id = format!("n{}e{end}", cells::index(nic));
        let backend = match nic.wire {
            Wire::Hub => format!("hubport,id={id},hubid={}", cells::index(nic)),
            Wire::Tap => {
                format!("tap,id={id},ifname={},script=no,downscript=no,queues=2,vhost=off", tap(nic, end))
            }
        };
        args.extend(["-netdev".to_owned(), backend]);
        let mut device = format!("{},netdev={id},mac={},romfile=", nic.device, cells::mac(nic, end));
        // A PCI Express device with virtual functions wants a port of its own.
        if nic.name == "igb" {
            args.extend(["-device".to_owned(), format!("pcie-root-port,id=p{id},chassis={}", 10 + end)]);
            device += &format!(",bus=p{id}");
        }
        args.extend(["-device".to_owned(), device]);
    }
    args
}
