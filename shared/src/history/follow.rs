//! Reading for those who have no socket: a poll, or a stream that goes on reading.
//!
//! Public channels are anybody's. What is not public is opened by a token, once: the reader gets a row
//! of its own with what was granted, and a cursor that names it. Each read looks whether the row is
//! still there, so that whoever takes it away ends the reading.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! (1) the token is used, (2) the reader's row is put, (3) whoever used the token before is ended, and
//! (4) the token forgets them. A crash after (1) leaves a spent token: its bearer asks for another one,
//! or comes back with it while it admits again. After (2) nobody has the cursor, and the row expires.
//! After (3) the next use of the token ends them once more.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use crate::aws::Services;
use crate::aws::table::ChannelKey;
use crate::history::log_reader::{self, Read, ReadEvent};
use crate::model::app::App;
use crate::model::channel::Channel;
use crate::model::cursor::Cursor;
use crate::model::error::{Error, Fault, Rejection};
use crate::model::limits::{READER_LIFE_SECS, TABLE_CONCURRENCY};
use crate::model::reading::{Asked, From, Position, ReaderId};
use crate::model::secret::OwnKey;
use crate::model::time::UnixMillis;
use crate::model::token::{Grant, Token};
use crate::tokens::displaced::Displaced;

/// Where a reader begins that has nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// With the oldest publication that is kept.
    Oldest,
    /// With what is published from now on, and the last one of a channel that keeps it.
    Now,
}

/// A reader that was let in, and where it stands.
pub struct Follower {
    app: App,
    key: OwnKey,
    pub(super) positions: Vec<Position>,
    reader: Option<ReaderId>,
    expires_at: UnixMillis,
    /// What is to be shown before anything else.
    first: Vec<ReadEvent>,
    /// Whether its row was there a moment ago.
    is_checked: bool,
    /// Whether it is one reader's own: it has a token, or had one, or a cursor.
    pub(super) is_own: bool,
}

/// Lets a reader in. Two writes and one read with a token, one read with the cursor of one; one read
/// more for each channel that begins with what is published from now on, and one for the last event of
/// one that keeps it. Who is refused has not used a token.
///
/// # Errors
/// A rejection, or a [`Fault`].
pub async fn admit(
    services: &Services,
    app: &App,
    key: &OwnKey,
    asked: Asked,
    beginning: Beginning,
    now: UnixMillis,
) -> Result<Follower, Error> {
    if app.settings().retention_secs == 0 {
        return Err(Rejection::LogOff.into());
    }
    let Asked { channels, from, .. } = asked;
    let opened = async |token| granted(services, app, token, &channels, now).await;
    let (after, granted, is_own) = match from {
        From::Start(token) => (None, opened(token).await?, false),
        From::After(after, token) => (Some(after), opened(token).await?, false),
        From::Cursor(text, token) => {
            let cursor = key.open(app.id(), &channels, &text)?;
            if now < cursor.not_before && beginning == Beginning::Oldest {
                let millis = cursor.not_before.millis_since(now);
                let retry_after_secs = millis.div_ceil(1_000);
                return Err(Rejection::PollTooSoon { retry_after_secs }.into());
            }
            let granted = match reopen(services, app, &cursor, now).await? {
                Some(granted) => granted,
                // A token that admits again opens again what has ended.
                None if token.is_some() => opened(token).await?,
                None => return Err(Rejection::CursorRefused.into()),
            };
            let after = cursor.after.into_iter().map(Some).collect();
            (Some(after), granted, true)
        }
    };
    all_open(&granted.grant, &channels)?;
    let start = match beginning {
        Beginning::Oldest => Some(0),
        Beginning::Now => None,
    };
    let after = after.unwrap_or_else(|| vec![start; channels.len()]);
    let places: Vec<(Position, Option<ReadEvent>)> = stream::iter(channels.into_iter().zip(after))
        .map(|(channel, after)| place(services, app, channel, after, now))
        .buffered(TABLE_CONCURRENCY)
        .try_collect()
        .await?;
    let (positions, first): (Vec<_>, Vec<_>) = places.into_iter().unzip();
    Ok(Follower {
        app: app.clone(),
        key: key.clone(),
        positions,
        is_own: is_own || granted.reader.is_some(),
        reader: granted.reader,
        expires_at: granted.expires_at,
        first: first.into_iter().flatten().collect(),
        is_checked: true,
    })
}

/// Where a reader of a channel begins, after a serial or, without one, with what is published from now
/// on; and the last event then, if the channel keeps it.
async fn place(
    services: &Services,
    app: &App,
    channel: Channel,
    after: Option<u64>,
    now: UnixMillis,
) -> Result<(Position, Option<ReadEvent>), Fault> {
    if let Some(after) = after {
        return Ok((Position { channel, after }, None));
    }
    let of = ChannelKey::new(app.id(), &channel);
    let last = last(services, &of, now).await?;
    let after = match &last {
        // Before it, lest a stream that is cut at once comes back behind what nobody saw.
        Some(last) => last.serial - 1,
        None => services.table.audience(&of).await?.serial,
    };
    Ok((Position { channel, after }, last))
}

