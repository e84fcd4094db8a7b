//! What cannot be read is read again.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::SessionId;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::message::Waiting;
use super::watch as follow;
use crate::error::LedgerError;

fn waiting(seed: u8) -> Arc<Waiting> {
    Arc::new(Waiting {
        leaf: Digest([seed; 32]),
        session: SessionId([seed; 16]),
        target: "clinic".into(),
        request: None,
        principal: None,
        emergency: None,
    })
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_read_again_ever_later_and_told_then() {
    let looks = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&looks);
    let look = move || {
        let mut looks = seen.lock().unwrap();
        looks.push(Instant::now());
        match looks.len() {
            1..=8 | 10 => Err(LedgerError::Damaged { rule: "test" }),
            9 => Ok(vec![waiting(1)]),
            _ => Ok(vec![waiting(2)]),
        }
    };
    let (sender, mut told) = mpsc::channel(2);
    let (log, sizes) = watch::channel(1);
    let watching = tokio::spawn(follow(look, sizes, pending(), vec![("one".to_owned(), sender)]));
    assert_eq!(told.recv().await.unwrap().leaf, Digest([1; 32]));
    let waits = |looks: &[Instant]| {
        let pairs = looks.windows(2).map(|two| two[1] - two[0]);
        pairs.map(|wait| wait.as_secs()).collect::<Vec<_>>()
    };
    assert_eq!(waits(&looks.lock().unwrap()), [1, 2, 4, 8, 16, 32, 60, 60]);
    // After what could be read it is looked when the log grows, and a failure begins anew.
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(looks.lock().unwrap().len(), 9);
    log.send_replace(2);
    assert_eq!(told.recv().await.unwrap().leaf, Digest([2; 32]));
    assert_eq!(waits(&looks.lock().unwrap())[9..], [1]);
    watching.abort();
}
