//! What a learner hands in: the files `src/**/*.rs` of an exercise, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::stage::Files;
use tour::catalog;

/// A submission has at most this many files and bytes, in folders at most this deep; what lies
/// deeper is left.
const FILES: usize = 64;
const BYTES: u64 = catalog::LARGEST;
const DEEP: usize = 8;

/// Reads the source in the folder `src` below `root`. Whatever is no Rust source is left where it is.
pub fn collect(root: &Path, src: &Path) -> Result<Files> {
    let below = src.ancestors().filter(|folder| *folder != Path::new(""));
    for folder in below.map(|folder| root.join(folder)) {
        ensure!(
            !folder.is_symlink(),
            "{}: a link, not a folder\nhint: put the folder itself there",
            folder.display()
        );
    }
    let src = root.join(src);
    ensure!(
        src.is_dir(),
        "{}: there is no such folder\nhint: `just reset NAME` brings the starter back",
        src.display()
    );
    let mut files = Files::new();
    let mut left = BYTES;
    look_into(&src, Path::new(""), &mut left, &mut files)?;
    files.sort();
    check(&files).with_context(|| format!("cannot take {}", src.display()))?;
    Ok(files)
}

fn look_into(folder: &Path, below: &Path, left: &mut u64, files: &mut Files) -> Result<()> {
    if below.components().count() >= DEEP {
        return Ok(());
    }
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot list {}", folder.display()))?
            .path();
        let name = below.join(path.file_name().unwrap_or_default());
        // Of the entry itself: a link is not followed.
        let metadata = fs::symlink_metadata(&path)
            .with_context(|| format!("cannot look at {}", path.display()))?;
        if metadata.is_dir() {
            look_into(&path, &name, left, files)?;
        } else if name.extension().is_some_and(|end| end == "rs") {
            ensure!(
                metadata.is_file(),
                "{}: a link or a device, not a file\nhint: put the source itself there",
                path.display()
            );
            files.push((name, read(&path, left)?));
            ensure!(
                files.len() <= FILES,
                "{}: more than {FILES} files",
                folder.display()
            );
        }
    }
    Ok(())
}

/// Reads a file that may have become larger since somebody looked.
fn read(path: &Path, left: &mut u64) -> Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let file = fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    file.take(*left + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let read = bytes.len() as u64;
    ensure!(
        read <= *left,
        "{}: the source is larger than {} KiB in all",
        path.display(),
        BYTES >> 10
    );
    *left -= read;
    Ok(bytes)
}

/// Refuses what cannot be a program, with a word on what to do.
pub fn check(files: &Files) -> Result<()> {
    let Some((_, main)) = files
        .iter()
        .find(|(name, _)| name == &PathBuf::from("main.rs"))
    else {
        bail!("there is no main.rs\nhint: `just reset NAME` brings the starter back");
    };
    ensure!(
        !main.is_empty(),
        "main.rs is empty\nhint: `just reset NAME` brings the starter back"
    );
    for (name, bytes) in files {
        let plain = |c: char| c.is_alphanumeric() || "_-./\\".contains(c);
        ensure!(
            name.to_str().is_some_and(|name| name.chars().all(plain)),
            "{}: a file's name has letters, digits, _ and -",
            name.display()
        );
        if let Err(error) = str::from_utf8(bytes) {
            let place = error.valid_up_to();
            let line = 1 + bytes[..place].iter().filter(|byte| **byte == b'\n').count();
            bail!(
                "{}: not UTF-8 in line {line}\nhint: save it as UTF-8",
                name.display()
            );
        }
    }
    Ok(())
}
