//! What agents come with beside a password: client certificates; and what becomes of a session when its credential is revoked.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use exhibit_identity::aws::Endpoints;
use exhibit_identity::oidc::Issuers;
use exhibit_identity::{ApiKeys, Callers, Certificates, certificate};
use exhibit_postgres::message::startup::startup;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt as _;

use crate::ending::until;
use crate::server::Server;
use crate::stand::{Encrypted, POLICY, SCHEMA, Stand, api_keys, read_rest, read_until_ready, sqlstate};

/// Everybody who comes by certificate may do what `ci` may.
const ROLE: &str = "[[roles]]\nname = \"by-certificate\"\nmatch = { method = \"client-certificate\" }\n[[rules]]\n\
    name = \"certified\"\nroles = [\"by-certificate\"]\ntargets = [\"clinic\"]\n\
    actions = [\"read\", \"session\", \"transaction\"]\neffect = \"allow\"\n";

/// An authority of agents, in the directory of a stand's server.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: PathBuf,
}

/// A certificate with its key, as files and as bytes.
struct Agent {
    certificate: PathBuf,
    key: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    secret: PrivateKeyDer<'static>,
}

impl Authority {
    fn new(server: &Server, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap(),
            directory: server.directory().to_owned(),
        }
    }

    fn issue(&self, name: &str, serial: u64, change: impl FnOnce(&mut CertificateParams)) -> Agent {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let place = |end: &str| self.directory.join(format!("{name}-{serial}.{end}"));
        keep(&place("pem"), certificate.pem().as_bytes());
        keep(&place("key"), key.serialize_pem().as_bytes());
        Agent {
            certificate: place("pem"),
            key: place("key"),
            chain: vec![certificate.der().clone()],
            secret: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    fn revoked(&self, serials: &[u64]) -> Vec<CertificateRevocationListDer<'static>> {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2100, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        vec![list.signed_by(&self.issuer).unwrap().der().clone()]
    }

    fn certificates(&self, trust_domain: Option<&str>) -> Certificates {
        let config = certificate::Config {
            name: "build".to_owned(),
            ca: "ca.pem".into(),
            crl: Some("crl.pem".into()),
            trust_domain: trust_domain.map(str::to_owned),
        };
        let mut certificates = Certificates::default();
        let own = vec![self.issuer.der().clone()];
        certificates.add(config, own, self.revoked(&[])).unwrap();
        certificates
    }

    async fn stand(&self, server: Server, trust_domain: Option<&str>) -> Stand {
        let callers = Callers::new(
            api_keys(None),
            Issuers::default(),
            Endpoints::default(),
            self.certificates(trust_domain),
        );
        Stand::start_for(Arc::new(server), &format!("{POLICY}{ROLE}"), |_| {}, callers).await
    }
}

