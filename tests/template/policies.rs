//! What each function's role allows, against what the function does.

use std::collections::BTreeSet;

use serde_json::json;
use tests::{Made, System};
use yaml_rust2::Yaml;

use crate::parsed::{functions, named, resources, secrets, strings, template};
use crate::use_cases::counts_and_webhooks::{everything_counted, everything_told};
use crate::use_cases::large::everything_large;
use crate::use_cases::sockets::everything;

/// Something a function may do, or does: the function, the action, and the rows it is about.
type Allowed = BTreeSet<(String, String, String)>;

/// What a function's role lets it do: by its own policy, and by those that it shares with others.
fn statements<'a>(template: &'a Yaml, properties: &Yaml) -> Vec<&'a Yaml> {
    let role = properties["Role"].as_str().expect("a role of its own");
    let role = role.strip_suffix(".Arn").expect("a role");
    let role = &template["Resources"][role]["Properties"];
    let own = role["Policies"].as_vec().expect("a list");
    assert_eq!(own.len(), 1, "one policy");
    let shared = strings(&role["ManagedPolicyArns"]).into_iter().map(|name| {
        let policy = &template["Resources"][name];
        // Not one of AWS's, whose statements are not here.
        assert_eq!(policy["Type"].as_str(), Some("AWS::IAM::ManagedPolicy"));
        &policy["Properties"]
    });
    own.iter()
        .chain(shared)
        .flat_map(|policy| {
            policy["PolicyDocument"]["Statement"]
                .as_vec()
                .expect("a list")
        })
        .collect()
}

fn allowed(template: &Yaml) -> Allowed {
    let mut allowed = Allowed::new();
    for (function, properties) in functions(template) {
        let mut secrets_read = BTreeSet::new();
        // Some are there by condition only, such as the function's right to invoke itself.
        let unconditional = statements(template, &properties)
            .into_iter()
            .filter(|statement| statement.as_hash().is_some());
        for statement in unconditional {
            assert_eq!(statement["Effect"].as_str(), Some("Allow"));
            // What every function may: write its own log, and tell X-Ray.
            let resource = statement["Resource"].as_str();
            match statement["Sid"].as_str() {
                Some("Log") => {
                    let logs = properties["LoggingConfig"]["LogGroup"].as_str();
                    let arn = format!("{}.Arn", logs.expect("a log of its own"));
                    assert_eq!(resource, Some(arn.as_str()));
                    let write = ["logs:CreateLogStream", "logs:PutLogEvents"];
                    assert_eq!(strings(&statement["Action"]), write);
                    continue;
                }
                Some("Trace") => {
                    let tell = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"];
                    assert_eq!(strings(&statement["Action"]), tell);
                    continue;
                }
                Some(_) | None => assert_ne!(resource, Some("*"), "{function}"),
            }
            if strings(&statement["Action"]) == ["secretsmanager:GetSecretValue"] {
                secrets_read.extend(strings(&statement["Resource"]));
                continue;
            }
            for action in strings(&statement["Action"]) {
                let of: Vec<String> = match action.split_once(':').expect("a service").0 {
                    "dynamodb" if statement["Condition"].is_badvalue() => {
                        let index = statement["Resource"].as_str().expect("text");
                        vec![
                            index
                                .strip_prefix("${Table.Arn}/")
                                .expect("an index")
                                .to_owned(),
                        ]
                    }
                    "dynamodb" => {
                        let keys = &statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
                        let begin =
                            |key: &str| key.strip_suffix("/*").expect("a beginning").to_owned();
                        strings(keys).into_iter().map(begin).collect()
                    }
                    "execute-api" => {
                        let method = |arn: &str| {
                            let of_stage = arn.split_once("/live/").expect("a stage").1;
                            of_stage
                                .strip_suffix("/@connections/*")
                                .expect("connections")
                                .to_owned()
                        };
                        strings(&statement["Resource"])
                            .into_iter()
                            .map(method)
                            .collect()
                    }
                    "sqs" => strings(&statement["Resource"])
                        .into_iter()
                        .map(|queue| queue.strip_suffix(".Arn").expect("a queue").to_lowercase())
                        .collect(),
                    other => panic!("{function} may use {other}"),
                };
                for of in of {
                    allowed.insert((function.clone(), action.to_owned(), of));
                }
            }
        }
        assert_eq!(secrets_read, secrets(template, &properties), "{function}");
    }
    allowed
}

