//! Numbers as JSON writes them: `300`, not `300.0`.
//!
//! The conventions have one kind of number, so a whole one read into an `f64` must be written as a
//! whole one again, or strict readers elsewhere would refuse it. Never turns a number that isn't
//! finite into `null`, which no reader expects there.

use serde::{Serializer, ser::Error};

/// Every whole number below this has an `f64` of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

pub(super) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if !number.is_finite() {
        return Err(S::Error::custom(format_args!("{number} has no form in JSON")));
    }
    if number.fract() == 0.0 && number.abs() < EXACT {
        serializer.serialize_i64(*number as i64)
    } else {
        serializer.serialize_f64(*number)
    }
}
