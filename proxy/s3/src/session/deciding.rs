//! What becomes of a request before a store hears of it: it is decided, people are asked, it is recorded, or refused with words that stand in the
//! ledger, too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exhibit_gate::session::{
    Cleared, Denial, EndStatus, NotAsked, Permit, Reach, Reply, Request as Asking, Ruling, Session, Transaction,
};
use exhibit_policy::decide::UNPROVEN;
use exhibit_policy::mask::Masked;
use exhibit_schemas::event::access::{Access, Action, Attribute, Facts, Frame};
use hyper::Response;

use super::state::State;
use super::{Failed, Held, Serving, SessionError, declared};
use crate::agent::{self, AnswerHead, Sent};
use crate::analysis::{Asked, Content, Shown};
use crate::answer::Failure;
use crate::operation::Operation;
use crate::reading::{self, Conditions, Treatment};
use crate::signature::Signed;
use crate::signature::code::Code;
use crate::upload_id;
use crate::xml::Deletion;

/// Bytes of a statement that people see as a whole: the gate cuts longer ones at 32 KiB.
const STATEMENT_BYTES_MAX: usize = 30 << 10;

/// A request that does not pass, with the id of the question that people were asked about it.
struct Denied {
    denial: Denial,
    approval: Option<String>,
}

/// The header that names the question.
const APPROVAL: &str = "x-exhibit-approval";

/// What a request of an agent comes to before its body is sent on.
pub(super) enum Passed {
    Cleared(Box<Cleared>),
    /// It was answered: what it was denied with stands in the ledger.
    Answered(Response<Sent>),
}

impl Serving {
    /// Decides, asks and records. Gives what was asked and how its content is treated, too.
    pub(super) async fn pass(
        &self,
        state: &mut State,
        signed: &Signed,
        mut asked: Asked,
        document: Option<Vec<u8>>,
    ) -> Result<(Passed, Asked, Treatment, Option<Conditions>), SessionError> {
        let open = state.open.as_mut().ok_or(SessionError::Ended)?;
        let session = &mut open.session;
        let policy = session.take_up_policy().await;
        let document = match (asked.operation, document) {
            (Operation::DeleteObjects, Some(body)) => match deletion(&mut asked, &body) {
                Ok(document) => Some(document),
                Err(failure) => {
                    let answer = self
                        .refused(session, unread_request(signed, &failure), Some(failure))
                        .await?;
                    return Ok((Passed::Answered(answer), asked, Treatment::AsItIs, None));
                }
            },
            (_, document) => document,
        };
        let is_netted = !session.net().is_empty();
        let treatment = reading::treat(&policy, &self.shared.target, is_netted, &mut asked, |name| {
            self.shared.gate.readable(name)
        });
        let key = self.shared.gate.mask_key();
        reading::upload(&policy, &self.shared.target, is_netted, &mut asked, |object, told| {
            upload_id::unbound(key, &open.principal, object, told).map(str::to_owned)
        });
        let statement = asked.statement(document.as_deref(), |name| self.shared.gate.readable(name));
        let conditions = (treatment != Treatment::AsItIs).then(|| Conditions::take(&mut asked));
        let reads = asked
            .facts
            .accesses
            .iter()
            .all(|Access(action, _)| *action == Action::Read);
        let request = Asking {
            statement,
            exact: asked.outgoing.exact(signed.payload(), document.as_deref()),
            facts: asked.facts.clone(),
            parameters: Vec::new(),
            statement_fingerprint: None,
            described: None,
            reach: if reads { Reach::Nothing } else { Reach::Anything },
            // Of a body that streams only its SHA-256 says which one it is.
            says_all: asked.operation.content() != Content::Object || declared(signed).is_some(),
            by_name: false,
            names_are_data: true,
        };
        let is_cut = asked.shows(document.as_deref()) == Shown::InPart || request.statement.len() > STATEMENT_BYTES_MAX;
        let unseen = if !request.says_all {
            Some("nothing signs its content; sign it, so that x-amz-content-sha256 is its SHA-256")
        } else if is_cut {
            Some("it is too long to be shown to people as a whole; ask for it in smaller steps")
        } else {
            None
        };
        let permit = match self.permitted(session, request, unseen).await? {
            Ok(permit) => permit,
            Err(denial) => {
                let answer = self.denied(session, denial, None).await?;
                return Ok((Passed::Answered(answer), asked, treatment, conditions));
            }
        };
        if let Some(error) = open.watch.over(&self.shared.gate) {
            return Err(error);
        }
        let cleared = session.clear(vec![permit], Transaction::None).await?;
        // A store commits each request by itself, as soon as it has it.
        session.settled();
        if session.holds() {
            // Its event becomes durable while the store is asked; what it answers waits for both.
            session.room().await?;
            session.flush()?;
        }
        let cleared = cleared.into_iter().next().ok_or(SessionError::Ended)?;
        Ok((Passed::Cleared(Box::new(cleared)), asked, treatment, conditions))
    }

