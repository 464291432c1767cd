#!/bin/bash
# Installs the package in a fresh Debian root, and uses it there: pages, completions, a responder in a
# network namespace against a kernel client, the demo, removal. Half a minute to four,
# most of it downloads.
#
#   tests/packaging/fresh-root.sh target/debian/handfast_*.deb
#
#   SUITE=bookworm                            the Debian release
#   MIRROR=http://deb.debian.org/debian       where it comes from
#   BASE=DIRECTORY                            a root that debootstrap has made already: it is copied
set -euo pipefail

deb=$(realpath "${1:?usage: fresh-root.sh PACKAGE.deb}")
suite=${SUITE:-bookworm}
mirror=${MIRROR:-http://deb.debian.org/debian}
client=hf-deb$$-c
server=hf-deb$$-s

fail() {
    echo "fresh-root: $1" >&2
    [ -z "${2:-}" ] || echo "fix: $2" >&2
    exit 1
}
[ "$(id -u)" = 0 ] || fail "namespaces and roots need root" "sudo $0 $1"
for program in debootstrap ip ethtool curl; do
    command -v "$program" >/dev/null || fail "there is no $program" "apt-get install debootstrap iproute2 ethtool curl"
done

root=$(mktemp -d "${TMPDIR:-/var/tmp}/hf-root.XXXXXX")
# It becomes `/`, which others than root get into.
chmod 755 "$root"
responder=
clean() {
    [ -z "$responder" ] || kill "$responder" 2>/dev/null || true
    for namespace in "$client" "$server"; do
        ip netns del "$namespace" 2>/dev/null || true
    done
    # Mounts are in namespaces that ended with their commands: nothing of this machine is inside.
    rm -rf --one-file-system "$root"
}
trap clean EXIT
trap 'exit 1' INT TERM

step() { echo "== $*"; }

# In the root, with a /proc, /sys and /run of its own. Each of these programs becomes the next: the
# process is in the end the command itself. Mounts end with it.
enter=(unshare --mount --propagation private sh -ec '
    root=$1; shift
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    mount -t tmpfs tmpfs "$root/run"
    exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive "$@"' enter "$root")

# The same for at most so many seconds.
inside() {
    local seconds=$1
    shift
    timeout --kill-after 5 "$seconds" "${enter[@]}" "$@"
}

step "a fresh $suite"
if [ -n "${BASE:-}" ]; then
    cp -a "$BASE/." "$root"
else
    timeout 600 debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" 2>&1 ||
        fail "debootstrap failed: $(tail -n 3 "$root.log")" "look at the network, or name another MIRROR"
    rm -f "$root.log"
fi
# No service may start in it, whatever the packages say.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
cp /etc/resolv.conf "$root/etc/resolv.conf"
inside 120 apt-get update -q
inside 300 apt-get install -y -q -o Dpkg::Use-Pty=0 --no-install-recommends man-db groff-base

step "apt install"
cp "$deb" "$root/root/handfast.deb"
inside 300 apt-get install -y -q -o Dpkg::Use-Pty=0 /root/handfast.deb
inside 10 sh -c 'dpkg-query -W handfast; ldd /usr/bin/handfast; handfast --version'
inside 10 sh -c 'cd / && handfast lab trace >/dev/null' || fail "the binary does not run"

step "pages and completions"
inside 20 sh -c 'man handfast-respond | grep -A 2 "^NAME"'
inside 20 sh -c 'for page in /usr/share/man/man1/handfast*; do man -l "$page" >/dev/null || exit 1; done'
inside 10 bash -c '. /usr/share/bash-completion/completions/handfast && complete -p handfast'
inside 10 test -s /etc/handfast/handfast.toml
inside 10 test -s /lib/systemd/system/handfast.service -o -s /usr/lib/systemd/system/handfast.service

step "a responder from the package, a client of this machine's kernel"
ip netns add "$client"
ip netns add "$server"
ip link add hf-c netns "$client" type veth peer name hf-s netns "$server"
ip -n "$client" address add 10.0.0.1/24 dev hf-c
ip -n "$client" link set hf-c up
ip -n "$server" link set hf-s up
# Else the kernel leaves checksums half done on a veth.
ip netns exec "$client" ethtool -K hf-c tx off >/dev/null
ip netns exec "$server" "${enter[@]}" handfast respond \
    --dev hf-s --listen 10.0.0.50:80=http --interval 0 --duration 30 >"$root/respond.log" 2>&1 &
responder=$!
for _ in $(seq 100); do
    ! grep -q '^ready' "$root/respond.log" || break
    kill -0 "$responder" 2>/dev/null || fail "the responder ended: $(cat "$root/respond.log")"
    sleep 0.1
done
grep '^ready' "$root/respond.log" || fail "no responder after 10 s: $(cat "$root/respond.log")"
for _ in 1 2 3; do
    ip netns exec "$client" curl -sS --fail --max-time 5 http://10.0.0.50/
done
kill -INT "$responder"
wait "$responder" || fail "the responder failed: $(cat "$root/respond.log")"
responder=
cat "$root/respond.log"
grep -q '^ *established *3 ' "$root/respond.log" || fail "its summary does not say 3 connections"

step "the demo, in the root"
inside 90 handfast lab demo --name "deb$$" --rounds 0 --duration 2 | tail -n 25

step "removal"
inside 60 apt-get purge -y -q -o Dpkg::Use-Pty=0 handfast
for left in /usr/bin/handfast /etc/handfast /usr/share/doc/handfast /usr/share/man/man1/handfast.1.gz; do
    [ ! -e "$root$left" ] || fail "$left is still there after the purge"
done
echo "fresh-root: installed, used and removed"
