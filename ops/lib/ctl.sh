#!/usr/bin/env bash
# rabbitmqctl on a private stack's broker, as the unprivileged user that runs
# it. For what the management API cannot do: limits that raise an alarm.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ops/lib/say.sh
. "$here/say.sh"
# shellcheck source=ops/lib/state.sh
. "$here/state.sh"
# shellcheck source=ops/lib/rabbitmq.sh
. "$here/rabbitmq.sh"

usage() {
    cat <<'TEXT'
usage: ops/lib/ctl.sh NAME ARGUMENT…

Runs rabbitmqctl ARGUMENT… on the broker of the private stack NAME, which must
be up; for example:  ops/lib/ctl.sh test set_disk_free_limit 1000GB

Exit code: rabbitmqctl's own; 2 for a wrong command line.
TEXT
}

case ${1:-} in
    '') usage >&2; exit 2 ;;
    -h | --help) usage; exit 0 ;;
esac
(($# > 1)) || usage_error "nothing to do for stack '$1'"
use_stack "$1"
shift
pid_of rabbitmq >/dev/null && read_ports || die "stack '$name' is not up" "run: ops/stack up --name $name"
rabbitmq=''
choose_rabbitmq
choose_inside
as_runner "${inside[@]}" env RABBITMQ_CONF_ENV_FILE="$state/rabbitmq/rabbitmq-env.conf" RABBITMQ_DIST_PORT="$dist_port" \
    ERL_EPMD_PORT="$epmd_port" ERL_EPMD_ADDRESS=127.0.0.1 "$RABBITMQ_BIN/rabbitmqctl" --quiet "$@"
