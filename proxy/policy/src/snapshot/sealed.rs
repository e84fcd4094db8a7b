//! `[sealed]` of a policy file: to whom the exact bytes of commands are encrypted, and of which targets.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{PolicyError, known};
use crate::sealed::{RECIPIENTS_MAX, Recipient};

/// What errors call the section.
const SECTION: &str = "sealed";

/// The section as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SealedText {
    recipients: Vec<String>,
    targets: Option<Vec<String>>,
}

/// To whom exact commands are encrypted.
#[derive(Clone, Debug, Default)]
pub(super) struct Sealed {
    recipients: Vec<Recipient>,
    /// Of which targets; all where it is `None`.
    targets: Option<BTreeSet<String>>,
}

impl Sealed {
    /// The recipients of copies of commands to a target; none where nothing is copied.
    pub(super) fn recipients(&self, target: &str) -> &[Recipient] {
        match &self.targets {
            Some(targets) if !targets.contains(target) => &[],
            _ => &self.recipients,
        }
    }
}

impl SealedText {
    pub(super) fn check(self, targets: &BTreeSet<String>) -> Result<Sealed, PolicyError> {
        let broken = |rule| PolicyError::Rule {
            place: SECTION.to_owned(),
            rule,
        };
        if self.recipients.is_empty() || self.recipients.len() > RECIPIENTS_MAX {
            return Err(broken("recipients are 1 to 16; leave the section out to seal nothing"));
        }
        let mut recipients = Vec::new();
        for text in &self.recipients {
            let recipient = Recipient::parse(text).map_err(|error| PolicyError::Recipient {
                place: SECTION.to_owned(),
                error,
            })?;
            if recipients.contains(&recipient) {
                return Err(broken("a recipient is named twice"));
            }
            recipients.push(recipient);
        }
        if let Some(named) = &self.targets {
            if named.is_empty() {
                return Err(broken("targets name at least one; leave them out for all"));
            }
            known(SECTION, "target", named, targets)?;
        }
        Ok(Sealed {
            recipients,
            targets: self.targets.map(|targets| targets.into_iter().collect()),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::snapshot::Snapshot;

    const ONE: &str = "age1apdu77hwunkk6ynkekenhz770754fhlqlf95dd6s2vscx3ctgp0qqyx3sd";
    const TWO: &str = "age1dtyn9xewvs7zl4le7t86pys7c0u9j6937nx5zmdvv78kfaejuyxqvpla6a";

    fn parse(section: &str) -> Result<Snapshot, String> {
        let text = format!(
            "version = 1\n[[targets]]\nname = \"clinic\"\nprotocol = \"postgres\"\n[[targets]]\nname = \"other\"\nprotocol = \
             \"postgres\"\n{section}"
        );
        Snapshot::parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_sealed_unless_the_policy_says_to_whom() {
        let none = parse("").unwrap();
        assert_eq!(none.recipients("clinic"), []);
        let all = parse(&format!("[sealed]\nrecipients = [\"{ONE}\", \"{TWO}\"]\n")).unwrap();
        let texts = |snapshot: &Snapshot, target| -> Vec<String> {
            let recipients = snapshot.recipients(target).iter();
            recipients.map(|recipient| recipient.as_str().to_owned()).collect()
        };
        assert_eq!(texts(&all, "clinic"), [ONE, TWO]);
        assert_eq!(texts(&all, "other"), [ONE, TWO]);
        let one = parse(&format!("[sealed]\nrecipients = [\"{ONE}\"]\ntargets = [\"other\"]\n")).unwrap();
        assert_eq!(texts(&one, "other"), [ONE]);
        assert_eq!(one.recipients("clinic"), []);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (section, wanted) in [
            ("[sealed]\n", "missing field `recipients`"),
            ("[sealed]\nrecipients = []\n", "line 8: sealed: recipients are 1 to 16"),
            (
                "[sealed]\nrecipients = [\"age1x\"]\n",
                "line 8: sealed: a recipient is `age1` and 58",
            ),
            (
                &format!("\n[sealed]\nrecipients = [\"{ONE}\", \"{ONE}\"]\n"),
                "line 9: sealed: a recipient is named twice",
            ),
            (
                &format!("[sealed]\nrecipients = [\"{}\"]\n", ONE.replace("age1a", "age1q")),
                "line 8: sealed: the checksum of a recipient is wrong",
            ),
            (
                &format!("[sealed]\nrecipients = [\"{ONE}\"]\ntargets = []\n"),
                "line 8: sealed: targets name at least one",
            ),
            (
                &format!("[sealed]\nrecipients = [\"{ONE}\"]\ntargets = [\"clinics\"]\n"),
                "line 8: sealed names target `clinics`, which is not defined; the nearest is `clinic`",
            ),
            (
                &format!("[sealed]\nrecipient = [\"{ONE}\"]\n"),
                "unknown field `recipient`",
            ),
            (&format!("[[sealed]]\nrecipients = [\"{ONE}\"]\n"), "a table"),
        ] {
            let error = parse(section).unwrap_err();
            assert!(error.contains(wanted), "{section}: {error}");
        }
        let many = vec![format!("\"{ONE}\""); 17].join(", ");
        let error = parse(&format!("[sealed]\nrecipients = [{many}]\n")).unwrap_err();
        assert!(error.contains("recipients are 1 to 16"), "{error}");
    }
}
