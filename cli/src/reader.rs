//! Who reads: a person's signed statement, or a token, with which the ledger is asked to show evidence.
//!
//! Not here: what is read, and that the ledger records it first.

use std::path::PathBuf;
use std::rc::Rc;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_schemas::cbor::{self, Bytes};
use exhibit_schemas::checkpoint::Origin;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::key::{KeyError, Signer as _};
use exhibit_schemas::reading::{Asked, Question, SignedAsked, Statement};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::error::CliError;
use crate::files;
use crate::signer::{PersonKey, Surroundings};

/// How somebody who reads proves who it is.
#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// Your key: a private key file, or the public key (or a file of it) of a key that ssh-agent holds
    ///
    /// You sign that you read, and the ledger records it first. Without it `person` of `[client]` is taken, or the only
    /// Ed25519 key of ssh-agent.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// A file with your token, in the place of a key: an ID token of an issuer of `[[ledger.oidc]]`
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    token_file: Option<PathBuf>,
}

/// What somebody who reads shows.
#[derive(Clone)]
pub(crate) enum Reader {
    /// A key that signs each reading.
    Key(Rc<PersonKey>),
    /// A token.
    Token(Rc<Zeroizing<String>>),
}

impl Reader {
    /// The one that the arguments name, or the configuration.
    ///
    /// # Errors
    /// [`CliError`] for a file or key that cannot be used.
    pub(crate) fn open(arguments: &Arguments, config: &Config) -> Result<Self, CliError> {
        match &arguments.token_file {
            Some(path) => {
                let token = Zeroizing::new(files::read_text(path)?.trim().to_owned());
                Ok(Self::Token(Rc::new(token)))
            }
            None => Ok(Self::Key(person(arguments.key.as_deref(), config)?)),
        }
    }

    /// What is sent to the ledger for a reading on the connection that `channel` tells.
    ///
    /// # Errors
    /// [`KeyError`] when the key does not sign.
    pub(crate) fn ask(&self, question: &Question, origin: &Origin, channel: Digest) -> Result<Vec<u8>, KeyError> {
        let signed = match self {
            Self::Key(key) => Some(sign(key, question, origin, channel)?),
            Self::Token(_) => None,
        };
        Ok(cbor::encode(&Asked {
            operation: question.operation(),
            text: question.text(),
            signed,
        }))
    }

    /// The token, where it is one.
    pub(crate) fn token(&self) -> Option<&str> {
        match self {
            Self::Key(_) => None,
            Self::Token(token) => Some(token.as_str()),
        }
    }
}

/// A statement about the question, with what its digest is blinded by.
fn sign(key: &PersonKey, question: &Question, origin: &Origin, channel: Digest) -> Result<SignedAsked, KeyError> {
    let (mut blind, mut nonce) = ([0; 32], [0; 16]);
    for bytes in [&mut blind[..], &mut nonce[..]] {
        getrandom::fill(bytes).map_err(|error| KeyError::DidNotSign {
            key: key.public_key().id(),
            reason: error.to_string(),
        })?;
    }
    let statement = Statement {
        origin: origin.as_str().to_owned(),
        channel,
        operation: question.operation().as_str().to_owned(),
        scope: question.scope(),
        question: question.digest(&blind),
        time: SystemClock.now(),
        nonce: Bytes(nonce.to_vec()),
    };
    Ok(SignedAsked {
        statement: statement.sign(key)?,
        blind: Bytes(blind.to_vec()),
    })
}

/// The key of a person that an argument names, or the configuration.
///
/// # Errors
/// [`CliError`].
pub(crate) fn person(named: Option<&str>, config: &Config) -> Result<Rc<PersonKey>, CliError> {
    let configured = config.client()?.person;
    let key = PersonKey::open(named.or(configured.as_deref()), &Surroundings::of_process())?;
    Ok(Rc::new(key))
}
