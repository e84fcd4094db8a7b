//! Tokens of a test issuer that speaks HTTP: what is taken, what is refused and why, and how often the issuer is asked.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails, in its helpers too"
)]

mod issuer;

use exhibit_identity::aws::Endpoints;
use exhibit_identity::oidc::{Claims, Config, Issuers, TokenError};
use std::sync::Arc;

use exhibit_identity::{ApiKeys, Callers, Certificates, Refusal};
use exhibit_schemas::event::Timestamp;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};

use crate::issuer::{Issuer, Key};

const NOW_S: u64 = 1_800_000_000;
const NOW: Timestamp = Timestamp(NOW_S * 1_000_000);
const AUDIENCE: &str = "https://exhibit.clinic.example";

/// The claims of a run of GitHub Actions, as its documentation shows them, in the immutable form of 2026.
fn github(issuer: &str) -> Value {
    json!({
        "jti": "example-id", "iss": issuer, "aud": AUDIENCE,
        "sub": "repo:octo@123456/app@456789:environment:prod:eu",
        "iat": NOW_S - 5, "nbf": NOW_S - 5, "exp": NOW_S + 300,
        "ref": "refs/heads/main", "ref_type": "branch", "sha": "0123456789abcdef0123456789abcdef01234567",
        "repository": "octo/app", "repository_id": "456789", "repository_owner": "octo",
        "repository_owner_id": "123456", "repository_visibility": "private", "run_id": "9876543210",
        "run_number": "10", "run_attempt": "2", "runner_environment": "github-hosted", "actor": "Mona",
        "actor_id": "583231", "workflow": "ci", "workflow_ref": "octo/app/.github/workflows/ci.yml@refs/heads/main",
        "job_workflow_ref": "octo/shared/.github/workflows/db.yml@refs/tags/v1",
        "event_name": "workflow_dispatch", "environment": "prod:eu", "head_ref": "", "base_ref": "",
    })
}

/// The claims of a job of GitLab CI.
fn gitlab(issuer: &str) -> Value {
    json!({
        "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b", "iss": issuer, "aud": [AUDIENCE, "https://other.example"],
        "sub": "project_path:clinic/etl:ref_type:branch:ref:main",
        "iat": NOW_S - 5, "nbf": NOW_S - 10, "exp": NOW_S + 3_600,
        "namespace_id": "72", "namespace_path": "clinic", "project_id": "20", "project_path": "clinic/etl",
        "user_id": "1", "user_login": "sidney", "user_email": "sidney@clinic.example", "pipeline_id": "574",
        "pipeline_source": "schedule", "job_id": "302", "ref": "main", "ref_type": "branch",
        "ref_path": "refs/heads/main", "ref_protected": "true", "runner_id": 1, "sha": "714a629c",
        "ci_config_ref_uri": "gitlab.example/clinic/etl//.gitlab-ci.yml@refs/heads/main",
        "environment": "production",
    })
}

fn config(issuer: &str, claims: Claims) -> Config {
    let text = format!("issuer = \"{issuer}\"\naudience = [\"{AUDIENCE}\"]\nalgorithms = [\"ES256\"]\n");
    let mut config: Config = toml::from_str(&text).unwrap();
    config.claims = claims;
    config.resolved(std::path::Path::new("/")).unwrap()
}

/// Issuers that believe one, whose keys are fetched.
fn believing(config: Config) -> Issuers {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let mut issuers = Issuers::default();
    assert!(issuers.fetched(config, tls, NOW));
    issuers
}

#[tokio::test]
async fn a_run_of_github_actions_is_told_by_its_numbers() {
    let issuer = Issuer::start().await;
    let issuers = believing(config(issuer.url(), Claims::GithubActions));
    let token = issuer.sign(&github(issuer.url()));
    let identity = issuers.identify(&token, NOW).await.unwrap();
    let principal = identity.principal;
    assert_eq!(principal.method, "oidc");
    assert_eq!(principal.issuer, issuer.url());
    assert_eq!(principal.subject, "repo:octo@123456/app@456789:environment:prod:eu");
    assert_eq!(identity.expires, Some(Timestamp((NOW_S + 300) * 1_000_000)));
    let run = principal.run.unwrap();
    assert_eq!(
        (run.provider.as_str(), run.repository.as_str()),
        ("github-actions", "octo/app")
    );
    assert_eq!(
        (run.repository_id.as_str(), run.owner_id.as_str()),
        ("456789", "123456")
    );
    assert_eq!(
        (run.reference.as_str(), run.run_id.as_str()),
        ("refs/heads/main", "9876543210")
    );
    assert_eq!(
        run.workflow.as_deref(),
        Some("octo/shared/.github/workflows/db.yml@refs/tags/v1")
    );
    assert_eq!((run.actor.as_str(), run.actor_id.as_str()), ("Mona", "583231"));
    assert_eq!(
        (run.trigger.as_str(), run.job_id.as_deref()),
        ("workflow_dispatch", Some("2"))
    );
    assert_eq!(run.environment.as_deref(), Some("prod:eu"));
    let signed = token.rsplit_once('.').unwrap().0;
    assert_eq!(
        principal.evidence,
        exhibit_schemas::digest::Digest::of(signed.as_bytes())
    );
}

