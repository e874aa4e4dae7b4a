//! `kezek`: workers, doors and the operator's shell in one binary.

#[global_allocator]
static ALLOCATOR: kezek_runtime::Allocator = kezek_runtime::Allocator;

fn main() -> std::process::ExitCode {
    kezek::cli::main()
}