/// What a reader was granted.
#[derive(Default)]
struct Granted {
    grant: Grant,
    reader: Option<ReaderId>,
    expires_at: UnixMillis,
}

/// Whether a grant opens all of these channels.
fn all_open(grant: &Grant, channels: &[Channel]) -> Result<(), Rejection> {
    match channels.iter().find(|channel| !grant.opens(channel)) {
        Some(channel) => Err(Rejection::PollPrivate(channel.to_string())),
        None => Ok(()),
    }
}

/// Uses a token that opens these channels; without one, nothing is granted and nothing written.
async fn granted(
    services: &Services,
    app: &App,
    token: Option<Token>,
    channels: &[Channel],
    now: UnixMillis,
) -> Result<Granted, Error> {
    let expires_at = now.plus_secs(READER_LIFE_SECS);
    let Some(token) = token else {
        return Ok(Granted {
            expires_at,
            ..Granted::default()
        });
    };
    let digest = token.digest();
    let table = &services.table;
    // Whose it is it says itself, and whether it is worth being used for this.
    let peeked = table.token_grant(&digest, app.id()).await?;
    if let Some(grant) = &peeked {
        all_open(grant, channels)?;
    }
    let user_id = peeked
        .as_ref()
        .and_then(|grant| Some(grant.user.as_ref()?.id()));
    let reader = ReaderId::new(Uuid::now_v7(), user_id);
    let id = reader.connection_id();
    let Some(used) = table.use_token(&digest, app.id(), &id, now).await? else {
        return Err(Rejection::TokenRefused.into());
    };
    table
        .put_reader(app.id(), &reader, &used.grant, expires_at)
        .await?;
    if let Some(displaced) = Displaced::of(app.id(), digest, used.displaced) {
        displaced.end(services, now).await;
    }
    Ok(Granted {
        grant: used.grant,
        reader: Some(reader),
        expires_at,
    })
}

/// What a cursor still opens; `None`: it has expired, or what it had was taken away.
async fn reopen(
    services: &Services,
    app: &App,
    cursor: &Cursor,
    now: UnixMillis,
) -> Result<Option<Granted>, Fault> {
    if cursor.expires_at <= now {
        return Ok(None);
    }
    let Some(reader) = &cursor.reader else {
        return Ok(Some(Granted {
            // It is anybody's: it goes on for as long as it is used.
            expires_at: now.plus_secs(READER_LIFE_SECS),
            ..Granted::default()
        }));
    };
    let grant = services.table.reader(app.id(), reader, now).await?;
    Ok(grant.map(|grant| Granted {
        grant,
        reader: Some(reader.clone()),
        expires_at: cursor.expires_at,
    }))
}

impl Follower {
    /// What is there to be shown before anything is read.
    #[must_use]
    pub fn take_first(&mut self) -> Vec<ReadEvent> {
        std::mem::take(&mut self.first)
    }

    /// Where it stands, as a cursor that is good until the reader's time is over.
    #[must_use]
    pub fn cursor(&self, not_before: UnixMillis) -> String {
        let channels: Vec<Channel> = self
            .positions
            .iter()
            .map(|position| position.channel.clone())
            .collect();
        let cursor = Cursor {
            reader: self.reader.clone(),
            expires_at: self.expires_at,
            not_before,
            after: self
                .positions
                .iter()
                .map(|position| position.after)
                .collect(),
        };
        self.key.seal(self.app.id(), &channels, &cursor)
    }

    /// Puts it after an event that it has been shown.
    pub fn shown(&mut self, event: &ReadEvent) {
        let mut positions = self.positions.iter_mut();
        if let Some(position) = positions.find(|at| at.channel.as_str() == event.channel) {
            position.after = position.after.max(event.serial);
        }
    }

    /// Reads on from where it stands, and stays there. `None`: what was granted has been taken away, or
    /// its time is over. What [`log_reader::read`] costs, and one read, from the second time on, for a
    /// reader that has a row.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn read(
        &mut self,
        services: &Services,
        now: UnixMillis,
    ) -> Result<Option<Read>, Fault> {
        let is_checked = std::mem::take(&mut self.is_checked);
        if let Some(reader) = self.reader.as_ref().filter(|_| !is_checked) {
            let grant = services.table.reader(self.app.id(), reader, now).await?;
            if grant.is_none() {
                return Ok(None);
            }
        }
        if self.reader.is_none() {
            self.expires_at = now.plus_secs(READER_LIFE_SECS);
        }
        let read = log_reader::read(services, &self.app, self.positions.clone(), now).await?;
        Ok(Some(read))
    }

    /// Puts it where what was read ends.
    pub fn advance(&mut self, read: Read) {
        self.positions = read.next;
    }
}

/// The last publication of a channel that keeps it.
pub(super) async fn last(
    services: &Services,
    of: &ChannelKey,
    now: UnixMillis,
) -> Result<Option<ReadEvent>, Fault> {
    if !of.channel.keeps_last() {
        return Ok(None);
    }
    let last = services.table.cached(of, now).await?;
    Ok(last.map(|last| ReadEvent::new(of.channel.as_str(), last.serial, last.name, last.data)))
}
