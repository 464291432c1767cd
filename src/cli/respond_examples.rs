//! The text after the options in the help of `handfast respond`.

pub(super) const EXAMPLES: &str = "\
Examples:
  A web server of one page on an unused address, and a port that closes each connection:

    handfast respond --dev eth0 --listen 10.0.0.50:80=http --listen 10.0.0.50:9000=close

  A whole prefix, IPv4 and IPv6, on two cores, for a minute, with a summary in a file:

    handfast respond --dev eth0 --cores 2,3 --listen 198.18.1.0/24:1-65535 \\
        --listen '[2001:db8:18::1:0]/112:1-65535' --duration 60 --json run.json

  How does a client react to a server that drops a tenth of its SYNs?

    handfast respond --dev eth0 --listen 10.0.0.50:80=http --fault drop=10%

  Capture the traffic of port 80 (docs/capture.md):

    handfast respond --dev eth0 --listen 10.0.0.50:80=http --pcap run.pcapng --filter 80

  With a configuration file; `kill -HUP` reloads the listeners and keeps every connection:

    handfast respond --config handfast.toml --check && handfast respond --config handfast.toml

  Without a real interface: handfast lab --help

Values:
  TIME   seconds, or a number with a unit: 20, 0.5, 500ms, 2m
  SHARE  a percentage or a number from 0 to 1: 2.5%, 0.025
  N      counts may have a suffix: 100k, 4M

Exit status:
  0 ended normally; 1 could not start, or the interface vanished; 2 invalid arguments, or an invalid file.";
