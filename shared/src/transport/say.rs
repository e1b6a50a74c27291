//! Saying something to one client, in the words of its protocol.

use std::sync::OnceLock;

use crate::aws::Services;
use crate::aws::connections::Payload;
use crate::log::log_fault;
use crate::model::error::Fault;
use crate::model::protocol::Protocols;
use crate::model::said::Said;
use crate::model::time::UnixMillis;
use crate::model::voice::{Client, Voice};
use crate::transport::post::post_or_mark;

/// One thing that is said to many: printed once for each voice that it is said in.
pub(crate) struct Speech<'a> {
    said: Said<'a>,
    protocols: Protocols,
    printed: Vec<OnceLock<Payload>>,
}

impl<'a> Speech<'a> {
    /// Nothing is printed yet.
    pub(crate) fn new(protocols: Protocols, said: Said<'a>) -> Self {
        let printed = protocols.all().map(|_| OnceLock::new()).collect();
        Self {
            said,
            protocols,
            printed,
        }
    }

    /// A frame that is printed already, for the first voice, by the version before this one.
    pub(crate) fn printed(protocols: Protocols, said: Said<'a>, frame: Payload) -> Self {
        let speech = Self::new(protocols, said);
        if let Some(first) = speech.printed.first() {
            // It is empty, so this cannot fail.
            let _ = first.set(frame);
        }
        speech
    }

    /// It as it is said in a voice.
    ///
    /// # Errors
    /// [`Fault::Voice`].
    pub(crate) fn in_voice(&self, voice: Voice) -> Result<&Payload, Fault> {
        let protocol = self.protocols.of(voice)?;
        let place = usize::try_from(voice.number().unwrap_or_default()).unwrap_or(usize::MAX);
        let printed = self.printed.get(place).ok_or(Fault::Voice)?;
        Ok(printed.get_or_init(|| (protocol.print)(&self.said).into()))
    }
}

/// Says something to a client, and says whether the client has it. A client that is gone is marked: its
/// `$disconnect` may have run before what was just written. Up to six posts, one write if it is gone.
pub async fn say(
    services: &Services,
    client: Client<'_>,
    said: &Said<'_>,
    now: UnixMillis,
) -> bool {
    match try_say(services, client, said, now).await {
        Ok(served) => served,
        Err(fault) => {
            log_fault!(error, fault, connection_id = %client.id, "not told");
            false
        }
    }
}

/// The same for a caller who has to know whether the client may have it all the same.
///
/// # Errors
/// [`Fault`]: it may or may not have it.
pub(crate) async fn try_say(
    services: &Services,
    client: Client<'_>,
    said: &Said<'_>,
    now: UnixMillis,
) -> Result<bool, Fault> {
    let protocol = services.protocols.of(client.voice)?;
    let payload = Payload::from((protocol.print)(said));
    post_or_mark(services, client.id, &payload, now).await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;

    use super::*;
    use crate::model::error::Rejection;
    use crate::model::protocol::Protocol;

    static PRINTED: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

    const fn protocol(print: fn(&Said<'_>) -> Bytes) -> Protocol {
        Protocol {
            parse: |_| Err(Rejection::FrameTooLong.into()),
            print,
            admits: |_, _, _, _, _| false,
            signs_in: |_, _, _, _| false,
            close_code: |_| 0,
        }
    }

    fn one(_: &Said<'_>) -> Bytes {
        PRINTED[0].fetch_add(1, Ordering::Relaxed);
        Bytes::from_static(b"one")
    }

    fn other(_: &Said<'_>) -> Bytes {
        PRINTED[1].fetch_add(1, Ordering::Relaxed);
        Bytes::from_static(b"other")
    }

    static BOTH: [Protocol; 2] = [protocol(one), protocol(other)];

    #[test]
    fn a_frame_is_printed_once_for_each_voice_that_is_met() {
        let speech = Speech::new(Protocols::new(&BOTH), Said::Pong);
        let said = |voice| {
            speech
                .in_voice(voice)
                .map(|payload| payload.bytes().to_vec())
        };
        for _ in 0..3 {
            assert_eq!(said(Voice::default()).ok(), Some(b"one".to_vec()));
        }
        assert_eq!(PRINTED[1].load(Ordering::Relaxed), 0);
        assert_eq!(said(Voice::of(Some(1))).ok(), Some(b"other".to_vec()));
        assert!(matches!(said(Voice::of(Some(2))), Err(Fault::Voice)));
        let printed = [0, 1].map(|place: usize| PRINTED[place].load(Ordering::Relaxed));
        assert_eq!(printed, [1, 1]);
    }

    #[test]
    fn what_the_version_before_has_printed_is_for_the_first_voice() {
        let protocols = Protocols::new(&BOTH);
        let frame = Payload::from(Bytes::from_static(b"before"));
        let speech = Speech::printed(protocols, Said::Pong, frame);
        let said = speech.in_voice(Voice::default()).expect("it is there");
        assert_eq!(said.bytes(), b"before");
    }
}