    /// The permit of a request, or why it has none.
    async fn permitted(
        &self,
        session: &mut Session,
        request: Asking,
        unseen: Option<&str>,
    ) -> Result<Result<Permit, Denied>, SessionError> {
        let unasked = |denial| Denied { denial, approval: None };
        // What people cannot see cannot be approved.
        if unseen.is_some() {
            return Ok(session
                .decide_at_once(request, unseen)
                .map_err(|denial| unasked(*denial)));
        }
        let pending = match session.decide(request) {
            Ruling::Permit(permit) => return Ok(Ok(permit)),
            Ruling::Denial(denial) => return Ok(Err(unasked(denial))),
            Ruling::Pending(pending) => pending,
        };
        let asked = match session.ask(pending).await {
            Ok(asked) => asked,
            Err(NotAsked::Denied(denial)) => return Ok(Err(unasked(*denial))),
            Err(NotAsked::Failed(error)) => return Err(error.into()),
        };
        let approval = Some(asked.question().id());
        // An agent that goes away ends the connection, and with it the session.
        let answered = session.wait(asked, std::future::pending()).await?;
        Ok(answered.map_err(|denial| Denied { denial, approval }))
    }

    /// Records a request that is not served, and answers it.
    pub(super) async fn unread(
        &self,
        mut state: Held,
        signed: &Signed,
        failure: Failure,
    ) -> Result<Response<Sent>, Failed> {
        let Some(open) = state.open.as_mut() else {
            return Err((state, SessionError::Ended));
        };
        open.session.take_up_policy().await;
        let request = unread_request(signed, &failure);
        match self.refused(&mut open.session, request, Some(failure)).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err((state, error)),
        }
    }

    async fn refused(
        &self,
        session: &mut Session,
        request: Asking,
        failure: Option<Failure>,
    ) -> Result<Response<Sent>, SessionError> {
        match session.decide_at_once(request, None) {
            Err(denial) => {
                let (denial, approval) = (*denial, None);
                self.denied(session, Denied { denial, approval }, failure).await
            }
            // What carries why it is not served is denied by every policy.
            Ok(_) => Err(SessionError::Ended),
        }
    }

    /// Records a denial, and answers it by these words, or by its reason.
    async fn denied(
        &self,
        session: &mut Session,
        Denied { denial, approval }: Denied,
        failure: Option<Failure>,
    ) -> Result<Response<Sent>, SessionError> {
        let failure = failure.unwrap_or_else(|| Failure::denied(denial.reason().to_owned()));
        let recorded = session.refuse(denial).await?;
        let approval = approval.map(|id| (APPROVAL.to_owned(), id.into_bytes()));
        self.tell(session, recorded.reply(), &failure, approval).await
    }

    /// Ends a reply with words of our own.
    pub(crate) async fn tell(
        &self,
        session: &mut Session,
        reply: Reply,
        failure: &Failure,
        more: Option<(String, Vec<u8>)>,
    ) -> Result<Response<Sent>, SessionError> {
        let xml = if self.is_head {
            String::new()
        } else {
            failure.xml(&self.id)
        };
        let xml = xml.into_bytes();
        let mut headers = vec![
            ("content-type".to_owned(), b"application/xml".to_vec()),
            ("content-length".to_owned(), xml.len().to_string().into_bytes()),
            ("x-amz-request-id".to_owned(), self.id.clone().into_bytes()),
        ];
        headers.extend(more);
        let status = failure.code.status();
        let head = AnswerHead { status, headers };
        let frames = vec![Masked::framing(head.lines()), Masked::framing(xml)];
        let frames = frames.into_iter().filter(|frame| !is_empty(frame)).collect();
        session.room().await?;
        let code = Some(failure.code.as_str().to_owned());
        let released = session.finish(
            reply,
            None,
            frames,
            EndStatus::Failed,
            code,
            std::collections::BTreeMap::new(),
        );
        let released = released.durable().await?;
        agent::whole(&released).ok_or(SessionError::Ended)
    }
}

