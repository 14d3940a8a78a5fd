//! Reads one tile's source beside everything else, and keeps the last good value.
//!
//! A look that takes too long is not waited for, and no second one is begun before it ends: a file
//! system that hangs costs one thread, and stops no other tile.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::source::{Fault, Look, Reading, Source};

pub(super) struct Reader {
    /// For logs.
    name: String,
    patience: Duration,
    slot: Slot,
    /// The last good value.
    reading: Option<Reading>,
    /// Why it is an old one.
    fault: Option<String>,
}

enum Slot {
    Ready(Box<dyn Source>),
    Busy(JoinHandle<(Box<dyn Source>, Result<Look, Fault>)>),
    /// Its source panicked.
    Lost,
}

impl Reader {
    /// `patience` is how long a look is waited for.
    pub(super) fn new(name: String, source: Box<dyn Source>, patience: Duration) -> Self {
        let slot = Slot::Ready(source);
        Self { name, patience, slot, reading: None, fault: None }
    }

    pub(super) fn reading(&self) -> Option<&Reading> {
        self.reading.as_ref()
    }

    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Looks at the source. Dropping the future loses nothing: the next look takes what came.
    pub(super) async fn look(&mut self, now_ms: u64) {
        let mut patience = self.patience;
        self.slot = match std::mem::replace(&mut self.slot, Slot::Lost) {
            Slot::Ready(mut source) => Slot::Busy(tokio::task::spawn_blocking(move || {
                let look = source.look(now_ms);
                (source, look)
            })),
            busy => {
                // It was waited for before.
                patience = Duration::ZERO;
                busy
            }
        };
        let Slot::Busy(job) = &mut self.slot else { return };
        let outcome = match tokio::time::timeout(patience, job).await {
            Err(_) => Err(Fault::new("reading it takes too long", "it is still being read")),
            Ok(Ok((source, look))) => {
                self.slot = Slot::Ready(source);
                look
            }
            Ok(Err(error)) => {
                self.slot = Slot::Lost;
                Err(Fault::new("it can't be read any more", error))
            }
        };
        self.note(outcome);
    }

    fn note(&mut self, outcome: Result<Look, Fault>) {
        let label = if outcome.is_ok() { "ok" } else { "fault" };
        metrics::counter!("staywire_dashboard_looks_total", "outcome" => label).increment(1);
        match outcome {
            Ok(look) => {
                self.fault = None;
                if let Look::New(reading) = look {
                    self.reading = Some(reading);
                }
            }
            Err(Fault { told, detail }) => {
                // Once, not at every look.
                if self.fault.as_ref() != Some(&told) {
                    tracing::warn!(tile = %self.name, %detail, "{told}");
                }
                self.fault = Some(told);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, channel};

    use serde_json::{Value, json};

    use super::super::source::Points;
    use super::*;

    /// Does at each look what it is told.
    struct Told(Mutex<Receiver<Result<Look, Fault>>>);

    impl Source for Told {
        fn look(&mut self, _: u64) -> Result<Look, Fault> {
            self.0.lock().unwrap().recv().unwrap_or(Ok(Look::Same))
        }
    }

    /// Long enough for a look that has nothing to wait for.
    const SHORT: Duration = Duration::from_secs(2);

    fn new(value: Value) -> Look {
        Look::New(Reading { value, points: Points::None })
    }

    #[tokio::test]
    async fn the_last_good_value_stays_and_a_hanging_look_is_begun_once() {
        let (tell, told) = channel();
        let mut reader = Reader::new("t".into(), Box::new(Told(Mutex::new(told))), SHORT);
        let value = |reader: &Reader| reader.reading().map(|reading| reading.value.clone());
        tell.send(Ok(new(json!(1)))).unwrap();
        reader.look(1).await;
        assert_eq!((value(&reader), reader.fault()), (Some(json!(1)), None));
        tell.send(Err(Fault::new("it is broken", "x"))).unwrap();
        reader.look(2).await;
        assert_eq!((value(&reader), reader.fault()), (Some(json!(1)), Some("it is broken")));
        tell.send(Ok(Look::Same)).unwrap();
        reader.look(3).await;
        assert_eq!((value(&reader), reader.fault()), (Some(json!(1)), None));
        // Nothing is told: the source hangs, and the looks do not.
        reader.look(4).await;
        reader.look(5).await;
        assert_eq!(reader.fault(), Some("reading it takes too long"));
        tell.send(Ok(new(json!(2)))).unwrap();
        let done = async {
            while reader.fault().is_some() {
                reader.look(6).await;
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SHORT, done).await.unwrap();
        assert_eq!(value(&reader), Some(json!(2)));
    }
}
