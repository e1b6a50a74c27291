//! The variables that the template sets, against those that the functions read.

use std::collections::BTreeSet;

use tests::workspace;

use crate::parsed::{functions, template, variables};

/// The variables that `shared` reads, by its source.
fn variables_read() -> BTreeSet<String> {
    let path = workspace().join("shared/src/config/variable.rs");
    let source = std::fs::read_to_string(path).expect("readable");
    let named = source.lines().filter_map(|line| {
        let value = line.strip_prefix("pub const ")?.split_once("= \"")?.1;
        Some(value.strip_suffix("\";").expect("a text").to_owned())
    });
    named.collect()
}

#[test]
fn the_template_sets_what_the_functions_read_and_nothing_else() {
    let template = template();
    let mut set = BTreeSet::new();
    for properties in functions(&template).values() {
        let variables = variables(&template, properties);
        set.extend(variables.map(|(name, _)| name.to_owned()));
    }
    let read = variables_read();
    let unread: Vec<_> = set.difference(&read).collect();
    assert!(unread.is_empty(), "nobody reads {unread:?}");
    // Lambda sets them; or they are an emulator's; or something is given that the template stores; or
    // a test does not want to wait.
    let elsewhere = |name: &&String| {
        name.starts_with("AWS_")
            || ["APPS", "OWN_KEY", "ORIGIN_KEY", "RUST_LOG"].contains(&name.as_str())
            || ["SECRET_AGE_SECONDS", "CONNECTION_LIFE_SECONDS"].contains(&name.as_str())
            || name.as_str() == "WEBHOOK_PATIENCE_SECONDS"
    };
    let unset: Vec<_> = read
        .difference(&set)
        .filter(|name| !elsewhere(name))
        .collect();
    assert!(unset.is_empty(), "nobody sets {unset:?}");
}
