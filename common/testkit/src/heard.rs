//! What was logged: the lines of the engine, kept so that a test can show that a fault was told of.

use std::io::Write;
use std::sync::{Mutex, Once, PoisonError};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The log of this process from a moment on. Tests of one process that listen at the same time hear each other.
#[derive(Debug)]
pub struct Heard {
    from: usize,
}

impl Heard {
    /// Listens from now on, at level `info`.
    #[must_use]
    pub fn listen() -> Self {
        static LISTENING: Once = Once::new();
        LISTENING.call_once(|| {
            let ear = tracing_subscriber::fmt().with_env_filter("info").with_ansi(false).with_writer(|| Ear);
            // somebody else's log would leave nothing to be heard, and every test that wants a line would say so
            drop(ear.try_init());
        });
        Self { from: LINES.lock().unwrap_or_else(PoisonError::into_inner).len() }
    }

    /// The first line with all these words, if there is one.
    #[must_use]
    pub fn line(&self, words: &[&str]) -> Option<String> {
        let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().skip(self.from).find(|line| words.iter().all(|word| line.contains(word))).cloned()
    }
}

struct Ear;

impl Write for Ear {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        if std::env::var_os("KEZEK_TEST_LOG").is_some() {
            std::io::stderr().write_all(line)?;
        }
        LINES.lock().unwrap_or_else(PoisonError::into_inner).push(String::from_utf8_lossy(line).into_owned());
        Ok(line.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
