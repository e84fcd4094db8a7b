//! Compliance and an approver who come with a token of an issuer that others wrote: what it opens and who is recorded for it, tokens with
//! one thing wrong each, and that a token decides nothing.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_schemas::cbor;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::approval::{ApprovalDecided, Verdict};
use exhibit_schemas::event::{Body, Emitter, Event};
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::reading::{Asked, Question};
use exhibit_schemas::seal::{Chain, Sealed};
use exhibit_schemas::wire::{Append, Message, RefusalCode};
use exhibit_tests::issuer::Issuer;
use exhibit_tests::stack::{Options, Stack};
use exhibit_tests::{run, write};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{AUDIENCE, Connection, exhibit, read, reported, said, signed, size, ssh_key};

/// Of compliance, by a group of the issuer.
const ANA: &str = "ana.reed";

/// An approver, by another one.
const MAX: &str = "max.orr";

/// A command about which people are asked.
const CHANGE: &str = "ALTER TABLE claims ADD COLUMN note text";

/// The whole system, whose ledger takes tokens by their groups.
fn started(directory: &Path, issuer: &Issuer) -> Stack {
    let mut options = Options::new(&directory.join("deployment"));
    options.patients = 10;
    let mut stack = Stack::prepare(&options).unwrap();
    let url = issuer.url();
    let section = format!(
        "\n[[ledger.oidc]]\nissuer = \"{url}\"\naudience = [\"{AUDIENCE}\"]\ngroups = \"groups\"\n\n\
         [[ledger.readers]]\nrole = \"compliance\"\ntokens = [{{ issuer = \"{url}\", groups = [\"evidence\"] }}]\n\n\
         [[ledger.readers]]\nrole = \"approver\"\ntokens = [{{ issuer = \"{url}\", groups = [\"on-call\"] }}]\n"
    );
    let config = std::fs::read_to_string(stack.config()).unwrap() + &section;
    write(&stack.config(), config.as_bytes()).unwrap();
    stack.up().unwrap();
    stack.enrol_approver().unwrap();
    run(stack.psql().args(["-c", "SELECT count(*) FROM patients"])).unwrap();
    stack
}

/// A token in a file.
fn kept(directory: &Path, name: &str, token: &str) -> PathBuf {
    let path = directory.join(name.replace(' ', "-"));
    write(&path, token.as_bytes()).unwrap();
    path
}

/// The command, which waits for people.
fn asks(stack: &Stack) -> Child {
    let mut psql = stack.psql();
    psql.args(["-c", CHANGE]).stdout(Stdio::piped()).stderr(Stdio::piped());
    psql.spawn().unwrap()
}

/// The first request that an approver sees who waits for one with a token.
fn waits(stack: &Stack, token: &Path) -> Value {
    let mut watch = stack.exhibit().unwrap();
    watch
        .args(["approvals", "--watch", "--json", "--token-file"])
        .arg(token);
    let mut watch = watch.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut lines = BufReader::new(watch.stdout.take().unwrap());
    lines.read_line(&mut line).unwrap();
    watch.kill().unwrap();
    watch.wait().unwrap();
    serde_json::from_str(&line).unwrap()
}

