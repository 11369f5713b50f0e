//! What is done with files and directories (RFC 959, section 4.1.3; RFC 3659).

use std::io::{self, Write};
use std::sync::Arc;

use cap_std::fs::Metadata;

use crate::ascii::ToWire;
use crate::files::{self, below};
use crate::listing::{self, Style};
use crate::pace::Paced;
use crate::reply::Reply;
use crate::session::{Outcome, Pending, Session, refuse, seconds};
use crate::transfer::Transfer;
use crate::upload::Upload;

impl Session {
    /// Only reads, or is about no file at all.
    pub fn serve_file(&mut self, verb: &str, argument: &str, pending: Pending) -> Outcome {
        let path = files::resolve(&self.directory, argument);
        match (verb, argument) {
            ("ABOR", _) => {
                self.port = None;
                self.break_off_transfer(); // which tells the client of itself
                self.say(226, "nothing is under way")
            }
            ("STAT", "") => self.tell_status(),
            ("STAT", _) => self.list_here(argument),
            ("ALLO", _) => self.say(202, "no need to"),
            ("PWD", _) => self.say(257, format!("{} is the directory", quoted(&self.directory))),
            ("CDUP", _) => self.change_directory(".."),
            ("LIST" | "NLST" | "MLSD", _) => self.list(verb, argument),
            ("MLST", _) => {
                let facts = Style::Facts(self.facts.clone());
                let line = facts.line(&path, &self.root.metadata(below(&path))?);
                self.say(250, format!("facts\n{line}\nend"))
            }
            (_, "") => refuse(501, "which one?"),
            ("CWD", _) => self.change_directory(argument),
            ("SIZE", _) if self.text => {
                refuse(550, "only in TYPE I: as text it would have to be counted")
            }
            ("SIZE", _) => self.say(213, self.file(&path)?.len().to_string()),
            ("MDTM", _) => self.say(213, listing::timestamp(&self.file(&path)?)),
            ("REST", _) => {
                let restart = argument.parse();
                self.pending.restart = restart.map_err(|_| Reply::new(501, "how many bytes?"))?;
                self.say(350, "RETR, STOR or APPE goes on from there")
            }
            ("RETR", _) => self.retrieve(&path, pending.restart),
            _ if self.args.writable => self.change(verb, path, pending),
            _ => refuse(550, "nothing can be changed here"),
        }
    }

    fn change(&mut self, verb: &str, path: String, pending: Pending) -> Outcome {
        match verb {
            "STOR" => return self.store(&path, pending.restart, 0),
            "APPE" => return self.store(&path, pending.restart, u64::MAX),
            "DELE" => self.root.remove_file(below(&path))?,
            "RMD" => self.root.remove_dir(below(&path))?,
            "MKD" => {
                self.root.create_dir(below(&path))?;
                return self.say(257, format!("{} is new", quoted(&path)));
            }
            "RNFR" => {
                self.root.symlink_metadata(below(&path))?;
                self.pending.rename_from = Some(path);
                return self.say(350, "to which name? say RNTO");
            }
            _ => {
                let from = pending
                    .rename_from
                    .ok_or(Reply::new(503, "say RNFR first"))?;
                self.root.rename(below(&from), &self.root, below(&path))?;
            }
        }
        self.say(250, "done")
    }

    fn change_directory(&mut self, argument: &str) -> Outcome {
        let path = files::resolve(&self.directory, argument);
        self.root.open_dir(below(&path))?;
        self.directory = path;
        self.say(250, format!("{} is the directory", quoted(&self.directory)))
    }

    fn tell_status(&self) -> Outcome {
        let kind = if self.text { "A" } else { "I" };
        let transfer = if self.is_transferring() { "a" } else { "no" };
        self.say(
            211,
            format!("status\nTYPE {kind}, MODE S, STRU F\n{transfer} transfer is under way\nend"),
        )
    }

    /// The metadata of what has a size, and a time that counts.
    fn file(&self, path: &str) -> Result<Metadata, Reply> {
        let metadata = self.root.metadata(below(path))?;
        match metadata.is_file() {
            true => Ok(metadata),
            false => Err(Reply::new(550, "not a file")),
        }
    }

