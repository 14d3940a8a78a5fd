//! What goes out on links: the outbox, calls and subscriptions.

use super::dial::Wire;
use super::link::{Phase, Role, Slot};
use super::outbox::Next;
use super::output::{CallFailure, Outgoing, Output, PublishFailure, RoomFailure};
use super::rooms::{Room, RoomId};
use super::{Engine, Name, SOCKET_IO};

impl<N: Name> Engine<N> {
    /// Sends everything that waits for a live primary.
    pub(super) fn flush(&mut self) {
        let Some(slot) = self.links.live_primary() else { return };
        let link = self.links[slot].id;
        let plain = self.proven == Some(Wire::Plain);
        let keep = SOCKET_IO && self.proven == Some(Wire::SocketIo);
        while let Some(next) = self.outbox.send_next(link, keep, self.now) {
            match next {
                Next::Event { id } => self.send(link, Outgoing::Event { id }),
                Next::Publish { id, .. } if plain || keep => {
                    self.outbox.finish(id);
                    self.fail_publish(id, PublishFailure::Unsupported);
                }
                Next::Publish { id, sequence } => {
                    self.send(link, Outgoing::Publish { id, sequence });
                }
                Next::Uncertain { id } => {
                    self.fail_publish(id, PublishFailure::Uncertain);
                }
            }
        }
        while let Some(id) = self.calls.send_next(link) {
            if plain {
                self.calls.finish(id);
                self.fail_call(id, CallFailure::Unsupported);
            } else {
                self.send(link, Outgoing::Call { id });
            }
        }
    }

    /// Greets the server, and subscribes a new link to every room.
    pub(super) fn say_hello(&mut self, slot: Slot) {
        let link = self.links[slot].id;
        let wished = |room: &&Room<N>| room.paused.is_none();
        let rooms = self.rooms.iter().filter(wished).count();
        self.outputs.push_back(Output::Send { link, message: Outgoing::Hello { rooms } });
        for room in self.rooms.iter().filter(wished) {
            self.subscriptions += 1;
            let subscribe = self.links[slot].subscribe(self.subscriptions, room);
            self.outputs.push_back(Output::Send { link, message: Outgoing::Join(subscribe) });
        }
    }

    pub(super) fn subscribe_on(&mut self, slot: Slot, room: RoomId) {
        if let Some(room) = self.rooms.get(room) {
            self.subscriptions += 1;
            let subscribe = self.links[slot].subscribe(self.subscriptions, room);
            self.send(self.links[slot].id, Outgoing::Join(subscribe));
        }
    }

    /// Subscribes on every link that has sent its hello; later ones take it from there.
    pub(super) fn subscribe_everywhere(&mut self, room: RoomId) {
        let stock = SOCKET_IO && self.proven == Some(Wire::SocketIo);
        if (stock || self.proven == Some(Wire::Plain)) && self.links.live_primary().is_some() {
            self.fail_room(room, RoomFailure::Unsupported);
            return;
        }
        for slot in Slot::BOTH {
            let link = &self.links[slot];
            let carries = matches!(link.role, Role::Primary | Role::Candidate);
            if carries && link.phase != Phase::Dialing {
                self.subscribe_on(slot, room);
            }
        }
    }

    pub(super) fn unsubscribe_everywhere(&mut self, room: RoomId) {
        self.unsubscribe_on(Slot::First, room);
        self.unsubscribe_on(Slot::Second, room);
    }

    pub(super) fn unsubscribe_on(&mut self, slot: Slot, room: RoomId) {
        while let Some(subscription) = self.links[slot].unsubscribe_next(room) {
            self.send(self.links[slot].id, Outgoing::Leave { subscription });
        }
    }

    pub(super) fn fail_rooms(&mut self, reason: RoomFailure) {
        while let Some(room) = self.rooms.first() {
            self.fail_room(room, reason);
        }
    }
}
