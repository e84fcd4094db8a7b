//! Commands of a session: none passes before its event, and none by an approval that does not stand any more.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Body;
use exhibit_schemas::event::access::Outcome;

use super::{Cleared, Denial, Handed, Past, Permit, Recorded, Session, Transaction, count};
use crate::approval::expired;
use crate::error::GateError;
use crate::recorder::Receipt;
use crate::release::Totals;
use crate::request::{self, Approved, Asking};
use crate::sealed::Told;

impl Session {
    /// Records the commands of one group, all in one flush, and waits until they are durable.
    ///
    /// # Errors
    /// [`GateError`]; then nothing of the group may pass.
    pub async fn record(&mut self, mut permits: Vec<Permit>) -> Result<Vec<Cleared>, GateError> {
        self.own(permits.iter().map(|permit| permit.judged.session))?;
        self.room().await?;
        self.in_time()?;
        self.decided_by(permits.iter().map(Permit::policy)).await?;
        self.in_hours(&mut permits)?;
        let may_settle = self.may_settle_next();
        if may_settle {
            self.may_settle()?;
        }
        if let Err(ended) = self.may_begin(&permits) {
            return Err(self.withdrawn(permits, ended.before()).await);
        }
        let told = permits
            .iter()
            .map(|permit| Ok((request::permitted(permit)?, self.totals(permit))));
        let told = told.collect::<Result<_, _>>().map_err(|error| self.refused(error))?;
        let (shape, now) = (self.shape(), self.gate.now());
        for permit in &permits {
            self.runs(permit);
        }
        let recorded = self.commands(told).await?;
        self.still_may(&permits)?;
        if may_settle {
            self.may_settle()?;
        }
        self.changes(permits.iter().zip(recorded.iter().map(|(command, _)| *command)));
        for (permit, (command, _)) in permits.iter().zip(&recorded) {
            self.passes(permit, *command);
        }
        // Nothing passes by a grant before the command that people were asked about is in the ledger.
        for permit in &permits {
            self.begin_grant(permit, shape, now);
        }
        // P1: only here, after the receipts, do permits come out that a target takes.
        let cleared = |(permit, (command, receipt))| Cleared {
            permit,
            session: self.id,
            command,
            receipt: Some(receipt),
        };
        Ok(permits.into_iter().zip(recorded).map(cleared).collect())
    }

    /// The same, but a group that may run ahead of its events is cleared at once. Its events go with the next ones of the
    /// session, or with [`Session::flush`]; call that when none come soon. Frames of its reply wait for both (P2).
    ///
    /// # Errors
    /// [`GateError`]; then nothing of the group may pass.
    pub async fn clear(&mut self, mut permits: Vec<Permit>, open: Transaction) -> Result<Vec<Cleared>, GateError> {
        // P1: what could change more than a rollback takes back waits.
        if permits.is_empty() || !permits.iter().all(|permit| permit.may_run_ahead(open)) {
            return self.record(permits).await;
        }
        self.own(permits.iter().map(|permit| permit.judged.session))?;
        self.in_time()?;
        self.failure.check()?;
        self.decided_by(permits.iter().map(Permit::policy)).await?;
        self.in_hours(&mut permits)?;
        if self.may_settle_next() {
            self.may_settle()?;
        }
        let told: Vec<Told> = permits
            .iter()
            .map(request::permitted)
            .collect::<Result<_, _>>()
            .map_err(|error| self.refused(error))?;
        let ahead = |(permit, told): (Permit, Told)| {
            let command = self.next;
            self.runs(&permit);
            let bodies = told.bodies(command);
            self.next = self.next.saturating_add(count(&bodies));
            self.held.extend(bodies);
            self.commands = self.commands.saturating_add(1);
            self.open.insert(command, self.totals(&permit));
            Cleared {
                permit,
                session: self.id,
                command,
                receipt: None,
            }
        };
        Ok(permits.into_iter().zip(told).map(ahead).collect())
    }

    /// Whether commands run ahead that were not handed over.
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Hands over the commands that run ahead; nobody has to wait, since the next frames do. [`Session::room`] comes first.
    ///
    /// # Errors
    /// [`GateError`].
    pub fn flush(&mut self) -> Result<(), GateError> {
        if self.held.is_empty() {
            return Ok(());
        }
        let Handed { ticket, .. } = self.hand_over(Vec::new())?;
        self.earlier().push(ticket);
        Ok(())
    }

