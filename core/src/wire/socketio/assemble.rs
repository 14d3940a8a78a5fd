//! Puts packets and the attachments that follow them together, within bounds.

use bytes::Bytes;

use super::error::SocketIoError;
use super::packet::{Kind, Packet};
use super::placeholder;

/// What one packet may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most attachments. Default 256.
    pub attachments: usize,
    /// Most bytes of text and attachments together. Default 16 MiB.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { attachments: 256, bytes: 16 << 20 }
    }
}

#[derive(Debug)]
struct Partial {
    packet: Packet,
    missing: usize,
    bytes: usize,
}

/// Takes the messages of one connection, and gives whole packets.
#[derive(Debug, Default)]
pub struct Assembler {
    limits: Limits,
    partial: Option<Partial>,
}

impl Assembler {
    /// An assembler that keeps these bounds.
    pub fn new(limits: Limits) -> Self {
        Self { limits, partial: None }
    }

    /// Takes a text message; a packet if that was all of it.
    pub fn take_text(&mut self, text: &Bytes) -> Result<Option<Packet>, SocketIoError> {
        if let Some(Partial { missing, .. }) = self.partial.take() {
            return Err(SocketIoError::Interrupted { missing });
        }
        self.count(text.len())?;
        let (packet, missing) = Packet::decode(text, &self.limits)?;
        if missing == 0 {
            return Ok(Some(packet));
        }
        self.partial = Some(Partial { packet, missing, bytes: text.len() });
        Ok(None)
    }

    /// Takes a binary message; a packet if that was the last attachment of it.
    pub fn take_binary(&mut self, bytes: Bytes) -> Result<Option<Packet>, SocketIoError> {
        let Some(mut partial) = self.partial.take() else {
            return Err(SocketIoError::Unannounced);
        };
        partial.bytes = partial.bytes.saturating_add(bytes.len());
        self.count(partial.bytes)?;
        partial.packet.attachments.push(bytes);
        partial.missing -= 1;
        if partial.missing > 0 {
            self.partial = Some(partial);
            return Ok(None);
        }
        let packet = partial.packet;
        if let Kind::Event { values, .. } | Kind::Ack { values, .. } = &packet.kind {
            placeholder::check(values.raw(), packet.attachments.len())?;
        }
        Ok(Some(packet))
    }

    fn count(&self, bytes: usize) -> Result<(), SocketIoError> {
        if bytes > self.limits.bytes {
            return Err(SocketIoError::TooMuch { what: "bytes", most: self.limits.bytes });
        }
        Ok(())
    }
}
