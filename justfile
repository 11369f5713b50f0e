# Needs just 1.29 or later.

# PowerShell is on every Windows; a POSIX shell is not.
set windows-shell := ["powershell.exe", "-NoLogo", "-NoProfile", "-Command"]

[private]
default:
    @just --list --unsorted

# Show the steps at work, or one step: just tour accept
[group('learn')]
[no-exit-message]
tour *step:
    @cargo tour {{ step }}

# Run a step in the foreground: just step respond --prefix 'you said: '
[group('learn')]
[no-exit-message]
[positional-arguments]
[unix]
step name *arguments:
    @cargo course step "$@"

# Run a step in the foreground: just step respond --bind 127.0.0.1:8080
[group('learn')]
[no-exit-message]
[windows]
step name *arguments:
    @cargo course step {{ name }} {{ arguments }}

# Show what a step adds to another: just diff accept receive
[group('learn')]
[no-exit-message]
diff from to:
    @cargo course diff {{ from }} {{ to }}

# List the steps
[group('learn')]
list:
    @cargo course list

# Run every test
[group('check')]
test *arguments:
    cargo test {{ arguments }}

# Check formatting, lints and the harness's docs
[group('check')]
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo rustdoc --package harness -- -D warnings

# Everything that must pass before a push
[group('check')]
ci: lint test

# Repeat every test beside processes that burn every core
[group('measure')]
stress *arguments:
    cargo course stress {{ arguments }}

# Measure how long a learner waits
[group('measure')]
bench-loop:
    cargo course bench-loop
