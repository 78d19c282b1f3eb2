//! The fuzz targets, from the kept corpus, for some seconds or for as long as one likes. They need a nightly compiler and
//! cargo-fuzz; the latter is installed if it is missing.

use std::fs;

use crate::step::{self, Outcome, root};
use crate::toolchain;

/// `fuzz [TARGET] [SECONDS]`.
pub fn run(arguments: &[&str]) -> Outcome {
    let (targets, seconds) = match arguments {
        [] => (targets()?, None),
        [one] if one.parse::<u32>().is_ok() => (targets()?, Some(*one)),
        [target] => (vec![(*target).to_string()], None),
        [target, seconds, ..] => (vec![(*target).to_string()], Some(*seconds)),
    };
    prepare()?;
    for target in targets {
        one(&target, seconds)?;
    }
    Ok(())
}

/// Installs cargo-fuzz if it is missing.
pub fn prepare() -> Outcome {
    if toolchain::answers("cargo-fuzz", "--version") {
        return Ok(());
    }
    step::run("install cargo-fuzz", "cargo", &["install", "--locked", "cargo-fuzz"])
}

/// Every target there is.
pub fn targets() -> Result<Vec<String>, String> {
    let folder = root().join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut targets: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".rs").map(str::to_string))
        .collect();
    targets.sort();
    Ok(targets)
}

/// Fuzzes one target. The kept corpus is read; what is found goes to a folder that is not kept.
pub fn one(target: &str, seconds: Option<&str>) -> Outcome {
    let kept = format!("fuzz/corpus/{target}");
    let found = root().join(format!("fuzz/target/corpus/{target}"));
    fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
    fs::create_dir_all(root().join(&kept)).map_err(|error| format!("{kept}: {error}"))?;
    let found = found.display().to_string();
    let limit = seconds.map(|seconds| format!("-max_total_time={seconds}"));
    let mut arguments = vec![
        "+nightly",
        "fuzz",
        "run",
        target,
        &found,
        &kept,
        "--",
        "-rss_limit_mb=2048",
    ];
    arguments.extend(limit.as_deref());
    step::run(&format!("fuzz {target}"), "cargo", &arguments)
}
