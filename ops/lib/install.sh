#!/usr/bin/env bash
# Installs, from Debian packages, what Kezek needs and the machine lacks: says
# what and why first, does nothing when all is there, and never lets a package
# start a server of its own. Kezek's servers are private ones (ops/stack).
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ops/lib/say.sh
. "$here/say.sh"

usage() {
    cat <<'TEXT'
usage: ops/lib/install.sh [--check] [--servers]

Installs the Debian packages that are missing. Needs root or sudo, but only
when something is missing.

  --check     install nothing; exit 1 and name what is missing
  --servers   only what ops/stack needs (no compiler, no headers)
  --help      this text
TEXT
}

check=no servers=no
while (($#)); do
    case $1 in
        --check) check=yes ;;
        --servers) servers=yes ;;
        -h | --help) usage; exit 0 ;;
        *) usage_error "unknown argument '$1'" ;;
    esac
    shift
done

packages=() reasons=()
want() { packages+=("$1"); reasons+=("$2"); }
has() { command -v "$1" >/dev/null 2>&1; }

[[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]] || want rabbitmq-server "the broker that carries the messages between the stages"
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || want postgresql "the database that keeps the cases"
has psql || want postgresql-client "ops/stack and ops/prepare speak to the database with psql"
has curl || want curl "ops/stack speaks to the broker's management API with curl"
has setpriv && has flock || want util-linux "the servers are started under an unprivileged user"
[[ -e /usr/share/zoneinfo/Asia/Almaty ]] || want tzdata "dates are judged in Almaty's time zone"
if [[ $servers == no ]]; then
    has cc || want build-essential "Rust links with the C compiler"
    has pkg-config || want pkg-config "the build looks OpenSSL up with it"
    [[ -e /usr/include/openssl/ssl.h ]] || want libssl-dev "TLS and signatures use the system's OpenSSL"
    [[ -e /etc/ssl/certs/ca-certificates.crt ]] || want ca-certificates "cargo fetches crates over HTTPS"
fi

((${#packages[@]})) || exit 0

say "missing on this machine:"
for i in "${!packages[@]}"; do
    say "$(printf '  %-18s %s' "${packages[i]}" "${reasons[i]}")"
done
[[ $check == no ]] || exit 1

has apt-get || die "this is not a Debian machine (no apt-get)" "install the programs above by other means, then run this again"
as_root=()
if (($(id -u) != 0)); then
    # sudo may ask for a password only where somebody can type it.
    if ! has sudo || { [[ ! -t 0 ]] && ! sudo -n true 2>/dev/null; }; then
        die "installing packages needs root" "run as root: $here/install.sh"
    fi
    as_root=(sudo)
fi

# Two temporary files keep the packages quiet: policy-rc.d forbids starting
# services while they are unpacked, and createcluster.d keeps PostgreSQL from
# making its system-wide "main" cluster. Both are removed whatever happens.
policy=/usr/sbin/policy-rc.d
no_cluster=/etc/postgresql-common/createcluster.d/kezek-no-main-cluster.conf
made_policy=no
units_before=$(systemctl list-unit-files --state=enabled --no-legend 2>/dev/null || true)

tidy() {
    if [[ $made_policy == yes ]]; then "${as_root[@]}" rm -f "$policy"; fi
    "${as_root[@]}" rm -f "$no_cluster"
    "${as_root[@]}" rmdir --ignore-fail-on-non-empty "$(dirname "$no_cluster")" 2>/dev/null || true
}
trap tidy EXIT
trap 'exit 130' INT TERM

if [[ ! -e $policy ]]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
fi
"${as_root[@]}" mkdir -p "$(dirname "$no_cluster")"
printf 'create_main_cluster = false\n' | "${as_root[@]}" tee "$no_cluster" >/dev/null

say "installing with apt-get: ${packages[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
log=$(mktemp)
run_apt() { "${apt[@]}" "$@" </dev/null >"$log" 2>&1; }
# Package lists may be missing or old on a fresh machine: only then fetch them.
if ! run_apt install --no-install-recommends "${packages[@]}"; then
    say "fetching fresh package lists"
    { run_apt update && run_apt install --no-install-recommends "${packages[@]}"; } || {
        tail -n 30 "$log" >&2
        rm -f "$log"
        die "apt-get could not install: ${packages[*]}" "repair the package sources, then run this again"
    }
fi
rm -f "$log"

# A package also enables its service for the next boot: those of a package that
# we brought in are switched off again, others are not touched.
off() {
    ! grep -q "^$1.service " <<<"$units_before" || return 0
    "${as_root[@]}" update-rc.d "$1" disable >/dev/null 2>&1 || true
    if has systemctl; then "${as_root[@]}" systemctl disable "$1.service" >/dev/null 2>&1 || true; fi
}
for package in "${packages[@]}"; do
    case $package in
        rabbitmq-server)
            off rabbitmq-server
            off epmd
            if has systemctl && ! grep -q '^epmd.socket ' <<<"$units_before"; then
                "${as_root[@]}" systemctl disable epmd.socket >/dev/null 2>&1 || true
            fi
            ;;
        postgresql) off postgresql ;;
    esac
done
say "installed; no system-wide server was started"
