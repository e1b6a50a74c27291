//! The template, against what the functions really do and what the local host really allows them.

mod queues;
mod variables;
/// What each function is made to do.
mod use_cases {
    pub(crate) mod everything;
    pub(crate) mod large;
    pub(crate) mod queued;
    pub(crate) mod sessions;
}

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use functions::FUNCTIONS;
use local::gateway::routes::{ROUTES, URLS};
use local::host::settings::timeout;
use serde_json::json;
use shared::limits::STREAM_LIFE_SECS;
use shared::schema::{
    DUE_AT, DUE_INDEX, DUE_SHARD, OCCUPIED_INDEX, OCCUPIED_SHARD, PARTITION_KEY, SORT_KEY, TTL,
};
use tests::{Made, System, workspace};
use yaml_rust2::{Yaml, YamlLoader};

use crate::queues::queues_agree;
use crate::use_cases::everything::everything;
use crate::use_cases::large::everything_large;
use crate::use_cases::queued::{everything_counted, everything_told};

/// How long a stream lasts, unless it is said otherwise.
const STREAM_LIFE: Duration = Duration::from_secs(STREAM_LIFE_SECS);

/// Something a function may do, or does: the function, the action, and the rows it is about.
type Allowed = BTreeSet<(String, String, String)>;

fn template() -> Yaml {
    let text = std::fs::read_to_string(workspace().join("template.yaml")).expect("readable");
    YamlLoader::load_from_str(&text).expect("YAML").remove(0)
}

/// The properties of all resources of a type, with what else is said of them.
fn resources<'a>(template: &'a Yaml, kind: &'a str) -> impl Iterator<Item = (&'a Yaml, &'a Yaml)> {
    let resources = template["Resources"].as_hash().expect("a map").values();
    resources
        .filter(move |resource| resource["Type"].as_str() == Some(kind))
        .map(|resource| (&resource["Metadata"], &resource["Properties"]))
}

/// The functions' properties by the functions' names.
fn functions(template: &Yaml) -> BTreeMap<String, Yaml> {
    let functions = resources(template, "AWS::Serverless::Function");
    let named = functions.map(|(metadata, properties)| {
        let binary = &metadata["BuildProperties"]["Binary"];
        let name = binary.as_str().expect("a binary").to_owned();
        (name, properties.clone())
    });
    named.collect()
}

fn strings(list: &Yaml) -> Vec<&str> {
    let one = std::slice::from_ref(list);
    let list = list.as_vec().map_or(one, Vec::as_slice);
    list.iter()
        .map(|text| text.as_str().expect("text"))
        .collect()
}

/// What a function's role lets it do.
fn statements<'a>(template: &'a Yaml, properties: &Yaml) -> &'a [Yaml] {
    let role = properties["Role"].as_str().expect("a role of its own");
    let role = role.strip_suffix(".Arn").expect("a role");
    let role = &template["Resources"][role]["Properties"];
    assert!(role["ManagedPolicyArns"].is_badvalue());
    let policies = role["Policies"].as_vec().expect("a list");
    let [policy] = policies.as_slice() else {
        panic!("one policy")
    };
    policy["PolicyDocument"]["Statement"]
        .as_vec()
        .expect("a list")
}

/// The variables that a function is given, with their values.
fn variables<'a>(
    template: &'a Yaml,
    properties: &'a Yaml,
) -> impl Iterator<Item = (&'a str, &'a Yaml)> {
    [&template["Globals"]["Function"], properties]
        .into_iter()
        .filter_map(|given| given["Environment"]["Variables"].as_hash())
        .flatten()
        .map(|(name, value)| (name.as_str().expect("text"), value))
}

/// The secrets that a function is told the places of.
fn secrets<'a>(template: &'a Yaml, properties: &'a Yaml) -> BTreeSet<&'a str> {
    variables(template, properties)
        .filter(|(name, _)| name.ends_with("_SECRET"))
        .map(|(_, value)| value.as_str().expect("a reference"))
        .collect()
}

