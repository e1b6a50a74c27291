//! A connection, of whatever transport: frames go out, steps come in, and both are written down.

use std::sync::Arc;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::ear::{BROKEN, Ear};
use super::session::Session;
use crate::storm::history::Step;
use crate::storm::outside::Outside;
use crate::storm::plan::acts::Transport;
use crate::storm::wire::App;

type Stream = WebSocketStream<TcpStream>;

/// An open connection.
pub(crate) struct Link {
    pub(crate) conn: u32,
    outside: Arc<Outside>,
    /// `None`: it was not let in.
    way: Option<Way>,
    /// What it hears, after it was written down.
    pub(crate) heard: UnboundedReceiver<Step>,
    reading: JoinHandle<()>,
}

enum Way {
    Socket(SplitSink<Stream, Message>),
    Session(Session),
}

/// What to connect as.
pub(crate) struct As<'a> {
    pub(crate) client: u32,
    pub(crate) app: &'static App,
    /// In place of the app's, where it is to be refused.
    pub(crate) key: &'a str,
    pub(crate) token: Option<&'a str>,
    /// Whether it is to be let in.
    pub(crate) may: bool,
}

impl Link {
    /// Opens a connection. That it is not let in is heard on it, too.
    pub(crate) async fn open(outside: &Arc<Outside>, transport: Transport, who: As<'_>) -> Self {
        let conn = outside.recorder.new_connection();
        let As {
            client,
            app,
            key,
            token,
            may,
        } = who;
        let opens = Step::Opens {
            client,
            app: app.id.to_owned(),
            may,
        };
        outside.recorder.step(conn, opens);
        let (said, heard) = mpsc::unbounded_channel();
        let ear = Ear {
            conn,
            app,
            outside: outside.clone(),
            heard: said,
        };
        let (way, reading) = match transport {
            Transport::Socket => match outside.socket(key, token).await {
                Ok(stream) => {
                    let (sink, stream) = stream.split();
                    (Some(Way::Socket(sink)), tokio::spawn(read(stream, ear)))
                }
                Err(_) => {
                    ear.step(Step::Closed { code: BROKEN });
                    (None, tokio::spawn(std::future::ready(())))
                }
            },
            Transport::Polling | Transport::Streaming => {
                let streams = transport == Transport::Streaming;
                let session = Session::new(outside, conn, key, token, ear.clone());
                let reading = tokio::spawn(session.clone().read(streams));
                (Some(Way::Session(session)), reading)
            }
        };
        let outside = outside.clone();
        Self {
            conn,
            outside,
            way,
            heard,
            reading,
        }
    }

    /// Says something, after it was written down.
    pub(crate) async fn say(&mut self, step: Option<Step>, frame: &Value) {
        self.say_all(vec![(step, frame.clone())]).await;
    }

    /// Says several things in one go.
    pub(crate) async fn say_all(&mut self, all: Vec<(Option<Step>, Value)>) {
        for (step, _) in &all {
            if let Some(step) = step {
                self.outside.recorder.step(self.conn, step.clone());
            }
        }
        match &mut self.way {
            Some(Way::Socket(sink)) => {
                for (_, frame) in all {
                    if sink.feed(Message::text(frame.to_string())).await.is_err() {
                        return;
                    }
                }
                // That it is broken is heard.
                let _ = sink.flush().await;
            }
            Some(Way::Session(session)) => {
                let frames = all
                    .into_iter()
                    .map(|(_, frame)| frame.to_string())
                    .collect();
                session.send(frames);
            }
            None => {}
        }
    }

    /// Ends it from here, with or without a word.
    pub(crate) async fn leave(mut self, politely: bool) {
        self.outside.recorder.step(self.conn, Step::Leaves);
        if let (Some(Way::Socket(sink)), true) = (&mut self.way, politely) {
            let _ = sink.close().await;
        }
        // What comes later is heard by nobody: it has left.
        self.reading.abort();
    }
}

async fn read(mut stream: SplitStream<Stream>, ear: Ear) {
    let code = loop {
        match stream.next().await {
            Some(Ok(Message::Text(text))) => ear.frame(&text),
            Some(Ok(Message::Close(frame))) => break frame.map_or(1005, |frame| frame.code.into()),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => break BROKEN,
        }
    };
    ear.step(Step::Closed { code });
}
