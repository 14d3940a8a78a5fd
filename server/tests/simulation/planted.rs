//! Faults that are planted in the simulated layer, never in the product: each breaks one promise,
//! and the checks must say so within a bounded number of seeds. A check that finds none of them
//! proves nothing.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use staywire_server::bus::{Bus, RoomKey, StoredEvent};

use crate::app::TENANT;
use crate::bus::ModelBus;
use crate::model::Truth;
use crate::network::{End, Packet};
use crate::run;
use crate::schedule::Fault;
use crate::world::{Event, Moment, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    /// The network drops one data message in the middle of a connection that goes on.
    LostMessage,
    /// The store doesn't recognise repeats.
    ForgottenRepeats,
    /// A subscription goes on one event later than the client asked.
    LateResume,
    /// A store that lost the tail of its logs comes back under the same epochs.
    SameEpoch,
    /// A data message comes again, with offsets that follow on.
    RewrittenOffsets,
    /// A call takes effect twice.
    CallTwice,
}

/// Fills a store with the logs that the last one had, without their last events. Rooms get their
/// old numbers, which is what their epochs are made of.
pub(crate) fn bring_back(bus: &ModelBus, truth: &Arc<Mutex<Truth>>, now_ms: u64) {
    for number in 1..=3 {
        let logs = truth.lock().expect("no poison").logs_of(&format!("same.{number}"));
        let Some((room, uids)) = logs.into_iter().next() else {
            bus.look(&RoomKey::new(TENANT, &format!("nobody-{number}")), now_ms);
            continue;
        };
        let key = RoomKey::new(TENANT, &room);
        bus.look(&key, now_ms);
        for uid in &uids[..uids.len().saturating_sub(3)] {
            let json = format!(r#"{{"type":"said","data":{{"uid":{uid}}}}}"#);
            let event = StoredEvent { json: json.into(), binary: None, at_ms: now_ms };
            let _ = bus.append(&key, event, None).now_or_never();
        }
    }
}

impl World {
    /// A message to a client, on its way through the planted faults.
    pub(crate) fn send_to_client(&mut self, pipe: usize, packet: Packet) {
        self.to_clients += 1;
        let client = self.net.pipe(pipe).client;
        if self.net.of_client(client).len() > 1 {
            self.on_two_links.get_or_insert((self.to_clients, 0)).1 = self.to_clients;
        }
        for kill in self.kills.clone() {
            if kill.message == self.to_clients {
                let links = Fault::Links { client, which: kill.which, tell: kill.tell };
                match kill.moment {
                    Moment::Before => self.strike(links),
                    Moment::Inside => self.at(self.now, Event::Fault(links)),
                    // The pace of these stories has no jitter: it arrives after the delay.
                    Moment::After => {
                        self.at(self.now + self.setup.pace.delay, Event::Fault(links));
                    }
                }
            }
        }
        let is_data = matches!(&packet, Packet::Text(text) if text.starts_with('['));
        match self.setup.planted {
            Some(Planted::LostMessage) if is_data && !self.planted_done && self.to_clients > 30 => {
                self.planted_done = true;
                self.trace.line(self.now, format_args!("planted: {packet:?} is lost"));
                return;
            }
            Some(Planted::RewrittenOffsets)
                if is_data && !self.planted_done && self.to_clients > 30 =>
            {
                if let Packet::Text(text) = &packet
                    && let Some(copy) = moved_on(text)
                {
                    self.planted_done = true;
                    self.send(pipe, End::Client, packet);
                    self.send(pipe, End::Client, Packet::Text(copy));
                    return;
                }
            }
            _ => {}
        }
        self.send(pipe, End::Client, packet);
    }

    /// A message of a client, on its way through the planted faults.
    pub(crate) fn plant_to_server(&mut self, packet: Packet) -> Packet {
        match packet {
            Packet::Text(text) if self.setup.planted == Some(Planted::LateResume) => {
                Packet::Text(one_later(&text))
            }
            packet => packet,
        }
    }
}

/// The same frame with every position one later.
fn one_later(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    const KEY: &str = r#""offset":"#;
    while let Some(at) = rest.find(KEY) {
        let (before, number) = rest.split_at(at + KEY.len());
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        let offset: u64 = number[..end].parse().unwrap_or(0);
        out.push_str(before);
        out.push_str(&(offset + 1).to_string());
        rest = &number[end..];
    }
    out + rest
}

/// A frame of one logged batch, again with the offsets that come next.
fn moved_on(text: &str) -> Option<String> {
    let (subscription, rest) = text.strip_prefix('[')?.split_once(',')?;
    let (first, events) = rest.split_once(',')?;
    let (first, subscription): (u64, u32) = (first.parse().ok()?, subscription.parse().ok()?);
    let count = events.matches(r#"{"type":"said""#).count() as u64;
    let lone = !text.contains("],") && first > 0 && subscription > 0 && count > 0;
    lone.then(|| format!("[{subscription},{},{events}", first + count))
}

/// Runs seeds until the checks notice; the first that does must come early.
fn must_be_found(planted: Planted, words: &[&str]) {
    const MOST: u64 = 200;
    for seed in 0..MOST {
        if let Err(found) = run::random(seed, Some(planted), false).result {
            assert!(
                words.iter().any(|word| found.iter().any(|what| what.contains(word))),
                "seed {seed} found {found:?}, and {planted:?} should look like {words:?}"
            );
            return;
        }
    }
    panic!("{planted:?} was not noticed in {MOST} runs");
}

#[test]
fn a_lost_message_is_found() {
    must_be_found(Planted::LostMessage, &["such a gap must not be", "ended at"]);
}

#[test]
fn forgotten_repeats_are_found() {
    must_be_found(Planted::ForgottenRepeats, &["in the log 2 times"]);
}

#[test]
fn a_late_resume_is_found() {
    must_be_found(Planted::LateResume, &["the server keeps all", "joined"]);
}

#[test]
fn an_epoch_that_outlives_its_log_is_found() {
    must_be_found(
        Planted::SameEpoch,
        &["names a second event", "and the log has", "the epoch didn't change"],
    );
}

#[test]
fn rewritten_offsets_are_found() {
    must_be_found(Planted::RewrittenOffsets, &["and the log has"]);
}

#[test]
fn a_call_that_counts_twice_is_found() {
    must_be_found(Planted::CallTwice, &["took effect 2 times"]);
}
