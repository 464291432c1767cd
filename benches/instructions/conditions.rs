use std::process::Command;

/// What the counts hang on beside the code: the compiler, and the C library, which chooses its
/// `memcpy` by what the processor can do, as far as valgrind lets it see that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions(pub Vec<(String, String)>);

/// What makes the C library choose.
const FEATURES: [&str; 7] = ["sse2", "ssse3", "avx2", "avx512vl", "bmi2", "erms", "fsrm"];

impl Conditions {
    /// This machine's.
    pub fn here() -> Result<Conditions, String> {
        let known = [
            ("compiler", first_line("rustc", &["-V"])?),
            ("valgrind", first_line("valgrind", &["--version"])?),
            ("libc", first_line("getconf", &["GNU_LIBC_VERSION"])?),
            ("processor", format!("{}{}", std::env::consts::ARCH, features())),
        ];
        Ok(Conditions(known.map(|(name, value)| (name.to_owned(), value)).into()))
    }

    /// What is not the same there, in words.
    pub fn differences(&self, now: &Conditions) -> Vec<String> {
        let of = |conditions: &Conditions, name: &str| {
            let found = conditions.0.iter().find(|(other, _)| other == name);
            found.map_or_else(|| "nothing".to_owned(), |(_, value)| value.clone())
        };
        let differs = |(name, now): &(String, String)| {
            let before = of(self, name);
            (before != *now).then(|| format!("{name}: {before} before, {now} now"))
        };
        now.0.iter().filter_map(differs).collect()
    }
}

fn features() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = text.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    let has = |feature: &&&str| flags.split_whitespace().any(|flag| flag == **feature);
    FEATURES.iter().filter(has).map(|feature| format!(" {feature}")).collect()
}

fn first_line(command: &str, arguments: &[&str]) -> Result<String, String> {
    let failed = |error: String| format!("cannot run {command}: {error}\nfix: tools/setup counts");
    let output = Command::new(command).args(arguments).output().map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().next() {
        Some(line) if output.status.success() => Ok(line.trim().to_owned()),
        _ => Err(failed(output.status.to_string())),
    }
}
