//! The client and the server on real sockets, with a proxy between them that cuts, stalls and
//! refuses; and stock peers where the other end is somebody else's.
//!
//! Nothing here sleeps to wait for something: every wait is for a condition, with a deadline.

mod kill;
mod refresh;
mod support;
