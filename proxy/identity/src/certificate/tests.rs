//! Chains of real certificates, made here.

use exhibit_schemas::event::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use super::{CertificateError, Certificates, Config, METHOD, SpiffeError};

/// 2026-06-01.
const NOW: Timestamp = Timestamp(1_780_272_000_000_000);

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn leaf(serial: u64) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.serial_number = Some(SerialNumber::from(serial));
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2026, 12, 1);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "nightly");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn signed(params: &CertificateParams, by: &Authority) -> Vec<CertificateDer<'static>> {
    let key = KeyPair::generate().unwrap();
    vec![params.signed_by(&key, by).unwrap().der().clone()]
}

fn roots(authority: &Authority) -> Vec<CertificateDer<'static>> {
    vec![authority.der().clone()]
}

fn config(name: &str, trust_domain: Option<&str>, crl: bool) -> Config {
    Config {
        name: name.to_owned(),
        ca: "ca.pem".into(),
        crl: crl.then(|| "crl.pem".into()),
        trust_domain: trust_domain.map(str::to_owned),
    }
}

fn plain(authority: &Authority) -> Certificates {
    let mut certificates = Certificates::default();
    certificates
        .add(config("build", None, false), roots(authority), Vec::new())
        .unwrap();
    certificates
}

fn spiffe(authority: &Authority) -> Certificates {
    let mut certificates = Certificates::default();
    let config = config("mesh", Some("prod.example"), false);
    certificates.add(config, roots(authority), Vec::new()).unwrap();
    certificates
}

/// Serials that an authority revoked, by a list of `(year, month)` to the end of that year.
fn revoked(authority: &Authority, serials: &[u64], year: i32) -> CertificateRevocationListDer<'static> {
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(year, 1, 1),
        next_update: date_time_ymd(year, 12, 31),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: serials
            .iter()
            .map(|serial| RevokedCertParams {
                serial_number: SerialNumber::from(*serial),
                revocation_time: date_time_ymd(year, 1, 1),
                reason_code: None,
                invalidity_date: None,
            })
            .collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(authority).unwrap().der().clone()
}

fn refusal(certificates: &Certificates, chain: &[CertificateDer<'_>]) -> String {
    certificates.identify(chain, NOW).unwrap_err().to_string()
}

#[test]
fn a_common_name_is_the_subject_and_organizations_are_groups() {
    let authority = authority("agents");
    let mut params = leaf(1);
    params.distinguished_name.push(DnType::OrganizationName, "pipelines");
    let identity = plain(&authority).identify(&signed(&params, &authority), NOW).unwrap();
    let principal = identity.principal;
    assert_eq!(
        (principal.method.as_str(), principal.issuer.as_str()),
        (METHOD, "build")
    );
    assert_eq!(principal.subject, "nightly");
    assert_eq!(principal.groups, ["pipelines"]);
    // 2026-12-01 00:00:00 is the last second.
    assert_eq!(identity.expires, Some(Timestamp(1_796_083_201_000_000)));
}

#[test]
fn a_subject_that_could_be_taken_for_another_is_none() {
    let authority = authority("agents");
    let certificates = plain(&authority);
    let subject = |change: &dyn Fn(&mut DistinguishedName)| {
        let mut params = leaf(1);
        params.distinguished_name = DistinguishedName::new();
        change(&mut params.distinguished_name);
        certificates.identify(&signed(&params, &authority), NOW).map(|_| ())
    };
    assert_eq!(subject(&|_| ()), Err(CertificateError::Subject));
    for name in ["", "a\nb", "a\0b", &"x".repeat(129)] {
        let named = subject(&|subject| subject.push(DnType::CommonName, name));
        assert_eq!(named, Err(CertificateError::Subject), "{name:?}");
    }
    let organization = subject(&|subject| {
        subject.push(DnType::CommonName, "a");
        subject.push(DnType::OrganizationName, "");
    });
    assert_eq!(organization, Err(CertificateError::Groups));
}

#[test]
fn who_is_not_vouched_for_is_nobody() {
    let (ours, theirs) = (authority("agents"), authority("agents"));
    let certificates = plain(&ours);
    let check = |chain: &[CertificateDer<'_>], wanted: &str| {
        let refusal = refusal(&certificates, chain);
        assert!(refusal.contains(wanted), "{refusal}");
    };
    check(&[], "there is none");
    check(&signed(&leaf(1), &theirs), "");
    let mut expired = leaf(1);
    expired.not_after = date_time_ymd(2026, 5, 31);
    check(&signed(&expired, &ours), "expired");
    let mut early = leaf(1);
    early.not_before = date_time_ymd(2026, 6, 2);
    check(&signed(&early, &ours), "not valid yet");
    let mut server = leaf(1);
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    check(&signed(&server, &ours), "not made for clients");
    // The authority's own certificate is nobody's.
    check(&[ours.der().clone()], "");
    let mut broken = signed(&leaf(1), &ours);
    let mut bytes = broken[0].to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    broken[0] = CertificateDer::from(bytes);
    check(&broken, "");
}

#[test]
fn an_intermediate_that_is_shown_counts_and_one_that_is_not_an_authority_does_not() {
    let root = authority("root");
    let mut params = leaf(7);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let between = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &root).unwrap();
    let own = signed(&leaf(8), &between);
    let certificates = plain(&root);
    let chain = [own[0].clone(), between.der().clone()];
    assert!(certificates.identify(&chain, NOW).is_ok());
    assert!(certificates.identify(&own, NOW).is_err());
    let no_authority = CertifiedIssuer::signed_by(leaf(9), KeyPair::generate().unwrap(), &root).unwrap();
    let below = signed(&leaf(10), &no_authority);
    assert!(
        certificates
            .identify(&[below[0].clone(), no_authority.der().clone()], NOW)
            .is_err()
    );
}

