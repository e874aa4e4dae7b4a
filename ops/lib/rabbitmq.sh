# The stack's private RabbitMQ and its own epmd: made, started, given its users,
# stopped. Everything listens on loopback. The server's script is run directly,
# because Debian's wrapper wants root or the user rabbitmq. A newer RabbitMQ than
# the machine's own runs from an unpacked folder (newer.sh, inside.sh).

RABBITMQ_BIN=/usr/lib/rabbitmq/bin

# management METHOD PATH [BODY]: one call of the management API; the password
# goes in through a pipe, so that no process list shows it.
management() {
    local body=()
    if (($# > 2)); then body=(-H 'content-type: application/json' --data-binary "$3"); fi
    printf 'user = "kezek_admin:%s"\n' "$admin_password" \
        | curl -K - -fsS --noproxy '*' --max-time 20 -X "$1" "${body[@]}" "http://127.0.0.1:$management_port/api$2" 9>&-
}

# choose_rabbitmq: the version asked for, or the one that the stack began with;
# another cannot be trusted with its data.
choose_rabbitmq() {
    local begun=''
    [[ ! -s $state/rabbitmq-version ]] || begun=$(cat "$state/rabbitmq-version")
    if [[ -n $rabbitmq && -n $begun && $rabbitmq != "$begun" ]]; then
        die "stack '$name' began with RabbitMQ $begun" "to change it: ops/stack reset --name $name --rabbitmq $rabbitmq"
    fi
    rabbitmq=${rabbitmq:-${begun:-installed}}
    printf '%s\n' "$rabbitmq" >"$state/rabbitmq-version"
}

# choose_inside: sets `inside` to what a program of the broker is run through:
# nothing for the machine's own, a namespace of its own for an unpacked one.
choose_inside() {
    local lib elsewhere
    lib=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
    inside=()
    if [[ $rabbitmq == installed ]]; then
        [[ -x $RABBITMQ_BIN/rabbitmq-server ]] || die "RabbitMQ is not installed" "run: ops/lib/install.sh"
        return
    fi
    elsewhere=$(KEZEK_STATE=$base "$lib/newer.sh" "$rabbitmq")
    mkdir -p "$elsewhere$state"
    # only a namespace of its own lets an unprivileged user see another root
    as_runner unshare --user --map-root-user --mount true 2>/dev/null \
        || die "this machine lets no unprivileged user make namespaces: RabbitMQ $rabbitmq cannot be run unpacked"
    # the checkout may be private: the runner needs this one file
    install -m 755 "$lib/inside.sh" "$state/inside.sh"
    inside=(unshare --user --map-root-user --mount "$state/inside.sh" "$elsewhere" "$state")
}

rabbitmq_ready() { listening "$amqp_port" && listening "$prometheus_port" && management GET /overview >/dev/null 2>&1; }

write_rabbitmq() {
    local dir=$state/rabbitmq
    own_folder "$dir"
    own_folder "$dir/home"
    own_folder "$dir/data"
    own_folder "$dir/log"
    own_file "$dir/rabbitmq-env.conf" <<TEXT
NODENAME=kezek-$name@localhost
TEXT
    own_file "$dir/rabbitmq.conf" <<TEXT
listeners.tcp.1 = 127.0.0.1:$amqp_port
management.tcp.ip = 127.0.0.1
management.tcp.port = $management_port
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = $prometheus_port
default_user = kezek_admin
default_pass = $admin_password
default_user_tags.administrator = true
disk_free_limit.absolute = 200MB
# the write-ahead log is also kept in memory: 64 MiB is plenty here
raft.wal_max_size_bytes = 67108864
log.file.level = info
log.console = false
TEXT
    own_file "$dir/advanced.config" <<TEXT
[{kernel, [{inet_dist_use_interface, {127,0,0,1}}]}, {rabbit, [${KEZEK_RABBITMQ_TERMS:-}]}].
TEXT
    own_file "$dir/enabled_plugins" <<TEXT
[rabbitmq_management,rabbitmq_prometheus].
TEXT
}

start_epmd() {
    local deadline
    if pid_of epmd >/dev/null && listening "$epmd_port"; then return 0; fi
    exec_as_runner setsid epmd -port "$epmd_port" -address 127.0.0.1 </dev/null >"$state/epmd.log" 2>&1 &
    remember_process epmd $!
    deadline=$((SECONDS + 20))
    until listening "$epmd_port"; do
        pid_of epmd >/dev/null && ((SECONDS < deadline)) || { cat "$state/epmd.log" >&2; die "Erlang's epmd does not start"; }
        sleep 0.05
    done
}

start_rabbitmq() {
    local dir=$state/rabbitmq deadline pid
    if pid_of rabbitmq >/dev/null && rabbitmq_ready; then return 0; fi
    choose_inside
    stop_rabbitmq # whatever is left of a killed one
    write_rabbitmq
    start_epmd
    exec_as_runner setsid "${inside[@]}" env \
        RABBITMQ_CONF_ENV_FILE="$dir/rabbitmq-env.conf" RABBITMQ_CONFIG_FILE="$dir/rabbitmq.conf" \
        RABBITMQ_ADVANCED_CONFIG_FILE="$dir/advanced.config" RABBITMQ_ENABLED_PLUGINS_FILE="$dir/enabled_plugins" \
        RABBITMQ_MNESIA_BASE="$dir/data" RABBITMQ_LOG_BASE="$dir/log" RABBITMQ_PID_FILE="$dir/beam.pid" \
        RABBITMQ_DIST_PORT="$dist_port" ERL_EPMD_PORT="$epmd_port" ERL_EPMD_ADDRESS=127.0.0.1 \
        "$RABBITMQ_BIN/rabbitmq-server" </dev/null >"$state/rabbitmq.log" 2>&1 &
    remember_process rabbitmq-launcher $!
    deadline=$((SECONDS + 120))
    until rabbitmq_ready; do
        if ! pid_of rabbitmq-launcher >/dev/null || ((SECONDS >= deadline)); then
            tail -n 20 "$state/rabbitmq.log" >&2
            die "RabbitMQ does not start" "its logs: $state/rabbitmq.log and $dir/log"
        fi
        sleep 0.2
    done
    pid=$(as_runner cat "$dir/beam.pid")
    remember_process rabbitmq "$pid"
}

# grant_rabbitmq: the administrator applies the topology; workers may publish to
# Kezek's exchanges and read queues, and configure nothing.
grant_rabbitmq() {
    management PUT /users/kezek_worker "{\"password\":\"$worker_password\",\"tags\":\"\"}" >/dev/null
    management PUT /permissions/%2f/kezek_worker '{"configure":"^$","write":"^kezek\\.","read":"^.*$"}' >/dev/null
}

# stop_rabbitmq [SIGNAL]: TERM is an orderly stop (some 5 s); KILL is for data
# that is wiped next.
stop_rabbitmq() {
    end_process rabbitmq "${1:-TERM}" 60
    end_process rabbitmq-launcher TERM 20
    end_process epmd TERM 10 # it outlives the broker otherwise
}
