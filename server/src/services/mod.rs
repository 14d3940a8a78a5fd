//! The services behind the rooms: each knows what to say, none knows who is connected.

pub mod ai;
