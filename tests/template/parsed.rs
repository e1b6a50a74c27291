//! The template as YAML, and what all tests look up in it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::model::limits::STREAM_LIFE_SECS;
use tests::workspace;
use yaml_rust2::{Yaml, YamlLoader};

/// How long a stream lasts, unless it is said otherwise.
pub(crate) const STREAM_LIFE: Duration = Duration::from_secs(STREAM_LIFE_SECS);

/// The template.
pub(crate) fn template() -> Yaml {
    let text = std::fs::read_to_string(workspace().join("template.yaml")).expect("readable");
    YamlLoader::load_from_str(&text).expect("YAML").remove(0)
}

/// The properties of all resources of a type, with what else is said of them.
pub(crate) fn resources<'a>(
    template: &'a Yaml,
    kind: &'a str,
) -> impl Iterator<Item = (&'a Yaml, &'a Yaml)> {
    let resources = template["Resources"].as_hash().expect("a map").values();
    resources
        .filter(move |resource| resource["Type"].as_str() == Some(kind))
        .map(|resource| (&resource["Metadata"], &resource["Properties"]))
}

/// The functions' properties by the functions' names.
pub(crate) fn functions(template: &Yaml) -> BTreeMap<String, Yaml> {
    let functions = resources(template, "AWS::Serverless::Function");
    let named = functions.map(|(metadata, properties)| {
        let binary = &metadata["BuildProperties"]["Binary"];
        let name = binary.as_str().expect("a binary").to_owned();
        (name, properties.clone())
    });
    named.collect()
}

/// The texts of a list, or the only one.
pub(crate) fn strings(list: &Yaml) -> Vec<&str> {
    let one = std::slice::from_ref(list);
    let list = list.as_vec().map_or(one, Vec::as_slice);
    list.iter()
        .map(|text| text.as_str().expect("text"))
        .collect()
}

/// A list's items. One that is there by a condition is as it is where the condition holds.
pub(crate) fn items(list: &Yaml) -> impl Iterator<Item = &Yaml> {
    let items = list.as_vec().expect("a list").iter();
    items.map(|item| item.as_vec().map_or(item, |chosen| &chosen[1]))
}

/// The variables that a function is given, with their values.
pub(crate) fn variables<'a>(
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
pub(crate) fn secrets<'a>(template: &'a Yaml, properties: &'a Yaml) -> BTreeSet<&'a str> {
    variables(template, properties)
        .filter(|(name, _)| name.ends_with("_SECRET"))
        .map(|(_, value)| value.as_str().expect("a reference"))
        .collect()
}

/// A queue as the template names it, but for its case.
pub(crate) fn named(queue: &str) -> String {
    queue.replace(['-', '.'], "")
}