fn allowed(template: &Yaml) -> Allowed {
    let mut allowed = Allowed::new();
    for (function, properties) in functions(template) {
        // Some are there by condition only, such as the function's right to invoke itself.
        let unconditional = statements(template, &properties)
            .iter()
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
                Some("ReadSecrets") => {
                    assert_eq!(
                        strings(&statement["Action"]),
                        ["secretsmanager:GetSecretValue"]
                    );
                    let read: BTreeSet<&str> =
                        strings(&statement["Resource"]).into_iter().collect();
                    assert_eq!(read, secrets(template, &properties), "{function}");
                    continue;
                }
                Some(_) | None => assert_ne!(resource, Some("*"), "{function}"),
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

/// A queue as the template names it, but for its case.
fn named(queue: &str) -> String {
    queue.replace(['-', '.'], "")
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

#[test]
fn the_template_and_the_local_host_agree() {
    let template = template();
    let functions = functions(&template);
    let names: Vec<&str> = functions.keys().map(String::as_str).collect();
    assert_eq!(names, FUNCTIONS);
    let default = &template["Globals"]["Function"]["Timeout"];
    for (name, properties) in &functions {
        let own = match properties["Timeout"].as_vec() {
            None => &properties["Timeout"],
            // What a parameter says, unless it is said otherwise.
            Some(found) => {
                let text = |n: usize| found[n].as_str().expect("text");
                let chosen = template["Parameters"][text(1)]["Default"].as_str();
                &template["Mappings"][text(0)][chosen.expect("a default")][text(2)]
            }
        };
        let secs = own.as_i64().or(default.as_i64()).expect("a number");
        let secs = u64::try_from(secs).expect("positive");
        assert_eq!(timeout(name, STREAM_LIFE).as_secs(), secs, "{name}");
    }
    let table = &template["Resources"]["Table"]["Properties"];
    let keys: Vec<_> = (0..2)
        .map(|n| table["KeySchema"][n]["AttributeName"].as_str())
        .collect();
    assert_eq!(keys, [Some(PARTITION_KEY), Some(SORT_KEY)]);
    for (n, name, hash, range) in [
        (0, DUE_INDEX, DUE_SHARD, DUE_AT),
        (1, OCCUPIED_INDEX, OCCUPIED_SHARD, PARTITION_KEY),
    ] {
        let index = &table["GlobalSecondaryIndexes"][n];
        assert_eq!(index["IndexName"].as_str(), Some(name));
        let keys: Vec<_> = (0..2)
            .map(|n| index["KeySchema"][n]["AttributeName"].as_str())
            .collect();
        assert_eq!(keys, [Some(hash), Some(range)]);
    }
    let ttl = &table["TimeToLiveSpecification"]["AttributeName"];
    assert_eq!(ttl.as_str(), Some(TTL));
    queues_agree(&template);
}

#[test]
fn the_template_and_the_local_host_have_the_same_routes() {
    let template = template();
    let mut routed = BTreeSet::new();
    let routes = resources(&template, "AWS::ApiGatewayV2::Route");
    for (_, route) in routes.filter(|(_, route)| route["ApiId"].as_str() == Some("HttpApi")) {
        let text = |yaml: &Yaml| yaml.as_str().expect("text").to_owned();
        let key = text(&route["RouteKey"]);
        let (method, path) = key.split_once(' ').expect("a method and a path");
        let target = text(&route["Target"]);
        let integration = target.strip_prefix("integrations/${").expect("a target");
        let integration = integration.strip_suffix('}').expect("a reference");
        let calls = &template["Resources"][integration]["Properties"]["IntegrationUri"];
        let function = text(calls).to_lowercase();
        let function = function.strip_suffix(".arn").expect("a function");
        routed.insert((function.to_owned(), method.to_owned(), path.to_owned()));
    }
    let local = ROUTES
        .map(|(function, method, path)| (function.to_owned(), method.to_owned(), path.to_owned()));
    assert_eq!(routed, BTreeSet::from(local));
}

#[test]
fn every_route_is_described() {
    let text = std::fs::read_to_string(workspace().join("openapi.yaml")).expect("readable");
    let described = YamlLoader::load_from_str(&text).expect("YAML").remove(0);
    let mut operations = BTreeSet::new();
    for (path, item) in described["paths"].as_hash().expect("a map") {
        let fields = item.as_hash().expect("a map").keys();
        let methods = fields.map(|field| field.as_str().expect("text"));
        for method in methods.filter(|field| *field != "parameters") {
            let path = path.as_str().expect("text").to_owned();
            operations.insert((method.to_uppercase(), path));
        }
    }
    // A function URL takes whatever method there is: the function says which it answers.
    let urls = URLS.map(|(_, path)| path);
    let (of_urls, operations): (BTreeSet<_>, BTreeSet<_>) = operations
        .into_iter()
        .partition(|(_, path)| urls.contains(&path.as_str()));
    let described: BTreeSet<&str> = of_urls.iter().map(|(_, path)| path.as_str()).collect();
    assert_eq!(described, BTreeSet::from(urls));
    let routes = ROUTES.map(|(_, method, path)| (method.to_owned(), path.to_owned()));
    assert_eq!(operations, BTreeSet::from(routes));
}
