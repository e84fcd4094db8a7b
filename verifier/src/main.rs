//! `exhibit-verify`: checks an exported bundle on a machine without a network, and writes the evidence report.
//!
//! Not here: what its commands do (`commands`), and a typesetter: `exhibit-verify-pdf` is this program with one.

use std::process::ExitCode;

fn main() -> ExitCode {
    exhibit_verify::commands::main(None)
}
