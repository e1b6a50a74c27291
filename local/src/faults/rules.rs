//! The rules: which request meets which fault. Values only: nothing here sends, waits or fails.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde::{Deserialize, Serialize};

/// The events of a socket, for which the gateway invokes a function. A rule must name one to match
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketEvent {
    /// `$connect`.
    Connect,
    /// `$default`.
    Message,
    /// `$disconnect`.
    Disconnect,
}

impl SocketEvent {
    const ALL: [Self; 3] = [Self::Connect, Self::Message, Self::Disconnect];

    /// Its name in a rule.
    #[must_use]
    pub const fn operation(self) -> &'static str {
        match self {
            Self::Connect => "Connect",
            Self::Message => "Message",
            Self::Disconnect => "Disconnect",
        }
    }

    /// The function.
    #[must_use]
    pub const fn function(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Message => "message",
            Self::Disconnect => "disconnect",
        }
    }

    fn named(operation: &str) -> bool {
        Self::ALL.iter().any(|one| one.operation() == operation)
    }
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It never arrives: the connection is cut before.
    Drop,
    /// It is carried out, and the connection is cut before the answer.
    LoseAnswer,
    /// It is refused: too many.
    Throttle,
    /// It is refused because of a transaction that is under way. DynamoDB only.
    Conflict,
    /// It is refused: there is no such connection. `@connections` only.
    Gone,
    /// It is refused with a 500.
    Fail,
    /// It never arrives, and nothing says so.
    Silence,
    /// Half of a batch is carried out, and the rest handed back. DynamoDB and SQS only.
    Partly,
    /// It waits until the rules change, and is then carried out.
    Hold,
    /// A read that does not ask for consistency is answered from before the last write.
    Stale,
    /// It never arrives, because its function is killed.
    Kill,
    /// It is carried out, and its function killed before the answer.
    KillAfter,
}

/// Which requests meet a fault. What is not said matches all.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The function that makes the request, or that the gateway invokes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The operation: its name (`PutItem`, `PostToConnection`, `SendMessage`), or `read` or `write`
    /// for DynamoDB's. Or, of the gateway's, `Connect`, `Message` or `Disconnect`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Something in the request's path or body, or in the event: a connection's id, a part of a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containing: Option<String>,
    /// The share of the targets (connections, partitions) that it is about, from 0 to 1: always
    /// the same ones.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    pub share: f64,
    /// How many such requests pass before the first that does not.
    #[serde(default)]
    pub skip: u64,
    /// How many it is about; without it, all that follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// What happens to them.
    pub fault: Fault,
}

fn all() -> f64 {
    1.0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_all(share: &f64) -> bool {
    *share >= 1.0
}

/// Whether a request of DynamoDB's API changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It does.
    Write,
    /// It does not.
    Read,
    /// It is no request of DynamoDB's.
    Other,
}

/// A request, as far as the rules look at it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who makes it, or whom the gateway invokes.
    pub function: &'a str,
    /// Its operation.
    pub operation: &'a str,
    /// Whether it writes.
    pub effect: Effect,
    /// The connection, the partition or the queue that it is about.
    pub target: &'a str,
    /// Its path.
    pub path: &'a str,
    /// Its body.
    pub body: &'a str,
}

impl Rule {
    /// The rules of a JSON list.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn list(json: &[u8]) -> Result<Vec<Self>, String> {
        let rules: Vec<Self> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let possible = |rule: &Self| {
            let of_gateway = rule.operation.as_deref().is_some_and(SocketEvent::named);
            !of_gateway || matches!(rule.fault, Fault::Drop | Fault::Hold)
        };
        if rules.iter().all(possible) {
            Ok(rules)
        } else {
            Err("the faults of Connect, Message and Disconnect are drop and hold".to_owned())
        }
    }

    fn matches(&self, request: &Request<'_>) -> bool {
        let is = |wanted: &Option<String>, what: &dyn Fn(&str) -> bool| {
            wanted.as_deref().is_none_or(what)
        };
        if self.operation.is_none() && SocketEvent::named(request.operation) {
            return false;
        }
        is(&self.function, &|function| function == request.function)
            && is(&self.operation, &|operation| match operation {
                "write" => request.effect == Effect::Write,
                "read" => request.effect == Effect::Read,
                name => name == request.operation,
            })
            && is(&self.containing, &|part| {
                request.path.contains(part) || request.body.contains(part)
            })
            && (is_all(&self.share) || point_of(request.target) < self.share)
    }
}

