//! `exhibit-verify-pdf`: the command line of `exhibit-verify` with a typesetter, so that its reports have a `report.pdf`, too.
//!
//! Not here: what its commands do (`exhibit_verify::commands`), and how a page is set ([`exhibit_verify_pdf`]).

use std::process::ExitCode;

use exhibit_verify_pdf::Typst;

fn main() -> ExitCode {
    exhibit_verify::commands::main(Some(&Typst))
}
