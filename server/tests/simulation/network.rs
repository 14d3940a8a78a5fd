//! Model connections: messages arrive in order within one, in any order between two, late, or
//! never; and each end learns of the end of a connection on its own, or not at all.

use std::collections::VecDeque;

use bytes::Bytes;
use staywire::engine::LinkId;

use crate::rng::Rng;

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Client,
    Server,
}

impl End {
    pub(crate) const BOTH: [Self; 2] = [Self::Client, Self::Server];
}

/// What travels.
#[derive(Debug, Clone)]
pub(crate) enum Packet {
    Text(String),
    Binary(Bytes),
    /// The last one: a close with its code, or without one.
    Close(Option<u16>),
}

impl Packet {
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Close(_) => 0,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
            Self::Close(_) => b"close",
        }
    }
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Way {
    queue: VecDeque<Packet>,
    /// What the sender has written and the receiver has not read.
    bytes: usize,
    last_arrival: u64,
    stalled_until: u64,
    /// Whatever is sent vanishes, and nobody is told.
    void: bool,
}

#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) client: usize,
    pub(crate) link: LinkId,
    pub(crate) instance: usize,
    ways: [Way; 2],
    /// Whether this end still holds it.
    open: [bool; 2],
}

/// What became of an arrival.
pub(crate) enum Received {
    Nothing,
    /// The way is stalled until then.
    Later(u64),
    Packet(Packet),
}

/// How fast the network is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) delay: u64,
    pub(crate) jitter: u64,
}

#[derive(Debug)]
pub(crate) struct Network {
    pace: Pace,
    pipes: Vec<Pipe>,
}

impl Network {
    pub(crate) fn new(pace: Pace) -> Self {
        Self { pace, pipes: Vec::new() }
    }

    pub(crate) fn latency(&self, rng: &mut Rng) -> u64 {
        self.pace.delay + rng.between(0, self.pace.jitter)
    }

    pub(crate) fn open(&mut self, client: usize, link: LinkId, instance: usize) -> usize {
        let ways = [Way::default(), Way::default()];
        self.pipes.push(Pipe { client, link, instance, ways, open: [true; 2] });
        self.pipes.len() - 1
    }

    /// Connections that ever were.
    pub(crate) fn opened(&self) -> usize {
        self.pipes.len()
    }

    pub(crate) fn pipe(&self, pipe: usize) -> &Pipe {
        &self.pipes[pipe]
    }

    pub(crate) fn is_open(&self, pipe: usize, end: End) -> bool {
        self.pipes[pipe].open[end as usize]
    }

    /// This end holds the connection no more.
    pub(crate) fn let_go(&mut self, pipe: usize, end: End) {
        let pipe = &mut self.pipes[pipe];
        pipe.open[end as usize] = false;
        pipe.ways[end as usize].queue.clear();
        pipe.ways[end as usize].bytes = 0;
    }

    /// Sends; the answer is when it arrives, if it does.
    pub(crate) fn send(
        &mut self,
        pipe: usize,
        to: End,
        packet: Packet,
        now: u64,
        rng: &mut Rng,
    ) -> Option<u64> {
        let latency = self.latency(rng);
        let pipe = &mut self.pipes[pipe];
        let way = &mut pipe.ways[to as usize];
        way.bytes += packet.size();
        if way.void || !pipe.open[to as usize] {
            return None;
        }
        way.queue.push_back(packet);
        way.last_arrival = way.last_arrival.max(now + latency);
        Some(way.last_arrival)
    }

    pub(crate) fn receive(&mut self, pipe: usize, at: End, now: u64) -> Received {
        let pipe = &mut self.pipes[pipe];
        let way = &mut pipe.ways[at as usize];
        if way.void || !pipe.open[at as usize] {
            return Received::Nothing;
        }
        if way.stalled_until > now {
            return Received::Later(way.stalled_until);
        }
        match way.queue.pop_front() {
            Some(packet) => {
                way.bytes -= packet.size();
                Received::Packet(packet)
            }
            None => Received::Nothing,
        }
    }

    /// Bytes on their way to an end.
    pub(crate) fn in_flight(&self, pipe: usize, to: End) -> usize {
        self.pipes[pipe].ways[to as usize].bytes
    }

    /// Both directions lose everything from now on; neither end is told.
    pub(crate) fn vanish(&mut self, pipe: usize) {
        for way in &mut self.pipes[pipe].ways {
            way.void = true;
            way.queue.clear();
        }
    }

    /// Nothing arrives before `until`.
    pub(crate) fn stall(&mut self, pipe: usize, until: u64) {
        for way in &mut self.pipes[pipe].ways {
            way.stalled_until = way.stalled_until.max(until);
        }
    }

    /// The connections that a client's end holds, or the server's end holds for it.
    pub(crate) fn of_client(&self, client: usize) -> Vec<usize> {
        self.held(|pipe| pipe.client == client)
    }

    pub(crate) fn of_instance(&self, instance: usize) -> Vec<usize> {
        self.held(|pipe| pipe.instance == instance)
    }

    fn held(&self, wanted: impl Fn(&Pipe) -> bool) -> Vec<usize> {
        let pipes = self.pipes.iter().enumerate();
        pipes
            .filter(|(_, pipe)| pipe.open != [false; 2] && wanted(pipe))
            .map(|(index, _)| index)
            .collect()
    }
}