#[tokio::test]
async fn a_job_of_gitlab_is_told_by_its_numbers() {
    let issuer = Issuer::start().await;
    let issuers = believing(config(issuer.url(), Claims::GitlabCi));
    let identity = issuers
        .identify(&issuer.sign(&gitlab(issuer.url())), NOW)
        .await
        .unwrap();
    let run = identity.principal.run.unwrap();
    assert_eq!(
        (run.provider.as_str(), run.repository.as_str()),
        ("gitlab-ci", "clinic/etl")
    );
    assert_eq!((run.repository_id.as_str(), run.owner_id.as_str()), ("20", "72"));
    assert_eq!(
        (run.reference.as_str(), run.run_id.as_str()),
        ("refs/heads/main", "574")
    );
    assert_eq!((run.job_id.as_deref(), run.actor.as_str()), (Some("302"), "sidney"));
    assert_eq!((run.actor_id.as_str(), run.trigger.as_str()), ("1", "schedule"));
    let mut claims = gitlab(issuer.url());
    claims.as_object_mut().unwrap().remove("project_id");
    let error = issuers.identify(&issuer.sign(&claims), NOW).await.unwrap_err();
    assert_eq!(error.to_string(), "its claim `project_id` is missing");
}

#[tokio::test]
async fn groups_and_client_come_from_a_plain_issuer() {
    let issuer = Issuer::start().await;
    let mut plain = config(issuer.url(), Claims::Plain);
    plain.groups = Some("roles".to_owned());
    let issuers = believing(plain);
    let claims = |roles: Value| json!({"iss": issuer.url(), "sub": "svc-etl", "aud": AUDIENCE, "exp": NOW_S + 9, "azp": "etl", "roles": roles});
    let token = issuer.sign(&claims(json!(["pipelines", "dev", "dev"])));
    let principal = issuers.identify(&token, NOW).await.unwrap().principal;
    assert_eq!(principal.groups, ["dev", "pipelines"]);
    assert_eq!(principal.client_id.as_deref(), Some("etl"));
    assert_eq!(principal.run, None);
    for roles in [
        json!("dev"),
        json!([1]),
        json!([""]),
        json!(["a\u{0}b"]),
        json!(vec!["x"; 65]),
    ] {
        let refused = issuers.identify(&issuer.sign(&claims(roles.clone())), NOW).await;
        assert!(matches!(refused, Err(TokenError::Claim { .. })), "{roles}");
    }
}

/// What is refused for its claims: a change of them, and what is said.
#[tokio::test]
async fn claims_that_do_not_hold_are_refused() {
    let issuer = Issuer::start().await;
    let issuers = believing(config(issuer.url(), Claims::GithubActions));
    let cases: Vec<(&str, Option<Value>, &str)> = vec![
        ("aud", Some(json!("https://other.example")), "another audience"),
        ("aud", Some(json!([])), "another audience"),
        ("aud", None, "RFC 7519"),
        ("aud", Some(json!({"a": 1})), "RFC 7519"),
        ("iss", Some(json!("https://issuer.example")), "no issuer"),
        ("iss", None, "not a signed token"),
        ("sub", None, "RFC 7519"),
        ("sub", Some(json!("")), "`sub` is empty"),
        ("sub", Some(json!("x".repeat(1_025))), "`sub` is longer"),
        ("exp", None, "RFC 7519"),
        ("exp", Some(json!(NOW_S)), "has expired"),
        ("exp", Some(json!("1800000300")), "RFC 7519"),
        ("exp", Some(json!(-1)), "RFC 7519"),
        ("nbf", Some(json!(NOW_S + 31)), "not valid yet"),
        ("iat", Some(json!(NOW_S + 31)), "not valid yet"),
        ("nbf", Some(json!("soon")), "RFC 7519"),
        ("repository_id", None, "`repository_id` is missing"),
        ("repository_id", Some(json!("45x")), "`repository_id` is not a number"),
        ("actor", Some(json!(["mona"])), "`actor` is not a text"),
        ("ref", Some(json!("refs/heads/a\nb")), "`ref` has control characters"),
    ];
    for (claim, value, wanted) in cases {
        let mut claims = github(issuer.url());
        match &value {
            Some(value) => claims[claim] = value.clone(),
            None => drop(claims.as_object_mut().unwrap().remove(claim)),
        }
        let error = issuers
            .identify(&issuer.sign(&claims), NOW)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(wanted), "{claim} {value:?}: {error}");
    }
    let mut skewed = github(issuer.url());
    (skewed["nbf"], skewed["iat"]) = (json!(NOW_S + 30), json!(NOW_S + 30));
    assert!(issuers.identify(&issuer.sign(&skewed), NOW).await.is_ok());
    // A claim that stands twice is two claims to two readers.
    let twice = github(issuer.url())
        .to_string()
        .replacen('{', "{\"sub\":\"somebody\",", 1);
    let error = issuers
        .identify(&issuer.sign_text(&twice), NOW)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("stands twice"), "{error}");
}

