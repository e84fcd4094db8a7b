//! Stories of a policy that is read again while agents are connected, on the real programs: what sessions get before and
//! after, what a file that is refused changes, and what the auditor sees.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests stop where something is wrong"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use exhibit_postgres::config::Masking;
use exhibit_schemas::digest::Digest;
use exhibit_tests::postgres::SUPERUSER;
use exhibit_tests::programs;
use exhibit_tests::ssh_agent::SshAgent;
use exhibit_tests::stack::{DATABASE, Options, POLICY, Stack};

/// What ends what psql says to one statement.
const MARK: &str = "-- said --";

const MASK: &str = r#"
[[masks]]
name = "sex"
targets = ["clinic"]
resources = ["public.patients.sex"]
technique = "null"
"#;

/// What a database can mask: the agents' role owns nothing of it.
const OWNED_BY_ANOTHER: &str = "CREATE TABLE public.patients (id int PRIMARY KEY, mrn text NOT NULL, sex text);
INSERT INTO public.patients SELECT number, 'MRN-' || 1000 + number, 'F' FROM generate_series(1, 9) number;
GRANT SELECT ON public.patients TO exhibit;
";

const DATABASE_POLICY: &str = r#"version = 1

[[roles]]
name = "pipeline"
match = { method = "api-key", subject = "ci-*" }

[[targets]]
name = "clinic"
protocol = "postgres"

