//! A file that comes in: complete, or not at all.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Take, Write};

use cap_std::fs::Dir;
use cap_tempfile::TempFile;

use crate::ascii::FromWire;
use crate::files;
use crate::pace::{PIECE, Paced};

/// Where a file will be, and how it is made.
pub struct Upload {
    directory: Dir,
    name: String,
    /// What it begins with, of the file that is there now.
    kept: Option<Take<File>>,
    text: bool,
}

impl Upload {
    /// Whatever is in the way is found here, before a byte is sent.
    pub fn to(root: &Dir, path: &str, kept: u64, text: bool) -> io::Result<Self> {
        let (directory, name) = files::parent(root, path)?;
        let kept = match files::open(root, path) {
            Ok(old) => Some(old.take(kept)),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            directory,
            name,
            kept,
            text,
        })
    }

    /// Writes a new file, and puts it in the place of the old one when it is complete. Until then, and if it never is,
    /// the old one stays as it was, and of the new one nothing is left: on Linux it has not even a name.
    pub fn receive(self, mut data: Paced, is_cut_short: &dyn Fn() -> bool) -> io::Result<()> {
        let new = TempFile::new(&self.directory)?;
        let mut file = BufWriter::with_capacity(1 << 16, new.as_file().try_clone()?.into_std());
        if let Some(mut kept) = self.kept {
            // Piece by piece: the client may break it off, or be gone, long before a large file is copied.
            while io::copy(&mut kept.by_ref().take(PIECE as u64), &mut file)? > 0 {
                if is_cut_short() {
                    return Err(ErrorKind::ConnectionAborted.into());
                }
            }
        }
        if self.text {
            let mut text = FromWire::new(&mut file);
            io::copy(&mut data, &mut text)?;
            text.finish()?;
        } else {
            io::copy(&mut data, &mut file)?;
        }
        file.flush()?;
        if is_cut_short() {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        new.replace(self.name)
    }
}
