//! Commands that the documents show: each is one that the programs have, with options that they take, and a file's line
//! that names what the demo prints says what it prints.

use std::collections::BTreeMap;
use std::path::Path;

use exhibit_schemas::event::Kind;
use exhibit_tests::programs;
use exhibit_verify::report::control::Control;

/// Documents with commands in their blocks of code, and how many commands each has at the least.
const DOCUMENTS: &[(&str, usize)] = &[
    ("README.md", 11),
    ("docs/masking.md", 3),
    ("docs/detectors.md", 1),
    ("docs/identity.md", 2),
    ("docs/policy.md", 6),
    ("docs/report.md", 4),
    ("docs/s3.md", 3),
];

/// Programs whose commands are looked into.
const PROGRAMS: &[&str] = &[
    "exhibit",
    "exhibit-verify",
    "exhibit-verify-pdf",
    "exhibit-ledger",
    "exhibit-proxy",
];

/// The help page of a command, by the words that lead to it.
#[derive(Default)]
struct Help(BTreeMap<Vec<String>, Option<String>>);

impl Help {
    /// `None` when there is no such command.
    fn page(&mut self, words: &[String]) -> Option<&str> {
        let read = || {
            let (program, path) = words.split_first()?;
            let output = programs::command(program)
                .expect("the program was built")
                .args(path)
                .arg("--help")
                .output()
                .expect("the program starts");
            output
                .status
                .success()
                .then(|| String::from_utf8(output.stdout).expect("help is UTF-8"))
        };
        self.0.entry(words.to_vec()).or_insert_with(read).as_deref()
    }

    /// The longest path of commands that a line of words begins with, and its page.
    fn command(&mut self, words: &[&str]) -> (Vec<String>, String) {
        let mut path = vec![words.first().expect("a line has a word").to_string()];
        let mut page = self.page(&path).expect("the program has help").to_owned();
        for word in words.iter().skip(1) {
            let listed = page.split_once("Commands:\n").is_some_and(|(_, list)| {
                let mut names = list.lines().take_while(|line| !line.is_empty());
                names.any(|line| line.split_whitespace().next() == Some(word))
            });
            if !listed {
                break;
            }
            path.push((*word).to_owned());
            self.page(&path)
                .expect("a listed command has help")
                .clone_into(&mut page);
        }
        (path, page)
    }
}

/// What is wrong with a command line of a document.
fn fault(help: &mut Help, line: &str) -> Option<String> {
    // What stands apart from the command by three blanks, or after `#`, is prose.
    let line = line.split("   ").next().unwrap_or_default();
    let line = line.split(" #").next().unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().take_while(|word| *word != "--").collect();
    let (path, page) = help.command(&words);
    let usage = page.lines().find(|line| line.starts_with("Usage:")).unwrap_or_default();
    if usage.contains("<COMMAND>") {
        return Some(format!("{} has no command {:?}", path.join(" "), words.get(path.len())));
    }
    let options = words.iter().filter(|word| word.starts_with("--"));
    let unknown = options
        .map(|word| word.split('=').next().unwrap_or(word))
        .find(|option| {
            let known = |word: &str| word.trim_end_matches([',', '=']) == *option;
            !page.split_whitespace().any(known)
        });
    unknown.map(|option| format!("{} has no option {option}", path.join(" ")))
}

/// The commands in a document's blocks of code; a line that ends in `\` goes on.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let mut inside = false;
    let mut found = Vec::new();
    for line in joined.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside {
            let parts = line
                .split(" or ")
                .flat_map(|part| part.split("then:"))
                .flat_map(|part| part.split('·'));
            let parts = parts.map(str::trim).map(|part| part.strip_prefix("$ ").unwrap_or(part));
            let ours = |part: &&str| {
                part.split_whitespace()
                    .next()
                    .is_some_and(|word| PROGRAMS.contains(&word))
            };
            found.extend(parts.filter(ours).map(str::to_owned));
        }
    }
    found
}

#[test]
fn commands_that_documents_show_are_there_with_their_options() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut help = Help::default();
    let mut faults = Vec::new();
    for (document, least) in DOCUMENTS {
        let text = std::fs::read_to_string(root.join(document)).expect("the document reads");
        let commands = commands(&text);
        assert!(commands.len() >= *least, "{document} shows {} commands", commands.len());
        for command in commands {
            faults.extend(fault(&mut help, &command).map(|fault| format!("{document}: `{command}`: {fault}")));
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn a_command_or_an_option_that_is_not_there_is_found() {
    let mut help = Help::default();
    for (line, wanted) in [
        ("exhibit frobnicate", true),
        ("exhibit up --frobnicate", true),
        ("exhibit policy frobnicate", true),
        ("exhibit key enrol key.pub --people dana", true),
        ("exhibit key enrol key.pub --name dana --group dba      somebody", false),
        ("exhibit-verify audit.tar --keys trust.toml", false),
        ("exhibit-verify report audit.tar --keys trust.toml --frob x", true),
    ] {
        assert_eq!(fault(&mut help, line).is_some(), wanted, "{line}");
    }
}

#[test]
fn the_readme_says_what_the_demo_ends_with() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("the file reads");
    assert!(read("tests/src/bin/demo/claims.rs").contains("{} claims held, {} did not"));
    assert!(read("README.md").contains("claims held, 0 did not`"));
}

/// `docs/hipaa.md` has a row for each control of the matrix, with its id, its cite, its population and what it cannot show, and names no kind
/// of event that there is not.
#[test]
fn the_page_on_provisions_is_that_of_the_matrix() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/hipaa.md")).expect("the document reads");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let wanted = Control::ALL.iter().map(|control| {
        let definition = control.definition();
        let id = format!("`{}`", definition.id);
        (id, definition.cite, definition.population, definition.cannot_show)
    });
    let found = rows.iter().map(|row| match row.as_slice() {
        [id, cite, population, _, _, cannot_show] => ((*id).to_owned(), *cite, *population, *cannot_show),
        other => panic!("{other:?} is no row"),
    });
    assert_eq!(found.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
    let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    let mut named = 0;
    for row in &rows {
        for kind in row.get(3).expect("a row has its events").split('`').skip(1).step_by(2) {
            assert!(kinds.contains(&kind), "{kind} is no kind of event");
            named += 1;
        }
    }
    assert!(named > 20, "{named}");
}
