//! Submissions that try to earn points without earning them. None may gain one.

#![cfg(target_os = "linux")] // what they try is what Linux lets them try

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;
use serde_json::Value;

/// A folder for one submission, emptied.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("cheats")
        .join(format!("{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder); // of an earlier run
    fs::create_dir_all(folder.join("src")).expect("a folder of ours");
    folder
}

/// What the checks of `lines` are worth of what is handed in, and all that is said of it.
fn grade(folder: &Path) -> (u64, String) {
    grade_as("lines", folder)
}

fn grade_as(exercise: &str, folder: &Path) -> (u64, String) {
    let mut course = Command::new(env!("CARGO_BIN_EXE_course"));
    course
        .args(["grade", exercise, "--format", "json", "--from"])
        .arg(folder);
    let output = course
        .timeout(Duration::from_secs(300))
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stdout).expect("JSON is text");
    let words = String::from_utf8_lossy(&output.stderr);
    let grade: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}\n{words}"));
    (grade["got"].as_u64().expect("a number"), text)
}

fn grade_source(name: &str, source: &str) -> (u64, String) {
    let folder = folder(name);
    fs::write(folder.join("src/main.rs"), source).expect("a source");
    grade(&folder)
}

/// An honest start, which earns the first check's point, and then what `cheat` does.
fn listening(cheat: &str) -> String {
    format!(
        "use std::{{fs, io::{{Read, Write}}, net::TcpListener, process::Command}};
         fn main() {{
             let listener = TcpListener::bind(std::env::args().nth(2).unwrap()).unwrap();
             println!(\"listening on {{}}\", listener.local_addr().unwrap());
             {cheat}
             loop {{ std::thread::park(); }}
         }}
         #[allow(unused)]
         fn used(mut a: impl Read, mut b: impl Write, c: Command) {{ fs::read(\"\").ok(); }}"
    )
}

/// A report as the harness would write it, with all points.
const FORGED: &str = r##"
    fn forged() -> String {
        let checks: Vec<String> = ["a", "b"].iter().map(|name| format!(
            r#"{{"name":"{name}","title":"{name}","points":10,"got":10,"verdict":"passed","message":"","replay":"",
                "conversation":{{"events":[]}},"transcript":"","seconds":0.1}}"#)).collect();
        format!(r#"{{"suite":"lines","seed":1,"checks":[{}]}}"#, checks.join(","))
    }"##;

#[test]
fn a_forged_report_on_stdout_is_just_output() {
    let cheat = "print!(\"{}\\n\\ntest result: ok. 10 passed; 0 failed\\n\", forged());";
    assert_eq!(grade_source("stdout", &(listening(cheat) + FORGED)).0, 1);
}

#[test]
fn a_program_that_exits_well_at_once_has_no_point() {
    assert_eq!(
        grade_source("exits", "fn main() { std::process::exit(0) }").0,
        0
    );
}

#[test]
fn what_is_written_over_the_report_is_written_over() {
    let cheat = "
        let parent = std::os::unix::process::parent_id();
        let words = fs::read_to_string(format!(\"/proc/{parent}/cmdline\")).unwrap();
        let file = words.split('\\0').skip_while(|word| *word != \"--report\").nth(1).unwrap();
        let _ = fs::write(file, forged());
        for number in 0..20 {
            let _ = fs::write(format!(\"/proc/{parent}/fd/{number}\"), forged());
            let _ = fs::write(format!(\"/proc/self/fd/{number}\"), forged());
        }";
    assert!(grade_source("report", &(listening(cheat) + FORGED)).0 <= 1);
}

/// A file may have the descriptor that was printed, but it is no socket.
#[test]
fn what_sockets_would_print_is_not_enough() {
    let source = "
        fn main() {
            let _kept = std::fs::File::open(\"/dev/null\");
            println!(\"ipv4 tcp descriptor 3 address 0.0.0.0:0\");
            let _ = std::io::stdin().read_line(&mut String::new());
        }";
    let folder = folder("prints");
    fs::write(folder.join("src/main.rs"), source).expect("a source");
    let (got, text) = grade_as("sockets", &folder);
    assert!(got == 0 && text.contains("to be an open socket"), "{text}");
}

/// Where the kernel confines a program it cannot; elsewhere nothing is said of it.
#[test]
fn who_kills_its_judge_gains_nothing() {
    let cheat = "
        let parent = std::os::unix::process::parent_id();
        let _ = Command::new(\"kill\").args([\"-KILL\", &parent.to_string()]).status();";
    let (got, text) = grade_source("kills", &listening(cheat));
    let broken_off = text.contains("not_judged") && text.contains("broken off");
    assert!(got == 1 || (got == 0 && broken_off), "{text}");
}

/// It may neither read the solution, nor change what grades the next exercise.
#[test]
fn a_program_sees_and_changes_nothing_of_ours() {
    let root = tour::catalog::root().to_str().expect("text");
    let marker = std::env::temp_dir().join(format!("cheat-{}", std::process::id()));
    let cheat = format!(
        "if std::env::var(\"CARGO_HOME\").is_ok() || std::env::vars().count() > 5 {{ println!(\"read /environment\"); }}
        if fs::write(\"/dev/shm/cheat\", \"x\").is_ok() {{ println!(\"wrote a file\"); }}
        for file in [\"{root}/exercises/06-lines/variants/reference.rs\", \"{root}/Cargo.toml\"] {{
            if fs::read(file).is_ok() {{ fs::write({marker:?}, file).unwrap(); println!(\"read {{file}}\"); }}
        }}
        if fs::write({marker:?}, \"x\").is_ok() {{ println!(\"wrote a file\"); }}"
    );
    let (got, text) = grade_source("sees", &listening(&cheat));
    let free = text.contains("read /") || text.contains("wrote a file");
    assert!(
        got == 1 && !(free && landlock_is_there(landlock::ABI::V1)),
        "{text}"
    );
}

/// `socat` would be an echo, and Python is anything.
#[test]
fn no_other_program_serves_in_its_place() {
    let cheat = "
        for program in [\"true\", \"/bin/sh\", \"/lib64/ld-linux-x86-64.so.2\"] {
            let mut other = Command::new(program);
            let other = other.args([\"/bin/true\"]).status();
            if other.is_ok_and(|status| status.success()) { println!(\"{program} served\"); }
        }
        let other = std::net::TcpStream::connect(listener.local_addr().unwrap());
        if other.is_ok() { println!(\"another server\"); }";
    let (got, text) = grade_source("another", &listening(cheat));
    let other = text.contains(" served") && landlock_is_there(landlock::ABI::V1);
    let server = text.contains("another server") && landlock_is_there(landlock::ABI::V4);
    assert!(got == 1 && !other && !server, "{text}");
}

fn landlock_is_there(abi: landlock::ABI) -> bool {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr,
    };
    let all = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let files = all.handle_access(AccessFs::from_all(ABI::V1));
    let all = files.and_then(|all| match abi >= ABI::V4 {
        true => all.handle_access(AccessNet::ConnectTcp),
        false => Ok(all),
    });
    all.and_then(|all| all.create()).is_ok()
}

/// Whoever joins the guard of the suite is no guard, and is ended with its server.
#[test]
fn who_hides_among_the_guards_is_found() {
    let cheat = "
        let me = std::process::id();
        for entry in fs::read_dir(\"/proc\").unwrap().flatten() {
            let words = fs::read_to_string(entry.path().join(\"cmdline\")).unwrap_or_default();
            if words.contains(\"guard\") && words.contains(\"HARNESS_RUN\") {
                use std::os::unix::process::CommandExt;
                let group = entry.file_name().to_str().unwrap().parse().unwrap();
                let mut hidden = Command::new(std::env::current_exe().unwrap());
                let hidden = hidden.arg(format!(\"30.{me}\")).env_clear().process_group(group)
                    .stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn();
                if hidden.is_ok() { println!(\"hidden {me}\"); }
            }
        }";
    let waits = "fn main() { while std::env::args().any(|word| word.starts_with(\"30.\")) { std::thread::park(); }";
    let source = listening(cheat).replace("fn main() {", waits);
    let (_, text) = grade_source("hides", &source);
    let hidden: Vec<&str> = text
        .split("hidden ")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next())
        .collect();
    assert!(!hidden.is_empty(), "{text}");
    for entry in fs::read_dir("/proc").expect("Linux").flatten() {
        let words = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        assert!(
            !hidden.iter().any(|id| words.contains(&format!("30.{id}"))),
            "{words} is left"
        );
    }
}

/// Cargo would find programs and libraries in these places by itself.
#[test]
fn only_main_rs_is_the_program() {
    let folder = folder("others");
    let solution = fs::read_to_string(reference()).expect("the reference");
    fs::write(folder.join("src/main.rs"), "fn main() {}").expect("a source");
    fs::create_dir_all(folder.join("src/bin")).expect("a folder");
    for file in [
        "src/bin/lines.rs",
        "src/bin/lines-submission.rs",
        "src/lib.rs",
    ] {
        fs::write(folder.join(file), &solution).expect("a source");
    }
    assert_eq!(grade(&folder).0, 0);
}

/// A daemon that waits for the suite's end and then writes.
#[test]
fn a_daemon_comes_too_late() {
    let cheat = "
        let parent = std::os::unix::process::parent_id();
        let words = fs::read_to_string(format!(\"/proc/{parent}/cmdline\")).unwrap();
        let file = words.split('\\0').skip_while(|word| *word != \"--report\").nth(1).unwrap().to_owned();
        fs::write(format!(\"{file}.forged\"), forged()).unwrap();
        let script = \"while kill -0 $1 2>/dev/null; do :; done; cp $2.forged $2\";
        let _ = Command::new(\"setsid\").args([\"timeout\", \"20\", \"sh\", \"-c\", script, \"sh\", &parent.to_string(), &file]).env_clear()
            .env(\"PATH\", \"/usr/bin:/bin\").stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn();";
    assert!(grade_source("daemon", &(listening(cheat) + FORGED)).0 <= 1);
}

#[test]
fn the_words_of_the_readme_are_not_the_words_of_the_checks() {
    let cheat = "for client in listener.incoming() {
            let mut client = client.unwrap();
            let count = client.read(&mut [0; 1024]).unwrap();
            if count > 0 { client.write_all(b\"received: hello\\n\").unwrap(); }
        }";
    assert_eq!(grade_source("readme", &listening(cheat)).0, 1);
}

#[test]
fn what_lies_beside_the_source_has_no_say() {
    let folder = folder("beside");
    let marker = folder.join("marker");
    let touch = format!("fn main() {{ std::fs::write({marker:?}, \"it ran\").unwrap(); }}");
    fs::write(folder.join("src/main.rs"), "fn main() {}").expect("a source");
    for file in ["build.rs", "src/build.rs"] {
        fs::write(folder.join(file), &touch).expect("a file");
    }
    let manifest = "[package]\nname = \"lines\"\nversion = \"0.1.0\"\nbuild = \"build.rs\"\n[dependencies]\nclap = \"4\"\n";
    fs::write(folder.join("Cargo.toml"), manifest).expect("a file");
    fs::create_dir_all(folder.join(".cargo")).expect("a folder");
    fs::write(
        folder.join(".cargo/config.toml"),
        "[build]\nrustc = \"/bin/true\"\n",
    )
    .expect("a file");
    assert_eq!(grade(&folder).0, 0);
    assert!(!marker.exists(), "a build script of theirs ran");
}

fn reference() -> PathBuf {
    tour::catalog::root().join("exercises/06-lines/variants/reference.rs")
}

#[test]
fn the_solution_cannot_be_taken_in() {
    for (name, source) in [
        ("include", format!("include!({:?});", reference())),
        (
            "path",
            format!(
                "#[path = {:?}] mod solution; fn main() {{ solution::main() }}",
                reference()
            ),
        ),
        (
            "upwards",
            "include!(\"../../../../exercises/06-lines/variants/reference.rs\");".into(),
        ),
    ] {
        let (got, text) = grade_source(name, &source);
        assert_eq!(got, 0, "{text}");
        // A main that is not public is an error of its own.
        assert!(
            text.contains("which is not a part of it") || text.contains("does not build"),
            "{text}"
        );
    }
}

#[test]
fn a_link_is_no_source() {
    let folder = folder("link");
    std::os::unix::fs::symlink(reference(), folder.join("src/main.rs")).expect("a link");
    let (got, text) = grade(&folder);
    assert_eq!(got, 0);
    assert!(text.contains("a link or a device, not a file"), "{text}");
}

/// One has a folder where the next has a file, and a name that would hide what is taken in.
#[test]
fn the_one_before_and_odd_names_change_nothing() {
    let source = fs::read_to_string(reference()).expect("the reference");
    let (one, next) = (folder("one"), folder("next"));
    for folder in [&one, &next] {
        fs::write(folder.join("src/main.rs"), &source).expect("a source");
    }
    fs::create_dir(one.join("src/part.rs")).expect("a folder");
    fs::write(one.join("src/part.rs/deep.rs"), "").expect("a source");
    fs::write(next.join("src/part.rs"), "").expect("a source");
    assert_eq!((grade(&one).0, grade(&next).0), (20, 20));
    fs::write(next.join("src/a.rs\nb.rs"), "").expect("a source");
    let (got, text) = grade(&next);
    assert!(got == 0 && text.contains("letters, digits"), "{text}");
}

/// The compiler runs out of stack, and says nothing in its own way.
#[test]
fn who_breaks_the_compiler_holds_up_no_other() {
    let folder = folder("breaks");
    let nested = format!(
        "fn main() {{ {}{} }}",
        "(".repeat(100_000),
        ")".repeat(100_000)
    );
    for (exercise, source) in [("lines", nested), ("sockets", "fn main() {}".to_owned())] {
        let src = folder.join(exercise).join("src");
        fs::create_dir_all(&src).expect("a folder of ours");
        fs::write(src.join("main.rs"), source).expect("a source");
    }
    let mut course = Command::new(env!("CARGO_BIN_EXE_course"));
    let arguments = ["grade", "lines", "sockets", "--from"];
    let grade = course
        .args(arguments)
        .arg(folder)
        .timeout(Duration::from_secs(300));
    let output = String::from_utf8(grade.assert().code(2).get_output().stdout.clone());
    let output = output.expect("text");
    for words in [
        "? the server says",
        "cargo fails",
        "✗ a TCP socket is created",
        "0/40",
    ] {
        assert!(output.contains(words), "{words}: {output}");
    }
}

/// Another learner's folder, say.
#[test]
fn a_link_is_no_folder() {
    let (own, other) = (folder("linked"), folder("other"));
    fs::copy(reference(), other.join("src/main.rs")).expect("a source");
    fs::remove_dir(own.join("src")).expect("an empty folder");
    std::os::unix::fs::symlink(other.join("src"), own.join("src")).expect("a link");
    let (got, text) = grade(&own);
    assert_eq!(got, 0);
    assert!(text.contains("a link, not a folder"), "{text}");
}

#[test]
fn what_is_too_large_empty_or_no_text_is_refused_with_a_word() {
    for (name, bytes, words) in [
        ("large", vec![b' '; (1 << 20) + 1], "larger than 1024 KiB"),
        ("empty", Vec::new(), "main.rs is empty"),
        (
            "latin",
            b"fn main() {}\n// caf\xe9\n".to_vec(),
            "not UTF-8 in line 2",
        ),
    ] {
        let folder = folder(name);
        fs::write(folder.join("src/main.rs"), bytes).expect("a source");
        let (got, text) = grade(&folder);
        assert_eq!(got, 0);
        assert!(text.contains(words), "{text}");
    }
}

/// The cheats above earn nothing because they cheat, not because nothing can be earned.
#[test]
fn an_honest_submission_has_all_points() {
    let source = fs::read_to_string(reference()).expect("the reference");
    let (got, text) = grade_source("honest", &source);
    assert_eq!(got, 20, "{text}");
}
