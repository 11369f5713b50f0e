//! A session: what a client says, and what is replied. What is about files stands in `service.rs`.

use std::io::{self, ErrorKind};
use std::mem;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cap_std::fs::Dir;

use crate::Args;
use crate::clients::Clients;
use crate::command::{self, Command};
use crate::control::Control;
use crate::data::{self, DataPort};
use crate::listing::FACTS;
use crate::reply::Reply;
use crate::transfer::Transfer;

/// The commands that are known; any other is answered with 500.
const COMMANDS: &str = "ABOR ACCT ALLO APPE CDUP CWD DELE EPRT EPSV FEAT HELP LIST MDTM MKD MLSD MLST MODE NLST NOOP\n\
                        OPTS PASS PASV PORT PWD QUIT REST RETR RMD RNFR RNTO SITE SIZE STAT STOR STRU SYST TYPE USER";

/// Everything that is remembered of a client.
pub struct Session {
    pub control: Control,
    pub root: Arc<Dir>,
    pub args: Args,
    login: Login,
    /// A path of the client's world, such as `/pub`.
    pub directory: String,
    /// TYPE A, as at the beginning of each session, and not TYPE I.
    pub text: bool,
    /// Where the next data connection is to go.
    pub port: Option<DataPort>,
    /// After EPSV ALL nothing else may open one (RFC 2428, section 4).
    only_epsv: bool,
    pub pending: Pending,
    pub facts: Vec<&'static str>,
    pub transfer: Option<Transfer>,
    is_over: bool,
}

#[derive(PartialEq)]
enum Login {
    Unknown,
    Named,
    Complete,
}

/// What a command has said about the one after it.
#[derive(Default)]
pub struct Pending {
    /// RNFR: the path that is to have another name.
    pub rename_from: Option<String>,
    /// REST: how many bytes of the file are on the other side already.
    pub restart: u64,
}

/// Whoever has done a command has sent the reply; whoever has not says why.
pub type Outcome = Result<(), Reply>;

impl Session {
    pub fn new(stream: TcpStream, root: Arc<Dir>, args: Args) -> io::Result<Self> {
        Ok(Self {
            control: Control::new(stream, seconds(args.timeout))?,
            root,
            args,
            login: Login::Unknown,
            directory: "/".to_owned(),
            text: true,
            port: None,
            only_epsv: false,
            pending: Pending::default(),
            facts: FACTS.into(),
            transfer: None,
            is_over: false,
        })
    }

    /// Serves a client. A transfer that is still under way when it leaves is broken off (RFC 959, section 4.1.1, QUIT).
    pub fn serve(mut self, peer: SocketAddr, clients: &Clients) -> io::Result<()> {
        let result = self.talk(peer, clients);
        self.break_off_transfer();
        result
    }