    /// Records what becomes of commands that people have approved, and that do not pass after all; gives why.
    pub(crate) async fn withdrawn(&mut self, permits: Vec<Permit>, why: GateError) -> GateError {
        let (mut ends, mut denials) = (Vec::new(), Vec::new());
        for Permit { judged, approved } in permits {
            // What was to pass by a grant was asked of nobody.
            let Some(approved) = approved.filter(|approved| approved.by.is_none()) else {
                continue;
            };
            let outcome = match approved.request {
                _ if approved.allowance.is_refused() => Outcome::Refused,
                Asking::Own(question) => {
                    ends.push(expired(question, "time"));
                    Outcome::Expired
                }
                Asking::Earlier(_) => Outcome::Postponed,
            };
            denials.push(Denial {
                judged,
                outcome,
                asked: Some(approved.request),
                reason: String::new(),
            });
        }
        match self.unpassed(ends, &denials).await {
            Err(error) => error,
            Ok(()) => self.refused(why),
        }
    }

    async fn unpassed(&mut self, ends: Vec<Body>, denials: &[Denial]) -> Result<(), GateError> {
        if !ends.is_empty() {
            let Handed { ticket, .. } = self.hand_over(ends)?;
            self.later(ticket);
        }
        let told = denials
            .iter()
            .map(|denial| Ok((request::denied(denial)?, Totals::default())));
        let told = told.collect::<Result<_, _>>().map_err(|error| self.refused(error))?;
        self.commands(told).await?;
        Ok(())
    }

    /// Records a denied, refused or expired command.
    ///
    /// # Errors
    /// [`GateError`].
    pub async fn refuse(&mut self, denial: Denial) -> Result<Recorded<Denial>, GateError> {
        self.own([denial.judged.session])?;
        self.room().await?;
        // What people did not let pass goes by the policy that asked them.
        let decided = denial.asked.is_none().then_some(denial.judged.decision.policy);
        self.decided_by(decided).await?;
        let told = request::denied(&denial).map_err(|error| self.refused(error))?;
        let recorded = self.commands(vec![(told, Totals::default())]).await?;
        let (command, receipt) = recorded
            .first()
            .copied()
            .expect("there are as many as commands were given");
        Ok(Recorded {
            value: denial,
            session: self.id,
            command,
            receipt: Some(receipt),
        })
    }

    /// Records commands with their copies; gives of each the sequence and the receipt of its event.
    async fn commands(&mut self, told: Vec<(Told, Totals)>) -> Result<Vec<(u64, Receipt)>, GateError> {
        if told.is_empty() {
            self.failure.check()?;
            self.let_go_of_policy();
            return Ok(Vec::new());
        }
        let (mut bodies, mut commands) = (Vec::new(), Vec::new());
        for (told, totals) in told {
            let sequence = self.next.saturating_add(count(&bodies));
            commands.push((bodies.len(), sequence, totals));
            bodies.extend(told.bodies(sequence));
        }
        let own = bodies.len();
        let Handed { events, ticket } = self.hand_over(bodies)?;
        // Counted with the hand-over, so that the close of a session whose caller went away states the right totals.
        let mut places = Vec::with_capacity(commands.len());
        for (place, sequence, totals) in commands {
            self.commands = self.commands.saturating_add(1);
            self.open.insert(sequence, totals);
            places.push((place, sequence));
        }
        let mut receipts = self.durable(events, ticket).await?;
        // Those before are of commands that ran ahead.
        let receipts = receipts.split_off(receipts.len() - own);
        let receipt = |(place, sequence): (usize, u64)| {
            let receipt = receipts.get(place).copied();
            (
                sequence,
                receipt.expect("`durable` gives as many receipts as events were handed over"),
            )
        };
        Ok(places.into_iter().map(receipt).collect())
    }

    /// Notes that a command runs.
    fn runs(&mut self, permit: &Permit) {
        if self.past == Past::IsNothing {
            return;
        }
        let request = &permit.judged.request;
        let after = |before: Digest| self.gate.digest_key().digest(&[&before.0[..], &request.exact].concat());
        if !request.leaves_session() && (self.touched || !request.is_bound()) {
            (self.touched, self.before) = (true, after(self.before));
        }
        // By a grant, a change of rows is one of those that people let the session make.
        let granted = permit.approved.as_ref().is_some_and(Approved::is_grant) && request.is_about_rows();
        if !granted && !request.leaves_session() && (self.shaped || !request.is_bound()) {
            (self.shaped, self.shape) = (true, after(self.shape));
        }
    }
}
