//! Starts a program that may do little: what a submission needs, and no more.
//!
//! On Linux it may read and run the system's libraries, read some settings, use a few devices, and listen
//! (Landlock; landlock(7)). So it can write to neither test programs nor reports, nor build or run a solution
//! that lies about, nor let another program serve in its place, nor (from Linux 6.7 on) another server. From
//! Linux 6.12 on it may signal and trace only what it has started itself, and cannot end its judge. Kernels
//! before 5.13, and other systems, have no such thing; there it just starts.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use tour::Outcome;

use crate::foreground;

/// What a submission finds in its environment. The rest may hold a secret of whoever grades.
const ENVIRONMENT: [&str; 5] = [
    "HARNESS_RUN",
    "LANG",
    "PATH",
    "RUST_BACKTRACE",
    "SystemRoot",
];

/// What may be read and run. Not where programs are: one could read them into the dynamic linker, if not start them.
#[cfg(target_os = "linux")]
const SYSTEM: [&str; 10] = [
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/share",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/sys",
    "/nix",
];
/// What else may be read: as root a program could read all of /etc.
#[cfg(target_os = "linux")]
const SETTINGS: [&str; 8] = [
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/protocols",
    "/etc/services",
];
/// What may be written to.
#[cfg(target_os = "linux")]
const DEVICES: [&str; 5] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
];

/// Confines this program, and becomes `command`.
pub fn run(command: &[OsString]) -> Outcome {
    let (program, arguments) = command
        .split_first()
        .context("there is no program to start")?;
    let program = Path::new(program);
    confine(program)?;
    let kept = ENVIRONMENT
        .iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(kept);
    foreground::replace(command)
}

/// Whether this system can confine a program at all.
pub fn is_possible() -> bool {
    #[cfg(not(target_os = "linux"))]
    return false;
    #[cfg(target_os = "linux")]
    {
        use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
        let all = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        let all = all.handle_access(AccessFs::from_all(ABI::V1));
        all.and_then(|all| all.create()).is_ok()
    }
}

#[cfg(target_os = "linux")]
fn confine(program: &Path) -> Result<()> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope,
        path_beneath_rules,
    };
    // What an older kernel does not know is left out.
    let abi = ABI::V6;
    let device = AccessFs::ReadFile | AccessFs::WriteFile;
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::ConnectTcp)?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(SYSTEM, AccessFs::from_read(abi)))?
        .add_rules(path_beneath_rules(SETTINGS, AccessFs::ReadFile))?
        .add_rules(path_beneath_rules(DEVICES, device))?
        .add_rules(path_beneath_rules([program], AccessFs::from_read(abi)))?;
    rules
        .restrict_self()
        .context("cannot confine a submission")?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn confine(_program: &Path) -> Result<()> {
    Ok(())
}