    /// Listens until one of the two has enough.
    fn talk(&mut self, peer: SocketAddr, clients: &Clients) -> io::Result<()> {
        self.control.reply(
            220,
            "anonymous FTP; nothing that is said or sent here is secret",
        );
        while !self.is_over {
            let silent = |error: &io::Error| error.kind() == ErrorKind::TimedOut;
            let was_transferring = self.is_transferring();
            match self.control.hear(Instant::now() + seconds(self.args.idle)) {
                Ok(Some(line)) if !clients.is_closed() => {
                    log(peer, &line);
                    self.obey(&line);
                }
                Ok(Some(_)) => {
                    self.finish_transfer();
                    self.end("this server is stopping");
                }
                Ok(None) => self.is_over = true,
                // It was the transfer that went on. Its time is not the client's: that begins anew.
                Err(error) if silent(&error) && was_transferring => {}
                Err(error) if silent(&error) => self.end("nothing was said for too long"),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Does what a line says. What comes while a transfer is under way waits for its end (RFC 959, section 4.2), except
    /// ABOR, and STAT that asks about it.
    fn obey(&mut self, line: &[u8]) {
        let outcome = Command::parse(line).and_then(|Command { verb, argument }| {
            if !matches!((&*verb, &*argument), ("ABOR", _) | ("STAT", "")) {
                self.finish_transfer();
            }
            // NOOP changes nothing, and whoever goes on with a file may ask for a port in between.
            let pending = match &*verb {
                "NOOP" | "PASV" | "EPSV" | "PORT" | "EPRT" => Pending::default(),
                _ => mem::take(&mut self.pending),
            };
            match COMMANDS.split_whitespace().any(|known| known == verb) {
                true => self.answer(&verb, &argument, pending),
                false => refuse(500, "no such command"),
            }
        });
        if let Err(refusal) = outcome {
            self.control.reply(refusal.code, refusal.text);
        }
    }

    /// What anybody may say, and then what is for those who are logged in.
    fn answer(&mut self, verb: &str, argument: &str, pending: Pending) -> Outcome {
        match (verb, argument.to_ascii_uppercase().as_str()) {
            ("USER", "ANONYMOUS" | "FTP") => {
                self.login = Login::Named;
                self.say(331, "any password will do")
            }
            // Before a password is said: it could be read on the way, and would be of no use.
            ("USER", _) => {
                self.login = Login::Unknown;
                refuse(530, "only for the user anonymous")
            }
            ("PASS", _) if self.login == Login::Named => {
                self.login = Login::Complete;
                self.say(230, "welcome")
            }
            ("PASS", _) => refuse(503, "say USER first"),
            ("QUIT", _) => {
                self.is_over = true;
                self.say(221, "goodbye")
            }
            ("NOOP", _) => self.say(200, "nothing done"),
            ("SYST", _) => self.say(215, "UNIX Type: L8"), // that is what paths and listings look like
            ("FEAT", _) => self.tell_features(),
            ("HELP", _) => self.say(214, format!("commands\n{COMMANDS}\nend")),
            ("OPTS", "UTF8 ON") => self.say(200, "names are always UTF-8"),
            ("OPTS", _) => self.choose_facts(argument),
            ("ACCT" | "SITE", _) => refuse(502, "not implemented"),
            _ if self.login != Login::Complete => refuse(530, "say USER and PASS first"),
            ("TYPE" | "MODE" | "STRU" | "PASV" | "EPSV" | "PORT" | "EPRT", upper) => {
                self.set_up(verb, upper)
            }
            _ => self.serve_file(verb, argument, pending),
        }
    }

    /// How the next file is to be moved (RFC 959, section 4.1.2).
    fn set_up(&mut self, verb: &str, argument: &str) -> Outcome {
        match (verb, argument) {
            ("TYPE", "A" | "A N") => {
                self.text = true;
                self.say(200, "text: lines end with CR LF")
            }
            ("TYPE", "I" | "L 8") => {
                self.text = false;
                self.say(200, "image: each byte as it is")
            }
            ("MODE", "S") | ("STRU", "F") => self.say(200, "as always"),
            ("TYPE" | "MODE" | "STRU", _) => refuse(504, "not implemented for that"),
            ("EPSV", "ALL") => {
                self.only_epsv = true;
                self.say(200, "nothing but EPSV from now on")
            }
            ("PASV" | "PORT" | "EPRT", _) if self.only_epsv => {
                refuse(503, "nothing but EPSV, as you said")
            }
            ("PASV" | "EPSV", _) => self.await_client(verb, argument),
            _ => self.call_client(verb, argument),
        }
    }

    /// Passive mode: the client is told where to connect to.
    fn await_client(&mut self, verb: &str, family: &str) -> Outcome {
        let control = self.control.stream();
        let ip = data::own_ip(control)?;
        match (verb, family, ip) {
            ("PASV", _, IpAddr::V6(_)) => return refuse(425, "no IPv6 with PASV; say EPSV"),
            ("PASV", ..) | (_, "", _) | (_, "1", IpAddr::V4(_)) | (_, "2", IpAddr::V6(_)) => {}
            _ => return Err(data::other_family(ip)),
        }
        let (port, number) = DataPort::listen(control).map_err(|error| Reply::of(425, &error))?;
        self.port = Some(port);
        match ip {
            IpAddr::V4(ip) if verb == "PASV" => {
                let ([a, b, c, d], [high, low]) = (ip.octets(), number.to_be_bytes());
                self.say(
                    227,
                    format!("Entering Passive Mode ({a},{b},{c},{d},{high},{low})"),
                )
            }
            _ => self.say(
                229,
                format!("Entering Extended Passive Mode (|||{number}|)"),
            ),
        }
    }

    /// Active mode: the client says where we are to connect to.
    fn call_client(&mut self, verb: &str, argument: &str) -> Outcome {
        let address = match verb {
            "PORT" => command::host_port(argument)?,
            _ => command::extended_host_port(argument)?,
        };
        self.port = Some(DataPort::of_client(address, self.control.stream())?);
        self.say(200, "the next data connection goes there")
    }

    /// What there is beyond RFC 959 (RFC 2389, section 3). Facts with a star are told by MLST and MLSD.
    fn tell_features(&self) -> Outcome {
        let star = |fact: &&str| if self.facts.contains(fact) { "*" } else { "" };
        let facts = FACTS.map(|fact| format!("{fact}{};", star(&fact)));
        let facts = facts.concat();
        let text = format!("EPRT\nEPSV\nMDTM\nMLST {facts}\nREST STREAM\nSIZE\nTVFS\nUTF8");
        self.say(211, format!("features\n{text}\nend"))
    }

    fn choose_facts(&mut self, argument: &str) -> Outcome {
        let (name, wanted) = argument.split_once(' ').unwrap_or((argument, ""));
        if !name.eq_ignore_ascii_case("MLST") {
            return refuse(501, "no such option");
        }
        let is_wanted = |fact: &&str| {
            wanted
                .split(';')
                .any(|name| name.eq_ignore_ascii_case(fact))
        };
        self.facts = FACTS.into_iter().filter(is_wanted).collect();
        let facts: String = self.facts.iter().map(|fact| format!("{fact};")).collect();
        self.say(200, format!("MLST OPTS {facts}").trim_end())
    }

    /// The end of a command that was done.
    pub fn say(&self, code: u16, text: impl Into<String>) -> Outcome {
        self.control.reply(code, text);
        Ok(())
    }

    /// The end of the session.
    fn end(&mut self, why: &str) {
        self.is_over = true;
        self.control.reply(421, why);
    }

    pub fn is_transferring(&self) -> bool {
        self.transfer.as_ref().is_some_and(Transfer::is_running)
    }

    pub fn finish_transfer(&mut self) {
        if let Some(transfer) = self.transfer.take() {
            transfer.wait();
        }
    }

    pub fn break_off_transfer(&mut self) {
        self.transfer.iter().for_each(Transfer::break_off);
        self.finish_transfer();
    }
}

pub fn refuse(code: u16, why: &str) -> Outcome {
    Err(Reply::new(code, why))
}

pub fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}

/// A password is nobody's business: it may be one that is used elsewhere.
fn log(peer: SocketAddr, line: &[u8]) {
    let said = line.to_ascii_uppercase();
    let is_password = said
        .windows(4)
        .any(|word| word == b"PASS" || word == b"ACCT");
    let text = String::from_utf8_lossy(if is_password { b"PASS ..." } else { line });
    println!("received {} bytes from {peer}: {text:?}", line.len());
}
