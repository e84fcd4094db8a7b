//! What a webhook is told, in the words that it understands.
//!
//! All of it stands in the request's event, which holds no literal and no masked value. Texts of others (statements, names, reasons)
//! go where nothing reads them as markup.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::SessionId;
use exhibit_schemas::event::access::Principal;
use exhibit_schemas::event::approval::ApprovalRequested;
use serde_json::{Value, json};

use super::Shape;

/// What the `type` of a generic notification is (Standard Webhooks, "Payload structure").
const TYPE: &str = "approval.requested";

/// Characters of a statement that are told. Slack takes 3,000 to a block.
const STATEMENT_CHARACTERS_MAX: usize = 2_500;

/// Digits of a request's id that people type.
const ID_DIGITS: usize = 12;

/// A request that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) leaf: Digest,
    pub(super) session: SessionId,
    pub(super) request: ApprovalRequested,
    pub(super) principal: Option<Principal>,
}

impl Waiting {
    fn id(&self) -> String {
        self.leaf.to_string().chars().take(ID_DIGITS).collect()
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
    fn statement(&self) -> String {
        let statement = &self.request.statement;
        match statement.char_indices().nth(STATEMENT_CHARACTERS_MAX) {
            Some((end, _)) => format!("{} […]", statement.get(..end).unwrap_or_default()),
            None => statement.clone(),
        }
    }

    /// The body of a notification; `statement` says whether the statement is told.
    pub(super) fn body(&self, shape: Shape, statement: bool) -> Vec<u8> {
        let statement = statement.then(|| self.statement());
        let body = match shape {
            Shape::Generic => self.generic(statement.as_deref()),
            Shape::Slack => self.slack(statement),
            Shape::Teams => self.teams(statement),
        };
        serde_json::to_vec(&body).expect("a value of strings and numbers is JSON")
    }

    fn generic(&self, statement: Option<&str>) -> Value {
        let request = &self.request;
        json!({
            "type": TYPE,
            "data": {
                "id": self.id(),
                "request": self.leaf.to_string(),
                "session": self.session.to_string(),
                "subject": self.subject(),
                "run": self.run(),
                "target": request.target,
                "statement": statement,
                "rule": request.decision.rule,
                "reason": request.decision.reason,
                "approval": request.requirement.name,
                "groups": request.requirement.groups,
                "people": request.requirement.people,
                "all_groups": request.requirement.all_groups,
                "hours": request.requirement.hours.as_ref().map(ToString::to_string),
                "expires": request.expires.to_string(),
                "expires_us": request.expires.0,
                "decide": format!("exhibit approve {}", self.id()),
            },
        })
    }

    /// Who asks, of what, and what to do: lines for people.
    fn lines(&self) -> Vec<String> {
        let request = &self.request;
        let mut lines = vec![format!(
            "{} asks on {}: {}",
            self.subject(),
            request.target,
            request.decision.reason
        )];
        lines.extend(self.run().map(|run| format!("Run: {run}")));
        lines.push(format!("{} until {}", request.requirement, request.expires));
        lines.push(format!("exhibit approve {}", self.id()));
        lines
    }

    fn slack(&self, statement: Option<String>) -> Value {
        let plain =
            |text: &str| json!({ "type": "section", "text": { "type": "plain_text", "text": text, "emoji": false } });
        let lines = self.lines().into_iter().chain(statement);
        let blocks: Vec<Value> = lines.map(|line| plain(&line)).collect();
        // The text stands in for the blocks in notifications, where `<`, `>` and `&` are markup.
        json!({ "text": format!("Approval {} waits", self.id()), "blocks": blocks })
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
