//! Judges an exercise on every save, and shows what came of it.
//!
//! One thread draws and hears the keys. What takes time (building, judging, a server that is tried out)
//! goes on elsewhere and sends its answer, so nothing that hangs can hold up a key.

pub mod files;
mod job;
mod run;
mod screen;
mod terminal;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::progress::{self, Progress};
use crate::{board, lesson};
use files::Files;
use job::{Done, Jobs};
use run::Running;
use screen::{Filter, Screen, View};
use terminal::Terminal;
use tour::Outcome;
use tour::build::Look;
use tour::catalog::{self, Lesson};

/// How often answers and saved files are looked for; a key is heard at once.
const TICK: Duration = Duration::from_millis(10);
/// One save is several events; it is over when there has been none for this long.
const QUIET: Duration = Duration::from_millis(20);

/// The screen is ours while something is built.
const LOOK: Look = Look {
    colour: true,
    progress: false,
};

/// Watches `name`, or the first exercise that is not passed.
pub fn run(name: Option<&str>) -> Outcome {
    let exercise = match name {
        Some(name) => catalog::exercise(name)?,
        None => first_open()?,
    };
    let files = Files::watch(&catalog::root().join("exercises"), &progress::folder())?;
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return watch_plainly(&exercise, &files);
    }
    let (tell, answers) = channel();
    let mut watch = Watch {
        screen: Screen::new(exercise, files.polls),
        files,
        jobs: Jobs::new(tell),
        answers,
        asked_for: 0,
        saved: None,
    };
    let terminal = Terminal::take().context("cannot use this terminal")?;
    watch.judge(Instant::now());
    while !terminal.asked_to_end() && watch.look(&terminal)? {}
    Ok(ExitCode::SUCCESS)
}

/// The first exercise that is not passed, or the last one.
fn first_open() -> Result<Lesson> {
    let progress = Progress::load()?;
    let mut exercises = catalog::exercises()?;
    let open = exercises
        .iter()
        .position(|exercise| !progress.passes(&exercise.name));
    match exercises.is_empty() {
        true => bail!("there are no exercises"),
        false => Ok(exercises.remove(open.unwrap_or(exercises.len() - 1))),
    }
}

/// For a pipe or a file: the same words, without keys and without a cursor.
fn watch_plainly(exercise: &Lesson, files: &Files) -> Outcome {
    let how = if files.polls {
        ", looking five times a second"
    } else {
        ""
    };
    anstream::println!("watching {}{how}; Ctrl-C ends it\n", exercise.source());
    let (tell, answers) = channel();
    let mut jobs = Jobs::new(tell);
    loop {
        let asked = Instant::now();
        jobs.start(vec![exercise.clone()], asked);
        let done = answers.recv().context("nobody answers")?;
        let verdict = Some(&done.verdict);
        let word = screen::last_word(exercise, verdict)?;
        anstream::println!("{}{word}", screen::verdict(exercise, verdict)?);
        loop {
            let saved = files.wait().context("nothing can be saved any more")?;
            if is_source(exercise, &saved) {
                break;
            }
        }
        let mut last = Instant::now();
        while last.elapsed() < QUIET {
            if files.next().is_some() {
                last = Instant::now();
            }
            std::thread::park_timeout(QUIET / 4);
        }
    }
}

fn is_source(exercise: &Lesson, path: &Path) -> bool {
    path.starts_with(exercise.folder.join("src")) && path.extension().is_some_and(|end| end == "rs")
}

struct Watch {
    screen: Screen,
    files: Files,
    jobs: Jobs,
    answers: Receiver<Done>,
    /// The job whose answers count.
    asked_for: u64,
    /// When the source was saved last, as long as it may be saved again at once.
    saved: Option<(Instant, Instant)>,
}

