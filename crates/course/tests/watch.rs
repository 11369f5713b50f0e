//! The watch screen in a real terminal, and what it prints where there is none.

#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use rexpect::process::Signal;
use rexpect::session::{Options, PtySession, spawn_with_options};

/// The first run builds everything; after that, each wait is short.
const PATIENCE: Option<u64> = Some(300_000);

/// A checkout of its own, for its sources are changed. One test at a time has it.
struct Checkout {
    folder: PathBuf,
    _alone: fs::File,
}

impl Checkout {
    fn fresh() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("checkout");
        let alone = fs::File::create(folder.with_extension("lock")).expect("a file of ours");
        // The same for other test programs that run beside this one.
        alone.lock().expect("a lock");
        let _ = fs::remove_dir_all(folder.join(".course")); // what an earlier run has reached
        tour::catalog::copy_to(&folder).expect("a copy");
        let checkout = Self {
            folder,
            _alone: alone,
        };
        checkout.save("starter");
        checkout
    }

    fn source(&self) -> PathBuf {
        self.folder.join("exercises/06-lines/src/main.rs")
    }

    fn variant(&self, name: &str) -> String {
        let variants = self.folder.join("exercises/06-lines/variants");
        fs::read_to_string(variants.join(format!("{name}.rs"))).expect("a variant")
    }

    /// Saves a variant as the learner's source.
    fn save(&self, variant: &str) {
        fs::write(self.source(), self.variant(variant)).expect("a source");
    }

    fn watch(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_course"));
        command
            .args(["watch", "lines"])
            .env("COURSE_ROOT", &self.folder);
        // In a folder of its own: cargo would put programs of the same names over those of this checkout.
        command
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .env_remove("CARGO");
        command
    }

    fn watch_in_a_terminal(&self) -> PtySession {
        let mut command = self.watch();
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        let options = Options::new()
            .timeout_ms(PATIENCE)
            .strip_ansi_escape_codes(true);
        spawn_with_options(command, options).expect("a terminal")
    }
}

#[track_caller]
fn sees(terminal: &mut PtySession, words: &str) {
    if let Err(error) = terminal.exp_string(words) {
        panic!("no {words:?} on the screen: {error}");
    }
}

fn presses(terminal: &mut PtySession, keys: &str) {
    terminal.send(keys).expect("it reads");
    terminal.flush().expect("it reads");
}

#[test]
fn a_save_is_judged_and_the_keys_work() {
    let checkout = Checkout::fresh();
    let mut terminal = checkout.watch_in_a_terminal();
    sees(&mut terminal, "0 of 20, as expected for a fresh start");
    checkout.save("wrong/forgets_the_last_line");
    sees(&mut terminal, "18 of 20.");
    // Tried out by hand, it takes any port: another program may have the usual one.
    let reference = checkout.variant("reference").replace("9000", "0");
    fs::write(checkout.source(), reference).expect("a source");
    sees(&mut terminal, "lines: 20 of 20.");
    presses(&mut terminal, "h");
    sees(&mut terminal, "1. What to look at");
    sees(&mut terminal, "h hint (2 left)");
    presses(&mut terminal, "l");
    sees(&mut terminal, "6  lines         20/20");
    presses(&mut terminal, "p");
    sees(&mut terminal, "5  ");
    presses(&mut terminal, "d");
    sees(&mut terminal, "6  lines");
    presses(&mut terminal, "l");
    sees(
        &mut terminal,
        "a line that arrives in pieces is answered once",
    );
    presses(&mut terminal, "d");
    sees(&mut terminal, "+++ exercises/06-lines/src/main.rs");
    presses(&mut terminal, "r");
    sees(&mut terminal, "listening on 127.0.0.1:");
    presses(&mut terminal, "r");
    sees(
        &mut terminal,
        "a line that arrives in pieces is answered once",
    );
    presses(&mut terminal, "n");
    sees(&mut terminal, "07-crowd/src/main.rs");
    presses(&mut terminal, "q");
    terminal.exp_eof().expect("it ends");
}

#[test]
fn a_fresh_start_is_asked_for_and_keeps_what_was_there() {
    let checkout = Checkout::fresh();
    checkout.save("reference");
    let mut terminal = checkout.watch_in_a_terminal();
    sees(&mut terminal, "lines: 20 of 20.");
    presses(&mut terminal, "x");
    sees(&mut terminal, "Start afresh?");
    presses(&mut terminal, "n");
    sees(&mut terminal, "nothing was changed");
    presses(&mut terminal, "x");
    presses(&mut terminal, "y");
    sees(&mut terminal, "what you had is in .course/attempts/lines-1");
    presses(&mut terminal, "q");
    terminal.exp_eof().expect("it ends");
    let kept = checkout.folder.join(".course/attempts/lines-1/main.rs");
    assert_eq!(
        fs::read_to_string(kept).expect("an attempt"),
        checkout.variant("reference")
    );
}

/// A server that hangs is judged for a while; meanwhile every key is heard, and an interruption ends it.
#[test]
fn a_server_that_hangs_holds_up_no_key() {
    let checkout = Checkout::fresh();
    fs::write(
        checkout.source(),
        "//! Never ready.\nfn main() {\n    loop {\n        std::thread::park();\n    }\n}\n",
    )
    .expect("a source");
    let mut terminal = checkout.watch_in_a_terminal();
    sees(&mut terminal, " checking");
    presses(&mut terminal, "h");
    sees(&mut terminal, "1. What to look at");
    presses(&mut terminal, "\u{3}");
    terminal.exp_eof().expect("it ends");
}

/// Whatever ends it, the cursor is shown again and the first screen is back.
#[test]
fn the_terminal_is_given_back() {
    for end in ["q", "\u{3}", "signal"] {
        let checkout = Checkout::fresh();
        let mut command = checkout.watch();
        command.env("TERM", "xterm-256color");
        let options = Options::new()
            .timeout_ms(PATIENCE)
            .strip_ansi_escape_codes(false);
        let mut terminal = spawn_with_options(command, options).expect("a terminal");
        sees(&mut terminal, "\u{1b}[?1049h");
        sees(&mut terminal, "q quit");
        match end {
            "signal" => {
                let asked = terminal.process_mut().signal(Signal::SIGTERM);
                asked.expect("it runs");
            }
            keys => presses(&mut terminal, keys),
        }
        sees(&mut terminal, "\u{1b}[?25h");
        sees(&mut terminal, "\u{1b}[?1049l");
        terminal.exp_eof().expect("it ends");
    }
}

#[test]
fn without_a_terminal_there_are_plain_lines() {
    let checkout = Checkout::fresh();
    let mut watch = checkout.watch();
    // Looking at the files again and again is another way to the same.
    let watch = watch
        .env("COURSE_POLL", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut watch = watch.stderr(Stdio::null()).spawn().expect("it starts");
    let lines = BufReader::new(watch.stdout.take().expect("a pipe")).lines();
    let (tell, said) = channel();
    thread::spawn(move || {
        lines
            .map_while(Result::ok)
            .try_for_each(|line| tell.send(line))
    });
    let until = |end: &str| {
        let mut text = String::new();
        while !text.contains(end) {
            let line = said.recv_timeout(Duration::from_secs(300));
            text += &(line.unwrap_or_else(|_| panic!("no {end:?}:\n{text}")) + "\n");
        }
        text
    };
    let text = until("as expected for a fresh start");
    assert!(
        text.starts_with("watching exercises/06-lines/src/main.rs, looking five times a second"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text}");
    checkout.save("wrong/has_no_limit");
    until("18 of 20.");
    watch.kill().expect("it runs");
    watch.wait().expect("it ends");
}
