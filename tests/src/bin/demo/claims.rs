//! What the demo says: every line is a claim that was checked, and one that does not hold fails the demo.

#![allow(clippy::print_stdout, reason = "this is the one module of the demo that prints")]

use std::process::Command;

use exhibit_tests::HarnessError;

/// The claims so far.
#[derive(Default)]
pub(crate) struct Claims {
    part: String,
    held: usize,
    broken: Vec<String>,
}

impl Claims {
    /// A heading, for the claims that follow.
    pub(crate) fn part(&mut self, title: &str) {
        title.clone_into(&mut self.part);
        println!("\n{title}");
    }

    /// One claim; `shown` tells what was seen when it does not hold.
    pub(crate) fn check(&mut self, claim: &str, holds: bool, shown: &str) {
        if holds {
            self.held += 1;
            println!("  ok    {claim}");
        } else {
            self.broken.push(format!("{}: {claim}", self.part));
            println!("  FAIL  {claim}\n{shown}");
        }
    }

    /// The last line; whether all held.
    pub(crate) fn end(&self) -> bool {
        println!("\n{} claims held, {} did not", self.held, self.broken.len());
        for claim in &self.broken {
            println!("  {claim}");
        }
        self.broken.is_empty()
    }
}

/// Something worth knowing that claims nothing.
pub(crate) fn note(text: &str) {
    println!("        {text}");
}

/// How a program ended, and what it said.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Runs a program to its end.
    pub(crate) fn of(command: &mut Command) -> Result<Self, HarnessError> {
        let output = command.output()?;
        Ok(Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// All of it, for a claim that does not hold.
    pub(crate) fn shown(&self) -> String {
        format!("exit code {:?}\n{}{}", self.code, self.out, self.err)
    }
}
