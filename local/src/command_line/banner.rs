//! The text that is printed at the start. Its last line says that everything is ready.

use std::io::Write as _;

use super::apps::AppArg;

/// Prints where everything is and how to use it. `base` is `http://{host}:{port}`.
pub fn print(base: &str, apps: &[AppArg], faults: Option<&str>) {
    let mut out = std::io::stdout().lock();
    // An error means that nobody reads it.
    let _ = out.write_all(text(base, apps, faults).as_bytes());
    let _ = out.flush();
}

fn text(base: &str, apps: &[AppArg], faults: Option<&str>) -> String {
    let authority = base.trim_start_matches("http://");
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
    let mut text = "\n".to_owned();
    for AppArg {
        id, key, secret, ..
    } in apps
    {
        text.push_str(&format!(
            "app {id}  key {key}  secret {secret}
  sockets   ws://{authority}/app/{key}
  publish   {base}/apps/{id}/events
  tokens    {base}/apps/{id}/tokens
  polling   {base}/status/{key}

"
        ));
    }
    if let Some(AppArg {
        id, key, secret, ..
    }) = apps.first()
    {
        text.push_str(&format!(
            r#"client (npm install pusher-js):
  const Pusher = require("pusher-js");
  const client = new Pusher("{key}", {{ wsHost: "{host}", wsPort: {port}, forceTLS: false, enabledTransports: ["ws"], cluster: "" }});
  client.subscribe("orders").bind("created", (order) => console.log(order));

server (npm install pusher):
  const Pusher = require("pusher");
  const server = new Pusher({{ appId: "{id}", key: "{key}", secret: "{secret}", host: "{host}", port: "{port}", useTLS: false }});
  server.trigger("orders", "created", {{ id: 1 }});

"#
        ));
    }
    if let Some(faults) = faults {
        text.push_str(&format!("faults {faults}\n\n"));
    }
    text.push_str(&format!("ready {base}\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_line::apps::Features;

    #[test]
    fn the_last_line_says_where_it_is_ready() {
        let app = AppArg {
            id: "1".to_owned(),
            key: "k".to_owned(),
            secret: "s".to_owned(),
            features: Features::default(),
        };
        let text = text("http://127.0.0.1:6001", &[app], None);
        assert_eq!(text.lines().last(), Some("ready http://127.0.0.1:6001"));
        assert!(
            text.contains(r#"new Pusher("k", { wsHost: "127.0.0.1", wsPort: 6001,"#),
            "{text}"
        );
    }
}
