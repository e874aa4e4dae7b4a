//! `kezek`: workers, doors and the operator's shell in one binary.

fn main() -> std::process::ExitCode {
    kezek::cli::main()
}
