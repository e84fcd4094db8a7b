//! Answers of STS, and what is none.

use super::{AnswerError, Caller};

const ROLE: &str = "arn:aws:sts::123456789012:assumed-role/nightly/run-7";
const ROLE_ID: &str = "AROAEXAMPLEROLEIDENT1:run-7";
const ACCOUNT: &str = "123456789012";

fn answer(arn: &str, unique_id: &str, account: &str) -> String {
    format!(
        "<?xml version='1.0' encoding='utf-8'?>\n\
         <GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <GetCallerIdentityResult>\n\
         <Arn>{arn}</Arn>\n<UserId>{unique_id}</UserId>\n<Account>{account}</Account>\n</GetCallerIdentityResult>\n\
         <ResponseMetadata><RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId></ResponseMetadata>\n\
         </GetCallerIdentityResponse>\n"
    )
}

fn read(arn: &str, unique_id: &str) -> Result<Caller, AnswerError> {
    Caller::read(answer(arn, unique_id, ACCOUNT).as_bytes())
}

#[test]
fn a_session_is_its_role_and_a_user_is_itself() {
    let role = read(ROLE, ROLE_ID).unwrap();
    assert_eq!(role.arn, "arn:aws:iam::123456789012:role/nightly");
    assert_eq!((role.account.as_str(), role.unique_id.as_str()), (ACCOUNT, ROLE_ID));
    assert_eq!(role.account_arn, "arn:aws:iam::123456789012:root");
    let user = "arn:aws-us-gov:iam::123456789012:user/teams/etl/ann";
    let read = read(user, "AIDAEXAMPLEUSERIDENT1").unwrap();
    assert_eq!(
        (read.arn.as_str(), read.account_arn.as_str()),
        (user, "arn:aws-us-gov:iam::123456789012:root")
    );
}

#[test]
fn who_is_neither_is_not_taken() {
    for (arn, unique_id) in [
        ("arn:aws:iam::123456789012:root", ACCOUNT),
        ("arn:aws:sts::123456789012:federated-user/ann", "123456789012:ann"),
        ("arn:aws:iam::123456789012:role/nightly", "AROAEXAMPLEROLEIDENT1"),
        ("arn:aws:s3::123456789012:user/ann", "AIDAEXAMPLEUSERIDENT1"),
    ] {
        assert_eq!(read(arn, unique_id), Err(AnswerError::Kind), "{arn}");
    }
}

#[test]
fn parts_that_are_not_of_each_other_are_nobody() {
    for unique_id in [
        "AROAEXAMPLEROLEIDENT1",
        "AROAEXAMPLEROLEIDENT1:run-8",
        "AROA:run-7",
        "aroaexampleroleident1:run-7",
        "AROAEXAMPLEROLEIDENT1:run-7:run-7",
    ] {
        assert_eq!(read(ROLE, unique_id), Err(AnswerError::Parts), "{unique_id}");
    }
    let other = answer(ROLE, ROLE_ID, "210987654321");
    assert_eq!(Caller::read(other.as_bytes()), Err(AnswerError::Parts));
    let user = "arn:aws:iam::123456789012:user/ann";
    assert_eq!(read(user, "AIDAEXAMPLEUSERIDENT1:ann"), Err(AnswerError::Parts));
}

#[test]
fn an_answer_of_another_form_says_nothing() {
    let good = answer(ROLE, ROLE_ID, ACCOUNT);
    let cases = [
        String::new(),
        "{\"GetCallerIdentityResponse\":{}}".to_owned(),
        "<html><body>sign in</body></html>".to_owned(),
        good.replace("GetCallerIdentityRes", "GetSessionTokenRes"),
        good.replace("doc/2011-06-15", "doc/2011-06-16"),
        good.replace(" xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"", ""),
        good.replace("<Account>", "<Account>123456789012</Account><Account>"),
        good.replace("<UserId>", "<UserId><!-- -->"),
        good.replace("<Arn>", "<Arn><b/>"),
        good.replace("</GetCallerIdentityResponse>", ""),
        good.replace(
            "<?xml version='1.0' encoding='utf-8'?>",
            "<!DOCTYPE a [<!ENTITY e 'nightly'>]>",
        ),
        good.replace(
            "</GetCallerIdentityResult>",
            &format!("{}</GetCallerIdentityResult>", "<a/>".repeat(100)),
        ),
        good.replace("nightly", &"n".repeat(65)),
        good.replace("nightly", "night ly"),
        good.replace("nightly", "night/ly"),
        good.replace("assumed-role/nightly/run-7", "assumed-role/nightly"),
        good.replace("arn:aws:sts", "arn:awsome:sts"),
        good.replace("arn:aws:sts::", "arn:aws:sts:eu-central-1:"),
        good.replace(ACCOUNT, "12345678901"),
        format!("{good}{}", " ".repeat(17 << 10)),
    ];
    for case in cases {
        assert_ne!(case, good);
        assert_eq!(Caller::read(case.as_bytes()), Err(AnswerError::Form), "{case}");
    }
    assert_eq!(Caller::read(&[0xff]), Err(AnswerError::Form));
    assert!(Caller::read(good.as_bytes()).is_ok());
}
