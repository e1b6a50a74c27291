//! Inputs: valid ones, those that nearly are, and any at all.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value};

/// Any text, control characters too.
pub(crate) fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..=48).prop_map(String::from_iter)
}

/// What the names of channels may begin with.
pub(crate) const PREFIXES: [&str; 8] = [
    "",
    "private-",
    "private-encrypted-",
    "presence-",
    "cache-",
    "private-cache-",
    "private-encrypted-cache-",
    "presence-cache-",
];

/// The name of a channel, of every kind that anybody may choose.
pub(crate) fn channel_name() -> impl Strategy<Value = String> {
    let rest = prop_oneof![
        4 => "[-A-Za-z0-9_=@,.;]{1,24}",
        1 => "[-A-Za-z0-9_=@,.;]{170,176}",
    ];
    (select(&PREFIXES[..]), rest).prop_map(|(prefix, rest)| format!("{prefix}{rest}"))
}

/// The name of a channel, a user's among them.
pub(crate) fn any_channel_name() -> impl Strategy<Value = String> {
    let of_a_user =
        channel_name().prop_map(|name| format!("#server-to-user-{}", &name[..name.len().min(100)]));
    prop_oneof![4 => channel_name(), 1 => of_a_user]
}

/// Text about as long as may be: `max` characters, or one less, or one more.
pub(crate) fn about(max: usize) -> impl Strategy<Value = String> {
    let character = prop_oneof![Just('x'), Just('é'), Just('"')];
    (max - 1..=max + 1, character)
        .prop_map(|(count, character)| std::iter::repeat_n(character, count).collect())
}

/// A number that is often at the edge of what may be: `most`, or one more, or 0.
pub(crate) fn up_to(most: u64) -> impl Strategy<Value = u64> {
    prop_oneof![0..=most, select(vec![0, 1, most, most + 1])]
}

/// The name of a public channel that can stand in a list.
pub(crate) fn public_name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_=@.;]{1,24}"
}

/// `digits.digits`.
pub(crate) fn socket_id() -> impl Strategy<Value = String> {
    "[0-9]{1,20}\\.[0-9]{1,20}"
}

/// Small steps away from a text, and some that lead nowhere.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Insert(Index, char),
    Remove(Index),
    Replace(Index, char),
    CutAt(Index),
}

impl Step {
    pub(crate) fn from(&self, text: &str) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        let (Self::Insert(at, _) | Self::Remove(at) | Self::Replace(at, _) | Self::CutAt(at)) =
            self;
        let at = at.index(characters.len() + 1);
        match self {
            Self::Insert(_, character) => characters.insert(at, *character),
            Self::Remove(_) => drop(characters.drain(at..characters.len().min(at + 1))),
            Self::Replace(_, character) => {
                characters.splice(at..characters.len().min(at + 1), [*character]);
            }
            Self::CutAt(_) => characters.truncate(at),
        }
        characters.into_iter().collect()
    }
}

/// A step; what it puts in is often what means something somewhere.
pub(crate) fn step() -> impl Strategy<Value = Step> {
    let character = prop_oneof![
        select(
            &[
                ' ', '"', '\\', '{', '}', '[', ':', ',', '.', '*', '#', '/', '%', '&', '=', '+',
                '\0', '\n', 'é', '0'
            ][..]
        ),
        any::<char>(),
    ];
    (any::<Index>(), character, 0..4).prop_map(|(at, character, kind)| match kind {
        0 => Step::Insert(at, character),
        1 => Step::Remove(at),
        2 => Step::Replace(at, character),
        _ => Step::CutAt(at),
    })
}

/// Any JSON, not deep.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
        // Long enough to be noticed where it is repeated.
        Just(Value::from("x".repeat(3_000))),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// An object with some of these fields and perhaps one more. Each has what it should have, or any
/// JSON.
pub(crate) fn object(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let mut object = Just(Map::new()).boxed();
    for (name, proper) in fields {
        let value = prop_oneof![
            18 => proper.prop_map(Some),
            1 => json().prop_map(Some),
            1 => Just(None),
        ];
        object = (object, value)
            .prop_map(move |(mut object, value)| {
                if let Some(value) = value {
                    object.insert(name.to_owned(), value);
                }
                object
            })
            .boxed();
    }
    (object, prop::option::weighted(0.2, (text(), json())))
        .prop_map(|(mut object, more)| {
            object.extend(more);
            Value::Object(object)
        })
        .boxed()
}

/// JSON as text, on one line or on several.
pub(crate) fn written(json: &Value, pretty: bool) -> String {
    let text = if pretty {
        serde_json::to_string_pretty(json)
    } else {
        serde_json::to_string(json)
    };
    text.expect("a value always prints")
}

/// Bytes of a length about the most there may be.
pub(crate) fn filled(byte: u8, max: usize) -> impl Strategy<Value = Vec<u8>> {
    (max - 1..=max + 1).prop_map(move |length| vec![byte; length])
}

/// The values of an object in a list: serde takes one for the other where nothing forbids it.
pub(crate) fn listed(object: &Value) -> Value {
    let values = object.as_object().into_iter().flat_map(Map::values);
    Value::Array(values.cloned().collect())
}

/// `text` for a query, each byte written in one of the ways it may be. `style` decides which.
pub(crate) fn escaped(text: &str, style: &[u8]) -> String {
    let mut escaped = String::new();
    for (byte, style) in text.bytes().zip(style.iter().cycle()) {
        match (byte, style % 3) {
            (
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b',' | b':' | b'/',
                1..,
            ) => {
                escaped.push(char::from(byte));
            }
            (b' ', 1..) => escaped.push('+'),
            (_, 1) => escaped.push_str(&format!("%{byte:02x}")),
            (_, _) => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// How to write a query.
pub(crate) fn style() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 1..64)
}