[[rules]]
name = "reads"
roles = ["pipeline"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.*", "none"]
effect = "allow"

[[masks]]
name = "record-numbers"
targets = ["clinic"]
resources = ["public.patients.mrn"]
technique = "token"
"#;

/// A session of psql that stays open.
struct Agent {
    psql: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Agent {
    fn connect(stack: &Stack) -> Self {
        // Line by line, and errors among the rest, so that what belongs to a statement comes before the mark.
        let mut psql = Command::new("sh")
            .args(["-c", "exec stdbuf -oL psql \"$@\" 2>&1", "sh"])
            .arg(stack.proxy_url())
            .args([
                "--no-psqlrc",
                "--quiet",
                "--tuples-only",
                "--no-align",
                "--set=VERBOSITY=verbose",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = psql.stdin.take().unwrap();
        let output = BufReader::new(psql.stdout.take().unwrap());
        Self { psql, input, output }
    }

    /// What is said to a statement.
    fn say(&mut self, sql: &str) -> String {
        writeln!(self.input, "{sql}\n\\echo {MARK}").unwrap();
        let mut said = String::new();
        while !said.ends_with(&format!("{MARK}\n")) {
            assert_ne!(self.output.read_line(&mut said).unwrap(), 0, "psql ended: {said}");
        }
        said.replace(&format!("{MARK}\n"), "")
    }
}

impl Agent {
    /// All that is said up to the end of psql.
    fn last(&mut self, sql: &str) -> String {
        // It may be gone already.
        let _ = writeln!(self.input, "{sql}");
        let mut said = String::new();
        self.output.read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.psql.kill();
        let _ = self.psql.wait();
    }
}

fn put_policy(stack: &Stack, text: &str) -> Digest {
    exhibit_tests::write(&stack.directory().join("policy.toml"), text.as_bytes()).unwrap();
    Digest::of(text.as_bytes())
}

/// Exports, has the verifier look, and gives its report.
fn report(stack: &Stack, directory: &Path) -> serde_json::Value {
    let (bundle, reports) = (directory.join("bundle"), directory.join("reports"));
    exhibit_tests::run(stack.exhibit().unwrap().arg("export").arg(&bundle)).unwrap();
    let mut verify = programs::command("exhibit-verify").unwrap();
    verify.arg("report").arg(&bundle).arg("--keys").arg(stack.trust());
    exhibit_tests::run(verify.arg("--out").arg(&reports)).unwrap();
    serde_json::from_slice(&std::fs::read(reports.join("report.json")).unwrap()).unwrap()
}

#[test]
fn a_session_goes_on_by_the_policy_that_was_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::new(&directory.path().join("deployment"));
    options.patients = 20;
    let stack = Stack::start(&options).unwrap();
    let mut agent = Agent::connect(&stack);
    let question = "SELECT sex FROM patients ORDER BY id LIMIT 2;";
    agent.say("PREPARE q AS SELECT sex FROM patients ORDER BY id LIMIT 2;");
    let raw = agent.say("EXECUTE q;");
    assert!(
        raw.len() == 4 && raw.bytes().all(|byte| b"FM\n".contains(&byte)),
        "{raw:?}"
    );
    assert_eq!(agent.say(question), raw);
    agent.say("BEGIN;");
    agent.say("DECLARE c CURSOR FOR SELECT sex FROM patients ORDER BY id;");
    assert_eq!(agent.say("FETCH 2 FROM c;"), raw);

    // A file that is refused changes nothing, and says why.
    put_policy(
        &stack,
        &format!("{POLICY}\n[[masks]]\nname = \"nothing\"\ntargets = [\"clinc\"]\n"),
    );
    assert_eq!(stack.reload().unwrap(), "policy refused");
    let log = std::fs::read_to_string(stack.log()).unwrap();
    assert!(
        log.contains("the policy was not taken") && log.contains("policy.toml") && log.contains("line "),
        "{log}"
    );
    assert_eq!(agent.say("EXECUTE q;"), raw);
    put_policy(&stack, POLICY);
    assert_eq!(stack.reload().unwrap(), "policy unchanged");

    let second = put_policy(&stack, &format!("{POLICY}\n{MASK}"));
    assert_eq!(stack.reload().unwrap(), format!("policy {second}"));
    assert_eq!(agent.say("EXECUTE q;"), "\n\n", "what was prepared before is masked");
    assert_eq!(agent.say(question), "\n\n", "so is a text that was read before");
    let refused = agent.say("FETCH 2 FROM c;");
    assert!(
        refused.contains("24000") && refused.contains("open it again"),
        "{refused}"
    );
    agent.say("ROLLBACK;");
    assert_eq!(agent.say("EXECUTE q;"), "\n\n");
    drop(agent);

    let report = report(&stack, directory.path());
    assert_eq!(
        (&report["cover"]["result"], &report["cover"]["errors"]),
        (&"verified".into(), &0.into())
    );
    assert_eq!(report["evidence"]["events"]["fault"], 1, "a file was refused");
    let terms = report["evidence"]["policy_terms"].as_array().unwrap();
    let first = Digest::of(POLICY.as_bytes()).to_string();
    assert_eq!(
        [&terms[0]["policy"], &terms[1]["policy"]],
        [&serde_json::json!(first), &serde_json::json!(second.to_string())]
    );
    assert_eq!((terms.len(), &terms[0]["until"]), (2, &terms[1]["from"]));
    assert_eq!((&terms[0]["sessions"], &terms[1]["sessions"]), (&1.into(), &0.into()));
    // The commands of the one session on either side of the event that says so, and of no other policy.
    let commands = report["evidence"]["commands"].as_array().unwrap();
    let from = terms[1]["from"].as_u64().unwrap();
    for command in commands {
        let later = command["command"].as_u64().unwrap() > from;
        let wanted = if later { second.to_string() } else { first.clone() };
        assert_eq!(command["policy"], wanted, "{command}");
    }
    assert_eq!((&terms[0]["commands"], &terms[1]["commands"]), (&7.into(), &5.into()));
}

#[test]
fn where_the_database_masks_no_session_goes_on_or_begins_before_it_masks_as_the_new_policy_says() {
    let directory = tempfile::tempdir().unwrap();
    let sql = directory.path().join("database.sql");
    exhibit_tests::write(&sql, OWNED_BY_ANOTHER.as_bytes()).unwrap();
    let mut options = Options::new(&directory.path().join("deployment"));
    options.masking = Masking::Database;
    (options.patients, options.sql, options.policy) = (0, Some(sql), DATABASE_POLICY.to_owned());
    let stack = Stack::start(&options).unwrap();
    let question = "SELECT sex FROM patients WHERE id = 1;";
    let mut agent = Agent::connect(&stack);
    assert_eq!(agent.say(question), "F\n");
    put_policy(&stack, &format!("{DATABASE_POLICY}{MASK}"));
    assert!(stack.reload().unwrap().starts_with("policy "));
    let ended = agent.last(question);
    assert!(
        ended.contains("57P01") && ended.contains("the database is to mask otherwise"),
        "{ended}"
    );
    let refused = Agent::connect(&stack).last(question);
    assert!(refused.contains("does not mask as the policy says"), "{refused}");
    let mut apply = stack.exhibit().unwrap();
    apply.env("PGPASSWORD", stack.postgres().password());
    exhibit_tests::run(apply.args(["target", "apply", DATABASE, "--user", SUPERUSER, "--database", DATABASE])).unwrap();
    assert_eq!(Agent::connect(&stack).say(question), "\n");
    assert_eq!(report(&stack, directory.path())["cover"]["result"], "verified");
}

/// A person who signs policies, with keys of OpenSSH's own making.
struct SignsPolicies {
    name: &'static str,
    keys: Vec<PathBuf>,
    /// Where an agent has the keys, its socket.
    agent: Option<PathBuf>,
}

impl SignsPolicies {
    fn enrol(stack: &Stack, directory: &Path, name: &'static str, count: usize) -> Self {
        let keys = (0..count).map(|number| {
            let path = directory.join(format!("{name}-{number}"));
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path);
            exhibit_tests::run(&mut keygen).unwrap();
            let mut enrol = stack.exhibit().unwrap();
            enrol.args(["key", "enrol", "--name", name]);
            exhibit_tests::run(enrol.arg(path.with_extension("pub"))).unwrap();
            path
        });
        let (keys, agent) = (keys.collect(), None);
        Self { name, keys, agent }
    }

    /// The same with one key that only ssh-agent has.
    fn enrol_from(stack: &Stack, agent: &SshAgent, name: &'static str) -> Self {
        let key = agent.public(name);
        let mut enrol = stack.exhibit().unwrap();
        exhibit_tests::run(enrol.args(["key", "enrol", "--name", name]).arg(&key)).unwrap();
        Self {
            name,
            keys: vec![key],
            agent: Some(agent.socket()),
        }
    }

    fn signs(&self, stack: &Stack, number: usize, policy: &Path) -> Command {
        let mut sign = stack.exhibit().unwrap();
        sign.args(["policy", "sign", "--yes", "--reason", "reviewed", "--key"]);
        sign.arg(&self.keys[number]).arg(policy);
        if let Some(agent) = &self.agent {
            sign.env("SSH_AUTH_SOCK", agent);
        }
        sign
    }
}

/// The ledger's entries, and the keys of its people by name, as `trust.toml` writes them.
fn sign_from_here_on(stack: &Stack, people: &[&SignsPolicies]) {
    let status = exhibit_tests::run(stack.exhibit().unwrap().args(["status", "--json"])).unwrap();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let keys = exhibit_tests::run(stack.exhibit().unwrap().args(["key", "list", "--json"])).unwrap();
    let keys: serde_json::Value = serde_json::from_str(&keys).unwrap();
    let named = keys.as_array().unwrap().iter();
    let named = named.filter(|key| people.iter().any(|person| key["name"] == person.name));
    let signers = named.map(|key| {
        let (name, key) = (&key["name"], &key["key"]);
        format!("[[policy_signatures.administrators]]\nname = {name}\nkey = {key}\n")
    });
    let before = std::fs::read_to_string(stack.trust()).unwrap();
    let begins = format!("\n[[policy_signatures]]\nfrom = {}\npeople = 2\n", status["size"]);
    let trust = [before, begins].into_iter().chain(signers).collect::<String>();
    exhibit_tests::write(&stack.trust(), trust.as_bytes()).unwrap();
}

/// Whether a file's policy is in force everywhere, and what `exhibit policy status` says of it, or of all.
fn policy_status(stack: &Stack, file: Option<&Path>) -> (bool, serde_json::Value) {
    let mut status = stack.exhibit().unwrap();
    let output = status.args(["policy", "status", "--json"]).args(file).output().unwrap();
    let said = serde_json::from_slice(&output.stdout);
    (
        output.status.success(),
        said.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr))),
    )
}

