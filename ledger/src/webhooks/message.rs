//! What a webhook is told, in the words that it understands.
//!
//! All of it stands in the request's event, which holds no literal and no masked value. Texts of others (statements, names, reasons)
//! go where nothing reads them as markup.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::Principal;
use exhibit_schemas::event::approval::ApprovalRequested;
use exhibit_schemas::event::{SessionId, Timestamp};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::merkle::Index;
use serde_json::{Value, json};

use super::Shape;

/// What the `type` of a generic notification is (Standard Webhooks, "Payload structure").
const TYPE: &str = "approval.requested";

/// The same of one that tells of an emergency.
const EMERGENCY_TYPE: &str = "approval.emergency";

/// Characters of a statement that are told. Slack takes 3,000 to a block.
const STATEMENT_CHARACTERS_MAX: usize = 2_500;

/// Digits of a request's id that people type.
const ID_DIGITS: usize = 12;

/// A request that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) leaf: Digest,
    pub(super) session: SessionId,
    pub(super) target: String,
    /// What is asked; `None` of an emergency that was over before the request was seen.
    pub(super) request: Option<ApprovalRequested>,
    pub(super) principal: Option<Principal>,
    /// Where it is told that somebody lets it pass in an emergency.
    pub(super) emergency: Option<Signed>,
}

/// A person's word that a request passes in an emergency. Whether that counts says the proxy; that it was signed is told at once.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) leaf: Digest,
    pub(super) index: Index,
    pub(super) time: Timestamp,
    pub(super) person: String,
    pub(super) key: KeyId,
    pub(super) reason: String,
}

impl Waiting {
    fn id(&self) -> String {
        self.leaf.to_string().chars().take(ID_DIGITS).collect()
    }

    /// The id of the notification: that of the event which it tells of.
    pub(super) fn event(&self) -> Digest {
        self.emergency.as_ref().map_or(self.leaf, |signed| signed.leaf)
    }

    /// What it tells, for the log.
    pub(super) const fn what(&self) -> &'static str {
        match self.emergency {
            Some(_) => "an emergency",
            None => "an approval that waits",
        }
    }

    fn subject(&self) -> &str {
        self.principal
            .as_ref()
            .map_or("somebody", |principal| &principal.subject)
    }

    fn run(&self) -> Option<String> {
        let run = self.principal.as_ref().and_then(|principal| principal.run.as_ref());
        run.map(ToString::to_string)
    }

    /// The statement, cut where it is long.
    fn statement(&self) -> Option<String> {
        let statement = &self.request.as_ref()?.statement;
        Some(match statement.char_indices().nth(STATEMENT_CHARACTERS_MAX) {
            Some((end, _)) => format!("{} […]", statement.get(..end).unwrap_or_default()),
            None => statement.clone(),
        })
    }

    /// The body of a notification; `statement` says whether the statement is told.
    pub(super) fn body(&self, shape: Shape, statement: bool) -> Vec<u8> {
        let statement = statement.then(|| self.statement()).flatten();
        let body = match shape {
            Shape::Generic => self.generic(statement.as_deref()),
            Shape::Slack => self.slack(statement),
            Shape::Teams => self.teams(statement),
        };
        serde_json::to_vec(&body).expect("a value of strings and numbers is JSON")
    }

    fn generic(&self, statement: Option<&str>) -> Value {
        let request = self.request.as_ref();
        let requirement = request.map(|request| &request.requirement);
        let stated = requirement.and_then(|requirement| requirement.emergency.as_ref());
        json!({
            "type": match self.emergency {
                Some(_) => EMERGENCY_TYPE,
                None => TYPE,
            },
            "data": {
                "id": self.id(),
                "request": self.leaf.to_string(),
                "session": self.session.to_string(),
                "subject": self.subject(),
                "run": self.run(),
                "target": self.target,
                "statement": statement,
                "rule": request.and_then(|request| request.decision.rule.as_ref()),
                "reason": request.map(|request| &request.decision.reason),
                "approval": requirement.map(|requirement| &requirement.name),
                "groups": requirement.map(|requirement| &requirement.groups),
                "people": requirement.map(|requirement| requirement.people),
                "all_groups": requirement.and_then(|requirement| requirement.all_groups.as_ref()),
                "hours": requirement.and_then(|requirement| requirement.hours.as_ref()).map(ToString::to_string),
                "preview": request.and_then(|request| request.preview.as_ref()).map(ToString::to_string),
                "expires": request.map(|request| request.expires.to_string()),
                "expires_us": request.map(|request| request.expires.0),
                "decide": self.decide(),
                "emergency": self.emergency.as_ref().map(|signed| json!({
                    "decision": signed.index.0,
                    "person": signed.person,
                    "key": signed.key.to_string(),
                    "signed": signed.time.to_string(),
                    "reason": signed.reason,
                    "reviewers": stated.map(|stated| &stated.reviewers),
                    "review_within_days": stated.map(|stated| stated.review_within_days),
                })),
            },
        })
    }

    /// Who asks, of what, and what to do: lines for people.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(signed) = &self.emergency {
            let Signed {
                person, key, reason, ..
            } = signed;
            lines.push(format!("EMERGENCY: {person} (key {key}) lets it pass: {reason}"));
        }
        lines.push(format!(
            "{} asks on {}: {}",
            self.subject(),
            self.target,
            self.request.as_ref().map_or("", |request| &request.decision.reason)
        ));
        lines.extend(self.run().map(|run| format!("Run: {run}")));
        let request = self.request.as_ref();
        lines.extend(request.map(|request| format!("{} until {}", request.requirement, request.expires)));
        let preview = request.and_then(|request| request.preview.as_ref());
        lines.extend(preview.map(|preview| format!("Preview: {preview}")));
        lines.push(self.decide());
        lines
    }

    /// What its receivers can do.
    fn decide(&self) -> String {
        match self.emergency {
            Some(_) => format!("exhibit approvals revoke {}", self.id()),
            None => format!("exhibit approve {}", self.id()),
        }
    }

    fn slack(&self, statement: Option<String>) -> Value {
        let plain =
            |text: &str| json!({ "type": "section", "text": { "type": "plain_text", "text": text, "emoji": false } });
        let lines = self.lines().into_iter().chain(statement);
        let blocks: Vec<Value> = lines.map(|line| plain(&line)).collect();
        // The text stands in for the blocks in notifications, where `<`, `>` and `&` are markup.
        let text = match self.emergency {
            Some(_) => format!("EMERGENCY: {} passes without its approvals", self.id()),
            None => format!("Approval {} waits", self.id()),
        };
        json!({ "text": text, "blocks": blocks })
    }

    fn teams(&self, statement: Option<String>) -> Value {
        // Runs of text are no markup, as text blocks are.
        let run = |text: &str, font: &str| {
            let run = json!({ "type": "TextRun", "text": text, "fontType": font });
            json!({ "type": "RichTextBlock", "inlines": [run] })
        };
        let mut body: Vec<Value> = self.lines().iter().map(|line| run(line, "Default")).collect();
        body.extend(statement.map(|statement| run(&statement, "Monospace")));
        let card = json!({
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": body,
        });
        let attachment = json!({ "contentType": "application/vnd.microsoft.card.adaptive", "content": card });
        json!({ "type": "message", "attachments": [attachment] })
    }
}
