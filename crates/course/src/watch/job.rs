//! Work that goes on while the keys are heard: building and judging.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use harness::Report;

use crate::check::{self, Trouble};
use crate::progress::Progress;
use crate::suite::Stopper;
use tour::catalog::Lesson;

/// What came of judging an exercise.
pub enum Verdict {
    Judged {
        report: Report,
        warnings: String,
        fresh: bool,
    },
    DoesNotBuild(String),
    Trouble(String),
}

/// The answer to one job.
pub struct Done {
    pub number: u64,
    pub exercise: Lesson,
    pub verdict: Verdict,
    /// Since it was asked for.
    pub took: Duration,
}

/// Judges one exercise after the other; a newer job ends an older one.
pub struct Jobs {
    tell: Sender<Done>,
    number: u64,
    current: Arc<Mutex<Current>>,
}

#[derive(Default)]
struct Current {
    number: u64,
    stopper: Option<Stopper>,
}

impl Jobs {
    /// Answers go to `tell`.
    pub fn new(tell: Sender<Done>) -> Self {
        Self {
            tell,
            number: 0,
            current: Arc::default(),
        }
    }

    /// Starts to judge these. Returns the number that the answers will have.
    pub fn start(&mut self, exercises: Vec<Lesson>, asked: Instant) -> u64 {
        self.stop();
        self.number += 1;
        let (number, tell, current) = (self.number, self.tell.clone(), Arc::clone(&self.current));
        lock(&current).number = number;
        thread::spawn(move || {
            for exercise in exercises {
                let verdict = judge(&exercise, number, &current);
                if lock(&current).number != number {
                    return; // a newer job has taken over
                }
                if let Verdict::Judged { report, .. } = &verdict {
                    let _ = Progress::reach(&exercise.name, report); // that it is not remembered stops nothing
                }
                let _ = tell.send(Done {
                    number,
                    exercise,
                    verdict,
                    took: asked.elapsed(),
                }); // nobody may wait
            }
        });
        number
    }

    /// Ends what is going on.
    pub fn stop(&self) {
        let mut current = lock(&self.current);
        current.number = 0;
        if let Some(stopper) = current.stopper.take() {
            stopper.stop();
        }
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lock(current: &Mutex<Current>) -> std::sync::MutexGuard<'_, Current> {
    current.lock().unwrap_or_else(PoisonError::into_inner)
}

fn judge(exercise: &Lesson, number: u64, current: &Mutex<Current>) -> Verdict {
    let ready = match check::prepare(exercise, super::LOOK) {
        Ok(ready) => ready,
        Err(Trouble::DoesNotBuild(text)) => return Verdict::DoesNotBuild(text),
        Err(Trouble::Other(error)) => return Verdict::Trouble(format!("{error:#}")),
    };
    let run = match ready.suite(exercise).start() {
        Ok(run) => run,
        Err(error) => return Verdict::Trouble(format!("{error:#}")),
    };
    {
        let mut current = lock(current);
        if current.number != number {
            return Verdict::Trouble("broken off".to_owned());
        }
        current.stopper = Some(run.stopper());
    }
    match run.wait() {
        Ok(report) => Verdict::Judged {
            report,
            warnings: ready.warnings,
            fresh: check::is_fresh(exercise),
        },
        Err(error) => Verdict::Trouble(format!("{error:#}")),
    }
}
