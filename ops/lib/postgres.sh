# The stack's private PostgreSQL: made, started, given its roles and databases,
# stopped. TCP on loopback with SCRAM passwords; the superuser only through the
# socket, and only for the runner and whoever started the stack.

SUPERUSER=kezek_super

# postgres_bin: the folder of the newest server, or of the one the data needs.
postgres_bin() {
    local wanted found
    if [[ -d $state/postgres/data ]]; then
        wanted=$(as_runner cat "$state/postgres/data/PG_VERSION" 2>/dev/null || true)
    fi
    found=$(compgen -G "/usr/lib/postgresql/${wanted:-*}/bin/postgres" | sort -V | tail -n 1 || true)
    [[ -n $found ]] || die "PostgreSQL ${wanted:-} is not installed" "run: ops/lib/install.sh" "or, to start afresh: ops/stack reset --name $name"
    dirname "$found"
}

# as_superuser DATABASE: psql over the socket; statements on stdin.
as_superuser() {
    PGOPTIONS='' psql -X -q -v ON_ERROR_STOP=1 -h "$state/postgres/run" -p "$postgres_port" -U "$SUPERUSER" -d "$1" "${@:2}" 9>&-
}

postgres_ready() { as_superuser postgres -Atc 'select 1' >/dev/null 2>&1; }

make_postgres() {
    local bin=$1 map
    own_folder "$state/postgres"
    # initdb leaves a half-made folder behind when it is interrupted: build
    # beside, move into place when whole.
    rm -rf "$state/postgres/new"
    as_runner "$bin/initdb" --pgdata="$state/postgres/new" --username="$SUPERUSER" --encoding=UTF8 \
        --locale=C.UTF-8 --auth-local=peer --auth-host=scram-sha-256 --no-sync >"$state/initdb.log" 2>&1 \
        || { cat "$state/initdb.log" >&2; die "initdb failed"; }
    map=$(printf 'stack %s %s\n' "$runner" "$SUPERUSER"; printf 'stack %s %s\n' "$(id -un)" "$SUPERUSER")
    sort -u <<<"$map" | own_file "$state/postgres/new/pg_ident.conf"
    own_file "$state/postgres/new/pg_hba.conf" <<TEXT
local all $SUPERUSER peer map=stack
host  all $SUPERUSER 127.0.0.1/32 reject
host  all all 127.0.0.1/32 scram-sha-256
TEXT
    mv "$state/postgres/new" "$state/postgres/data"
}

# start_postgres FAST(yes|no) STATEMENTS(yes|no): nothing if it runs; else until it answers.
start_postgres() {
    local bin pid deadline
    if pid_of postgres >/dev/null && postgres_ready; then return 0; fi
    bin=$(postgres_bin)
    [[ -s $state/postgres/data/PG_VERSION ]] || make_postgres "$bin"
    own_folder "$state/postgres"
    # Others must reach the socket; what they may do there, pg_hba.conf says.
    chmod 711 "$state/postgres"
    own_folder "$state/postgres/run"
    chmod 755 "$state/postgres/run"
    own_file "$state/postgres/data/postgresql.auto.conf" <<TEXT
listen_addresses = '127.0.0.1'
port = $postgres_port
unix_socket_directories = '$state/postgres/run'
unix_socket_permissions = 0777
max_connections = 200
password_encryption = 'scram-sha-256'
shared_buffers = '256MB'
max_wal_size = '2GB'
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
# a failing statement's values may be personal data: never logged
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
cluster_name = 'kezek-$name'
$([[ $2 == no ]] || printf "shared_preload_libraries = 'pg_stat_statements'\n")
$([[ $1 == no ]] || printf 'fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n')
TEXT
    rm -f "$state/postgres.process"
    # A server of ours that was killed leaves children that end on their own;
    # until then the new one cannot have the shared memory.
    deadline=$((SECONDS + 30))
    while :; do
        if as_runner "$bin/pg_ctl" start -D "$state/postgres/data" -l "$state/postgres/server.log" -w -t 60 -s >"$state/pg_ctl.log" 2>&1; then break; fi
        if ((SECONDS >= deadline)) || ! as_runner grep -q 'shared memory block\|lock file' "$state/postgres/server.log"; then
            cat "$state/pg_ctl.log" >&2
            as_runner tail -n 20 "$state/postgres/server.log" >&2 || true
            die "PostgreSQL does not start" "its log: $state/postgres/server.log"
        fi
        sleep 0.2
    done
    pid=$(as_runner head -n 1 "$state/postgres/data/postmaster.pid")
    remember_process postgres "$pid"
    postgres_ready || die "PostgreSQL runs but does not answer on its socket" "its log: $state/postgres/server.log"
}

# grant_postgres: the three roles under their fixed names (migrations grant to
# them) and the two databases; repeating it changes nothing.
grant_postgres() {
    local role database
    {
        for role in owner engine console; do
            local password=${role}_password
            printf "select 'create role kezek_%s' where not exists (select from pg_roles where rolname = 'kezek_%s') \\\\gexec\n" "$role" "$role"
            printf "alter role kezek_%s login nosuperuser nocreaterole nobypassrls %s password '%s';\n" \
                "$role" "$([[ $role == owner ]] && echo createdb || echo nocreatedb)" "${!password}"
        done
        for database in kezek kezek_check; do
            printf "select 'create database %s owner kezek_owner' where not exists (select from pg_database where datname = '%s') \\\\gexec\n" "$database" "$database"
            printf 'revoke all on database %s from public;\n' "$database"
            printf 'grant connect on database %s to kezek_engine, kezek_console;\n' "$database"
        done
    } | as_superuser postgres -o /dev/null 2>"$state/grant.log" || { cat "$state/grant.log" >&2; die "the database's roles could not be made"; }
}

# backup_postgres FILE: one snapshot of the database `kezek`, taken beside whoever works in it.
backup_postgres() {
    local bin
    bin=$(postgres_bin)
    (umask 077 && "$bin/pg_dump" --format=custom --compress=1 -h "$state/postgres/run" -p "$postgres_port" -U "$SUPERUSER" \
        --file="$1.new" kezek 9>&-) || { rm -f "$1.new"; die "the database cannot be kept in $1"; }
    mv "$1.new" "$1"
}

# restore_postgres FILE: beside first, then in place of the database; no moment
# has half of it.
restore_postgres() {
    local bin
    [[ -r $1 ]] || die "$1 cannot be read" "make one with: ops/stack backup --file $1"
    bin=$(postgres_bin)
    printf 'drop database if exists kezek_restored;\ncreate database kezek_restored owner kezek_owner;\n' | as_superuser postgres -o /dev/null
    "$bin/pg_restore" --exit-on-error -h "$state/postgres/run" -p "$postgres_port" -U "$SUPERUSER" \
        --dbname=kezek_restored "$1" 9>&- || die "$1 cannot be restored" "the database is as it was"
    printf 'drop database kezek with (force);\nalter database kezek_restored rename to kezek;\n' | as_superuser postgres -o /dev/null
}

# grant_statements: the owner may read what every role's statements cost, and
# start counting afresh.
grant_statements() {
    as_superuser kezek -o /dev/null 2>"$state/grant.log" <<'TEXT' || { cat "$state/grant.log" >&2; die "pg_stat_statements cannot be set up" "it comes with Debian's package postgresql"; }
create extension if not exists pg_stat_statements;
grant pg_read_all_stats to kezek_owner;
grant execute on function pg_stat_statements_reset(oid, oid, bigint) to kezek_owner;
TEXT
}

stop_postgres() { end_process postgres INT 60; } # INT: a fast, clean shutdown
