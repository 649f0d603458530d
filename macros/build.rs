//! A build script gives the crate an `OUT_DIR`: a folder inside the user's target folder, where expansions are kept.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
