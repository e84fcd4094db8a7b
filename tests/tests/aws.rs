//! A request that AWS credentials sign lets an agent in, on the whole system: `exhibit login --aws`, moto as the STS over TLS, which gave
//! the credentials and checks signatures, what the ledger then says of who it was, and requests that are refused, before and after
//! STS is asked.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, in its helpers too")]

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use exhibit_tests::stack::{Options, Stack};

const AUDIENCE: &str = "https://exhibit.clinic.example";
const REGION: &str = "eu-central-1";
const ROLE: &str = "arn:aws:iam::123456789012:role/nightly";

const POLICY: &str = r#"
version = 1
[[roles]]
name = "nightly"
[roles.match]
method = "aws-iam"
issuer = "arn:aws:iam::123456789012:root"
subject = "arn:aws:iam::123456789012:role/nightly"
client_id = "ROLE-ID:*"
[[targets]]
name = "clinic"
protocol = "postgres"
[[rules]]
name = "reads"
roles = ["nightly"]
targets = ["clinic"]
actions = ["read", "session"]
effect = "allow"
"#;

/// Where `exhibit login --aws` looks for credentials.
const NAMES: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// The STS, in a process of its own.
struct Sts {
    child: Child,
    port: String,
    /// The unique id of the role.
    role: String,
    /// What a session of the role signs with: id, secret, session token.
    credentials: Vec<String>,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Sts {
    fn start(certificate: &Path, key: &Path) -> Self {
        let place = exhibit_tests::drivers().unwrap();
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig=TERM", "--"])
            .arg(place.join("venv/bin/python"))
            .arg(exhibit_tests::driver("sts.py"))
            .args([certificate, key])
            .arg(REGION)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let [port, role, credentials] =
            std::array::from_fn(|_| output.next().expect("the STS says where and who it is").unwrap());
        let input = child.stdin.take().unwrap();
        Self {
            child,
            port,
            role,
            credentials: credentials.split(' ').map(str::to_owned).collect(),
            input,
            output,
        }
    }

    fn says(&mut self, question: &str) -> String {
        writeln!(self.input, "{question}").unwrap();
        self.output.next().expect("the STS answers").unwrap()
    }

    fn token(&mut self, kind: &str, audience: &str) -> String {
        self.says(&format!("{kind} {audience}"))
    }

    /// How many requests it got.
    fn asked(&mut self) -> u32 {
        self.says("asked").parse().unwrap()
    }
}

impl Drop for Sts {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// psql as `user`, with its password where libpq looks for it.
fn psql(stack: &Stack, user: &str, environment: (&str, &str)) -> (bool, String) {
    let url = stack.proxy_url();
    let (_, place) = url.split_once('@').unwrap();
    let output = Command::new("psql")
        .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", "SELECT count(*) FROM patients"])
        .arg(format!("postgresql://{user}@{place}"))
        .env(environment.0, environment.1)
        .env("PGCONNECT_TIMEOUT", "60")
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.success(), said)
}

/// The system before an STS with a certificate of its own.
fn prepared(directory: &Path) -> (Stack, Sts) {
    let place = |name: &str| directory.join(name);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    exhibit_tests::write(&place("sts.pem"), made.cert.pem().as_bytes()).unwrap();
    exhibit_tests::write(&place("sts.key"), made.signing_key.serialize_pem().as_bytes()).unwrap();
    let sts = Sts::start(&place("sts.pem"), &place("sts.key"));
    let mut options = Options::new(&place("deployment"));
    options.policy = POLICY.replace("ROLE-ID", &sts.role);
    options.patients = 10;
    let stack = Stack::prepare(&options).unwrap();
    let section = format!(
        "\n[[proxy.aws]]\nregion = \"{REGION}\"\nsts = \"https://localhost:{}\"\nca = \"{}\"\naudience = \"{AUDIENCE}\"\n\
         accounts = [\"123456789012\"]\narns = [\"{ROLE}\"]\nonce = true\n",
        sts.port,
        place("sts.pem").display()
    );
    let config = std::fs::read_to_string(stack.config()).unwrap() + &section;
    exhibit_tests::write(&stack.config(), config.as_bytes()).unwrap();
    (stack, sts)
}

/// Tokens of which one thing is wrong each: with what the proxy says, and whether STS was asked.
fn are_refused(stack: &Stack, sts: &mut Sts) {
    let not_taken = "STS does not take it";
    let not_ours = "its account, role or user is not in this proxy's configuration";
    for (kind, audience, wanted, sent) in [
        // Of keys: another one's secret, the token of another session, an id that nobody has.
        ("secret", AUDIENCE, not_taken, 1),
        ("session", AUDIENCE, not_taken, 1),
        ("unknown", AUDIENCE, not_taken, 1),
        // Of what is signed.
        ("good", "https://other.example", not_taken, 1),
        ("post", AUDIENCE, not_taken, 1),
        ("host", AUDIENCE, not_taken, 1),
        ("unsigned", AUDIENCE, not_taken, 1),
        ("later", AUDIENCE, not_taken, 1),
        ("action", AUDIENCE, "something else than GetCallerIdentity", 0),
        ("old", AUDIENCE, "it has expired", 0),
        // Of who signed: moto takes these, and the proxy does not.
        ("role", AUDIENCE, not_ours, 1),
        ("account", AUDIENCE, not_ours, 1),
        ("user", AUDIENCE, "an ARN and a unique id that are not of each other", 1),
    ] {
        let before = sts.asked();
        let token = sts.token(kind, audience);
        let (let_in, said) = psql(stack, "aws", ("PGPASSWORD", &token));
        assert!(!let_in && said.contains(wanted), "{kind}: {said}");
        assert_eq!(sts.asked() - before, sent, "{kind}");
    }
    // A key that is taken away signs nothing any more: what moto said of it until now, it says no more.
    let token = sts.token("user", AUDIENCE);
    assert_eq!(sts.says("delete"), "deleted");
    let (let_in, said) = psql(stack, "aws", ("PGPASSWORD", &token));
    assert!(!let_in && said.contains(not_taken), "{said}");
}

#[test]
fn a_request_that_a_role_signed_lets_it_in_and_is_told_by_the_ledger() {
    let directory = tempfile::tempdir().unwrap();
    let (mut stack, mut sts) = prepared(directory.path());
    stack.up().unwrap();

    let passwords = directory.path().join("pgpass");
    let url = stack.proxy_url();
    let (_, place) = url.split_once('@').unwrap();
    let (host, port) = place.split('/').next().unwrap().split_once(':').unwrap();
    let passwords = passwords.to_str().unwrap();
    let first = loop {
        let mut login = stack.exhibit().unwrap();
        login
            .args(["login", "--aws", "--audience", AUDIENCE, "--host", host, "--port", port])
            .args(["--region", REGION, "--sts", &format!("https://localhost:{}", sts.port)])
            .args(["--password-file", passwords])
            .envs(NAMES.into_iter().zip(&sts.credentials));
        exhibit_tests::run(&mut login).unwrap();
        let (let_in, said) = psql(&stack, "aws", ("PGPASSFILE", passwords));
        // Signatures go by whole seconds: what is signed in the second in which the proxy started might be older.
        if !said.contains("signed before this proxy was started") {
            break (let_in, said);
        }
    };
    assert_eq!(first, (true, "10\n".to_owned()));
    let (_, again) = psql(&stack, "aws", ("PGPASSFILE", passwords));
    assert!(again.contains("it was used before"), "{again}");

    // What botocore signs is taken, too.
    let token = sts.token("good", AUDIENCE);
    assert_eq!(psql(&stack, "aws", ("PGPASSWORD", &token)), (true, "10\n".to_owned()));
    are_refused(&stack, &mut sts);
    let cut = sts.token("good", AUDIENCE);
    let (_, said) = psql(&stack, "aws", ("PGPASSWORD", cut.get(..cut.len() - 6).unwrap()));
    assert!(said.contains("the AWS token is refused"), "{said}");

    let sessions = exhibit_tests::run(stack.exhibit().unwrap().arg("sessions")).unwrap();
    let sessions: Vec<Vec<&str>> = sessions.lines().map(|line| line.split("  ").collect()).collect();
    let subjects: Vec<_> = sessions.iter().filter_map(|line| line.get(2)).collect();
    assert_eq!(subjects, [&ROLE, &ROLE], "{sessions:?}");
    let id = *sessions.first().and_then(|line| line.first()).unwrap();
    let replay = exhibit_tests::run(stack.exhibit().unwrap().args(["replay", id])).unwrap();
    assert!(
        replay.contains("proved by aws-iam of arn:aws:iam::123456789012:root"),
        "{replay}"
    );
    assert!(!replay.contains("Signature"), "{replay}");
    stack.down().unwrap();
    let log = std::fs::read_to_string(stack.log()).unwrap();
    assert!(
        !log.contains("X-Amz-Signature") && !log.contains("exhibit-aws-v1."),
        "{log}"
    );
    for secret in sts.credentials.iter().skip(1) {
        assert!(!replay.contains(secret) && !log.contains(secret), "{replay}{log}");
    }
}
