//! A server that hands on to others what one client says: one talks, one listens, and one does not.

use std::time::Instant;

use crate::bytes::Excerpt;
use crate::client::{Client, wait_for, write_all};
use crate::conversation::What;
use crate::failure::Failure;
use crate::kernel;
use crate::patience::PATIENCE;
use crate::program::CHECK;

/// What a client has said by then is more than any kernel keeps for one that does not read.
const MOST: usize = 16 << 20;

/// What a listener has heard.
#[derive(Clone, Copy, PartialEq)]
enum Heard {
    All,
    /// All, and the news behind so many bytes of it, between two lines.
    NewsAt(usize),
}

impl Client {
    /// Says `piece` again and again, each time when `listener` has heard it as `heard` and the server sleeps, until the
    /// kernel takes no more of it for `reader`, which does not read: what comes from now on waits in the server. It ends
    /// as well if `reader` is cut off, and where the system does not tell.
    ///
    /// In the conversation stands one line for all of it: say nothing but `x`. The server must be able to keep three
    /// pieces.
    #[track_caller]
    pub fn talk_until_stuck(
        mut self,
        piece: &[u8],
        mut listener: Self,
        heard: &[u8],
        reader: &Self,
    ) -> (Self, Self) {
        let mut before = 0;
        let expected = "a server that stops sending to one that does not read";
        self.talk(piece, expected, |asleep| {
            listener.hear(heard, None)?;
            let rests = asleep();
            let unsent = kernel::unsent(reader.address(), listener.target.address);
            let is_stuck = unsent.is_none_or(|unsent| rests && unsent > 0 && unsent == before);
            before = unsent.unwrap_or_default();
            Ok(is_stuck)
        });
        (self, listener)
    }

    /// Says `piece` again and again, each time when all `listeners` have heard it as `heard` and the server sleeps, until
    /// they hear the line `news` as well. Fails the check if one hears it behind another line than the others, or has not
    /// heard it after 16 MiB.
    #[track_caller]
    pub fn talk_until_told<const LISTENERS: usize>(
        mut self,
        piece: &[u8],
        mut listeners: [Self; LISTENERS],
        heard: &[u8],
        news: &str,
    ) -> (Self, [Self; LISTENERS]) {
        let news = format!("{news}\n");
        let names: Vec<String> = listeners.iter().map(|one| one.name().to_owned()).collect();
        let names = names.join(" and ");
        let expected = format!("\"{}\" for {names}", news.escape_debug());
        self.talk(piece, &expected, |asleep| {
            let hear = |one: &mut Self| one.hear(heard, Some(news.as_bytes()));
            let heard: Vec<Heard> = listeners.iter_mut().map(hear).collect::<Result<_, _>>()?;
            asleep();
            if heard.iter().any(|one| *one != heard[0]) {
                let expected = format!("the same lines in the same order for {names}");
                let news = news.escape_debug();
                let got = format!("\"{news}\" before a line for one, and behind it for the other");
                return Err(Failure::new(expected, got));
            }
            Ok(matches!(heard.first(), Some(Heard::NewsAt(_))))
        });
        for listener in &listeners {
            listener.record(What::Received {
                bytes: Excerpt::of(news.as_bytes()),
            });
        }
        (self, listeners)
    }

    /// Says `piece` until it `is_over`, and puts all of it into the conversation as one. `is_over` may wait until the
    /// server sleeps, and learns whether it does: what it has to send is sent then, or waits.
    #[track_caller]
    fn talk(
        &mut self,
        piece: &[u8],
        expected: &str,
        mut is_over: impl FnMut(&dyn Fn() -> bool) -> Result<bool, Failure>,
    ) {
        let target = self.target.clone();
        let asleep = || {
            wait_for(PATIENCE, || target.asleep());
            target.asleep()
        };
        let mut said = 0;
        let ended = loop {
            if write_all(&self.stream, piece, &self.target).is_err() {
                let got = "a connection that takes nothing any more";
                break Err(Failure::new("a server that goes on reading", got));
            }
            said += piece.len();
            match is_over(&asleep) {
                Ok(false) if said >= MOST => {
                    let got = format!("no such thing in {} MiB", MOST >> 20);
                    break Err(Failure::new(expected, got));
                }
                Ok(false) if Instant::now() > self.target.give_up => {
                    let got = format!("no such thing in {} s", CHECK.as_secs());
                    break Err(Failure::new(expected, got));
                }
                Ok(false) => {}
                Ok(true) => break Ok(()),
                Err(failure) => break Err(failure),
            }
        };
        self.sent += said as u64;
        // How much it was is up to the kernel: see `stable_lines` in report.rs.
        let bytes = Excerpt {
            length: said,
            head: "xxx".into(),
            tail: "xxx".into(),
        };
        self.record(What::Sent { bytes });
        if let Err(failure) = ended {
            failure.raise();
        }
    }

    /// Expects `heard` next, and perhaps `news` between two lines of it.
    fn hear(&mut self, heard: &[u8], news: Option<&[u8]>) -> Result<Heard, Failure> {
        let mut got = self.take(heard.len())?;
        let Some(at) = got.iter().zip(heard).position(|(got, heard)| got != heard) else {
            return Ok(Heard::All);
        };
        let line = heard[..at].iter().rposition(|byte| *byte == b'\n');
        let line = line.map_or(0, |end| end + 1);
        // It stands between two lines, and perhaps not all of it has been read.
        let is_news = |news: &&[u8]| {
            let length = news.len().min(got.len() - line);
            got[line..].starts_with(&news[..length])
        };
        if let Some(news) = news.filter(is_news) {
            got.extend(self.take(news.len())?);
            if got[line + news.len()..] == heard[line..] {
                return Ok(Heard::NewsAt(line));
            }
        }
        let end = got[line..].iter().position(|byte| *byte == b'\n');
        let got = Excerpt::of(&got[line..end.map_or(got.len(), |end| line + end + 1)]);
        let expected = format!("what {} is to hear, and nothing else", self.name());
        Err(Failure::new(expected, got.to_string()))
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, Failure> {
        let (got, ending) = self.fill(length);
        match ending {
            None => Ok(got),
            Some(ending) => {
                let expected = format!("all that {} is to hear", self.name());
                Err(Failure::new(expected, ending.name()))
            }
        }
    }
}
