//! What each client does, and when.

use super::world::{BIG, CHANNELS, CLIENT_THAT_STAYS, USERS, random};

/// How a client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Socket,
    /// pusher-js's `xhr_polling`.
    Polling,
    /// pusher-js's `xhr_streaming`.
    Streaming,
}

impl Transport {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Socket => "sockets",
            Self::Polling | Self::Streaming => "sessions",
        }
    }
}

/// What a client says to have when it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resumes {
    /// Nothing: it begins anew, as pusher-js does.
    Never,
    /// The highest serial that it has.
    Highest,
    /// The highest serial up to which it has every serial.
    WithoutGap,
}

/// A client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClientPlan {
    pub(crate) client: u32,
    /// Its place among the apps.
    pub(crate) app: usize,
    pub(crate) user: usize,
    pub(crate) transport: Transport,
    /// Whether it connects with a token that grants its channels, instead of signatures.
    pub(crate) token: bool,
    pub(crate) resumes: Resumes,
    pub(crate) starts_at: u64,
    /// By milliseconds since the beginning.
    pub(crate) acts: Vec<(u64, Act)>,
}

/// Something that a client does. Channels are named by their place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    Subscribe(usize),
    /// Without the right to it.
    SubscribeWrongly(usize),
    Unsubscribe(usize),
    /// Asks for a channel that it is on.
    Again(usize),
    /// Leaves and joins in one go, as pusher-js does.
    Burst(usize),
    /// Joins a presence channel as somebody else, without leaving it.
    As(usize, usize),
    /// Signs in, and watches so many of the others.
    SignIn(usize),
    SignInWrongly,
    /// Joins the channel of the user that it is signed in as.
    JoinOwn,
    /// Joins the channel of another user.
    JoinAnothers,
    Say(usize),
    Ping,
    /// Many frames at once.
    Flood(Flood),
    /// Closes, and comes back after so many milliseconds.
    Leave(u64),
    /// The same without a word.
    Vanish(u64),
    /// Connects beside this with what is no token, which must be refused.
    IntrudeWith(Intrusion),
}

/// Frames that come in masses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flood {
    /// The same subscription, again and again.
    Subscribes,
    /// From the beginning of the log, again and again.
    Resumes,
    /// Of channels that it was never on.
    Unsubscribes,
    ClientEvents,
    /// What is no frame.
    Garbage,
}

/// How somebody tries to get in who may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intrusion {
    MadeUpToken,
    UnknownKey,
}

impl Act {
    /// What it can be switched off by.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Flood(_) => Some("floods"),
            Self::SignIn(_) | Self::SignInWrongly | Self::JoinOwn | Self::JoinAnothers => {
                Some("users")
            }
            Self::As(..) => Some("renames"),
            Self::Subscribe(channel)
            | Self::SubscribeWrongly(channel)
            | Self::Unsubscribe(channel)
            | Self::Again(channel)
            | Self::Burst(channel)
            | Self::Say(channel) => CHANNELS[*channel]
                .starts_with("presence-")
                .then_some("presence"),
            Self::Ping | Self::Leave(_) | Self::Vanish(_) | Self::IntrudeWith(_) => None,
        }
    }
}

/// Clients of the first app, and of the second.
const CLIENTS: [u32; 2] = [CLIENT_THAT_STAYS, 3];

pub(super) fn plan(seed: u64, millis: u64) -> Vec<ClientPlan> {
    let all = (0..).zip(
        [0; CLIENTS[0] as usize]
            .into_iter()
            .chain([1; CLIENTS[1] as usize]),
    );
    all.map(|(client, app)| client_plan(seed, millis, client, app))
        .collect()
}

fn client_plan(seed: u64, millis: u64, client: u32, app: usize) -> ClientPlan {
    let mut random = random(seed, 1_000 + u64::from(client));
    let transport = match client % 8 {
        5 => Transport::Polling,
        7 => Transport::Streaming,
        _ => Transport::Socket,
    };
    let resumes = match client % 3 {
        // What it asks for is what it costs.
        _ if client == CLIENT_THAT_STAYS => Resumes::Never,
        0 => Resumes::Highest,
        1 => Resumes::WithoutGap,
        _ => Resumes::Never,
    };
    let starts_at = random.u64(..2_000);
    // One stays for as long as it is let.
    let stays = client == CLIENT_THAT_STAYS || random.u8(..4) == 0;
    let mut acts = vec![(starts_at, Act::Subscribe(BIG))];
    let mut at = starts_at + random.u64(..500);
    while at < millis {
        acts.push((at, act(&mut random, stays, app)));
        at += random.u64(100..2_500);
    }
    ClientPlan {
        client,
        app,
        user: random.usize(..USERS),
        transport,
        token: client % 8 == 3,
        resumes,
        starts_at,
        acts,
    }
}

fn act(random: &mut fastrand::Rng, stays: bool, app: usize) -> Act {
    let channel = random.usize(..CHANNELS.len());
    let presence = 6 + random.usize(..3);
    match random.u8(..100) {
        0..30 => Act::Subscribe(channel),
        30..34 => Act::SubscribeWrongly(3 + random.usize(..6)),
        34..46 => Act::Unsubscribe(channel),
        46..51 => Act::Again(channel),
        51..57 => Act::Burst(channel),
        57..59 => Act::As(presence, random.usize(..USERS)),
        59..65 => Act::SignIn(random.usize(..4)),
        65 if app == 0 => Act::SignInWrongly,
        66..68 => Act::JoinOwn,
        68 => Act::JoinAnothers,
        69..78 => Act::Say([3, 4, 6, 7][random.usize(..4)]),
        78..82 => Act::Ping,
        82..85 => Act::Flood(
            [
                Flood::Subscribes,
                Flood::Resumes,
                Flood::Unsubscribes,
                Flood::ClientEvents,
                Flood::Garbage,
            ][random.usize(..5)],
        ),
        85 => Act::IntrudeWith([Intrusion::MadeUpToken, Intrusion::UnknownKey][random.usize(..2)]),
        86..92 if !stays => Act::Leave(random.u64(..3_000)),
        92.. if !stays => Act::Vanish(random.u64(..4_000)),
        _ => Act::Subscribe(BIG),
    }
}
