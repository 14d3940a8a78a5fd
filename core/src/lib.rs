//! The client.
#![cfg_attr(not(feature = "wire"), no_std)]
