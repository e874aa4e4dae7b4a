#!/usr/bin/env bash
# Fetches a newer RabbitMQ from Debian's newer releases and unpacks it, with all
# that it needs, into a folder of its own: nothing of it is installed, and the
# machine's own packages are not touched. Prints the folder.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ops/lib/say.sh
. "$here/say.sh"

usage() {
    cat <<'TEXT'
usage: ops/lib/newer.sh 4.0|4.3

Downloads some 60 MB, once; the folder stays for the next time in
${KEZEK_STATE:-/var/tmp/kezek-$UID}/.rabbitmq-VERSION (some 200 MB unpacked).

  KEZEK_DEBIAN_MIRROR   a mirror of Debian, where the machine's own sources
                        name none
TEXT
}

# Which release of Debian ships it.
declare -A suites=([4.0]=trixie [4.3]=sid)

version=${1-}
case $version in
    -h | --help) usage; exit 0 ;;
    *) [[ -n ${suites[$version]-} ]] || usage_error "RabbitMQ '$version' is not one of: ${!suites[*]}" ;;
esac
suite=${suites[$version]}
base=${KEZEK_STATE:-/var/tmp/kezek-$(id -u)}
root=$base/.rabbitmq-$version
if [[ -e $root/.whole ]]; then
    printf '%s\n' "$root"
    exit 0
fi

mkdir -p "$base"
exec 9>"$base/.lock-rabbitmq-$version"
flock -w 1200 9 || die "another download of RabbitMQ $version has been running for 20 minutes"
if [[ -e $root/.whole ]]; then
    printf '%s\n' "$root"
    exit 0
fi
command -v apt-get >/dev/null || die "this is not a Debian machine (no apt-get): RabbitMQ $version cannot be fetched"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[[ -r $keys ]] || die "Debian's keys are missing: $keys" "install the package debian-archive-keyring"
# The mirror that the machine itself is installed from.
mirror=${KEZEK_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null \
    | awk '$2 == "main" && $1 ~ /\/debian\/?$/ { print $1; exit }')}
[[ -n $mirror ]] || die "no mirror of Debian is known here" "set KEZEK_DEBIAN_MIRROR"

work=$base/.rabbitmq-$version.new
rm -rf "$work" "$root"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$work"/apt/{etc/apt.conf.d,etc/preferences.d,state/lists/partial,cache/archives/partial} "$work/root"
chmod 755 "$work" "$work/root"
: >"$work/apt/status"
printf 'deb [signed-by=%s] %s %s main\n' "$keys" "$mirror" "$suite" >"$work/apt/etc/sources.list"
# An apt of its own: own lists, own cache, nothing installed as far as it knows;
# bounded in time, and never asking.
cat >"$work/apt/apt.conf" <<TEXT
Dir::Etc "$work/apt/etc";
Dir::Etc::sourcelist "$work/apt/etc/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "$work/apt/state";
Dir::State::status "$work/apt/status";
Dir::Cache "$work/apt/cache";
APT::Install-Recommends "false";
APT::Sandbox::User "";
APT::Architecture "$(dpkg --print-architecture)";
Acquire::Languages "none";
Acquire::Retries "2";
# a mirror that lags behind serves as well; its signatures are checked all the same
Acquire::Check-Valid-Until "false";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
TEXT
log=$work/apt/log
run_apt() { APT_CONFIG=$work/apt/apt.conf timeout 600 apt-get -q -y "$@" </dev/null >>"$log" 2>&1; }

say "fetching RabbitMQ $version from Debian $suite (some 60 MB; once)"
run_apt update || {
    tail -n 5 "$log" >&2
    die "Debian's package lists cannot be fetched: is there a network?" "without one, leave out --rabbitmq $version"
}
# apt leaves out what every Debian has; Erlang hangs without a word where it is missing
essential=(dash bash coreutils sed grep gawk util-linux hostname findutils procps base-files)
run_apt --download-only install rabbitmq-server "${essential[@]}" || {
    tail -n 15 "$log" >&2
    die "RabbitMQ $version cannot be downloaded from Debian $suite"
}
found=$(compgen -G "$work/apt/cache/archives/rabbitmq-server_*.deb" | head -n 1)
[[ ${found##*/} == rabbitmq-server_"$version".* ]] \
    || die "Debian $suite has ${found##*/} and no RabbitMQ $version any more" "ops/lib/newer.sh names the releases: change it there"
# Everything lies under /usr; the old paths are links.
for link in bin sbin lib; do
    mkdir -p "$work/root/usr/$link"
    ln -s "usr/$link" "$work/root/$link"
done
mkdir -p "$work/root/usr/lib64"
ln -s usr/lib64 "$work/root/lib64"
for package in "$work"/apt/cache/archives/*.deb; do
    # through the links: tar would replace them by folders
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$work/root" --no-same-owner --keep-directory-symlink 2>>"$log" \
        || die "$package cannot be unpacked" "$(tail -n 3 "$log")"
done
cd "$work/root"
mkdir -p dev proc tmp etc
printf '127.0.0.1 localhost\n' >etc/hosts
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n' >etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\n' >etc/group
printf 'passwd: files\ngroup: files\nhosts: files\n' >etc/nsswitch.conf
# awk and the like come through update-alternatives, which nobody ran
[[ -e usr/bin/awk ]] || ln -s gawk usr/bin/awk
chmod -R a+rX .
chmod 1777 tmp
touch .whole
cd /
mv "$work/root" "$root"
say "RabbitMQ $version is unpacked in $root ($(du -sm "$root" | cut -f1) MiB)"
printf '%s\n' "$root"
