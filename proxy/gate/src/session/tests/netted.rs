//! What the net caught is recorded before what is left of it leaves, and counted; where it ends the session nothing leaves.

use exhibit_policy::net::Channel;

use super::*;

const NET: &str = r#"
[[nets]]
name = "phi"
targets = ["clinic"]
categories = ["ssn", "phone"]
"#;

fn netted(ends: bool) -> String {
    format!("{POLICY}{NET}ends_session = {ends}\n")
}

/// Two numbers in a notice.
fn catch(session: &mut Session) {
    let masked = session.net().text(Channel::Notice, b"219-09-9981 and 219-09-9982");
    assert_eq!(masked.as_deref(), Some(&b"[ssn] and [ssn]"[..]));
}

fn frames() -> Vec<Masked<exhibit_schemas::event::access::Frame>> {
    vec![Masked::framing(b"[ssn] and [ssn]".to_vec())]
}

#[tokio::test]
async fn what_was_caught_is_recorded_before_what_is_left_and_nothing_leaves_before_that_is_durable() {
    let World {
        memory, mut session, ..
    } = world_of(&netted(false)).await;
    let permits = vec![permit(&session)];
    let mut reply = session.record(permits).await.unwrap().remove(0).reply();
    catch(&mut session);
    memory.mode.send_replace(Mode::Hold);
    let mut releasing = Box::pin(session.release(&mut reply, None, frames()).durable());
    assert!(waits(&mut releasing));
    assert_eq!(memory.kinds().split_off(5), ["detection", "response-chunk"]);
    memory.mode.send_replace(Mode::Durable);
    assert_eq!(releasing.await.unwrap().frames(), frames());
    catch(&mut session);
    let end = session.finish(
        reply,
        None,
        frames(),
        EndStatus::Complete,
        None,
        BTreeMap::from([("names".to_owned(), 7)]),
    );
    end.durable().await.unwrap();
    let events = memory.events.lock().unwrap();
    let Body::Detection(found) = &events[5].body else {
        panic!("{events:?}")
    };
    assert_eq!(
        (found.command, found.net.as_str(), found.channel.as_str(), found.ends),
        (1, "phi", "notice", false)
    );
    assert_eq!(found.findings, BTreeMap::from([("ssn".to_owned(), 2)]));
    let kinds: Vec<_> = events.iter().skip(7).map(|event| event.kind().as_str()).collect();
    assert_eq!(kinds, ["detection", "response-chunk", "response-end"]);
    match &events[9].body {
        Body::ResponseEnd(end) => {
            let sums = [("names".to_owned(), 7), ("phi".to_owned(), 4)];
            assert_eq!(end.masked, BTreeMap::from(sums), "of both releases");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn where_a_catch_ends_the_session_its_event_is_the_last_and_nothing_leaves() {
    let World {
        memory, mut session, ..
    } = world_of(&netted(true)).await;
    let permits = vec![permit(&session)];
    let mut reply = session.record(permits).await.unwrap().remove(0).reply();
    catch(&mut session);
    let detected = GateError::Detected { net: "phi".to_owned() };
    let refused = session.release(&mut reply, None, frames()).durable().await;
    assert_eq!(refused.unwrap_err(), detected);
    let later = session.record(vec![permit(&session)]).await;
    assert_eq!(later.unwrap_err(), detected, "nothing passes any more");
    let end = session.finish(reply, None, frames(), EndStatus::Complete, None, BTreeMap::new());
    assert_eq!(end.durable().await.unwrap_err(), detected, "and nothing leaves");
    session.close("detection").await.unwrap();
    let wanted = ["command", "detection", "response-end", "session-closed"];
    assert_eq!(memory.kinds().split_off(4), wanted);
    let events = memory.events.lock().unwrap();
    match (&events[5].body, &events[6].body) {
        (Body::Detection(found), Body::ResponseEnd(end)) => {
            assert!(found.ends);
            assert_eq!((end.status.as_str(), end.chunks, end.bytes), ("cut", 0, 0));
            assert_eq!(end.masked, BTreeMap::from([("phi".to_owned(), 2)]));
        }
        other => panic!("{other:?}"),
    }
}
