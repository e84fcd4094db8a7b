//! The help, and times on the command line. What is compared is tested on whole bundles (`tests/tests/comparison.rs`).

use clap::CommandFactory as _;

#[test]
fn help_is_as_reviewed() {
    let mut program = crate::commands::Arguments::command().term_width(100);
    let policy = program.find_subcommand_mut("policy").unwrap();
    let help = policy.find_subcommand_mut("diff").unwrap().render_long_help();
    insta::assert_snapshot!("help", help.to_string());
}

#[test]
fn a_bundle_is_compared_under_keys_alone() {
    let program = crate::commands::Arguments::command();
    let parse = |words: &[&str]| {
        let words = ["exhibit", "policy", "diff", "p.toml"].iter().chain(words);
        program.clone().try_get_matches_from(words).is_ok()
    };
    assert!(parse(&[]) && parse(&["--bundle", "b.tar", "--keys", "t.toml"]));
    assert!(!parse(&["--bundle", "b.tar"]) && !parse(&["--keys", "t.toml"]));
}
