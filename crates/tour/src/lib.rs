//! The tour, and what every command of the course stands on: finding lessons and building them.
//!
//! A newcomer's first command is `cargo tour`, and it waits for everything that this package needs. So
//! what only the other commands need is in `crates/course`.

pub mod build;
pub mod catalog;
pub mod link;
mod show;

pub use show::run;

/// What a command comes to: an exit status, or an error that ends in a hint.
pub type Outcome = anyhow::Result<std::process::ExitCode>;

/// Says what went wrong, and what to do next.
pub fn complain(error: &anyhow::Error) -> std::process::ExitCode {
    let text = format!("{error:#}");
    let text = text.trim_end();
    anstream::eprintln!("error: {text}");
    // The words of Unix, which cargo passes on.
    for trouble in ["No space left on device", "Read-only file system"] {
        if text.contains(trouble) {
            anstream::eprintln!(
                "hint: make room, or work in a copy elsewhere; builds alone go where CARGO_TARGET_DIR says"
            );
        }
    }
    std::process::ExitCode::FAILURE
}
