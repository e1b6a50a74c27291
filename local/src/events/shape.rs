//! For tests: whether an event has the shape of a recorded one.

use std::collections::BTreeSet;

use serde_json::Value;

/// The places in an event where something is, and of what type. What a client has sent (headers,
/// parameters) has no fixed shape.
pub(super) fn shape(event: &Value) -> BTreeSet<String> {
    fn walk(value: &Value, at: &str, places: &mut BTreeSet<String>) {
        let of_client = at.ends_with("eaders") || at.ends_with("arameters");
        let kind = match value {
            Value::Object(fields) if !of_client => {
                for (name, value) in fields {
                    walk(value, &format!("{at}/{name}"), places);
                }
                return;
            }
            Value::Object(_) => "object",
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
        };
        places.insert(format!("{at}: {kind}"));
    }
    let mut places = BTreeSet::new();
    walk(event, "", &mut places);
    places
}
