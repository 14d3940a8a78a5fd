//! A signal that tells a running answer to stop, held apart from the stream that it stops.
//!
//! It never interrupts by force: a producer waits on it beside its other work. And it never un-cancels.

use tokio::sync::watch;

/// Makes a connected handle and signal, not yet cancelled.
pub fn cancellation() -> (CancelHandle, CancelSignal) {
    let (sender, receiver) = watch::channel(false);
    (CancelHandle { sender }, CancelSignal { receiver: Some(receiver) })
}

/// The end that cancels. Dropping it cancels too: an answer that nobody can stop any more has no owner.
#[derive(Debug)]
pub struct CancelHandle {
    sender: watch::Sender<bool>,
}

impl CancelHandle {
    /// Cancels every signal made from this handle. Doing so twice changes nothing.
    pub fn cancel(&self) {
        self.sender.send_replace(true);
    }

    /// A further signal that this handle cancels.
    pub fn signal(&self) -> CancelSignal {
        CancelSignal { receiver: Some(self.sender.subscribe()) }
    }
}

/// The end that a producer watches. Clones watch the same handle.
#[derive(Debug, Clone)]
pub struct CancelSignal {
    receiver: Option<watch::Receiver<bool>>,
}

impl CancelSignal {
    /// A signal that is never raised, for callers that stop a stream by dropping it.
    pub fn never() -> Self {
        Self { receiver: None }
    }

    /// Whether the handle has cancelled or is gone.
    pub fn is_cancelled(&self) -> bool {
        self.receiver
            .as_ref()
            .is_some_and(|receiver| *receiver.borrow() || receiver.has_changed().is_err())
    }

    /// Resolves once the handle has cancelled or is gone. Safe to drop and to await again.
    pub async fn cancelled(&mut self) {
        match &mut self.receiver {
            // An error means that the handle is gone, which counts as cancelled.
            Some(receiver) => drop(receiver.wait_for(|cancelled| *cancelled).await),
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cancels_on_request_and_on_drop() {
        let (handle, mut signal) = cancellation();
        assert!(!signal.is_cancelled());
        handle.cancel();
        assert!(signal.is_cancelled());
        signal.cancelled().await;

        let (handle, mut signal) = cancellation();
        let second = handle.signal();
        drop(handle);
        assert!(signal.is_cancelled() && second.is_cancelled());
        signal.cancelled().await;

        assert!(!CancelSignal::never().is_cancelled());
    }
}