#[test]
fn no_policy_comes_into_force_before_two_people_have_signed_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::new(&directory.path().join("deployment"));
    options.patients = 20;
    let mut stack = Stack::start(&options).unwrap();
    let ann = SignsPolicies::enrol(&stack, directory.path(), "ann", 2);
    let agent_of_bob = SshAgent::start(directory.path(), &["bob"]).unwrap();
    let bob = SignsPolicies::enrol_from(&stack, &agent_of_bob, "bob");
    let file = stack.directory().join("policy.toml");
    sign_from_here_on(&stack, &[&ann, &bob]);
    stack.down().unwrap();

    // It starts with a policy that nobody has signed, and lets nobody in before two people have.
    let second = put_policy(&stack, &format!("{POLICY}\n{MASK}"));
    let signs = [ann.signs(&stack, 0, &file), bob.signs(&stack, 0, &file)];
    let signing = std::thread::spawn(move || {
        for mut sign in signs {
            // The ledger answers once it is up.
            while !sign.output().unwrap().status.success() {}
        }
    });
    stack.up().unwrap();
    signing.join().unwrap();
    let log = std::fs::read_to_string(stack.log()).unwrap();
    assert!(
        log.contains("nobody is let in yet") && log.contains("exhibit policy sign"),
        "{log}"
    );
    let question = "SELECT sex FROM patients ORDER BY id LIMIT 1;";
    let mut agent = Agent::connect(&stack);
    assert_eq!(agent.say(question), "\n");

    // One person with two keys is one, and what another file has is not this one's.
    let third = put_policy(&stack, POLICY);
    for number in [0, 1] {
        exhibit_tests::run(&mut ann.signs(&stack, number, &file)).unwrap();
    }
    let other = directory.path().join("other.toml");
    exhibit_tests::write(&other, format!("{POLICY}\n# another\n").as_bytes()).unwrap();
    exhibit_tests::run(&mut bob.signs(&stack, 0, &other)).unwrap();
    assert_eq!(stack.reload().unwrap(), "policy unsigned");
    assert_eq!(agent.say(question), "\n", "the one before stays in force");
    let log = std::fs::read_to_string(stack.log()).unwrap();
    assert!(log.contains("is signed by ann and needs 2 signatures"), "{log}");
    let (held, waits) = policy_status(&stack, Some(&file));
    let waits = &waits["policies"][0];
    assert_eq!((held, &waits["policy"]), (false, &third.to_string().into()));
    assert_eq!(
        (&waits["in_force"], waits["signed"]["people"].get("bob")),
        (&serde_json::json!([]), None)
    );
    assert!(waits["signed"]["people"]["ann"].is_u64(), "{waits}");
    exhibit_tests::run(&mut bob.signs(&stack, 0, &file)).unwrap();
    assert_eq!(stack.reload().unwrap(), format!("policy {third}"));
    assert!(policy_status(&stack, Some(&file)).0);
    let (_, all) = policy_status(&stack, None);
    let digests: Vec<_> = all["policies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["policy"])
        .collect();
    assert!(
        digests[0] == &third.to_string() && digests.contains(&&second.to_string().into()),
        "{all}"
    );
    let raw = agent.say(question);
    assert!(raw == "F\n" || raw == "M\n", "{raw:?}");
    drop(agent);

    let report = report(&stack, directory.path());
    assert_eq!(report["cover"]["result"], "verified", "{}", report["cover"]);
    let terms = report["evidence"]["policy_terms"].as_array().unwrap();
    assert_eq!(terms.len(), 3, "{terms:?}");
    assert_eq!(terms[0]["signatures"], serde_json::Value::Null, "before anybody had to");
    for (term, policy) in [(&terms[1], second), (&terms[2], third)] {
        assert_eq!(
            (&term["policy"], &term["signatures"]),
            (&policy.to_string().into(), &2.into())
        );
        for name in ["ann", "bob"] {
            assert!(term["signed"][name].as_u64() < term["from"].as_u64(), "{term}");
        }
    }
}
