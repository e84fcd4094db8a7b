//! Sealed copies: the exact bytes of a command, encrypted to the recipients of its policy before they are recorded.
//!
//! A copy is one file of age-encryption.org/v1 in `command-sealed` events that follow their command directly and go with it in
//! one submission, so whatever waits for the command's event waits for its copy, too (P1, P2). It holds the bytes that the
//! command's keyed digest covers, and no others, so who opens it can compare the two.
//!
//! Every copy has a key of its own; here are only public keys, so nobody can open a copy with what a proxy holds. A copy costs
//! two multiplications on Curve25519 to each recipient, and ChaCha20-Poly1305 of the bytes.
//!
//! Not here: opening a copy (the person's tool), and what a recipient is ([`exhibit_policy::sealed`]).

use std::io::Write as _;

use exhibit_policy::sealed::Recipient;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::event::Body;
use exhibit_schemas::event::access::{Command, CommandSealed, SEALED_PART_BYTES_MAX};

use crate::error::GateError;

/// To whom exact commands are encrypted.
pub(crate) struct Sealing {
    // Invariant: there is at least one.
    recipients: Vec<age::x25519::Recipient>,
}

impl std::fmt::Debug for Sealing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Sealing({} recipients)", self.recipients.len())
    }
}

impl Sealing {
    /// Sealing to these; `None` where nobody is named.
    ///
    /// # Errors
    /// [`GateError::Sealing`] for a recipient that the encryption does not take.
    pub(crate) fn new(recipients: &[Recipient]) -> Result<Option<Self>, GateError> {
        let parse = |recipient: &Recipient| recipient.as_str().parse().map_err(|_| GateError::Sealing);
        let recipients: Vec<_> = recipients.iter().map(parse).collect::<Result<_, _>>()?;
        Ok((!recipients.is_empty()).then_some(Self { recipients }))
    }

    /// Encrypts the exact bytes of a command.
    ///
    /// # Errors
    /// [`GateError::Random`] where the operating system gives no randomness. What is asked for here it could only refuse to
    /// the encryption itself in between; that panics, which ends the session of this task with nothing recorded and nothing sent.
    /// [`GateError::Sealing`] for any other failure.
    pub(crate) fn seal(&self, exact: &[u8]) -> Result<Vec<u8>, GateError> {
        getrandom::fill(&mut [0; 32]).map_err(|_| GateError::Random)?;
        let recipients = self
            .recipients
            .iter()
            .map(|recipient| -> &dyn age::Recipient { recipient });
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(|_| GateError::Sealing)?;
        let mut copy = Vec::with_capacity(exact.len());
        let failed = |_| GateError::Sealing;
        let mut writer = encryptor.wrap_output(&mut copy).map_err(failed)?;
        writer.write_all(exact).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(copy)
    }
}

/// A command as it is recorded, with its copy where its policy has one.
pub(crate) struct Told {
    command: Command,
    copy: Vec<u8>,
}

impl Told {
    /// A command and its copy.
    ///
    /// # Errors
    /// As [`Sealing::seal`].
    pub(crate) fn new(command: Command, exact: &[u8], sealing: Option<&Sealing>) -> Result<Self, GateError> {
        let copy = sealing.map(|sealing| sealing.seal(exact)).transpose()?;
        Ok(Self {
            command,
            copy: copy.unwrap_or_default(),
        })
    }

    /// The events: the command's, which has this sequence, and those of its copy.
    pub(crate) fn bodies(self, command: u64) -> Vec<Body> {
        let chunks = self.copy.chunks(SEALED_PART_BYTES_MAX);
        let parts = u64::try_from(chunks.len()).unwrap_or(u64::MAX);
        let part = |(part, bytes): (u64, &[u8])| {
            let bytes = Bytes(bytes.to_vec());
            Body::from(CommandSealed {
                command,
                part,
                parts,
                bytes,
            })
        };
        let copy: Vec<Body> = (0..).zip(chunks).map(part).collect();
        std::iter::once(self.command.into()).chain(copy).collect()
    }
}
