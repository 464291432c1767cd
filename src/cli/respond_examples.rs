//! What stands below the options in the help of `handfast respond`.

pub(super) const EXAMPLES: &str = "\
Examples:
  A web server of one page on an address that nobody has, and a port that counts connections:

    handfast respond --dev eth0 --listen 10.0.0.50:80=http --listen 10.0.0.50:9000=close

  A whole prefix, both families, on two cores, for a minute, with a summary to keep:

    handfast respond --dev eth0 --cores 2,3 --listen 198.18.1.0/24:1-65535 \\
        --listen '[2001:db8:18::1:0]/112:1-65535' --duration 60 --json run.json

  How does my client take a server that ignores a tenth of its SYNs?

    handfast respond --dev eth0 --listen 10.0.0.50:80=http --fault drop=10%

  What do my sockets see of port 80? (docs/capture.md)

    handfast respond --dev eth0 --listen 10.0.0.50:80=http --pcap run.pcapng --filter 80

  The same from a file; `kill -HUP` changes the listeners and keeps every connection:

    handfast respond --config handfast.toml --check && handfast respond --config handfast.toml

  To try it without touching a real interface: handfast lab --help

Exit status:
  0 ended as asked; 1 could not start, or the interface vanished; 2 wrong arguments, or a wrong file.";