/// A request that is not served, as it is recorded: which one it was is not known, so it carries why.
fn unread_request(signed: &Signed, failure: &Failure) -> Asking {
    let target = signed.target();
    let exact = format!(
        "{} {}?{}",
        signed.method(),
        target.canonical_path(),
        target.canonical_query()
    );
    let cause = Attribute::Text(format!("{}: {}", failure.code.as_str(), failure.message));
    Asking {
        statement: format!("{} {{text}}", signed.method()),
        exact: exact.into_bytes(),
        facts: Facts {
            accesses: Vec::new(),
            attributes: [(UNPROVEN.to_owned(), cause)].into(),
            columns: None,
        },
        parameters: Vec::new(),
        statement_fingerprint: None,
        described: None,
        reach: Reach::Anything,
        says_all: false,
        by_name: false,
        names_are_data: true,
    }
}

/// Reads which objects are to be deleted, into the accesses of the request; gives the body that the store gets.
fn deletion(asked: &mut Asked, body: &[u8]) -> Result<Vec<u8>, Failure> {
    let malformed = |error: crate::xml::XmlError| Failure {
        code: Code::MalformedXml,
        message: format!("the body of DeleteObjects is refused: {error}"),
        region: None,
    };
    let deletion = Deletion::parse(body).map_err(malformed)?;
    let bucket = asked
        .address
        .bucket()
        .ok_or_else(|| malformed(crate::xml::XmlError::Deleted))?;
    let deletes = deletion.resources(bucket);
    // Each version that goes is one, and people see which ones go.
    let objects = u64::try_from(deletion.objects.len()).unwrap_or(u64::MAX);
    asked.deletes(&deletion);
    let accesses = &mut asked.facts.accesses;
    accesses.retain(|Access(action, _)| *action != Action::Delete);
    accesses.extend(deletes.into_iter().map(|name| Access(Action::Delete, Some(name))));
    accesses.sort();
    asked
        .facts
        .attributes
        .insert("objects".to_owned(), Attribute::Integer(objects));
    let versioned = deletion.objects.iter().any(|deleted| deleted.version.is_some());
    asked
        .facts
        .attributes
        .insert("version".to_owned(), Attribute::Bool(versioned));
    let document = deletion.document();
    // What was said of the body was said of the agent's own, and stores want something said.
    let headers = &mut asked.outgoing.headers;
    headers.retain(|name, _| !name.starts_with("x-amz-checksum-"));
    headers.insert("content-md5".to_owned(), md5(&document).into_bytes());
    Ok(document)
}

/// `Content-MD5` of a body.
fn md5(body: &[u8]) -> String {
    use md5::Digest as _;
    STANDARD.encode(md5::Md5::digest(body))
}

fn is_empty(frame: &Masked<Frame>) -> bool {
    matches!(frame.get(), Frame::Verbatim(bytes) if bytes.0.is_empty())
}
