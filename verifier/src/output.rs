//! Everything that the program prints: the answer to standard output, progress and failures to standard error.

use std::io::Write as _;

use crate::Progress;
use crate::plain::hides;
use indicatif::{ProgressBar, ProgressStyle};

/// Prints the answer.
///
/// # Errors
/// When standard output cannot take it.
pub(crate) fn print(answer: &str) -> Result<(), std::io::Error> {
    let mut output = std::io::stdout().lock();
    output.write_all(answer.as_bytes())?;
    output.flush()
}

/// Prints an answer for people: what could move the cursor, or turn the direction of writing, is written out.
///
/// # Errors
/// As [`print`].
pub(crate) fn say(answer: &str) -> Result<(), std::io::Error> {
    print(&printable(answer))
}

/// A text in which nothing but line ends acts on a terminal.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if (character.is_control() && character != '\n') || hides(character) {
            printable.extend(character.escape_unicode());
        } else {
            printable.push(character);
        }
    }
    printable
}

/// Says why there is no answer, and what to do now.
pub(crate) fn failure(what: &str, hint: &str) {
    // Nobody is left to tell when standard error is gone too; the exit code says it.
    let _ = writeln!(std::io::stderr().lock(), "exhibit-verify: {}\n{hint}", printable(what));
}

/// A bar on a terminal, and nothing elsewhere.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new() -> Self {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
        let bar = ProgressBar::new(0);
        Self(match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    pub(crate) fn show(&self, progress: Progress) {
        match progress {
            Progress::Files(done) => {
                self.0.set_message("files");
                self.0.set_position(done);
            }
            Progress::Entries(done, size) => {
                self.0.set_message("entries");
                self.0.set_length(size.0);
                self.0.set_position(done);
            }
        }
    }

    /// Says what is done now that has no measure.
    pub(crate) fn say(&self, what: &'static str) {
        self.0.set_message(what);
        self.0.tick();
    }

    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn nothing_acts_on_a_terminal() {
        assert_eq!(printable("a\nb ü"), "a\nb ü");
        assert_eq!(printable("\u{1b}[2KSAME\r\u{202e}x"), "\\u{1b}[2KSAME\\u{d}\\u{202e}x");
    }
}
