//! The local host, against the template: functions, timeouts, keys and routes.

use std::collections::BTreeSet;

use functions::FUNCTIONS;
use local::gateway::routes::{ROUTES, URLS};
use local::host::settings::timeout;
use shared::aws::schema::{
    DUE_AT, DUE_INDEX, DUE_SHARD, OCCUPIED_INDEX, OCCUPIED_SHARD, PARTITION_KEY, SORT_KEY, TTL,
};
use tests::workspace;
use yaml_rust2::{Yaml, YamlLoader};

use crate::parsed::{STREAM_LIFE, functions, resources, template};

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