/// A transaction as its parts: it may do what each of them may.
fn parts(made: Made) -> Vec<Made> {
    if made.operation != "TransactWriteItems" {
        return vec![made];
    }
    let part = |part: &str| {
        let (action, target) = part.split_once(' ').expect("an action and a partition");
        Made {
            operation: format!("{action}Item"),
            target: target.to_owned(),
            ..made.clone()
        }
    };
    made.target.split(", ").map(part).collect()
}

/// What the functions have asked so far, as policies name it.
async fn done(system: &System) -> Allowed {
    let made = system.faults().made().await;
    let entry = made.into_iter().flat_map(parts).map(|made| {
        let (action, of) = match made.operation.as_str() {
            "PostToConnection" => (
                "execute-api:ManageConnections".to_owned(),
                "POST".to_owned(),
            ),
            "DeleteConnection" => (
                "execute-api:ManageConnections".to_owned(),
                "DELETE".to_owned(),
            ),
            "SendMessage" | "SendMessageBatch" => {
                ("sqs:SendMessage".to_owned(), named(&made.target))
            }
            operation => {
                let kind = match made.target.split_once('/') {
                    Some(("index", _)) | None => made.target.as_str(),
                    Some((kind, _)) => kind,
                };
                (format!("dynamodb:{operation}"), kind.to_owned())
            }
        };
        (made.function, action, of)
    });
    entry.collect()
}

/// What Lambda does in a function's name to hand it the messages of a queue.
fn done_by_lambda(template: &Yaml) -> Allowed {
    let mut done = Allowed::new();
    for (_, mapping) in resources(template, "AWS::Lambda::EventSourceMapping") {
        let text = |name: &str| mapping[name].as_str().expect("text").to_lowercase();
        let queue = text("EventSourceArn");
        for action in ["DeleteMessage", "GetQueueAttributes", "ReceiveMessage"] {
            let queue = queue.strip_suffix(".arn").expect("a queue").to_owned();
            done.insert((text("FunctionName"), format!("sqs:{action}"), queue));
        }
    }
    done
}

#[tokio::test]
async fn each_function_may_do_what_it_does_and_nothing_else() {
    // Room for one more, where there are two.
    let with = |setting: &str| {
        let settings = json!({
            "max_presence_members": 2, "watchlist": true, "retention_count": 1_000, setting: true,
        });
        System::start_with_app(&settings, &["--faults", "--quiet"])
    };
    let talking = with("client_events");
    everything(&talking).await;
    let counting = with("subscription_count");
    everything_counted(&counting).await;
    // Nobody listens there.
    let webhooks = json!([{"url": "http://127.0.0.1:1/"}]);
    let settings = json!({"subscription_count": true, "webhooks": webhooks});
    let arguments = ["--faults", "--quiet", "--webhook-patience", "1"];
    let telling = System::start_with_app(&settings, &arguments);
    everything_told(&telling).await;
    let mut done: Allowed = &done(&talking).await | &done(&counting).await;
    done.extend(self::done(&telling).await);
    // Two are many.
    let settings = json!({"client_events": true});
    let arguments = ["--faults", "--quiet", "--inline-max", "1"];
    let large = System::start_with_app(&settings, &arguments);
    everything_large(&large).await;
    done.extend(self::done(&large).await);
    done.extend(done_by_lambda(&template()));
    let allowed = allowed(&template());
    let forbidden: Vec<_> = done.difference(&allowed).collect();
    assert!(forbidden.is_empty(), "not allowed: {forbidden:#?}");
    let needless: Vec<_> = allowed.difference(&done).collect();
    assert!(needless.is_empty(), "allowed but never done: {needless:#?}");
}
