//! That something went wrong with a session: nothing of it passes any more, whoever holds a part of it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::GateError;

/// What went wrong with a session, shared with the frames that it has under way.
#[derive(Clone, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<Failed>>>);

#[derive(Clone)]
enum Failed {
    /// A submission was refused before anything of it was taken.
    Refused(GateError),
    /// What was handed over is not known to be recorded.
    Lost(GateError),
}

impl Failure {
    /// Fails when anything went wrong before.
    pub(crate) fn check(&self) -> Result<(), GateError> {
        match self.state() {
            Some(Failed::Refused(error) | Failed::Lost(error)) => Err(error),
            None => Ok(()),
        }
    }

    /// Fails when what was handed over may not be recorded.
    pub(crate) fn check_lost(&self) -> Result<(), GateError> {
        match self.state() {
            Some(Failed::Lost(error)) => Err(error),
            Some(Failed::Refused(_)) | None => Ok(()),
        }
    }

    fn state(&self) -> Option<Failed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a submission of which nothing was taken.
    pub(crate) fn refused(&self, error: GateError) -> GateError {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.get_or_insert(Failed::Refused(error.clone()));
        error
    }

    /// Notes a submission whose fate is not known.
    pub(crate) fn lost(&self, error: GateError) -> GateError {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*state, Some(Failed::Lost(_))) {
            *state = Some(Failed::Lost(error.clone()));
        }
        error
    }
}
