//! What a client may say on a stream, and what it is answered: auth, ping, subscribe, unsubscribe.

use exchange::signing::sign;
use serde::Deserialize;
use serde_json::{Value, json};

use super::feed::ListenerId;
use super::hub::{Face, Hub};
use super::topic::{PrivateTopic, PublicTopic};
use crate::http::Keys;
use crate::matching::Moment;
use crate::sim::Sim;

/// Characters that the subscriptions of one stream may come to.
const MAX_ARGS: usize = 21_000;

/// One message of a client.
#[derive(Deserialize)]
struct Said {
    op: String,
    #[serde(default)]
    req_id: Option<String>,
    #[serde(default)]
    args: Vec<Value>,
}

/// Why a client is refused: the wire's `ret_msg`.
type Refused = Result<(), String>;

impl Hub {
    /// Answers one message of a client.
    pub(crate) fn hear(&mut self, id: ListenerId, text: &str, sim: &Sim, keys: &Keys, now: Moment) {
        let said: Said = match serde_json::from_str(text) {
            Ok(said) => said,
            Err(error) => {
                let outcome = Err(format!("error:not understood, {error}"));
                self.answer(id, "", None, &outcome);
                return;
            }
        };
        let req_id = said.req_id.as_deref();
        match said.op.as_str() {
            "ping" => self.pong(id, req_id, now),
            "auth" => {
                let outcome = self.authenticate(id, &said.args, keys, now);
                self.answer(id, "auth", req_id, &outcome);
                if outcome.is_err() {
                    self.leave(id);
                }
            }
            "subscribe" => {
                let mut first = Vec::new();
                let outcome = self.subscribe(id, &said.args, sim, now, &mut first);
                self.answer(id, "subscribe", req_id, &outcome);
                for message in first {
                    self.send(&[id], message);
                }
            }
            "unsubscribe" => {
                self.unsubscribe(id, &said.args);
                self.answer(id, "unsubscribe", req_id, &Ok(()));
            }
            other => {
                let outcome = Err(format!("error:unknown op {other:?}"));
                self.answer(id, other, req_id, &outcome);
            }
        }
    }

    fn answer(&mut self, id: ListenerId, op: &str, req_id: Option<&str>, outcome: &Refused) {
        let Some(listener) = self.listener(id) else {
            return;
        };
        let mut answer = json!({
            "success": outcome.is_ok(),
            "ret_msg": outcome.as_ref().err().map_or("", String::as_str),
            "op": op,
            "conn_id": listener.name,
        });
        // The public stream names the request in every answer, the private one only if it has a name.
        if req_id.is_some() || listener.face == Face::Public {
            answer["req_id"] = req_id.unwrap_or_default().into();
        }
        self.send(&[id], answer.to_string());
    }

    fn pong(&mut self, id: ListenerId, req_id: Option<&str>, now: Moment) {
        let Some(listener) = self.listener(id) else {
            return;
        };
        let mut answer = match listener.face {
            Face::Public => json!({
                "success": true,
                "ret_msg": "pong",
                "conn_id": listener.name,
                "req_id": req_id.unwrap_or_default(),
                "op": "ping",
            }),
            Face::Private => json!({
                "op": "pong",
                "args": [now.ms().to_string()],
                "conn_id": listener.name,
            }),
        };
        if let Some(req_id) = req_id {
            answer["req_id"] = req_id.into();
        }
        self.send(&[id], answer.to_string());
    }

    fn authenticate(
        &mut self,
        id: ListenerId,
        args: &[Value],
        keys: &Keys,
        now: Moment,
    ) -> Refused {
        let Some(listener) = self.listener(id) else {
            return Ok(());
        };
        if listener.face == Face::Public {
            return Err("error:no auth on the public stream".to_owned());
        }
        let [Value::String(key), expires, Value::String(signature)] = args else {
            return Err(
                "Params Error: auth takes the key, a time in ms and a signature".to_owned(),
            );
        };
        let expires = expires
            .as_str()
            .map_or_else(|| expires.to_string(), str::to_owned);
        let until: i64 = expires
            .parse()
            .map_err(|_| "Params Error: the time is not a whole number of ms".to_owned())?;
        if *key != keys.key {
            return Err("API key is invalid.".to_owned());
        }
        if until <= now.ms() {
            return Err("Params Error: the time has passed".to_owned());
        }
        // Over the digits that arrived.
        if sign(&keys.secret, &format!("GET/realtime{expires}")) != *signature {
            return Err("Invalid sign".to_owned());
        }
        listener.trusted = true;
        Ok(())
    }

    /// All topics or none. `first` gets what the client is told after the answer.
    fn subscribe(
        &mut self,
        id: ListenerId,
        args: &[Value],
        sim: &Sim,
        now: Moment,
        first: &mut Vec<String>,
    ) -> Refused {
        let names = names(args)?;
        let Some(listener) = self.listener(id) else {
            return Ok(());
        };
        let asked: usize = names.iter().map(|name| name.len()).sum();
        if listener.args + asked > MAX_ARGS {
            return Err(format!("args size >{MAX_ARGS}"));
        }
        match listener.face {
            Face::Private => {
                if !listener.trusted {
                    return Err("Request not authorized".to_owned());
                }
                let topics: Result<Vec<_>, String> = names
                    .iter()
                    .map(|name| PrivateTopic::named(name).ok_or_else(|| no_topic(name)))
                    .collect();
                listener.private.extend(topics?);
            }
            Face::Public => {
                let topics: Result<Vec<_>, String> = names
                    .iter()
                    .map(|name| {
                        PublicTopic::named(name, sim)
                            .map(|topic| (*name, topic))
                            .ok_or_else(|| no_topic(name))
                    })
                    .collect();
                for (name, topic) in topics? {
                    first.extend(self.follow(id, name, &topic, sim, now));
                }
            }
        }
        if let Some(listener) = self.listener(id) {
            listener.args += asked;
        }
        Ok(())
    }

    fn unsubscribe(&mut self, id: ListenerId, args: &[Value]) {
        for name in args.iter().filter_map(Value::as_str) {
            let Some(listener) = self.listener(id) else {
                return;
            };
            match listener.face {
                Face::Private => {
                    if let Some(topic) = PrivateTopic::named(name) {
                        listener.private.remove(&topic);
                    }
                }
                Face::Public => self.unfollow(id, name),
            }
            if let Some(listener) = self.listener(id) {
                listener.args = listener.args.saturating_sub(name.len());
            }
        }
    }
}

fn names(args: &[Value]) -> Result<Vec<&str>, String> {
    let names: Option<Vec<&str>> = args.iter().map(Value::as_str).collect();
    names
        .filter(|names| !names.is_empty())
        .ok_or_else(|| "error:args must be a list of topics".to_owned())
}

fn no_topic(name: &str) -> String {
    format!("error:handler not found,topic:{name}")
}
