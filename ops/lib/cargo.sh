# Finds the Rust toolchain. Needs say.sh.

# need_cargo: cargo on the path, also where a login shell would have found it.
need_cargo() {
    if ! command -v cargo >/dev/null 2>&1 && [[ -x ${CARGO_HOME:-$HOME/.cargo}/bin/cargo ]]; then
        PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    fi
    command -v cargo >/dev/null 2>&1 || die "there is no Rust toolchain (cargo) on this machine" "install Rust 1.94 or newer, e.g. with rustup"
}

# built BINARY: the path of a binary that `cargo build` (dev profile) has made.
built() { printf '%s/debug/%s' "${CARGO_TARGET_DIR:-$root/target}" "$1"; }
