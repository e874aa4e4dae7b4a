//! A migration that is added or changed is compiled in at once.

fn main() {
    println!("cargo:rerun-if-changed=../../schemas/db/migrations");
}
