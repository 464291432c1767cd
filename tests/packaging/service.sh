#!/bin/bash
# Runs the package's service under a real systemd, in a fresh Debian root that systemd-nspawn boots in a
# network namespace: not started unasked, a wrong configuration, readiness, rights, a reload beside
# traffic, the control socket, the end. A minute, or four with the downloads.
#
#   tests/packaging/service.sh target/debian/handfast_*.deb
#
# SUITE, MIRROR and BASE as for fresh-root.sh.
set -euo pipefail

deb=$(realpath "${1:?usage: service.sh PACKAGE.deb}")
suite=${SUITE:-bookworm}
mirror=${MIRROR:-http://deb.debian.org/debian}
client=hf-sd$$-c
server=hf-sd$$-s

fail() {
    echo "service: $1" >&2
    [ -z "${2:-}" ] || echo "fix: $2" >&2
    exit 1
}
[ "$(id -u)" = 0 ] || fail "namespaces and roots need root" "sudo $0 $1"
for program in debootstrap systemd-nspawn ip ethtool curl; do
    command -v "$program" >/dev/null || fail "there is no $program" "tools/setup package"
done

root=$(mktemp -d "${TMPDIR:-/var/tmp}/hf-root.XXXXXX")
# It becomes `/`, which others than root get into.
chmod 755 "$root"
container=
clean() {
    if [ -n "$container" ]; then
        kill "$container" 2>/dev/null || true
        wait "$container" 2>/dev/null || true
    fi
    for namespace in "$client" "$server"; do
        ip netns del "$namespace" 2>/dev/null || true
    done
    # nspawn leaves these where no systemd runs outside; with processes inside they stay.
    rmdir /sys/fs/cgroup/{,*/}{payload,supervisor} 2>/dev/null || true
    rm -rf --one-file-system "$root"
}
trap clean EXIT
trap 'exit 1' INT TERM

step() { echo "== $*"; }

step "a fresh $suite with systemd"
if [ -n "${BASE:-}" ]; then
    cp -a "$BASE/." "$root"
else
    timeout 600 debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" 2>&1 ||
        fail "debootstrap failed: $(tail -n 3 "$root.log")" "look at the network, or name another MIRROR"
    rm -f "$root.log"
fi
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp "$deb" "$root/root/handfast.deb"
# With what the package depends on: the container has no way to a mirror.
timeout 300 chroot "$root" sh -ec '
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    apt-get install -y -q --no-install-recommends systemd systemd-sysv dbus
    apt-get satisfy -y -q --no-install-recommends "$(dpkg-deb --field /root/handfast.deb Depends)"' >"$root/root/apt.log" 2>&1 ||
    fail "apt-get failed: $(tail -n 3 "$root/root/apt.log")"

step "a network, and systemd in it"
ip netns add "$client"
ip netns add "$server"
ip link add hf-c netns "$client" type veth peer name hf-s netns "$server"
ip -n "$client" address add 10.0.0.1/24 dev hf-c
ip -n "$client" link set hf-c up
ip -n "$server" link set hf-s up
# Else the kernel leaves checksums half done on a veth.
ip netns exec "$client" ethtool -K hf-c tx off >/dev/null
# `ip netns exec` would hide the control groups. bpf(2) is what nspawn's own filter leaves out.
timeout --kill-after 10 400 nsenter --net="/run/netns/$server" systemd-nspawn --quiet --directory "$root" \
    --machine "handfast$$" --register=no --keep-unit --capability=all --system-call-filter=bpf \
    --console=pipe --boot </dev/null >"$root/root/boot.log" 2>&1 &
container=$!

# Process 1 of the container, as seen from here: timeout, nspawn, and its child.
init() {
    local nspawn
    nspawn=$(pgrep -P "$container" || true)
    [ -z "$nspawn" ] || pgrep -P "$nspawn" -x systemd || true
}
inside() { timeout 30 nsenter --target "$(init)" --mount --uts --ipc --net --pid "$@"; }
# A command that must succeed within a minute.
soon() {
    for _ in $(seq 300); do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.2
    done
    fail "not within a minute: $*: $(tail -n 5 "$root/root/boot.log"; inside journalctl --no-pager -n 15 -u handfast || true)"
}
# Its exit code is not 0 when something else than the service is amiss.
booted() { [ -n "$(init)" ] && [[ $(inside systemctl is-system-running || true) =~ running|degraded ]]; }
soon booted

step "installed: neither enabled nor started"
inside dpkg --install /root/handfast.deb >/dev/null
[ "$(inside systemctl is-enabled handfast || true)" = disabled ] || fail "it is enabled"
[ "$(inside systemctl is-active handfast || true)" = inactive ] || fail "it was started"

step "without a configuration it ends once, and says why"
! inside systemctl start handfast 2>/dev/null || fail "it started without a configuration"
[ "$(inside systemctl show -P ExecMainStatus handfast)" = 2 ] || fail "its exit status is not 2"
[ "$(inside systemctl show -P NRestarts handfast)" = 0 ] || fail "it was started again"
inside journalctl --no-pager -o cat -u handfast | grep -m 1 -- '--dev' || fail "the journal does not name --dev"

step "configured and started"
printf 'dev = ["hf-s"]\nlisten = ["10.0.0.50:80=http"]\njson = "/var/lib/handfast/summary.json"\n' \
    >"$root/etc/handfast/handfast.toml"
inside systemctl reset-failed handfast
inside systemctl start handfast || fail "it does not start: $(inside journalctl --no-pager -o cat -n 15 -u handfast)"
answers() { ip netns exec "$client" curl -sS --fail --max-time 5 "http://10.0.0.50:$1/"; }
for _ in 1 2 3; do answers 80; done
inside systemctl --no-pager status handfast | grep -E 'Active:|Status:|Main PID:'

step "its rights"
main=$(inside systemctl show -P MainPID handfast)
inside grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' "/proc/$main/status"
inside grep -q '^CapEff:.*0000000000000000$' "/proc/$main/status" || fail "it keeps capabilities"
! inside grep -q '^Uid:.0' "/proc/$main/status" || fail "it runs as root"
inside systemd-analyze --no-pager security handfast | tail -n 1

step "a reload beside traffic"
sed -i 's/"10.0.0.50:80=http"/"10.0.0.50:80=http", "10.0.0.50:81=http"/' "$root/etc/handfast/handfast.toml"
inside systemctl reload handfast || fail "it does not reload: $(inside journalctl --no-pager -o cat -n 15 -u handfast)"
soon answers 81
answers 80 >/dev/null
inside journalctl --no-pager -o cat -u handfast | grep '^reloaded'
[ "$(inside systemctl show -P MainPID handfast)" = "$main" ] || fail "the reload was a restart"

step "root finds its control socket"
inside handfast connections

step "the end"
inside systemctl stop handfast
inside journalctl --no-pager -o cat -u handfast | grep -E '^summary|established'
inside test -s /var/lib/handfast/summary.json || fail "there is no summary.json"
[ "$(inside systemctl show -P Result handfast)" = success ] || fail "it did not end well"
echo "service: started, reloaded and stopped by systemd"
