//! What was written down: plain data in the order of time, as clients, servers and whoever looks from outside saw
//! it. It knows nothing of how the system works.
//!
//! Names of channels and of users begin with their app (`1001/orders`), so that two apps never meet in one name. An
//! event is known by the number in its data.

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::runtime::Problem;

/// Microseconds since the storm began.
pub(crate) type Micros = u64;

/// A second in them.
pub(crate) const SECOND: Micros = 1_000_000;

/// What has not happened has this time.
pub(crate) const NEVER: Micros = Micros::MAX;

/// Something that was seen or done, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) at: Micros,
    pub(crate) what: What,
}

/// What it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum What {
    /// What has to be known of how the system was started.
    Facts(Facts),
    /// From now on these kinds of faults are in force, and no others.
    Faults { kinds: Vec<String>, rules: String },
    /// A part of the storm begins.
    Begins(Part),
    /// A connection said or heard something.
    Connection { conn: u32, step: Step },
    /// A server asked for something. `since` is when it began to ask.
    Publishes(Publish),
    /// The same request's answer; a status of 0 is none.
    Answered { call: u32, status: u16 },
    /// A server has the connections of a user ended.
    Terminates { call: u32, user: String },
    /// What the HTTP API says that there is.
    Shown { since: Micros, shown: Shown },
    /// A poll or a stream said or heard something.
    Reader { reader: u32, step: Reading },
    /// A webhook came.
    Hook(Hook),
    /// A row of the table, when it was looked into.
    Row(Row),
    /// What an action has asked for, while no fault was in force.
    Cost(Cost),
    /// A line that holds something secret, and what.
    Leaked { line: String, secret: String },
}

/// What was promised differs with these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Subscribers beyond which a channel goes through the queue, which may repeat itself.
    pub(crate) inline_max: usize,
    /// Subscribers in a shard of a channel: a subscribe that makes another one costs a write more.
    pub(crate) per_shard: usize,
    /// Users on one presence channel, at most.
    pub(crate) members_max: usize,
    /// The app whose clients are told how many they are, and whose server gets webhooks.
    pub(crate) featured: String,
}

/// Parts of a storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Part {
    /// No fault comes any more, and nobody begins anything new.
    Calm,
    /// Everything had its time to come right: what is shown from now on is compared with the truth.
    Settled,
    /// What was published since had its time, too, and everybody leaves.
    Leaving,
    /// Everybody has left, and what was left behind had its time to go.
    Over,
}

/// What a connection says or hears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Step {
    // What it does.
    /// `may` is whether it is to be let in.
    Opens {
        client: u32,
        app: String,
        may: bool,
    },
    /// `may` is whether its signature or its token is good; `after` the last serial that it has.
    Subscribes {
        channel: String,
        after: Option<u64>,
        user: Option<String>,
        may: bool,
    },
    Unsubscribes {
        channel: String,
    },
    SignsIn {
        user: String,
        watches: Vec<String>,
        may: bool,
    },
    Says {
        channel: String,
        event: u32,
    },
    Pings,
    /// It closes, or vanishes without a word.
    Leaves,
    // What it hears.
    Greeted {
        socket_id: String,
    },
    /// On a presence channel with the users who are there.
    Acknowledged {
        channel: String,
        roster: Option<Vec<String>>,
    },
    Refused {
        channel: String,
        status: u16,
    },
    /// An event of a server's has a serial, one of a client's has none.
    Got {
        channel: String,
        event: u32,
        serial: Option<u64>,
    },
    Added {
        channel: String,
        user: String,
    },
    Removed {
        channel: String,
        user: String,
    },
    Counted {
        channel: String,
        count: u64,
    },
    CacheMiss {
        channel: String,
    },
    ResumeFailed {
        channel: String,
    },
    SignedIn {
        user: String,
    },
    Watched {
        online: Vec<String>,
        offline: Vec<String>,
    },
    /// `pusher:error`.
    Told {
        code: Option<u16>,
    },
    /// API Gateway's own frame: a function has failed.
    Failed,
    Ponged,
    /// What no client understands.
    Strange {
        text: String,
    },
    /// By the other end.
    Closed {
        code: u16,
    },
}

/// A request to publish. One that is made again under its key is of the same event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Publish {
    pub(crate) call: u32,
    pub(crate) event: u32,
    pub(crate) channels: Vec<String>,
    /// Whether it has an idempotency key.
    pub(crate) keyed: bool,
    /// The socket id that is left out.
    pub(crate) leaves_out: Option<String>,
}