    fn list(&mut self, verb: &str, argument: &str) -> Outcome {
        let wanted = without_options(argument);
        let path = files::resolve(&self.directory, wanted);
        let is_directory = self.root.metadata(below(&path))?.is_dir();
        let style = match verb {
            "LIST" => Style::Long(""),
            "NLST" => Style::Name(way_to(wanted, is_directory)),
            _ if is_directory => Style::Facts(self.facts.clone()),
            _ => return refuse(501, "not a directory"),
        };
        let root = Arc::clone(&self.root);
        self.transfer(move |data, _| listing::write(&root, &path, &style, data))
    }

    /// LIST without a data connection. Each line begins with a space, for it might look like the last of the reply.
    fn list_here(&self, argument: &str) -> Outcome {
        let path = files::resolve(&self.directory, without_options(argument));
        let is_directory = self.root.metadata(below(&path))?.is_dir();
        let code = if is_directory { 212 } else { 213 };
        let mut control = Paced::new(self.control.stream(), seconds(self.args.timeout));
        write!(control, "{code}-status\r\n")?;
        let _ = listing::write(&self.root, &path, &Style::Long(" "), control); // the reply needs its end in any case
        self.say(code, "end")
    }

    fn retrieve(&mut self, path: &str, start: u64) -> Outcome {
        let mut file = files::open(&self.root, path)?;
        self.check_restart(path, start)?;
        let text = self.text;
        self.transfer(move |data, _| match text {
            true => io::copy(&mut file, &mut ToWire::new(data)).map(drop),
            false => data.send_file(&file, start),
        })
    }

    /// Keeps so many bytes of the old file. After REST, APPE is STOR (RFC 3659, section 5.3).
    fn store(&mut self, path: &str, restart: u64, kept: u64) -> Outcome {
        self.check_restart(path, restart)?;
        let kept = if restart > 0 { restart } else { kept };
        let upload = Upload::to(&self.root, path, kept, self.text);
        let upload = upload.map_err(|error| Reply::of(553, &error))?;
        self.transfer(move |data, is_cut_short| upload.receive(data, is_cut_short))
    }

    /// Whether a file can be gone on with there. That is said only when it is known which (RFC 3659, section 5.3).
    fn check_restart(&self, path: &str, restart: u64) -> Outcome {
        match restart {
            0 => Ok(()),
            _ if self.text => refuse(554, "REST counts the bytes of files: only in TYPE I"),
            _ if restart > self.file(path)?.len() => refuse(554, "REST beyond the end of the file"),
            _ => Ok(()),
        }
    }

    /// Has the data connection opened, and lets `work` go on with it. How it ends, the transfer tells.
    fn transfer<W>(&mut self, work: W) -> Outcome
    where
        W: FnOnce(Paced, &dyn Fn() -> bool) -> io::Result<()> + Send + 'static,
    {
        let port = self.port.take();
        let port = port.ok_or(Reply::new(425, "say PASV, EPSV, PORT or EPRT first"))?;
        self.say(150, "about to open the data connection")?;
        let (replies, patience) = (self.control.replies(), seconds(self.args.timeout));
        let opened = port.open(self.control.stream(), patience);
        let started = opened.and_then(|data| Transfer::start(data, patience, replies, work));
        self.transfer = Some(started.map_err(|error| Reply::of(425, &error))?);
        Ok(())
    }
}

/// A quotation mark in a path is doubled (RFC 959, appendix II).
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('"', "\"\""))
}

/// Many clients send options of `ls`, as if this were one.
fn without_options(argument: &str) -> &str {
    let (first, rest) = argument.split_once(' ').unwrap_or((argument, ""));
    match first.starts_with('-') {
        true => without_options(rest),
        false => argument,
    }
}

/// What a name needs before it, so that the client can ask for it from where it is (RFC 1123, section 4.1.2.7).
fn way_to(wanted: &str, is_directory: bool) -> String {
    match (wanted, is_directory) {
        ("", _) => String::new(),
        (directory, true) => format!("{}/", directory.trim_end_matches('/')),
        (file, false) => file[..file.rfind('/').map_or(0, |slash| slash + 1)].to_owned(),
    }
}
