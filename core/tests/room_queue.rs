//! A connection and the queue of one room: what doesn't fit is asked for again, whatever else the
//! same frame brought.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::sync::Arc;

use bytes::Bytes;
use staywire::GapReason;
use staywire::connection::{
    Action, Bounds, ClientIdentity, Connection, Item, Message, Notice, RoomQueue, Taken,
};
use staywire::engine::{Config, From, LinkId, Now, RoomId, Time, WallTime, Wire};

const NOW: Now = Now { time: Time(0), wall: WallTime(1_700_000_000_000) };
const LINK: LinkId = LinkId(1);

/// One client in the room `r`, subscription 1, with room for `events` in its queue.
struct Reader {
    connection: Connection,
    queue: RoomQueue,
    room: RoomId,
    sent: Vec<String>,
}

impl Reader {
    fn new(events: usize) -> Self {
        let identity = ClientIdentity { instance: "i".into(), producer: "p".into() };
        let mut connection = Connection::new(Config::default(), identity, 1);
        connection.connect(NOW);
        connection.handle_opened(LINK, Wire::StaywireV1, NOW);
        let queue = RoomQueue::new(Bounds { events, bytes: usize::MAX });
        let room = connection.join("r", From::Tip, NOW).unwrap();
        let mut reader = Self { connection, queue, room, sent: Vec::new() };
        reader.hear(
            r#"{"type":"welcome","data":{"tenant":"t","subject":"s","store":"m","dedup_window_ms":1}}"#,
        );
        reader
            .hear(r#"{"type":"joined","data":{"subscription":1,"room":"r","epoch":"a","offset":0,"tip":0}}"#);
        reader
    }

    fn hear(&mut self, text: &str) {
        self.connection.handle_text(LINK, Bytes::copy_from_slice(text.as_bytes()), NOW);
        loop {
            let overflow = match self.connection.poll() {
                Action::Timeout(_) => return,
                Action::Transmit { message: Message::Text(text), .. } => {
                    self.sent.push(text);
                    None
                }
                Action::Notify(notice) => self.read(notice),
                _ => None,
            };
            if let Some((epoch, offset)) = overflow {
                self.connection.room_overflowed(self.room, &epoch, offset);
            }
        }
    }

    fn read(&mut self, notice: Notice) -> Option<(Arc<str>, u64)> {
        match notice {
            Notice::Joined { epoch, offset, .. } => {
                self.queue.begin(epoch, offset);
                None
            }
            Notice::Gap { gap, epoch, offset } => self.queue.push_gap(gap, epoch, offset),
            Notice::Events { epoch, events, .. } => self.queue.push(&epoch, events),
            Notice::Snapshot { data, .. } => {
                self.queue.push_snapshot(data);
                None
            }
            _ => None,
        }
    }

    /// Takes everything; where the room goes on from, if it has to.
    fn take(&mut self) -> (Vec<String>, Option<String>) {
        let mut taken = Vec::new();
        loop {
            match self.queue.take() {
                Taken::Item(Item::Events { epoch, rows }) => {
                    taken.extend(
                        rows.into_iter()
                            .flatten()
                            .map(|e| format!("{epoch}:{}", e.offset().unwrap())),
                    );
                }
                Taken::Item(Item::Gap { gap, epoch, offset }) => {
                    taken.push(format!("{:?} to {epoch}:{offset}", gap.reason));
                }
                Taken::Item(Item::Snapshot(data)) => taken.push(data.get().to_owned()),
                Taken::CaughtUp => {
                    self.queue.go_on();
                    self.connection.room_caught_up(self.room);
                    self.sent.clear();
                    self.hear(r#"{"type":"pong"}"#);
                    return (taken, self.sent.pop());
                }
                Taken::Nothing => return (taken, None),
            }
        }
    }
}

/// A batch, as it stands in a data frame.
fn events(first: u64, count: u64) -> String {
    let events = vec![r#"{"type":"said"}"#; usize::try_from(count).unwrap()];
    format!("1,{first},[{}]", events.join(","))
}

#[test]
fn what_comes_with_a_new_log_and_does_not_fit_is_fetched_from_behind_the_gap() {
    let mut reader = Reader::new(4);
    reader.hear(&format!("[{}]", events(1, 3)));
    // One frame: the log began anew at 20, and two events of the new one.
    let epoch =
        r#"{"type":"epoch","data":{"subscription":1,"room":"r","epoch":"b","offset":20,"tip":22}}"#;
    reader.hear(&format!("[0,0,[{epoch}],{}]", events(21, 2)));
    let (taken, asked) = reader.take();
    assert_eq!(taken, ["a:1", "a:2", "a:3", &format!("{:?} to b:20", GapReason::NewEpoch)]);
    let asked = asked.expect("the room goes on");
    assert!(asked.contains(r#""epoch":"b","offset":20"#), "{asked}");
}

#[test]
fn a_state_that_comes_while_the_room_must_go_back_is_not_kept() {
    let mut reader = Reader::new(4);
    reader.hear(&format!("[{}]", events(1, 3)));
    // Two events that don't fit, and in the same frame a gap behind them, with a state.
    let gap = r#"{"type":"gap","data":{"subscription":1,"room":"r","epoch":"a","from":6,"to":9,"reason":"expired"}}"#;
    let state = r#"{"type":"epoch","data":{"subscription":1,"room":"r","epoch":"b","offset":9,"tip":9,"snapshot":{"at":9}}}"#;
    reader.hear(&format!("[{},0,0,[{gap},{state}]]", events(4, 2)));
    let (taken, asked) = reader.take();
    assert_eq!(taken, ["a:1", "a:2", "a:3"]);
    let asked = asked.expect("the room goes on");
    assert!(asked.contains(r#""epoch":"a","offset":3"#), "{asked}");
}

#[test]
fn gaps_and_states_that_nobody_reads_take_bounded_room() {
    let mut reader = Reader::new(4);
    reader.queue = RoomQueue::new(Bounds { events: 4, bytes: 4_096 });
    reader.queue.begin("a".into(), 0);
    for log in 0..10_000 {
        reader.hear(&format!(
            r#"{{"type":"epoch","data":{{"subscription":1,"room":"r","epoch":"{log}","offset":9,"tip":9,"snapshot":{{}}}}}}"#
        ));
    }
    let (taken, asked) = reader.take();
    assert!(taken.len() < 200, "{}", taken.len());
    assert!(asked.is_some(), "what was not kept is asked for again");
}
