//! Starts a program that may do little: what a submission needs, and no more.
//!
//! On Linux it may read the system's libraries and settings and the files that are named, write to devices,
//! and use the network; it may signal and trace only what it has started itself (Landlock; landlock(7)).
//! So it can change neither test programs nor reports, nor build or run a solution that lies about, nor let
//! another program serve in its place, nor end its judge. Kernels before 5.13, and other systems, have no
//! such thing; there it just starts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tour::Outcome;

use crate::foreground;

/// Confines this program, and becomes `command`.
pub fn run(read: &[PathBuf], command: &[OsString]) -> Outcome {
    let (program, arguments) = command
        .split_first()
        .context("there is no program to start")?;
    let program = Path::new(program);
    confine(read, program)?;
    foreground::replace(program, arguments)
}

#[cfg(target_os = "linux")]
fn confine(read: &[PathBuf], program: &Path) -> Result<()> {
    use landlock::{
        ABI, Access, AccessFs, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope, path_beneath_rules,
    };
    // What an older kernel does not know is left out.
    let abi = ABI::V6;
    // Not where programs are: one could read them into the dynamic linker, if not start them.
    let system = [
        "/usr/lib",
        "/usr/lib32",
        "/usr/lib64",
        "/usr/share",
        "/lib",
        "/lib32",
        "/lib64",
        "/etc",
        "/proc",
        "/sys",
        "/nix",
    ]
    .map(Path::new);
    let files = read.iter().map(PathBuf::as_path).chain([program]);
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(system, AccessFs::from_read(abi)))?
        .add_rules(path_beneath_rules(["/dev"], AccessFs::from_all(abi)))?
        .add_rules(path_beneath_rules(files, AccessFs::from_read(abi)))?;
    rules
        .restrict_self()
        .context("cannot confine a submission")?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn confine(_read: &[PathBuf], _program: &Path) -> Result<()> {
    Ok(())
}