/// A point from 0 to 1 for each target.
fn point_of(target: &str) -> f64 {
    let mut hasher = DefaultHasher::new();
    target.hash(&mut hasher);
    // The low bits, as many as a double holds exactly.
    #[expect(clippy::cast_precision_loss, reason = "32 bits fit")]
    let point = (hasher.finish() & 0xFFFF_FFFF) as f64 / 4_294_967_296.0;
    point
}

/// The rules in force, and how often each was met.
#[derive(Debug, Default)]
pub struct Rules(Vec<(Rule, u64)>);

impl Rules {
    /// These rules, none met yet.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        Self(rules.into_iter().map(|rule| (rule, 0)).collect())
    }

    /// The fault of a request: the first rule's that is about it.
    pub fn fault_of(&mut self, request: &Request<'_>) -> Option<Fault> {
        for (rule, met) in &mut self.0 {
            if !rule.matches(request) {
                continue;
            }
            *met += 1;
            let since = met.checked_sub(rule.skip + 1);
            if since.is_some_and(|since| rule.times.is_none_or(|times| since < times)) {
                return Some(rule.fault);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        serde_json::from_str(text).expect(text)
    }

    const PUT: Request<'_> = Request {
        function: "connect",
        operation: "PutItem",
        effect: Effect::Write,
        target: "conn/a",
        path: "/",
        body: r#"{"Item":{"pk":{"S":"conn/a"}}}"#,
    };

    #[test]
    fn a_rule_is_about_what_it_says() {
        for (text, about) in [
            (r#"{"fault":"drop"}"#, true),
            (r#"{"fault":"drop","function":"connect"}"#, true),
            (r#"{"fault":"drop","function":"message"}"#, false),
            (r#"{"fault":"drop","operation":"write"}"#, true),
            (r#"{"fault":"drop","operation":"read"}"#, false),
            (r#"{"fault":"drop","operation":"PutItem"}"#, true),
            (r#"{"fault":"drop","containing":"conn/a"}"#, true),
            (r#"{"fault":"drop","containing":"conn/b"}"#, false),
            (r#"{"fault":"drop","share":0}"#, false),
        ] {
            assert_eq!(rule(text).matches(&PUT), about, "{text}");
        }
        assert!(serde_json::from_str::<Rule>(r#"{"fault":"drop","oops":1}"#).is_err());
    }

    #[test]
    fn the_gateways_own_invocations_have_to_be_named() {
        let disconnect = Request {
            function: "disconnect",
            operation: "Disconnect",
            effect: Effect::Other,
            ..PUT
        };
        for (text, about) in [
            (r#"{"fault":"drop"}"#, false),
            (r#"{"fault":"drop","function":"disconnect"}"#, false),
            (r#"{"fault":"drop","operation":"write"}"#, false),
            (r#"{"fault":"drop","operation":"Disconnect"}"#, true),
            (r#"{"fault":"drop","operation":"Connect"}"#, false),
        ] {
            assert_eq!(rule(text).matches(&disconnect), about, "{text}");
        }
        for (fault, possible) in [("drop", true), ("hold", true), ("kill", false)] {
            let rules = format!(r#"[{{"fault":"{fault}","operation":"Disconnect"}}]"#);
            assert_eq!(Rule::list(rules.as_bytes()).is_ok(), possible, "{fault}");
        }
        assert!(Rule::list(br#"[{"fault":"kill","operation":"PutItem"}]"#).is_ok());
    }

    #[test]
    fn a_rule_lets_some_pass_and_takes_so_many() {
        let mut rules = Rules::new(vec![
            rule(r#"{"fault":"drop","skip":1,"times":2}"#),
            rule(r#"{"fault":"fail","function":"message"}"#),
        ]);
        let met: Vec<_> = (0..5).map(|_| rules.fault_of(&PUT)).collect();
        let drop = Some(Fault::Drop);
        assert_eq!(met, [None, drop, drop, None, None]);
        let other = Request {
            function: "message",
            ..PUT
        };
        assert_eq!(rules.fault_of(&other), Some(Fault::Fail));
    }

    #[test]
    fn a_share_is_about_that_many_targets_and_always_the_same() {
        let rule = rule(r#"{"fault":"gone","share":0.3}"#);
        let about = |n: u32| {
            let target = format!("conn/{n}");
            rule.matches(&Request {
                target: &target,
                ..PUT
            })
        };
        let hit: Vec<u32> = (0..1_000).filter(|&n| about(n)).collect();
        assert!((250..350).contains(&hit.len()), "{}", hit.len());
        assert!(hit.iter().all(|&n| about(n)));
    }
}
