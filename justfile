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

# Put the same load on the steps that echo, and compare them: just race threads async
[group('learn')]
[no-exit-message]
[positional-arguments]
[unix]
race *arguments:
    @cargo course race "$@"

# Put the same load on the steps that echo, and compare them: just race threads async
[group('learn')]
[no-exit-message]
[windows]
race *arguments:
    @cargo course race {{ arguments }}

# List the steps and the exercises, and how far you are
[group('learn')]
list:
    @cargo course list

# Read the book: build it, serve it and open it in a browser
[group('learn')]
[no-exit-message]
read:
    @cargo course book --read

# Check an exercise on every save; without a name, the first that is not passed
[group('practise')]
[no-exit-message]
watch *exercise:
    @cargo course watch {{ exercise }}

# Check an exercise once: just check lines
[group('practise')]
[no-exit-message]
[positional-arguments]
[unix]
check exercise *arguments:
    @cargo course check "$@"

# Check an exercise once: just check lines
[group('practise')]
[no-exit-message]
[windows]
check exercise *arguments:
    @cargo course check {{ exercise }} {{ arguments }}

# Run an exercise in the foreground: just run lines --bind 127.0.0.1:8080
[group('practise')]
[no-exit-message]
run exercise *arguments:
    @cargo course run {{ exercise }} {{ arguments }}

# Show the next hint of an exercise
[group('practise')]
[no-exit-message]
hint exercise *arguments:
    @cargo course hint {{ exercise }} {{ arguments }}

# Play the client's part of one check: just replay lines several-lines
[group('practise')]
[no-exit-message]
[positional-arguments]
[unix]
replay exercise check *arguments:
    @cargo course replay "$@"

# Play the client's part of one check: just replay lines several-lines
[group('practise')]
[no-exit-message]
[windows]
replay exercise check *arguments:
    @cargo course replay {{ exercise }} {{ quote(check) }} {{ arguments }}

# Show the solution of an exercise that you have passed
[group('practise')]
[no-exit-message]
solution exercise *arguments:
    @cargo course solution {{ exercise }} {{ arguments }}

# Start an exercise afresh; what you had is kept
[group('practise')]
[no-exit-message]
reset exercise:
    @cargo course reset {{ exercise }}

# Look for what could stand in your way on this machine
[group('practise')]
[no-exit-message]
doctor:
    @cargo course doctor

# Grade exercises: just grade --format gradescope --out results.json
[group('teach')]
[no-exit-message]
[positional-arguments]
[unix]
grade *arguments:
    @cargo course grade "$@"

# Grade exercises: just grade --format gradescope --out results.json
[group('teach')]
[no-exit-message]
[windows]
grade *arguments:
    @cargo course grade {{ arguments }}

# Build the book, into target/book
[group('write')]
[no-exit-message]
book:
    @cargo course book

# Make anew what the book shows of runs; read the diff before you commit
[group('write')]
[no-exit-message]
bless *arguments:
    @cargo course bless {{ arguments }}

# Run every test
[group('check')]
test *arguments:
    cargo test {{ arguments }}

# Check formatting, lints and the harness's docs
[group('check')]
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo clippy --workspace --test browser --test cheats --test watch -- -D warnings
    cargo rustdoc --package harness -- -D warnings

# Throw random input at the protocols for a while: FUZZ_SECONDS=600 just fuzz
[group('check')]
fuzz:
    cargo test --release --workspace --test properties -- --ignored --nocapture

# Prove the exercises: starters fail, references pass, mistakes are caught
[group('check')]
verify *arguments:
    cargo course verify {{ arguments }}

# Attack the grader with submissions that cheat, and drive the watch screen
[group('check')]
test-grader:
    cargo test --package course --test cheats --test watch

# Open the book and what steps serve in Chromium, if there is one; screenshots go to target/book-screenshots
[group('check')]
test-book:
    cargo test --workspace --test browser

# Everything that must pass before a push
[group('check')]
ci: lint test test-grader (verify "--fresh") (bless "--check") test-book

# Repeat every test beside processes that burn every core
[group('measure')]
stress *arguments:
    cargo course stress {{ arguments }}

# Measure how long a learner waits
[group('measure')]
bench-loop:
    cargo course bench-loop

# Measure the protocol steps beside nginx, vsftpd and Python's http.server
[group('measure')]
bench-protocols *arguments:
    cargo course bench-protocols {{ arguments }}

# Measure the steps that echo beside servers in C and Python
[group('measure')]
bench-models *arguments:
    cargo course race --peers --rounds 5 {{ arguments }}
