//! What a person sees: the one place that writes to standard output and standard error.
//!
//! Answers go to standard output, everything else (notes, progress, errors, questions) to standard error, so that an
//! answer can be piped. Text that came from elsewhere is written through [`printable`]: nobody's statement moves a cursor.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unused_self,
    reason = "this is the one module that owns both streams; who holds the value may write to them"
)]

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressStyle};

use crate::error::CliError;

/// Bytes of a typed answer at the most; `y` or `n` is expected.
const ANSWER_BYTES_MAX: u64 = 64;

/// The streams of this process.
pub(crate) struct Output {
    terminal: bool,
}

impl Output {
    /// Standard output and standard error.
    pub(crate) fn of_process() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// A line of the answer. A reader that has gone away ends the program quietly, as pipes are used to.
    ///
    /// # Errors
    /// [`CliError::Output`].
    pub(crate) fn line(&mut self, text: &str) -> Result<(), CliError> {
        let mut stream = std::io::stdout().lock();
        writeln!(stream, "{text}")
            .and_then(|()| stream.flush())
            .map_err(CliError::Output)
    }

    /// Bytes of the answer as they are; on a terminal with everything that is no plain text shown as escapes.
    ///
    /// # Errors
    /// [`CliError::Output`].
    pub(crate) fn exact(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        let mut stream = std::io::stdout().lock();
        let written = if stream.is_terminal() {
            writeln!(stream, "{}", shown(bytes))
        } else {
            stream.write_all(bytes)
        };
        written.and_then(|()| stream.flush()).map_err(CliError::Output)
    }

    /// The answer as JSON, one line.
    ///
    /// # Errors
    /// [`CliError::Output`].
    pub(crate) fn json(&mut self, value: &serde_json::Value) -> Result<(), CliError> {
        self.line(&value.to_string())
    }

    /// Something worth knowing that is not the answer. A closed standard error stops nothing.
    pub(crate) fn note(&mut self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// What went wrong, and what to do now.
    pub(crate) fn error(&mut self, error: &CliError) {
        if matches!(error, CliError::Output(cause) if cause.kind() == std::io::ErrorKind::BrokenPipe) {
            return;
        }
        self.note(&format!("error: {error}"));
        if let Some(hint) = error.hint() {
            self.note(&format!("hint: {hint}"));
        }
    }

    /// A bar for long work; drawn on a terminal only.
    pub(crate) fn progress(&self, total: u64, what: &'static str) -> ProgressBar {
        if !self.terminal {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(total).with_style(style).with_message(what)
    }

    /// Asks a question that `y` alone answers with yes.
    ///
    /// # Errors
    /// [`CliError::Unasked`] when there is no terminal to ask on, [`CliError::Output`].
    pub(crate) fn confirm(&mut self, question: &str) -> Result<bool, CliError> {
        let input = std::io::stdin();
        if !input.is_terminal() {
            return Err(CliError::Unasked);
        }
        let mut stream = std::io::stderr();
        write!(stream, "{question} [y/N] ")
            .and_then(|()| stream.flush())
            .map_err(CliError::Output)?;
        let mut answer = String::new();
        std::io::Read::take(input.lock(), ANSWER_BYTES_MAX)
            .read_line(&mut answer)
            .map_err(CliError::Output)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }
}

/// Text with control characters (and those that turn the direction of writing) shown as escapes.
pub(crate) fn printable(text: &str) -> String {
    let hidden = |character: char| {
        (character.is_control() && character != '\n')
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars()
        .map(|character| {
            if hidden(character) {
                character.escape_unicode().to_string()
            } else {
                character.to_string()
            }
        })
        .collect()
}

/// Bytes with what is no text shown as escapes, and the rest through [`printable`].
fn shown(bytes: &[u8]) -> String {
    let chunk =
        |chunk: std::str::Utf8Chunk<'_>| format!("{}{}", printable(chunk.valid()), chunk.invalid().escape_ascii());
    bytes.utf8_chunks().map(chunk).collect()
}

#[cfg(test)]
mod tests {
    use super::{printable, shown};

    #[test]
    fn bytes_that_are_no_text_are_shown_as_escapes() {
        assert_eq!(
            shown(b"Q\0\0SELECT 'caf\xc3\xa9'\xff\x1b"),
            "Q\\u{0}\\u{0}SELECT 'café'\\xff\\u{1b}"
        );
    }

    #[test]
    fn text_from_elsewhere_cannot_steer_a_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(printable("x\u{202e}y"), "x\\u{202e}y");
        assert_eq!(printable("é\n中"), "é\n中");
    }
}
