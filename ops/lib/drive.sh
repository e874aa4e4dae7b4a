# A stack of its own around one run of kezek-sandbox: fresh servers, a build, a
# migrated database, an applied topology, the driver; whatever was started is
# stopped again, however the run ends. Needs say.sh and cargo.sh, and `root`.

started=no driver=''
tidy() {
    local code=$?
    trap '' INT TERM HUP # a second Ctrl-C must not leave servers behind
    if [[ -n $driver ]] && kill -0 "$driver" 2>/dev/null; then
        kill -s TERM "$driver" 2>/dev/null || true
        wait "$driver" 2>/dev/null || true
    fi
    [[ $started == no ]] || "$root/ops/stack" down --name "$stack" >&2 || code=1
    exit "$code"
}

# drive STACK COMMAND FLAG…: runs `kezek-sandbox COMMAND FLAG…` and exits with
# its code.
drive() {
    stack=$1
    shift
    trap tidy EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP

    "$root/ops/lib/install.sh"
    need_cargo
    cd "$root"

    local base=${KEZEK_STATE:-/var/tmp/kezek-$(id -u)} addresses code
    [[ -e $base ]] || { mkdir -p "$base" && chmod 755 "$base"; }
    exec 7>"$base/.lock-demo-$stack"
    flock -n 7 || die "another run uses the stack '$stack'" "stop it, or give this one a name: --stack other"

    # Fresh data each time: the business clock begins again.
    started=yes
    "$root/ops/stack" reset --name "$stack" >&2 7>&-
    addresses=$("$root/ops/stack" env --name "$stack")
    eval "$addresses"

    say "building kezek and kezek-sandbox"
    SQLX_OFFLINE=true cargo build --locked -p kezek -p kezek-sandbox >&2 7>&-

    # The demonstration's own profile: it alone admits sample people and a clock
    # that can be moved.
    export KEZEK_PROFILE=demo
    "$(built kezek)" migrate >&2
    "$(built kezek)" topology apply >&2

    # In a session of its own, so that Ctrl-C reaches it once, through us, and it
    # has its two-step stop to itself; it ends with us even if we are killed. (The
    # shell makes its background children deaf to Ctrl-C: undone.)
    setsid env --default-signal=INT,QUIT setpriv --pdeathsig TERM "$(built kezek-sandbox)" "$@" --kezek "$(built kezek)" </dev/null 7>&- &
    driver=$!
    trap 'kill -s INT "$driver" 2>/dev/null || true' INT
    trap 'kill -s TERM "$driver" 2>/dev/null || true' TERM HUP
    while kill -0 "$driver" 2>/dev/null; do wait "$driver" 2>/dev/null || true; done
    code=0
    wait "$driver" || code=$?
    driver=''
    exit "$code"
}
