//! Approvals that wait are told to webhooks of every shape, on the whole system; one that fails is tried again, and one that
//! hangs holds nobody up.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails, in its helpers too"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use exhibit_tests::stack::{Options, Stack};
use serde_json::Value;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A statement that would be markup where somebody took it for that. The literal is in no notification.
const STATEMENT: &str = "UPDATE encounters SET department = '<!channel> secret' WHERE id = 1 /* *a* & `b` */";

const POLICY: &str = r#"
version = 1
[[roles]]
name = "ci"
match = { method = "api-key" }
[[targets]]
name = "clinic"
protocol = "postgres"
[[approvals]]
name = "dba"
groups = ["dba"]
people = 1
expires_s = 600
emergency = { groups = ["dba"], minutes = 5, reviewers = ["privacy"], review_within_days = 2 }
[[rules]]
name = "changes"
roles = ["ci"]
targets = ["clinic"]
actions = ["write"]
effect = "ask"
approval = "dba"
reason = "a change of <b>patients</b>"
[[rules]]
name = "reads"
roles = ["ci"]
targets = ["clinic"]
actions = ["read", "session"]
effect = "allow"
"#;

/// The receiver, in a process of its own.
struct Receiver {
    child: Child,
    port: String,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Receiver {
    fn start(tls: &[&Path]) -> Self {
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig=TERM", "--", "python3"])
            .arg(exhibit_tests::driver("hooks.py"))
            .arg(SECRET)
            .args(tls)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap();
        Self { child, port, lines }
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().expect("the receiver goes on").unwrap()).unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn prepared(directory: &Path, receiver: &Receiver) -> Stack {
    let mut options = Options::new(&directory.join("deployment"));
    POLICY.clone_into(&mut options.policy);
    options.patients = 10;
    let stack = Stack::prepare(&options).unwrap();
    let place = |name: &str| stack.directory().join("secrets").join(name);
    exhibit_tests::write(&place("hook.secret"), format!("{SECRET}\n").as_bytes()).unwrap();
    let address = format!("http://127.0.0.1:{}/slack\n", receiver.port);
    exhibit_tests::write(&place("slack.url"), address.as_bytes()).unwrap();
    let mut config = std::fs::read_to_string(stack.config()).unwrap();
    for (name, shape) in [
        ("generic", "generic"),
        ("flaky", "generic"),
        ("hang", "generic"),
        ("picky", "generic"),
        ("teams", "teams"),
    ] {
        let port = &receiver.port;
        let section = format!(
            "\n[[ledger.webhooks]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:{port}/{name}\"\nshape = \"{shape}\"\n\
             secret_file = \"secrets/hook.secret\"\n"
        );
        config.push_str(&section);
    }
    config += "\n[[ledger.webhooks]]\nname = \"slack\"\nurl_file = \"secrets/slack.url\"\nshape = \"slack\"\n";
    exhibit_tests::write(&stack.config(), config.as_bytes()).unwrap();
    stack
}

/// Takes what comes, by path, until every webhook has taken a notification: `/flaky` after two failures.
fn told(receiver: &mut Receiver) -> BTreeMap<String, Vec<Value>> {
    let mut told: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let wanted = [
        ("/flaky", 3),
        ("/generic", 1),
        ("/hang", 1),
        ("/picky", 1),
        ("/slack", 1),
        ("/teams", 1),
    ];
    while !wanted
        .iter()
        .all(|(path, count)| told.get(*path).is_some_and(|list| list.len() >= *count))
    {
        let one = receiver.next();
        told.entry(one["path"].as_str().unwrap().to_owned())
            .or_default()
            .push(one);
    }
    told
}

#[test]
fn webhooks_of_every_shape_are_told_and_none_holds_anybody_up() {
    let directory = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start(&[]);
    let mut stack = prepared(directory.path(), &receiver);
    stack.up().unwrap();
    stack.enrol_approver().unwrap();

    let mut psql = stack.psql();
    psql.args(["-c", STATEMENT])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let psql = psql.spawn().unwrap();
    let told = told(&mut receiver);
    for (path, notifications) in &told {
        let signed = path != "/slack";
        assert!(notifications.iter().all(|one| one["signed"] == signed), "{path}");
        // Every try has the same id and the same words.
        assert!(
            notifications.iter().all(|one| one["body"] == notifications[0]["body"]),
            "{path}"
        );
        let text = notifications[0].to_string();
        assert!(text.contains("exhibit approve") && !text.contains("secret"), "{text}");
        assert!(text.contains("UPDATE encounters SET department = <string>"), "{text}");
    }
    let generic = &told["/generic"][0];
    let data = &generic["body"]["data"];
    assert_eq!(generic["body"]["type"], "approval.requested");
    assert_eq!(
        (&data["target"], &data["people"], &data["rule"]),
        (&"clinic".into(), &1.into(), &"changes".into())
    );
    assert_eq!(data["request"], generic["id"]);
    assert_eq!(told["/flaky"][0]["id"], generic["id"]);
    // Texts of others stand where nothing reads them as markup.
    for block in told["/slack"][0]["body"]["blocks"].as_array().unwrap() {
        assert_eq!(block["text"]["type"], "plain_text");
    }
    assert!(!told["/slack"][0]["body"]["text"].as_str().unwrap().contains('<'));
    let card = &told["/teams"][0]["body"]["attachments"][0]["content"];
    for block in card["body"].as_array().unwrap() {
        assert_eq!(
            (&block["type"], &block["inlines"][0]["type"]),
            (&"RichTextBlock".into(), &"TextRun".into())
        );
    }

    // The one that hangs still does.
    let id = data["id"].as_str().unwrap();
    let mut approve = stack.exhibit().unwrap();
    approve
        .args(["approve", id, "--yes", "--reason", "checked", "--key"])
        .arg(stack.approver_key());
    exhibit_tests::run(&mut approve).unwrap();
    let output = psql.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The one that refuses the first is told of the next, and of the first no more.
    let mut next = stack.psql();
    next.args(["-c", STATEMENT]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut next = next.spawn().unwrap();
    let refused = &told["/picky"][0]["id"];
    assert_eq!(told["/picky"].len(), 1);
    let again = std::iter::repeat_with(|| receiver.next()).find(|one| one["path"] == "/picky");
    assert_ne!(again.unwrap()["id"], *refused);
    let waiting = exhibit_tests::run(stack.exhibit().unwrap().args(["approvals", "--json"])).unwrap();
    let waiting: Value = serde_json::from_str(waiting.trim()).unwrap();
    let (id, reason) = (waiting["id"].as_str().unwrap(), "ward 3 <!channel>");
    let mut approve = stack.exhibit().unwrap();
    approve.args(["approve", id, "--emergency", "--yes", "--reason", reason, "--key"]);
    exhibit_tests::run(approve.arg(stack.approver_key())).unwrap();
    assert!(next.wait().unwrap().success());
    // All are told of the emergency, though what it let pass is over by then.
    let mut told = BTreeMap::new();
    while !["/generic", "/slack", "/teams"]
        .iter()
        .all(|path| told.contains_key(*path))
    {
        let one = receiver.next();
        if one.to_string().contains(reason) {
            told.insert(one["path"].as_str().unwrap().to_owned(), one);
        }
    }
    let generic = &told["/generic"];
    assert_eq!(
        (&generic["body"]["type"], &generic["signed"]),
        (&"approval.emergency".into(), &true.into())
    );
    let data = &generic["body"]["data"];
    assert_eq!((&data["id"], &data["rule"]), (&id.into(), &"changes".into()));
    let emergency = &data["emergency"];
    assert_eq!(
        (&emergency["reason"], &emergency["reviewers"][0]),
        (&reason.into(), &"privacy".into())
    );
    assert_ne!(
        generic["id"], data["request"],
        "it is another notification than that of the request"
    );
    stack.down().unwrap();
    let log = std::fs::read_to_string(stack.log()).unwrap();
    assert!(
        log.contains("it answers 503") && log.contains("refuses to be told"),
        "{log}"
    );
    assert!(
        !log.contains("/slack") && !log.contains("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        "{log}"
    );
}

#[test]
fn a_webhook_that_cannot_be_used_keeps_the_ledger_from_starting() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[]);
    let stack = prepared(directory.path(), &receiver);
    let good = std::fs::read_to_string(stack.config()).unwrap();
    let check = |from: &str, to: &str, wanted: &str| {
        assert!(good.contains(from), "{from}");
        let changed = good.replacen(from, to, 1);
        exhibit_tests::write(&stack.config(), changed.as_bytes()).unwrap();
        let output = stack.exhibit().unwrap().arg("up").output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!output.status.success() && said.contains(wanted), "{said}");
    };
    check("url = \"http://127.0.0.1", "url = \"http://hooks.example", "https URL");
    check(
        "url = \"http://127.0.0.1",
        "url = \"https://me:pass@hooks.example",
        "https URL",
    );
    check("url_file", "url = \"https://hooks.example\"\nurl_file", "one of them");
    check("secrets/hook.secret", "secrets/none", "cannot be read");
    check("secret_file = \"secrets/hook.secret\"\n", "", "give `secret_file`");
    check("shape = \"teams\"", "shape = \"irc\"", "irc");
    exhibit_tests::write(&stack.directory().join("secrets/short"), b"whsec_AAAA").unwrap();
    check("secrets/hook.secret", "secrets/short", "24 to 64 bytes");
}

#[test]
fn a_webhook_over_tls_is_told_if_its_authority_vouches_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    for name in ["own", "other"] {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        exhibit_tests::write(&place(&format!("{name}.pem")), made.cert.pem().as_bytes()).unwrap();
        exhibit_tests::write(
            &place(&format!("{name}.key")),
            made.signing_key.serialize_pem().as_bytes(),
        )
        .unwrap();
    }
    let mut receiver = Receiver::start(&[&place("own.pem"), &place("own.key")]);
    let mut stack = prepared(directory.path(), &receiver);
    let mut config = std::fs::read_to_string(stack.config()).unwrap();
    config.truncate(config.find("\n[[ledger.webhooks]]").unwrap());
    for name in ["other", "own"] {
        let (port, authority) = (&receiver.port, place(&format!("{name}.pem")));
        let section = format!(
            "\n[[ledger.webhooks]]\nname = \"{name}\"\nurl = \"https://localhost:{port}/{name}\"\n\
             secret_file = \"secrets/hook.secret\"\nstatement = false\nca = \"{}\"\n",
            authority.display()
        );
        config.push_str(&section);
    }
    exhibit_tests::write(&stack.config(), config.as_bytes()).unwrap();
    stack.up().unwrap();
    let mut psql = stack.psql();
    psql.args(["-c", STATEMENT]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut psql = psql.spawn().unwrap();
    let told = receiver.next();
    assert_eq!((&told["path"], &told["signed"]), (&"/own".into(), &true.into()));
    assert!(told["body"]["data"]["statement"].is_null(), "{told}");
    while !std::fs::read_to_string(stack.log()).unwrap().contains("no connection") {
        std::thread::yield_now();
    }
    psql.kill().unwrap();
    psql.wait().unwrap();
    stack.down().unwrap();
}