impl Watch {
    /// Draws, and takes what has happened. Returns whether to go on.
    fn look(&mut self, terminal: &Terminal) -> Result<bool> {
        self.screen.draw(terminal)?;
        if terminal.is_gone_within(TICK)?
            || (event::poll(Duration::ZERO)? && !self.hear(&event::read()?))
        {
            return Ok(false);
        }
        while let Ok(done) = self.answers.try_recv() {
            if done.number == self.asked_for {
                self.screen.take(done)?;
            }
        }
        if let View::Running(running) = &mut self.screen.view
            && running.listen()
        {
            self.screen.redraw();
        }
        self.notice_saves();
        Ok(true)
    }

    /// Takes what the terminal has to say. Returns whether to go on.
    fn hear(&mut self, event: &Event) -> bool {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                return self.key(*key).unwrap_or_else(|error| {
                    self.screen.say(format!("{error:#}"));
                    true
                });
            }
            Event::Resize(..) => self.screen.redraw(),
            _ => {}
        }
        true
    }

    fn notice_saves(&mut self) {
        while let Some(path) = self.files.next() {
            if is_source(&self.screen.exercise, &path) {
                let now = Instant::now();
                let (first, _) = self.saved.unwrap_or((now, now));
                self.saved = Some((first, now));
            }
        }
        if let Some((first, last)) = self.saved
            && last.elapsed() >= QUIET
        {
            self.saved = None;
            let ran = matches!(self.screen.view, View::Running(_));
            self.judge(first);
            if ran {
                self.screen
                    .say("it was saved, so what ran is ended; r runs it again".to_owned());
            }
        }
    }

    /// Passes over what is saved now.
    fn forget_saves(&mut self) {
        let until = Instant::now() + 5 * QUIET;
        while Instant::now() < until {
            while self.files.next().is_some() {}
            std::thread::park_timeout(QUIET);
        }
        self.saved = None;
    }

    /// Judges the exercise; whatever was on the screen makes room.
    fn judge(&mut self, asked: Instant) {
        self.screen.show(View::Board);
        self.screen.working = true;
        self.asked_for = self.jobs.start(vec![self.screen.exercise.clone()], asked);
    }

    fn judge_all(&mut self) -> Result<()> {
        let exercises = catalog::exercises()?;
        self.screen.show(View::List {
            selected: 0,
            filter: Filter::All,
        });
        self.screen.working = true;
        self.asked_for = self.jobs.start(exercises, Instant::now());
        Ok(())
    }

    fn turn_to(&mut self, exercise: Lesson) {
        self.screen.turn_to(exercise);
        self.judge(Instant::now());
    }

    /// Does what a key asks for. Returns whether to go on.
    fn key(&mut self, key: KeyEvent) -> Result<bool> {
        let interrupt =
            key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
        match &self.screen.view {
            View::AskReset if !interrupt => self.answer_reset(key.code),
            View::Running(_)
                if interrupt || matches!(key.code, KeyCode::Esc | KeyCode::Char('r' | 'q')) =>
            {
                self.screen.show(View::Board); // and with the view the program is gone
            }
            _ if interrupt || key.code == KeyCode::Char('q') => return Ok(false),
            _ => {
                if !self.list_key(key.code)? {
                    self.usual_key(key.code)?;
                }
            }
        }
        Ok(true)
    }

    fn usual_key(&mut self, code: KeyCode) -> Result<()> {
        match code {
            KeyCode::Char('n') => self.next()?,
            KeyCode::Char('h') => self.hint()?,
            KeyCode::Char('l') => {
                let list = View::List {
                    selected: self.position()?,
                    filter: Filter::All,
                };
                self.screen.show(list);
            }
            KeyCode::Char('c') => self.judge_all()?,
            KeyCode::Char('d') => self
                .screen
                .show(View::Text(changes(&self.screen.exercise)?)),
            KeyCode::Char('r') => {
                let running = Running::start(&self.screen.exercise);
                self.screen.show(View::Running(running));
            }
            KeyCode::Char('x') => self.screen.show(View::AskReset),
            KeyCode::Esc | KeyCode::Enter => self.screen.show(View::Board),
            KeyCode::Down => self.screen.scroll(1),
            KeyCode::Up => self.screen.scroll(-1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.screen.scroll(10),
            KeyCode::PageUp => self.screen.scroll(-10),
            _ => {}
        }
        Ok(())
    }

    fn answer_reset(&mut self, code: KeyCode) {
        if code != KeyCode::Char('y') {
            self.screen.show(View::Board);
            return self.screen.say("nothing was changed".to_owned());
        }
        let done = lesson::start_afresh(&self.screen.exercise);
        self.judge(Instant::now());
        self.forget_saves(); // they are ours, and would clear the message
        self.screen
            .say(done.unwrap_or_else(|error| format!("{error:#}")));
    }

    /// A key in the list. Returns whether it is one of the list's own.
    fn list_key(&mut self, code: KeyCode) -> Result<bool> {
        let View::List { selected, filter } = &mut self.screen.view else {
            return Ok(false);
        };
        let shown = filter.exercises()?;
        match code {
            KeyCode::Down => *selected = (*selected + 1).min(shown.len().saturating_sub(1)),
            KeyCode::Up => *selected = selected.saturating_sub(1),
            KeyCode::Char('a') => (*filter, *selected) = (Filter::All, 0),
            KeyCode::Char('d') => (*filter, *selected) = (Filter::Done, 0),
            KeyCode::Char('p') => (*filter, *selected) = (Filter::Pending, 0),
            KeyCode::Enter => {
                if let Some(exercise) = shown.into_iter().nth(*selected) {
                    self.turn_to(exercise);
                }
            }
            KeyCode::Esc | KeyCode::Char('l') => self.screen.show(View::Board),
            _ => return Ok(false),
        }
        self.screen.redraw();
        Ok(true)
    }

    fn position(&self) -> Result<usize> {
        let exercises = catalog::exercises()?;
        let here = exercises
            .iter()
            .position(|exercise| exercise.name == self.screen.exercise.name);
        Ok(here.unwrap_or_default())
    }

    /// Turns to the next exercise that does not pass yet; after the last comes the first.
    fn next(&mut self) -> Result<()> {
        let progress = Progress::load()?;
        let mut exercises = catalog::exercises()?;
        exercises.rotate_left(self.position()? + 1);
        exercises.pop(); // this one
        match exercises
            .into_iter()
            .find(|exercise| !progress.passes(&exercise.name))
        {
            Some(next) => self.turn_to(next),
            None => self
                .screen
                .say("there is no other that does not pass; l lists them all".to_owned()),
        }
        Ok(())
    }

    fn hint(&mut self) -> Result<()> {
        let exercise = &self.screen.exercise;
        let hints = lesson::hints(exercise)?;
        let seen = Progress::load()?.of(&exercise.name).hints;
        // After the last one they come again, from the first on.
        let level = match &self.screen.view {
            View::Hint { level, .. } if seen >= hints.len() => *level % hints.len(),
            _ => seen.min(hints.len() - 1),
        };
        Progress::update(&exercise.name, |reached| {
            reached.hints = reached.hints.max(level + 1)
        })?;
        let text = hints[level].clone();
        self.screen.show(View::Hint {
            level: level + 1,
            text,
        });
        Ok(())
    }
}

/// How the exercise differs from the step that it grew from: the first that its README links to.
fn changes(exercise: &Lesson) -> Result<String> {
    let readme = exercise.read("README.md")?;
    let link = readme
        .split("](../../crates/")
        .nth(1)
        .and_then(|link| link.split('/').next());
    let step = catalog::step(link.context("its README links to no step")?)?;
    Ok(format!(
        "{}\n{}",
        board::title(exercise),
        crate::diff::between(&step, exercise)?
    ))
}
