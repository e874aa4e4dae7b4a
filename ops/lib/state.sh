# What a private stack remembers in its state folder: who runs it, its ports,
# its passwords, its processes. A process is ours only while both its pid and
# its start time are the recorded ones, so a pid used again by somebody else
# is never touched. Needs say.sh; sets the variables below in use_stack.

base='' name='' state='' runner=''

# use_stack NAME: checks the name and the folder, and says whose servers run.
use_stack() {
    [[ $1 =~ ^[a-z][a-z0-9-]{0,19}$ ]] || usage_error "a stack's name is 1–20 of a-z 0-9 - and begins with a letter, not '$1'"
    name=$1
    base=${KEZEK_STATE:-/var/tmp/kezek-$(id -u)}
    [[ $base == /* ]] || die "KEZEK_STATE must be an absolute path, not '$base'"
    state=$base/$name
    ((${#state} <= 80)) || die "the state folder's path is too long for a socket: $state" "set KEZEK_STATE to a shorter path"
    # PostgreSQL refuses to run as root, and RabbitMQ has no need of it.
    if (($(id -u) == 0)); then
        runner=${KEZEK_STACK_USER:-nobody}
        [[ $(id -u "$runner" 2>/dev/null || echo 0) != 0 ]] || die "user '$runner' does not exist or is root" "set KEZEK_STACK_USER to an unprivileged user"
    else
        runner=$(id -un)
    fi
}

# make_state: the folder, private but reachable by the unprivileged runner;
# called under the lock, for `down --wipe` removes it.
make_state() {
    mkdir -p "$state"
    chmod 711 "$state"
    as_runner test -x "$state" || die "user '$runner' cannot reach $state" "set KEZEK_STATE to a folder whose parents everybody may enter, e.g. under /var/tmp"
}

# exec_as_runner COMMAND…: becomes the command, as the unprivileged user, in a
# clean environment, holding none of our locks (descriptors 8 and 9), so that a
# server never keeps one. In the background its pid is the command's own.
exec_as_runner() {
    local clean=(env -i "PATH=$PATH" LANG=C.UTF-8 LC_ALL=C.UTF-8 "HOME=$state/rabbitmq/home")
    local drop=()
    if (($(id -u) == 0)); then
        drop=(setpriv --reuid "$runner" --regid "$(id -g "$runner")" --clear-groups --no-new-privs)
    fi
    cd /
    exec "${drop[@]}" "${clean[@]}" "$@" 8>&- 9>&-
}

# as_runner COMMAND…: the same, and waits for it.
as_runner() { (exec_as_runner "$@"); }

# own_folder PATH: a folder that only the runner enters.
own_folder() {
    mkdir -p "$1"
    if (($(id -u) == 0)); then chown "$runner:" "$1"; fi
    chmod 700 "$1"
}

# own_file PATH: writes stdin to a file that only the runner reads.
own_file() {
    rm -f "$1"
    (umask 077 && cat >"$1")
    if (($(id -u) == 0)); then chown "$runner:" "$1"; fi
}

# lock_stack: one command at a time on one stack (descriptor 9, kept to the end).
# `down --wipe` removes the lock's file too, so after waiting it must still be
# the one that was locked.
locked=no
lock_stack() {
    local file=$base/.lock-$name
    [[ $locked == no ]] || return 0
    if [[ ! -e $base ]]; then mkdir -p "$base" && chmod 755 "$base"; fi
    [[ -O $base && ! -L $base ]] || die "$base belongs to somebody else" "set KEZEK_STATE to a folder of your own"
    while :; do
        exec 9>"$file"
        if ! flock -n 9; then
            say "waiting for another ops/stack on '$name'"
            flock -w 180 9 || die "another ops/stack has been busy with '$name' for 3 minutes"
        fi
        [[ ! $file -ef /proc/$$/fd/9 ]] || break
    done
    locked=yes
}

# --- processes ---------------------------------------------------------------

# started_at PID: the kernel's start time of a live process; fails if there is none.
started_at() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    stat=${stat##*) }                       # the name may hold blanks and brackets
    set -- $stat
    [[ $1 != Z ]] && printf '%s' "${20}"
}

remember_process() { # WHAT PID
    local since
    since=$(started_at "$2") || die "$1 (pid $2) has ended again already" "read the logs in $state"
    printf '%s %s\n' "$2" "$since" >"$state/$1.process"
}

# pid_of WHAT: prints the pid while that very process lives.
pid_of() {
    local pid since
    read -r pid since 2>/dev/null <"$state/$1.process" || return 1
    [[ $(started_at "$pid") == "$since" ]] && printf '%s' "$pid"
}

# end_process WHAT SIGNAL SECONDS: asks, waits, and kills only what does not listen.
end_process() {
    local pid deadline
    if pid=$(pid_of "$1"); then
        kill -s "$2" "$pid" 2>/dev/null || true
        deadline=$((SECONDS + $3))
        while pid_of "$1" >/dev/null; do
            if ((SECONDS >= deadline)); then
                say "$1 (pid $pid) did not stop within $3 s and is killed"
                kill -s KILL "$pid" 2>/dev/null || true
                deadline=$((SECONDS + 10))
            fi
            sleep 0.05
        done
    fi
    rm -f "$state/$1.process"
}

# --- ports -------------------------------------------------------------------

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

PORTS=(postgres_port amqp_port management_port prometheus_port dist_port epmd_port)

# read_ports: sets the six variables from the state folder; fails if unknown.
read_ports() {
    local key value
    [[ -s $state/ports ]] || return 1
    while IFS== read -r key value; do
        [[ " ${PORTS[*]} " == *" $key "* && $value =~ ^[0-9]+$ ]] || die "$state/ports is damaged" "run: ops/stack reset --name $name"
        printf -v "$key" '%s' "$value"
    done <"$state/ports"
}

# choose_ports: six free ones below the ephemeral range that no other stack of
# ours has been promised; called only while none of our servers runs.
choose_ports() {
    local key taken port tries=0
    exec 8>"$base/.lock-ports"
    flock 8
    if read_ports; then
        for key in "${PORTS[@]}"; do
            if listening "${!key}"; then
                say "port ${!key} has been taken by another program: choosing new ports"
                rm -f "$state/ports"
                break
            fi
        done
    fi
    if [[ ! -s $state/ports ]]; then
        taken=$(cat "$base"/*/ports 2>/dev/null || true)
        : >"$state/ports.new"
        for key in "${PORTS[@]}"; do
            while :; do
                ((++tries < 2000)) || die "found no free ports between 20000 and 31999"
                port=$((20000 + RANDOM % 12000))
                grep -q "=$port\$" <<<"$taken" || listening "$port" || break
            done
            taken+=$'\n'"$key=$port"
            printf '%s=%s\n' "$key" "$port" >>"$state/ports.new"
        done
        mv "$state/ports.new" "$state/ports"
        read_ports
    fi
    exec 8>&-
}

# --- passwords ---------------------------------------------------------------

SECRETS=(owner_password engine_password console_password admin_password worker_password)

# read_secrets: made once, kept over a reset, so that open shells stay right.
read_secrets() {
    local key value
    if [[ ! -s $state/secrets ]]; then
        (
            umask 077
            for key in "${SECRETS[@]}"; do
                printf '%s=%s\n' "$key" "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
            done >"$state/secrets.new"
        )
        mv "$state/secrets.new" "$state/secrets"
    fi
    while IFS== read -r key value; do
        [[ " ${SECRETS[*]} " == *" $key "* && $value =~ ^[0-9a-f]{32}$ ]] || die "$state/secrets is damaged" "run: ops/stack down --wipe --name $name"
        printf -v "$key" '%s' "$value"
    done <"$state/secrets"
}