/// What is refused for its form, its header or its signature.
#[tokio::test]
async fn tokens_that_others_made_are_refused() {
    let issuer = Issuer::start().await;
    let issuers = believing(config(issuer.url(), Claims::GithubActions));
    let claims = github(issuer.url());
    let good = issuer.sign(&claims);
    assert!(issuers.identify(&good, NOW).await.is_ok());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (_, payload) = signed.split_once('.').unwrap();
    let with_header = |header: Value| format!("{}.{payload}.{signature}", issuer::base64(&header.to_string()));
    let key = issuer.key_name();
    let cases = [
        (
            "none",
            format!("{}.{payload}.", issuer::base64("{\"alg\":\"none\"}")),
            "algorithm",
        ),
        (
            "none, signed",
            with_header(json!({"alg": "none", "kid": key})),
            "algorithm",
        ),
        (
            "the public key as a secret",
            issuer.sign_with_public_key_as_secret(&claims),
            "algorithm",
        ),
        (
            "another algorithm",
            with_header(json!({"alg": "RS256", "kid": key})),
            "algorithm",
        ),
        ("no key's name", with_header(json!({"alg": "ES256"})), "names no key"),
        (
            "another purpose",
            with_header(json!({"alg": "ES256", "kid": key, "typ": "logout+jwt"})),
            "another purpose",
        ),
        (
            "extensions",
            with_header(json!({"alg": "ES256", "kid": key, "crit": ["b64"], "b64": false})),
            "`crit`",
        ),
        ("truncated", good[..good.len() - 6].to_owned(), "signature is not good"),
        ("no signature", format!("{signed}."), "signature is not good"),
        ("two parts", signed.to_owned(), "not a signed token"),
        ("nothing", "..".to_owned(), "not a signed token"),
        (
            "another's claims",
            {
                let mut other = claims.clone();
                other["repository_id"] = json!("1");
                let (header, _) = signed.split_once('.').unwrap();
                format!("{header}.{}.{signature}", issuer::base64(&other.to_string()))
            },
            "signature is not good",
        ),
        (
            "oversized",
            format!("{good}{}", "A".repeat(16 << 10)),
            "more than 16384 bytes",
        ),
    ];
    for (what, token, wanted) in cases {
        let error = issuers.identify(&token, NOW).await.unwrap_err().to_string();
        assert!(error.contains(wanted), "{what}: {error}");
        assert!(!error.contains(payload), "{what}");
    }
    let stranger = Key::new("stranger");
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(key.clone());
    let forged = stranger.sign(&header, &claims.to_string());
    assert_eq!(issuers.identify(&forged, NOW).await.unwrap_err(), TokenError::Signature);
    // A key that the token itself brings is not looked at.
    header.jwk = Some(stranger.public());
    let brought = stranger.sign(&header, &claims.to_string());
    assert_eq!(
        issuers.identify(&brought, NOW).await.unwrap_err(),
        TokenError::Signature
    );
}

#[tokio::test]
async fn a_token_that_is_good_once_is_refused_afterwards() {
    let issuer = Issuer::start().await;
    let mut once = config(issuer.url(), Claims::GithubActions);
    once.once = true;
    let issuers = believing(once);
    let mut claims = github(issuer.url());
    let old = issuers.identify(&issuer.sign(&claims), NOW).await.unwrap_err();
    assert!(
        old.to_string().contains("issued before this proxy was started"),
        "{old}"
    );
    claims["iat"] = json!(NOW_S);
    let token = issuer.sign(&claims);
    assert!(issuers.identify(&token, NOW).await.is_ok());
    assert_eq!(issuers.identify(&token, NOW).await.unwrap_err(), TokenError::Again);
    // The same identifier with other bytes is the same token.
    claims["run_attempt"] = json!("3");
    assert_eq!(
        issuers.identify(&issuer.sign(&claims), NOW).await.unwrap_err(),
        TokenError::Again
    );
    claims.as_object_mut().unwrap().remove("jti");
    let error = issuers
        .identify(&issuer.sign(&claims), NOW)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("`jti` is missing"), "{error}");
}

