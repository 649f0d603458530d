//! The machine that is measured.

use std::process::Command;

use crate::cli::Failure;
use crate::diagnostic::Diagnostic;

/// The variable that forces an instruction set, here as in every program.
const VARIABLE: &str = "RESNET_ISA";

/// The instruction set that programs use here: the best one, or the one that is forced.
pub fn isa() -> Result<&'static str, Failure> {
    let here = available();
    let forced = std::env::var(VARIABLE).unwrap_or_default();
    let found = if forced.is_empty() { here.first() } else { here.iter().find(|name| **name == forced) };
    found.copied().ok_or_else(|| {
        let error = Diagnostic::error("E-ARGUMENT", format!("`{forced}` is no instruction set of this machine"))
            .about(VARIABLE)
            .expected(format!("one of `{}`", here.join("`, `")));
        Failure::Usage(error.into())
    })
}

/// The instruction sets of this machine that there are kernels for, the fastest first.
fn available() -> Vec<&'static str> {
    let mut names = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            names.push("avx512");
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            names.push("avx2");
        }
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("neon") {
        names.push("neon");
    }
    names.push("portable");
    names
}

/// The threads that this process may use.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The processor as it calls itself; its architecture when it does not.
pub fn processor() -> String {
    let linux = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        line.split_once(':').map(|(_, name)| name.trim().to_owned())
    });
    let macos = || {
        let output = Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"]).output().ok()?;
        String::from_utf8(output.stdout).ok().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
    };
    let windows = || std::env::var("PROCESSOR_IDENTIFIER").ok();
    linux.or_else(macos).or_else(windows).unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}