fn keep(path: &std::path::Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// What psql prints, with a certificate, under a user name, with that password.
async fn psql(stand: &Stand, agent: Option<&Agent>, user: &str, password: &str) -> String {
    let url = format!(
        "host=localhost hostaddr=127.0.0.1 port={} user={user} dbname=postgres sslmode=verify-full sslrootcert={}",
        stand.address.port(),
        stand.authority().display(),
    );
    let mut psql = Command::new("psql");
    psql.arg(url).args([
        "--no-psqlrc",
        "--no-align",
        "--tuples-only",
        "--no-password",
        "--command",
        "SELECT 41 + 1",
    ]);
    if let Some(agent) = agent {
        psql.env("PGSSLCERT", &agent.certificate).env("PGSSLKEY", &agent.key);
    }
    if !password.is_empty() {
        psql.env("PGPASSWORD", password);
    }
    tokio::task::spawn_blocking(move || {
        let output = psql.output().unwrap();
        [output.stdout, output.stderr]
            .map(|text| String::from_utf8(text).unwrap())
            .concat()
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_comes_in_by_its_certificate_and_without_a_password() {
    let server = Server::start();
    server.execute(SCHEMA);
    let authority = Authority::new(&server, "agents");
    let agent = authority.issue("nightly", 1, |params| {
        params.distinguished_name.push(DnType::OrganizationName, "pipelines");
    });
    let stand = authority.stand(server, None).await;
    for user in ["certificate", "nightly"] {
        assert_eq!(psql(&stand, Some(&agent), user, "").await, "42\n");
    }
    assert_eq!(
        stand.memory.principals(),
        ["client-certificate build nightly [\"pipelines\"]"; 2]
    );
    // A certificate does not stand in the way of a password that goes with another name, and vouches for no other name.
    assert_eq!(
        psql(&stand, Some(&agent), "ci", "exk_0000000000000001_test").await,
        "42\n"
    );
    assert_eq!(stand.memory.principals()[2], "api-key api-keys ci []");
    for user in ["ci", "Nightly", "root"] {
        let told = psql(&stand, Some(&agent), user, "x").await;
        assert!(told.contains("the user or its API key is not known"), "{user}: {told}");
    }
    // Its name is no password.
    let told = psql(&stand, None, "certificate", "exk_0000000000000001_test").await;
    assert!(told.contains("not known"), "{told}");
    assert_eq!(stand.memory.principals().len(), 3);
    // A name that is not known may be a secret in the wrong place.
    until("the refusals", || stand.memory.refused().len() == 4).await;
    let mut refused = stand.memory.refused();
    refused.sort();
    let wanted = [
        "api-key unknown ? 1",
        "api-key unknown ? 1",
        "api-key unknown certificate 1",
        "api-key unknown ci 1",
    ];
    assert_eq!(refused, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_vouches_for_opens_nothing() {
    let server = Server::start();
    server.execute(SCHEMA);
    let (authority, other) = (Authority::new(&server, "agents"), Authority::new(&server, "others"));
    let expired = authority.issue("expired", 2, |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 2, 1);
    });
    let revoked = authority.issue("revoked", 3, |_| ());
    let theirs = other.issue("nightly", 4, |_| ());
    let stand = authority.stand(server, None).await;
    stand
        .callers
        .take_revocations("build", authority.revoked(&[3]))
        .unwrap();
    for (agent, wanted) in [(&expired, "expired"), (&revoked, "revoked"), (&theirs, "unknown ca")] {
        for (user, password) in [("certificate", ""), ("ci", "exk_0000000000000001_test")] {
            let told = psql(&stand, Some(agent), user, password).await;
            // The number is one that it would have read; a port may have its digits.
            let read = told.lines().any(|line| line.trim() == "42");
            assert!(told.contains(wanted) && !read, "{told}");
        }
    }
    assert_eq!(stand.memory.sessions().0, 0);
    until("the refusals", || {
        stand.memory.refused() == ["client-certificate certificate ? 1"]
    })
    .await;
    // The others are alike, and recorded at the end at the latest.
    stand.shutdown.cancel();
    until("the others", || {
        stand.memory.refused().last().unwrap() == "client-certificate certificate ? 5"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_svid_comes_in_as_its_id_and_another_certificate_of_the_mesh_does_not() {
    let server = Server::start();
    server.execute(SCHEMA);
    let authority = Authority::new(&server, "agents");
    let id = "spiffe://prod.example/ns/ci/sa/nightly";
    let svid = authority.issue("svid", 1, |params| {
        params.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())];
    });
    let plain = authority.issue("plain", 2, |_| ());
    let stand = authority.stand(server, Some("prod.example")).await;
    for user in ["certificate", id] {
        assert_eq!(psql(&stand, Some(&svid), user, "").await, "42\n");
    }
    let wanted = format!("client-certificate spiffe://prod.example {id} []");
    assert_eq!(stand.memory.principals(), [wanted.as_str(); 2]);
    let told = psql(&stand, Some(&plain), "certificate", "").await;
    assert!(told.contains("no X509-SVID"), "{told}");
    assert_eq!(stand.memory.principals().len(), 2);
}

/// A session of a TLS client, which may resume what it had before.
async fn session(stand: &Stand, client: &tokio_rustls::TlsConnector) -> Result<Encrypted, Vec<u8>> {
    let socket = stand.plain().await;
    let mut stream = client.connect("localhost".try_into().unwrap(), socket).await.unwrap();
    let parameters = [("user", "certificate"), ("database", "postgres")];
    stream.write_all(&startup(0, &parameters)).await.unwrap();
    stream.flush().await.unwrap();
    let mut first = [0; 1];
    if tokio::io::AsyncReadExt::read_exact(&mut stream, &mut first)
        .await
        .is_err()
        || first != [b'R']
    {
        let rest = read_rest(&mut stream).await;
        return Err([first.to_vec(), rest].concat());
    }
    // The rest of `AuthenticationOk`, whose tag was read.
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut [0; 8])
        .await
        .unwrap();
    read_until_ready(&mut stream).await;
    Ok(stream)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_ends_its_session_and_resumes_none() {
    let server = Server::start();
    server.execute(SCHEMA);
    let authority = Authority::new(&server, "agents");
    let agent = authority.issue("nightly", 1, |_| ());
    let stand = authority.stand(server, None).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(stand.certificate()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(agent.chain.clone(), agent.secret.clone_key())
        .unwrap();
    let mut client = client;
    client.alpn_protocols = vec![b"postgresql".to_vec()];
    let client: tokio_rustls::TlsConnector = Arc::new(client).into();
    let first = session(&stand, &client).await.unwrap();
    drop(first);
    let mut open = session(&stand, &client).await.unwrap();
    // Otherwise nothing would be shown by what follows.
    assert_eq!(open.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Resumed));
    // What is revoked beside it changes nothing.
    stand
        .callers
        .take_revocations("build", authority.revoked(&[2]))
        .unwrap();
    let told = crate::stand::talk(&mut open, &[(b'Q', b"SELECT 41 + 1\0")]).await;
    assert!(told.contains("42"), "{told}");
    stand
        .callers
        .take_revocations("build", authority.revoked(&[1, 2]))
        .unwrap();
    let told = read_rest(&mut open).await;
    assert_eq!(sqlstate(&told).as_deref(), Some("28000"));
    assert!(String::from_utf8_lossy(&told).contains("was revoked"));
    let told = session(&stand, &client).await.unwrap_err();
    assert_eq!(sqlstate(&told).as_deref(), Some("28000"));
    assert!(String::from_utf8_lossy(&told).contains("it was revoked"));
    let (opened, ended) = stand.memory.sessions();
    assert_eq!(opened, 2);
    assert_eq!(ended.last().map(String::as_str), Some("revoked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_api_key_ends_its_sessions_and_no_others() {
    let stand = Stand::start().await;
    let mut open = stand.raw_session().await;
    let file = "[[keys]]\nid = \"0000000000000001\"\nsubject = \"ci\"\nhash = \"HASH\"\n";
    let file = file.replace("HASH", &exhibit_schemas::digest::Digest::of(b"test").to_string());
    let other = "[[revoked]]\nid = \"0000000000000002\"\nreason = \"x\"\n";
    stand
        .callers
        .take_api_keys(ApiKeys::parse(&format!("{file}{other}")).unwrap());
    let told = crate::stand::talk(&mut open, &[(b'Q', b"SELECT 41 + 1\0")]).await;
    assert!(told.contains("42"), "{told}");
    let own = other.replace('2', "1");
    stand
        .callers
        .take_api_keys(ApiKeys::parse(&format!("{file}{own}")).unwrap());
    let told = read_rest(&mut open).await;
    assert_eq!(sqlstate(&told).as_deref(), Some("28000"));
    assert!(stand.psql("SELECT 1").await.contains("not known"));
    assert_eq!(stand.memory.sessions(), (1, vec!["revoked".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_made_for_another_target_opens_nothing_here() {
    let server = Server::start();
    server.execute(SCHEMA);
    let key = exhibit_identity::Wanted {
        subject: "ci".to_owned(),
        targets: Some(vec!["billing".to_owned()]),
        ..exhibit_identity::Wanted::default()
    };
    let key = ApiKeys::draw(key).unwrap();
    let keys = ApiKeys::parse(&key.entry).unwrap();
    let callers = Callers::new(keys, Issuers::default(), Endpoints::default(), Certificates::default());
    let stand = Stand::start_for(Arc::new(server), POLICY, |_| {}, callers).await;
    let told = psql(&stand, None, "ci", &key.key).await;
    assert!(told.contains("the API key is not for this target"), "{told}");
    assert_eq!(stand.memory.sessions().0, 0);
}
