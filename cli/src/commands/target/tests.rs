//! The help of the commands, whole.

use clap::CommandFactory as _;

#[test]
fn the_help_says_what_each_command_does() {
    let mut command = crate::commands::Arguments::command();
    command.build();
    let target = command.find_subcommand_mut("target").unwrap();
    for name in ["plan", "apply", "check"] {
        let help = target.find_subcommand_mut(name).unwrap().render_long_help();
        insta::assert_snapshot!(name, help.to_string());
    }
}
