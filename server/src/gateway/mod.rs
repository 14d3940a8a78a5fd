//! Who may come in: everything that is decided between a request and the first frame of its session.
//!
//! The order is that of the contract: where the request comes from, what credential it carries, whom the
//! credential names and for which tenant, and whether there is room. Each concern has a file; [`gate`]
//! puts them in order. Nothing here knows rooms, frames or sockets, and no token or ticket is ever
//! logged or repeated to the caller.

pub mod client_ip;
pub mod credentials;
pub mod gate;
pub mod identity;
pub mod jwks;
pub mod jwt;
pub mod limits;
pub mod origin;
pub mod refusal;
pub mod service_token;
pub mod subprotocol;
pub mod ticket;

pub use gate::{Admission, Denial, Gate, GateError, Upgrade};
pub use identity::Identity;
pub use refusal::Refusal;