#[test]
fn an_svid_is_its_id() {
    let authority = authority("mesh");
    let certificates = spiffe(&authority);
    let id = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = leaf(1);
        let uri = "spiffe://prod.example/ns/ci/sa/nightly".try_into().unwrap();
        params.subject_alt_names = vec![SanType::URI(uri)];
        change(&mut params);
        certificates.identify(&signed(&params, &authority), NOW)
    };
    let identity = id(&|_| ()).unwrap().principal;
    assert_eq!(identity.issuer, "spiffe://prod.example");
    assert_eq!(identity.subject, "spiffe://prod.example/ns/ci/sa/nightly");
    assert!(identity.groups.is_empty());
    let refused = |wanted: SpiffeError, change: &dyn Fn(&mut CertificateParams)| {
        assert_eq!(id(change), Err(CertificateError::Spiffe(wanted)));
    };
    let uri = |text: &str| SanType::URI(text.to_owned().try_into().unwrap());
    refused(SpiffeError::Names, &|params| params.subject_alt_names.clear());
    refused(SpiffeError::Names, &|params| {
        params.subject_alt_names.push(uri("https://prod.example/a"));
    });
    refused(SpiffeError::Id, &|params| {
        params.subject_alt_names = vec![uri("spiffe://prod.example")];
    });
    refused(SpiffeError::Domain, &|params| {
        params.subject_alt_names = vec![uri("spiffe://prod.example.org/a")];
    });
    refused(SpiffeError::Usage, &|params| params.key_usages.clear());
    refused(SpiffeError::Usage, &|params| {
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    });
    refused(SpiffeError::Usage, &|params| {
        params.key_usages = vec![KeyUsagePurpose::KeyAgreement];
    });
}

