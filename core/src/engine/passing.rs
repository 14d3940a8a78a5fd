//! What happens when time passes: timers that fire, silence that is judged, sleep, and networks
//! that come and go.

use super::link::{Role, Slot};
use super::output::{CallFailure, Outgoing, Output};
use super::state::{Cause, State};
use super::timers::Timer;
use super::{Engine, Name};

impl<N: Name> Engine<N> {
    // ---- Time ----

    pub(super) fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::DialFirst => self.drop_link(Slot::First, Cause::ConnectTimeout),
            Timer::DialSecond => self.drop_link(Slot::Second, Cause::ConnectTimeout),
            Timer::PingFirst => self.ping(Slot::First),
            Timer::PingSecond => self.ping(Slot::Second),
            Timer::DeadFirst => self.judge(Slot::First),
            Timer::DeadSecond => self.judge(Slot::Second),
            // `advance` dials.
            Timer::Backoff | Timer::Make => {}
            Timer::Stable => {
                self.backoff.reset();
                self.replace_backoff.reset();
            }
            Timer::Token => {
                if let Some(request) = self.credentials.open_request() {
                    self.outputs.push_back(Output::DropToken { request });
                    self.token_failed(request, Cause::TokenTimeout);
                }
            }
            Timer::Refresh => {
                self.credentials.want_newer();
                self.replace();
            }
            Timer::Retire => {
                if let Some(slot) = self.links.in_role(Role::Retiring) {
                    self.end_link(slot, true);
                    self.flush();
                }
            }
            Timer::Probe => self.probe_unanswered(),
            Timer::Calls => {
                while let Some(id) = self.calls.expire_next(self.now.time) {
                    self.fail_call(id, CallFailure::TimedOut);
                }
                self.arm_calls();
            }
            Timer::Rejoin => {
                while let Some(room) = self.rooms.rejoin_next(self.now.time) {
                    self.subscribe_everywhere(room);
                }
                self.arm_rejoin();
            }
        }
    }

    /// Pings a link that was silent for the interval; one that was not is looked at again later.
    fn ping(&mut self, slot: Slot) {
        let Some(heartbeat) = self.heartbeat else { return };
        let quiet_until = self.links[slot].last_heard + heartbeat.interval;
        if self.now.time < quiet_until {
            self.timers.set(slot.ping_timer(), quiet_until);
            return;
        }
        self.ask_for_a_sign(slot);
        self.timers.set(slot.dead_timer(), self.now.time + heartbeat.timeout);
    }

    /// Drops a link on which nothing was heard since its ping; one that answered is due for another
    /// where the timeout is longer than the interval.
    fn judge(&mut self, slot: Slot) {
        let Some(heartbeat) = self.heartbeat else { return };
        if self.links[slot].pinged {
            self.drop_link(slot, Cause::PeerDead);
        } else {
            let due = self.links[slot].last_heard + heartbeat.interval;
            self.timers.set(slot.ping_timer(), due);
        }
    }

    fn ask_for_a_sign(&mut self, slot: Slot) {
        self.links[slot].pinged = true;
        self.send(self.links[slot].id, Outgoing::Ping);
    }

    pub(super) fn arm_refresh(&mut self) {
        let at = self.credentials.refresh_at(self.config.refresh_margin, self.now);
        self.timers.set(Timer::Refresh, at);
    }

    // ---- Sleep and networks ----

    pub(super) fn woke(&mut self) {
        if !self.wanted || !self.online {
            return;
        }
        self.backoff.reset();
        self.replace_backoff.reset();
        self.timers.clear(Timer::Backoff);
        if let Some(slot) = self.links.live_primary() {
            if !self.timers.is_set(Timer::Refresh) || self.links.in_role(Role::Candidate).is_none()
            {
                self.arm_refresh();
            }
            self.probe(slot);
        } else if let Some(slot) = self.links.in_role(Role::Primary) {
            // It was being opened when the machine fell asleep: nothing is owed to it.
            self.end_link(slot, false);
        }
    }

    fn probe(&mut self, slot: Slot) {
        let Some(heartbeat) = self.heartbeat else {
            // Nothing on this link would answer: only a new one proves anything.
            self.replace();
            return;
        };
        // Silence in sleep is no fault of the peer: it is judged from here on.
        self.timers.clear(slot.ping_timer());
        self.timers.set(slot.dead_timer(), self.now.time + heartbeat.timeout);
        self.ask_for_a_sign(slot);
        self.timers.set(Timer::Probe, self.now.time + self.config.probe_deadline);
    }

    fn probe_unanswered(&mut self) {
        let primary = self.links.in_role(Role::Primary);
        if primary.is_some_and(|slot| self.links[slot].pinged) {
            self.replace();
        }
    }

    pub(super) fn came_online(&mut self) {
        if self.links.live_primary().is_none() && self.wanted {
            self.backoff.reset();
            self.show_reconnecting(self.now.time, Cause::CameOnline);
        }
        self.woke();
    }

    pub(super) fn went_offline(&mut self) {
        self.timers.clear(Timer::Backoff);
        self.timers.clear(Timer::Make);
        if let Some(slot) = self.links.in_role(Role::Candidate) {
            self.end_link(slot, false);
        }
        if self.links.live_primary().is_none() && self.wanted {
            if let Some(slot) = self.links.in_role(Role::Primary) {
                self.end_link(slot, false);
            }
            self.set_state(State::Offline, Cause::WentOffline);
        }
    }
}
