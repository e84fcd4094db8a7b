//! Messages of HL7 version 2.

use exhibit_documents::FIELDS_MAX;

use super::{check, format, masked, masks, net, policy, refused};
use exhibit_policy::snapshot::Snapshot;

fn adt() -> Snapshot {
    let fields = [
        ("d.PID-5", "\"redact\""),
        ("d.PID-3.1", "\"partial\"\nkeep = 2"),
        ("d.PID-11.1.2", "\"redact\""),
        ("d.MSH-10", "\"redact\""),
        ("d.OBX-5", "\"detect\""),
    ];
    policy(&format("hl7"), &masks(&fields))
}

#[test]
fn fields_components_and_repetitions_are_masked() {
    check(
        &adt(),
        "MSH|^~\\&|APP|FAC|||20260101||ADT^A01|MSG1|P|2.5\rPID|1||12345^^^MRN&x~6789^^^SSN||Duran^Ann^\"\"||19700203|F|||1 Main&Street&Apt^Town\r\
         OBX|1|TX|||mail a@example.org\r",
        "MSH|^~\\&|APP|FAC|||20260101||ADT^A01|[redacted]|P|2.5\rPID|1||***45^^^MRN&x~**89^^^SSN||[redacted]^[redacted]^\"\"||19700203|F|||\
         1 Main&[redacted]&Apt^Town\rOBX|1|TX|||mail [email]\r",
    );
}

#[test]
fn a_message_says_its_separators_and_a_batch_has_several() {
    check(
        &adt(),
        "FHS|^~\\&|A\nBHS|^~\\&|A\nMSH#*+\\$#APP\nPID#1###a*b#Duran*Ann+Li\n\nMSH|^~\\&#|APP\nPID|||||D\n\nBTS|2\nFTS|1",
        "FHS|^~\\&|A\nBHS|^~\\&|A\nMSH#*+\\$#APP\nPID#1###a*b#[redacted]*[redacted]+[redacted]\n\nMSH|^~\\&#|APP\nPID|||||[redacted]\n\nBTS|2\nFTS|1",
    );
    check(&adt(), "", "");
}

#[test]
fn masks_and_nets_read_what_escapes_stand_for() {
    let both = masks(&[("d.PID-5.1", "\"partial\"\nkeep = 1")]) + &net("\"ssn\", \"email\"");
    let policy = policy(&format("hl7"), &both);
    check(
        &policy,
        "MSH|^~\\&|A\rPID|||||O\\T\\Neil\\F\\\\X41\\\\.br\\\\H\\b\\N\\|123\\X2D\\45\\X2D\\6789|C:\\dir|a\\T\\b\r",
        "MSH|^~\\&|A\rPID|||||*\\T\\****\\F\\*\\.br\\b|[ssn]|C:\\dir|a\\T\\b\r",
    );
}

#[test]
fn of_several_masks_the_first_of_the_policy_holds() {
    for (first, second, wanted) in [("d.PID-5", "d.PID-5.2", "[redacted]"), ("d.PID-5.2", "d.PID-5", "")] {
        let techniques = if wanted.is_empty() {
            ["\"null\"", "\"redact\""]
        } else {
            ["\"redact\"", "\"null\""]
        };
        let policy = policy(
            &format("hl7"),
            &masks(&[(first, techniques[0]), (second, techniques[1])]),
        );
        check(
            &policy,
            "MSH|^~\\&|A\rPID|||||a^b\r",
            &format!("MSH|^~\\&|A\rPID|||||[redacted]^{wanted}\r"),
        );
    }
}

#[test]
fn what_is_no_message_is_refused() {
    for (document, wanted) in [
        (&b"PID|1\r"[..], "stands before a header"),
        (b"hello\r", "a segment has no name"),
        (b"MSH|^~\\&|A\rpid|1\r", "a segment has no name"),
        (b"MSH|^~\\&|A\rPI\r", "a segment has no name"),
        (b"MSH|^~\\&|A\rPIDX|1\r", "a segment has no name"),
        (b"MSH|^~\\&|A\rPID^1\r", "a segment has no name"),
        (b"MSH\r", "separators"),
        (b"MSH|\r", "separators"),
        (b"MSH|^~\\|A\r", "separators"),
        (b"MSH|^~\\^|A\r", "separators"),
        (b"MSH|^~\\&#x|A\r", "separators"),
        (b"MSHA^~\\&AB\r", "separators"),
        (b"MSH|^~\\&|A|||||||||||||||8859/1\r", "character set"),
        (b"MSH|^~\\&|A\rPID|||||a\\C2842\\b\r", "an escape"),
        (b"MSH|^~\\&|A\rPID|||||a\\XFF\\b\r", "an escape"),
        (b"MSH|^~\\&|A\rPID|||||a\\X4\\b\r", "an escape"),
        (b"MSH|^~\\&|A\rPID|\xe9\r", "no UTF-8"),
        (b"MSH|^~\\&|A\rPID|\0\r", "a zero byte"),
    ] {
        refused(&adt(), document, wanted);
    }
    let utf8 = "MSH|^~\\&|A|||||||||||||||UNICODE UTF-8\rPID|||||\u{e9}\r";
    check(&adt(), utf8, &utf8.replace('\u{e9}', "[redacted]"));
}

#[test]
fn limits_hold_at_and_past_the_edge() {
    let segment = |separator: &str, count: usize| format!("MSH|^~\\&|A\rNTE|{}\r", vec!["a"; count].join(separator));
    for separator in ["|", "^", "~", "&"] {
        assert!(masked(&adt(), segment(separator, FIELDS_MAX).as_bytes()).is_ok());
        refused(&adt(), segment(separator, FIELDS_MAX + 1).as_bytes(), "too many fields");
    }
}