#[test]
fn what_is_revoked_lets_nobody_in_and_a_list_that_is_old_or_missing_neither() {
    let ours = authority("agents");
    let mut certificates = Certificates::default();
    let section = config("build", None, true);
    let none = certificates.add(section.clone(), roots(&ours), Vec::new()).unwrap_err();
    assert!(none.to_string().contains("holds no list"), "{none}");
    certificates
        .add(section, roots(&ours), vec![revoked(&ours, &[1], 2026)])
        .unwrap();
    let (first, second) = (signed(&leaf(1), &ours), signed(&leaf(2), &ours));
    assert!(refusal(&certificates, &first).contains("revoked"));
    assert!(certificates.identify(&second, NOW).is_ok());
    certificates
        .revoke("build", vec![revoked(&ours, &[1, 2], 2026)])
        .unwrap();
    assert!(refusal(&certificates, &second).contains("revoked"));
    // What cannot be taken changes nothing.
    let broken = CertificateRevocationListDer::from(vec![0x30, 0]);
    assert!(certificates.revoke("build", vec![broken]).is_err());
    assert!(refusal(&certificates, &second).contains("revoked"));
    for (list, wanted) in [
        (revoked(&ours, &[1], 2025), "too old"),
        (revoked(&authority("others"), &[1], 2026), "is its authority's"),
    ] {
        certificates.revoke("build", vec![list]).unwrap();
        assert!(refusal(&certificates, &second).contains(wanted));
    }
    // A list that nobody signed says nothing.
    let mut forged = revoked(&ours, &[], 2026).to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    certificates
        .revoke("build", vec![CertificateRevocationListDer::from(forged)])
        .unwrap();
    assert!(certificates.identify(&second, NOW).is_err());
}

#[test]
fn authorities_are_told_apart() {
    let (ours, theirs) = (authority("one"), authority("two"));
    let mut certificates = plain(&ours);
    let again = certificates.add(config("other", Some("prod.example"), false), roots(&ours), Vec::new());
    assert!(again.unwrap_err().to_string().contains("holds an authority of `build`"));
    let twice = certificates.add(config("build", None, false), roots(&theirs), Vec::new());
    assert!(twice.unwrap_err().to_string().contains("twice"));
    certificates
        .add(config("others", None, false), roots(&theirs), Vec::new())
        .unwrap();
    let issuer = |authority| {
        certificates
            .identify(&signed(&leaf(1), authority), NOW)
            .unwrap()
            .principal
            .issuer
    };
    assert_eq!(
        (issuer(&ours), issuer(&theirs)),
        ("build".to_owned(), "others".to_owned())
    );
}

#[test]
fn what_one_section_revoked_does_not_come_by_another_section_of_the_same_hierarchy() {
    let root = authority("root");
    let mut params = leaf(7);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::OrganizationName, "between");
    let between = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &root).unwrap();
    let (gone, good) = (signed(&leaf(8), &between), signed(&leaf(9), &between));
    let lists = || vec![revoked(&root, &[], 2026), revoked(&between, &[8], 2026)];
    let mut lenient = Certificates::default();
    lenient
        .add(config("below", None, false), roots(&between), Vec::new())
        .unwrap();
    assert!(
        lenient.identify(&gone, NOW).is_ok(),
        "alone, it knows of nothing revoked"
    );
    for strict_first in [true, false] {
        let mut both = Certificates::default();
        let mut sections = [
            (config("above", None, true), roots(&root), lists()),
            (config("below", None, false), roots(&between), Vec::new()),
        ];
        if !strict_first {
            sections.reverse();
        }
        for (section, own, revocations) in sections {
            both.add(section, own, revocations).unwrap();
        }
        // With the certificate between, and without, so that only one of them seems to know it.
        for chain in [vec![gone[0].clone(), between.der().clone()], gone.clone()] {
            assert_ne!(both.identify(&chain, NOW).err(), None, "{strict_first} {}", chain.len());
        }
        for chain in [vec![good[0].clone(), between.der().clone()], good.clone()] {
            let refusal = refusal(&both, &chain);
            assert!(refusal.contains("several do"), "{refusal}");
        }
    }
}

#[test]
fn a_section_is_refused_that_could_be_misread() {
    let refused = |section: Config, wanted: &str| {
        let error = section.resolved("/x".as_ref()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    };
    refused(config("", None, false), "a name has");
    refused(config("spiffe://prod.example", None, false), "begin as a SPIFFE id");
    refused(config("a", Some("Prod.example"), false), "lower-case");
    refused(config("a", Some(""), false), "lower-case");
    let resolved = config("a", Some("prod.example"), true).resolved("/x".as_ref()).unwrap();
    assert_eq!(resolved.crl.as_deref(), Some("/x/crl.pem".as_ref()));
}