/// Lets so much time go by, and nothing while the issuer is spoken to: a clock that stands still jumps to the next
/// deadline as soon as everybody waits, even for an answer that is on its way.
async fn advance(by: std::time::Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it_and_not_more_often() {
    let issuer = Issuer::start().await;
    let issuers = believing(config(issuer.url(), Claims::GithubActions));
    let claims = github(issuer.url());
    let first = issuer.sign(&claims);
    for _ in 0..3 {
        issuers.identify(&first, NOW).await.unwrap();
    }
    assert_eq!(issuer.fetches(), 1);
    issuer.rotate(&["second"]);
    let second = issuer.sign(&claims);
    // Nobody makes the issuer be asked twice within ten seconds.
    for _ in 0..3 {
        assert!(matches!(issuers.identify(&second, NOW).await, Err(TokenError::Keys(_))));
    }
    assert_eq!(issuer.fetches(), 1);
    advance(std::time::Duration::from_secs(10)).await;
    issuers.identify(&second, NOW).await.unwrap();
    assert_eq!(issuer.fetches(), 2);
    // The old key is gone with that, and the attempt to find it again is one more, ten seconds later.
    assert!(issuers.identify(&first, NOW).await.is_err());
    assert_eq!(issuer.fetches(), 2);
    issuers.identify(&second, NOW).await.unwrap();
}

#[tokio::test]
async fn keys_that_are_kept_hold_for_a_day_while_the_issuer_is_away() {
    let issuer = Issuer::start().await;
    let issuers = believing(config(issuer.url(), Claims::GithubActions));
    let token = issuer.sign(&github(issuer.url()));
    issuers.identify(&token, NOW).await.unwrap();
    issuer.fail(true);
    advance(std::time::Duration::from_hours(1)).await;
    issuers.identify(&token, NOW).await.unwrap();
    assert_eq!(issuer.fetches(), 2, "after an hour the issuer is asked again");
    advance(std::time::Duration::from_hours(23)).await;
    let error = issuers.identify(&token, NOW).await.unwrap_err().to_string();
    assert!(error.contains("answers 503"), "{error}");
    issuer.fail(false);
    advance(std::time::Duration::from_secs(10)).await;
    issuers.identify(&token, NOW).await.unwrap();
}

#[tokio::test]
async fn documents_of_another_issuer_and_redirections_are_not_taken() {
    let issuer = Issuer::start().await;
    let claims = github(issuer.url());
    for (change, wanted) in [
        (issuer::Change::OtherIssuer, "that of another issuer"),
        (issuer::Change::KeysElsewhere, "not https"),
        (issuer::Change::Redirect, "answers 302"),
        (issuer::Change::Long, "length limit"),
        (issuer::Change::NoKeys, "no public key"),
    ] {
        issuer.change(change);
        let issuers = believing(config(issuer.url(), Claims::GithubActions));
        let error = issuers
            .identify(&issuer.sign(&claims), NOW)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(wanted), "{change:?}: {error}");
    }
}

#[tokio::test]
async fn a_token_goes_with_its_subject_or_the_name_for_tokens() {
    let issuer = Issuer::start().await;
    let issuers = believing(config(issuer.url(), Claims::GithubActions));
    let callers = Arc::new(Callers::new(
        ApiKeys::default(),
        issuers,
        Endpoints::default(),
        Certificates::default(),
    ));
    let claims = github(issuer.url());
    let token = issuer.sign(&claims);
    assert!(callers.identify("oidc", &token, "clinic", NOW).await.is_ok());
    let subject = claims["sub"].as_str().unwrap();
    assert!(callers.identify(subject, &token, "clinic", NOW).await.is_ok());
    for user in ["", "admin", "OIDC"] {
        assert!(
            matches!(callers.identify(user, &token, "clinic", NOW).await, Err(Refusal::User)),
            "{user}"
        );
    }
    assert!(matches!(
        callers.identify("oidc", "exk_x_y", "clinic", NOW).await,
        Err(Refusal::ApiKey(_))
    ));
}

#[tokio::test]
async fn keys_of_a_file_need_no_issuer_that_answers() {
    let issuer = Issuer::start().await;
    let mut issuers = Issuers::default();
    let file = issuer.documents().to_string();
    assert!(
        issuers
            .with_keys(config(issuer.url(), Claims::GithubActions), file.as_bytes(), NOW)
            .unwrap()
    );
    assert!(issuers.identify(&issuer.sign(&github(issuer.url())), NOW).await.is_ok());
    assert_eq!(issuer.fetches(), 0);
    assert!(
        issuers
            .with_keys(config(issuer.url(), Claims::Plain), b"{\"keys\":[]}", NOW)
            .is_err()
    );
}
