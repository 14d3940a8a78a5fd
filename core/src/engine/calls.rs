//! Questions that wait for an answer: each ends once, with a reply, a refusal, or a reason why
//! none can come.

use alloc::vec::Vec;

use super::link::LinkId;
use super::time::Time;

#[derive(Debug)]
struct Call {
    id: u32,
    idempotent: bool,
    deadline: Time,
    /// The link that it was sent on; `None` until then.
    on: Option<LinkId>,
}

/// The open calls, oldest first; ids only grow, so the list stays sorted.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    open: Vec<Call>,
}

impl Calls {
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn add(&mut self, id: u32, idempotent: bool, deadline: Time) {
        self.open.push(Call { id, idempotent, deadline, on: None });
    }

    /// The next call to send, marked as sent on `link`.
    pub(crate) fn send_next(&mut self, link: LinkId) -> Option<u32> {
        let call = self.open.iter_mut().find(|call| call.on.is_none())?;
        call.on = Some(link);
        Some(call.id)
    }

    /// Ends a call. False if no such call is open.
    pub(crate) fn finish(&mut self, id: u32) -> bool {
        let found = self.open.binary_search_by_key(&id, |call| call.id);
        found.map(|index| self.open.remove(index)).is_ok()
    }

    /// Whether an answer is still to come on `link`.
    pub(crate) fn any_on(&self, link: LinkId) -> bool {
        self.open.iter().any(|call| call.on == Some(link))
    }

    /// The link is gone: idempotent calls will be sent again, the others end; returns one of
    /// those at a time until none is left.
    pub(crate) fn interrupt_next(&mut self, link: LinkId) -> Option<u32> {
        let index = self.open.iter_mut().position(|call| {
            let ends = call.on == Some(link);
            if ends && call.idempotent {
                call.on = None;
            }
            ends && !call.idempotent
        })?;
        Some(self.open.remove(index).id)
    }

    pub(crate) fn next_deadline(&self) -> Time {
        self.open.iter().fold(Time::NEVER, |first, call| first.min(call.deadline))
    }

    /// Ends one call whose time is over; `None` when there is none.
    pub(crate) fn expire_next(&mut self, now: Time) -> Option<u32> {
        let index = self.open.iter().position(|call| call.deadline <= now)?;
        Some(self.open.remove(index).id)
    }

    /// Ends one call, whichever; `None` when there is none.
    pub(crate) fn abandon_next(&mut self) -> Option<u32> {
        self.open.pop().map(|call| call.id)
    }
}
