//! The command line of the compiler.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    resnetc::cli::main()
}
