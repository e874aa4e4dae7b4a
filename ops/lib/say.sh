# Words for people: what is being done, what failed and what to do about it.
# Sourced by every script in ops/. Everything goes to stderr, so that a
# command's stdout stays free for what a machine reads.

say() { printf '%s\n' "$*" >&2; }

# die MESSAGE [REMEDY…]: one line that says what is wrong, then what to do.
die() {
    printf 'error: %s\n' "$1" >&2
    shift
    local remedy
    for remedy in "$@"; do printf '       %s\n' "$remedy" >&2; done
    exit 1
}

# usage_error MESSAGE: a wrong command line (exit code 2).
usage_error() {
    printf 'error: %s\n       see: %s --help\n' "$1" "$0" >&2
    exit 2
}

# needs_value OPTION COUNT: an option that wants a value must be given one.
needs_value() { (($2 >= 2)) || usage_error "$1 needs a value"; }
