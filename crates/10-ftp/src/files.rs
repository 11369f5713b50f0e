//! The files below the root, and nothing else of this machine.
//!
//! A `Dir` opens no path that leads out of it, by `..` or by a symbolic link, and cannot be tricked by somebody who
//! changes directories meanwhile: on Linux the kernel sees to it (openat2(2), RESOLVE_BENEATH).

use std::fs::File;
use std::io;

use cap_fs_ext::OpenOptionsSyncExt;
use cap_std::fs::{Dir, OpenOptions};

/// Where a path leads in the client's world, whose top is the root.
pub fn resolve(directory: &str, path: &str) -> String {
    let from = if path.starts_with('/') { "" } else { directory };
    let mut names: Vec<&str> = Vec::new();
    for name in from.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()), // above the top there is nothing
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

/// The same path as the root's `Dir` has it.
pub fn below(path: &str) -> &str {
    match path.trim_start_matches('/') {
        "" => ".",
        path => path,
    }
}

/// Opens a file to read it. A FIFO would make us wait for somebody who writes, and there may be nobody: not so here.
pub fn open(root: &Dir, path: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = root.open_with(below(path), options.read(true).nonblock(true))?;
    match file.metadata()?.is_file() {
        true => Ok(file.into_std()),
        false => Err(io::Error::other("not a file")),
    }
}

/// The directory of a file, and its name there. The root has neither.
pub fn parent(root: &Dir, path: &str) -> io::Result<(Dir, String)> {
    match path.rsplit_once('/') {
        Some((directory, name)) if !name.is_empty() => {
            Ok((root.open_dir(below(directory))?, name.to_owned()))
        }
        _ => Err(io::Error::other("not a file")),
    }
}