/// Compliance reads what there is. Gives the session that was found.
fn ana_reads(stack: &Stack, token: &Path, bundle: &Path) -> String {
    let token = token.to_str().unwrap();
    let by = |words: &[&str]| {
        let output = exhibit(stack, &[words, &["--token-file", token]].concat());
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let found = by(&["search", "--json", "kind:session-opened"]);
    let found: Value = serde_json::from_str(found.lines().next().unwrap()).unwrap();
    let session = found["session"].as_str().unwrap().to_owned();
    assert!(by(&["sessions"]).contains(&session));
    let replayed = by(&["replay", &session]);
    assert!(replayed.contains(&format!("replay by {ANA}")), "{replayed}");
    by(&["export", bundle.to_str().unwrap()]);
    session
}

/// A token of three parts.
fn forged(header: &Value, claims: &str, signature: impl Fn(&str) -> Vec<u8>) -> String {
    let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let text = format!("{}.{claims}", encoded(header.to_string().as_bytes()));
    let signature = signature(&text);
    format!("{text}.{}", encoded(&signature))
}

/// Tokens with one thing wrong each: what it is, the token, and what the reader is told.
fn faults(issuer: &mut Issuer, good: &str) -> Vec<(&'static str, String, &'static str)> {
    let [header, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        unreachable!("a token has three parts");
    };
    let key = STANDARD.decode(issuer.key().unwrap()).unwrap();
    let hmac = |text: &str| {
        let mut hmac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        hmac.update(text.as_bytes());
        hmac.finalize().into_bytes().to_vec()
    };
    let named = |algorithm: &str| json!({ "alg": algorithm, "typ": "at+jwt", "kid": "signing" });
    let mut guest = issuer.token_of("guest", AUDIENCE).unwrap();
    let changed = format!("{header}.{claims}.{}", guest.split_off(guest.rfind('.').unwrap() + 1));
    // 342 characters are 256 bytes; without the last 14 they are 246, and not part of one.
    let shortened = &good[..good.len() - 14];
    let mut others = Issuer::start().unwrap();
    let mut posing = Issuer::posing_as(issuer).unwrap();
    let (algorithm, signature_fault) = ("an algorithm that the configuration names", "its signature is not good");
    let (no_token, no_role) = ("it is not a signed token", "no role of [[ledger.readers]]");
    vec![
        (
            "algorithm none",
            forged(&named("none"), claims, |_| Vec::new()),
            algorithm,
        ),
        (
            "hmac by the public key",
            forged(&named("HS256"), claims, hmac),
            algorithm,
        ),
        (
            "that as another algorithm",
            forged(&named("RS256"), claims, hmac),
            signature_fault,
        ),
        ("signature of another token", changed, signature_fault),
        ("cut off", shortened.to_owned(), signature_fault),
        ("no signature", format!("{header}.{claims}"), no_token),
        ("half", good[..good.len() / 2].to_owned(), no_token),
        ("no header", format!("{claims}.{signature}"), no_token),
        (
            "too long",
            format!("{good}{}", "A".repeat(16 << 10)),
            "it has more than 16384 bytes",
        ),
        (
            "other audience",
            issuer.token_of(ANA, "https://other.example").unwrap(),
            "it is made out to another audience",
        ),
        (
            "other issuer",
            others.token_of(ANA, AUDIENCE).unwrap(),
            "no issuer of the configuration made it",
        ),
        (
            "posing issuer",
            posing.token_of(ANA, AUDIENCE).unwrap(),
            signature_fault,
        ),
        ("other group", issuer.token_of("guest", AUDIENCE).unwrap(), no_role),
        ("group of people", issuer.token_of("people", AUDIENCE).unwrap(), no_role),
        ("no group", issuer.token_of("etl", AUDIENCE).unwrap(), no_role),
    ]
}

/// With a token that is refused nothing is shown, whatever is asked.
fn is_refused(stack: &Stack, session: &str, (name, token, wanted): (&str, &Path, &str)) {
    let bundle = stack.directory().join("refused");
    let token_text = std::fs::read_to_string(token).unwrap();
    for words in [
        &["search", "--json", "kind:session-opened"][..],
        &["replay", session],
        &["export", bundle.to_str().unwrap()],
        &["approvals", "--json"],
    ] {
        let refused = exhibit(stack, &[words, &["--token-file", token.to_str().unwrap()]].concat());
        let told = said(&refused);
        assert!(!refused.status.success() && refused.stdout.is_empty(), "{name}: {told}");
        assert!(told.contains(wanted), "{name}: {told}");
        assert!(
            !told.contains(&token_text) && !told.contains("ALTER") && !told.contains("ci-nightly"),
            "{told}"
        );
    }
    assert!(!bundle.exists(), "{name}");
}

/// When a token expires, in seconds.
fn expires(token: &str) -> u64 {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["exp"]
        .as_u64()
        .unwrap()
}

/// What is sent to see what waits, with a token.
fn opening(token: &str) -> (String, Vec<u8>) {
    let question = Question::Approvals;
    let asked = Asked {
        operation: question.operation(),
        text: question.text(),
        signed: None,
    };
    let head = format!("POST /v1/readings HTTP/1.1\r\nAuthorization: Bearer {token}\r\n");
    (head, cbor::encode(&asked))
}

/// An approval of a request by whoever has a key.
fn approval(request: &[u8], key: &SecretKey) -> Vec<u8> {
    let event = Event::decode(request).unwrap();
    let Body::ApprovalRequested(asked) = event.body else {
        unreachable!("the entry is a request");
    };
    let boot = SystemClock.now().0;
    let decided = Event {
        time: SystemClock.now(),
        emitter: Emitter(key.public_key().id(), boot),
        session: None,
        body: Body::ApprovalDecided(ApprovalDecided {
            request: Digest::leaf(request),
            command: asked.command,
            session: event.session.unwrap().0,
            target: asked.target.clone(),
            policy: asked.decision.policy,
            expires: asked.expires,
            verdict: Verdict::Approve,
            reason: "by token".to_owned(),
            terms: None,
        }),
    };
    let chain = Chain {
        boot,
        sequence: 0,
        previous: None,
    };
    let sealed = Sealed::seal(vec![decided.encode().unwrap()], chain, key).unwrap();
    Message::Append(Append {
        events: sealed.events().to_vec(),
        seal: sealed.seal_bytes().clone(),
    })
    .encode()
}

/// Whoever has a token of compliance, and the deployment's certificate, sees the request, and approves it with no key but the enrolled one.
fn decides_nothing(stack: &Stack, request: &Value, token: &str, file: &Path) {
    let id = request["id"].as_str().unwrap();
    let by_tool = exhibit(
        stack,
        &[
            "approve",
            id,
            "--yes",
            "--reason",
            "by token",
            "--token-file",
            file.to_str().unwrap(),
        ],
    );
    assert_eq!(by_tool.status.code(), Some(2), "{}", said(&by_tool));
    assert!(said(&by_tool).contains("'--token-file'"), "{}", said(&by_tool));

    let (mut own, mut other) = (Connection::new(stack), Connection::new(stack));
    let (head, asked) = opening(token);
    let (status, answer) = own.ask(&head, &asked);
    assert_eq!(status, 200, "{answer}");
    let reading: Value = serde_json::from_str(&answer).unwrap();
    let reading = format!("Exhibit-Reading: {}\r\n", reading["reading"].as_str().unwrap());
    let entry = format!("GET /v1/entries/{} HTTP/1.1\r\n{reading}", request["index"]);
    let (status, bytes) = own.ask_bytes(&entry, b"");
    assert_eq!(status, 200);
    // What a token opened is good on its connection alone, and a token is shown in the place of a statement.
    assert_eq!(other.ask(&entry, b"").0, 401);
    let both = signed(&ssh_key(&stack.approver_key()), other.channel);
    let (status, answer) = other.ask(&head, &both);
    assert!(status == 401 && answer.contains("one of the two"), "{answer}");

    let append = format!("POST /v1/append HTTP/1.1\r\nAuthorization: Bearer {token}\r\n{reading}");
    let (_, refused) = own.ask_bytes(&append, &approval(&bytes, &SecretKey::from_seed(&[7; 32])));
    let Ok(Message::Refusal(refused)) = Message::decode(&refused) else {
        unreachable!("the ledger says why it does not take it");
    };
    assert_eq!(refused.code, RefusalCode::Key, "{}", refused.text);
    let (status, waiting) = own.ask(&format!("GET /v1/approvals HTTP/1.1\r\n{reading}"), b"");
    assert!(
        status == 200 && waiting.contains(&format!("\"index\":{}", request["index"])),
        "{waiting}"
    );
}

#[test]
fn a_token_of_the_right_audience_and_group_reads_and_decides_nothing() {
    let mut issuer = Issuer::start().unwrap();
    let place = tempfile::tempdir().unwrap();
    let directory = place.path();
    let mut stack = started(directory, &issuer);
    let brief = issuer.token_of("brief", AUDIENCE).unwrap();
    let [ana, max] = [ANA, MAX].map(|name| issuer.token_of(name, AUDIENCE).unwrap());
    let [ana_file, max_file] = [(ANA, &ana), (MAX, &max)].map(|(name, token)| kept(directory, name, token));

    let psql = asks(&stack);
    let request = waits(&stack, &max_file);
    assert_eq!(request["statement"], CHANGE);
    let first = directory.join("first");
    let session = ana_reads(&stack, &ana_file, &first);

    let mut faults = faults(&mut issuer, &ana);
    while SystemClock.now().0 / 1_000_000 < expires(&brief) {
        std::thread::yield_now();
    }
    faults.push(("expired", brief, "it has expired"));
    for (name, token, wanted) in &faults {
        is_refused(&stack, &session, (name, &kept(directory, name, token), wanted));
    }
    // An approver sees what waits and nothing else.
    for words in [&["search", "kind:session-opened"][..], &["replay", &session]] {
        let refused = exhibit(&stack, &[words, &["--token-file", max_file.to_str().unwrap()]].concat());
        assert!(!refused.status.success() && refused.stdout.is_empty());
        assert!(
            said(&refused).contains("no role of [[ledger.readers]] lets max.orr"),
            "{}",
            said(&refused)
        );
    }

    decides_nothing(&stack, &request, &ana, &ana_file);
    let id = request["id"].as_str().unwrap();
    let key = stack.approver_key();
    let approved = exhibit(
        &stack,
        &[
            "approve",
            id,
            "--yes",
            "--reason",
            "checked",
            "--key",
            key.to_str().unwrap(),
        ],
    );
    assert!(approved.status.success(), "{}", said(&approved));
    let output = psql.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", said(&output));

    // Who read is in the log, and nobody else; `sessions` is a search, too.
    let second = directory.join("second");
    assert!(exhibit(&stack, &["export", second.to_str().unwrap()]).status.success());
    let evidence = reported(&stack, &second, &directory.join("report"));
    assert_eq!(
        read(&evidence),
        [
            "max.orr oidc approver approvals  1",
            "ana.reed oidc compliance search kind:session-opened 1",
            "ana.reed oidc compliance search kind:session-opened 1",
            &format!("ana.reed oidc compliance replay session:{session} 1"),
            &format!("ana.reed oidc compliance export size:{} 1", size(&first)),
            "ana.reed oidc compliance approvals  1",
            "dana.ferris ssh-key approver approvals  1",
        ]
    );
    stack.down().unwrap();
    let log = std::fs::read_to_string(stack.log()).unwrap();
    for token in faults.iter().map(|(_, token, _)| token).chain([&ana, &max]) {
        assert!(!log.contains(token.as_str()), "{log}");
    }
}
