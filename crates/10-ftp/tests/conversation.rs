//! What a file server says, to clients that keep to the protocol and to those that do not.

#[path = "conversation/changes.rs"]
mod changes;
#[path = "conversation/control.rs"]
mod control;
#[path = "conversation/data.rs"]
mod data;
#[path = "conversation/files.rs"]
mod files;
#[path = "conversation/limits.rs"]
mod limits;
#[path = "conversation/place.rs"]
mod place;

use std::process::ExitCode;

use harness::Suite;

fn main() -> ExitCode {
    Suite::new("ftp", env!("CARGO_BIN_EXE_ftp"))
        .page("docs/src/steps/ftp.md", "What is said")
        .check(place::check("says where it listens", &[], |server, _| {
            server.expect_listens_as_told()
        }))
        .checks(control::login())
        .checks(control::lines())
        .checks(control::settings())
        .checks(data::passive())
        .checks(data::active())
        .checks(data::text())
        .checks(files::fetching())
        .checks(files::listings())
        .checks(files::jail())
        .checks(changes::sending())
        .checks(changes::breaking_off())
        .checks(changes::changes())
        .checks(limits::aborting())
        .checks(limits::patience())
        .checks(limits::rudeness())
        .checks(limits::endings())
        .run()
}
