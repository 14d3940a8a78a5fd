//! A stock client in a process of its own, told what to do and asked what it saw.

use serde_json::{Value, json};
use staywire_interop::Peer;

/// Whose client it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maker {
    Node,
    Python,
}

pub(crate) const BOTH: [Maker; 2] = [Maker::Node, Maker::Python];

pub(crate) struct Stock {
    peer: Peer,
    asked: u64,
    /// What it said that nobody has asked for yet.
    kept: Vec<Value>,
}

impl Stock {
    /// One that is about to connect. `options` are socket.io-client's.
    pub(crate) fn start(maker: Maker, url: &str, options: &Value) -> Self {
        let options = options.to_string();
        let peer = match maker {
            Maker::Node => Peer::node("clients.mjs", &[url, &options]),
            Maker::Python => Peer::python("clients.py", &[url, &options]),
        };
        Self { peer, asked: 0, kept: Vec::new() }
    }

    /// One that is connected in the namespace `/`, and was told so.
    pub(crate) fn connect(maker: Maker, url: &str, options: &Value) -> Self {
        let mut stock = Self::start(maker, url, options);
        stock.said("connect");
        stock
    }

    /// The next thing of that kind that it says.
    pub(crate) fn said(&mut self, on: &str) -> Value {
        self.find(|said| said["on"] == on)
    }

    /// The argument of the next event of that name.
    pub(crate) fn event(&mut self, name: &str) -> Value {
        let said = self.find(|said| said["on"] == "event" && said["name"] == name);
        said["args"].get(0).cloned().unwrap_or(Value::Null)
    }

    /// The next event, whatever it is called: its name and argument.
    pub(crate) fn next_event(&mut self) -> (String, Value) {
        let said = self.find(|said| said["on"] == "event");
        (said["name"].as_str().unwrap().to_owned(), said["args"][0].clone())
    }

    /// Emits an event, and returns what it is acknowledged with.
    pub(crate) fn ask(&mut self, name: &str, data: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        self.tell(&json!({"do": "ask", "id": id, "args": [name, data]}));
        let mut answer = self.find(|said| said["on"] == "ack" && said["id"] == id);
        assert_eq!(answer["args"].as_array().map(Vec::len), Some(1), "{answer}");
        answer["args"][0].take()
    }

    /// Emits an event that wants no answer.
    pub(crate) fn emit(&mut self, args: Value) {
        self.tell(&json!({"do": "emit", "args": args}));
    }

    /// What it travels over now.
    pub(crate) fn transport(&mut self) -> String {
        self.tell(&json!({"do": "transport"}));
        self.said("transport")["name"].as_str().unwrap().to_owned()
    }

    /// Has it do something that is no event.
    pub(crate) fn order(&mut self, what: &str) {
        self.tell(&json!({ "do": what }));
    }

    /// Everything that it has said and nobody has asked for, up to an answer to a question asked now.
    pub(crate) fn so_far(&mut self) -> Vec<Value> {
        self.ask("get_stats", json!({}));
        std::mem::take(&mut self.kept)
    }

    pub(crate) fn kill(&mut self) {
        self.peer.kill();
    }

    fn tell(&mut self, command: &Value) {
        self.peer.tell(&command.to_string());
    }

    fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(place) = self.kept.iter().position(&wanted) {
            return self.kept.remove(place);
        }
        loop {
            let line = self.peer.hear();
            let said = serde_json::from_str(&line).unwrap_or_else(|_| panic!("it said {line:?}"));
            if wanted(&said) {
                return said;
            }
            self.kept.push(said);
        }
    }
}

pub(crate) fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_else(|| panic!("no refusal: {answer}"))
}