/// What the HTTP API answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Shown {
    /// The channels of an app that somebody is on.
    Occupied { app: String, channels: Vec<String> },
    /// How many are on a channel.
    Count { channel: String, count: u64 },
    /// Who is on a presence channel.
    Users { channel: String, users: Vec<String> },
    /// All that can be read of a channel: serials and events.
    Log {
        channel: String,
        events: Vec<(u64, u32)>,
    },
}

/// Where a reader begins on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum From {
    Now,
    /// 0 is the beginning.
    After(u64),
}

/// What a poll or a stream asks for or is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Reading {
    Begins {
        channels: Vec<(String, From)>,
        may: bool,
    },
    /// It was let in for the first time. What is published from now on is its to see.
    Let,
    Read {
        channel: String,
        event: u32,
        serial: u64,
    },
    /// It was told that it missed something.
    Truncated { channel: String },
    /// It was refused for good, or gave up.
    Ends,
    /// It has read to the end, after everything that was published.
    UpToDate,
}

/// What a webhook says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hook {
    pub(crate) name: String,
    pub(crate) channel: String,
    pub(crate) user: Option<String>,
    pub(crate) time_ms: u64,
    pub(crate) signed: bool,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// The connection that it belongs to, by its socket id.
    pub(crate) socket_id: String,
    /// Whether it is no more than a mark that its connection is over, which goes by itself.
    pub(crate) mark: bool,
}

/// What an action has asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub(crate) action: String,
    pub(crate) writes: u64,
    pub(crate) reads: u64,
    /// DynamoDB's units of what was read.
    pub(crate) read_units: f64,
    pub(crate) posts: u64,
    /// What it was, in order: operation and target.
    pub(crate) asked: Vec<String>,
}

/// Writes a history to a file, an entry a line.
pub(crate) fn save(history: &[Entry], path: &Path) -> Result<(), Problem> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = BufWriter::new(fs::File::create(path)?);
    for entry in history {
        serde_json::to_writer(&mut file, entry)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    Ok(())
}

/// Reads a history from a file.
pub(crate) fn load(path: &Path) -> Result<Vec<Entry>, Problem> {
    let text = fs::read_to_string(path)?;
    let entries = text.lines().map(serde_json::from_str);
    Ok(entries.collect::<Result<_, _>>()?)
}

/// A channel's name without its app.
fn bare(channel: &str) -> &str {
    channel.split_once('/').map_or(channel, |(_, name)| name)
}

/// The app that the name of a channel or of a user begins with.
pub(crate) fn app_of(name: &str) -> &str {
    name.split_once('/').map_or("", |(app, _)| app)
}

/// Whether a channel has members.
pub(crate) fn is_presence(channel: &str) -> bool {
    bare(channel).starts_with("presence-")
}

/// Whether a channel shows its last event to whoever comes.
pub(crate) fn keeps_last(channel: &str) -> bool {
    let name = bare(channel);
    let rest = ["private-encrypted-", "private-", "presence-"]
        .into_iter()
        .find_map(|kind| name.strip_prefix(kind));
    rest.unwrap_or(name).starts_with("cache-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_the_same_after_it_was_kept() {
        let history = vec![
            Entry {
                at: 1,
                what: What::Begins(Part::Calm),
            },
            Entry {
                at: 2,
                what: What::Connection {
                    conn: 3,
                    step: Step::Got {
                        channel: "1001/a".to_owned(),
                        event: 4,
                        serial: Some(5),
                    },
                },
            },
        ];
        let path = std::env::temp_dir().join(format!("history-{}.jsonl", std::process::id()));
        save(&history, &path).expect("written");
        assert_eq!(load(&path).expect("read"), history);
        fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn a_name_says_what_a_channel_does() {
        for (channel, members, keeps) in [
            ("1001/orders", false, false),
            ("1001/presence-a", true, false),
            ("1001/cache-a", false, true),
            ("1001/presence-cache-a", true, true),
            ("1001/private-encrypted-cache-a", false, true),
            ("1001/acache-a", false, false),
        ] {
            assert_eq!(
                (is_presence(channel), keeps_last(channel)),
                (members, keeps)
            );
        }
        assert_eq!(app_of("1002/u1"), "1002");
    }
}
