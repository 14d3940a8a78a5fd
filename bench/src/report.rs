//! The lines that are printed, and what they amount to.

use std::process::ExitCode;

use crate::stats::Estimate;

/// Why a measurement could not be made.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// Whether the goals so far were reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Short,
}

impl Outcome {
    pub(crate) fn and(before: Option<Self>, next: Self) -> Self {
        if before == Some(Self::Short) { Self::Short } else { next }
    }

    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            Self::Ok => ExitCode::SUCCESS,
            Self::Short => ExitCode::FAILURE,
        }
    }
}

/// Prints a goal's line.
pub(crate) fn goal(name: &str, ratio: &Estimate, needs: f64) -> Outcome {
    // Noise must not turn a goal red: only an interval that lies below the need as a whole does.
    let outcome = if ratio.high < needs { Outcome::Short } else { Outcome::Ok };
    let word = match outcome {
        Outcome::Ok => "ok",
        Outcome::Short => "short",
    };
    println!("goal {name} ratio {:.2} needs {needs:.2} {word}", ratio.median);
    outcome
}

/// Prints the line of a figure that is no goal.
pub(crate) fn note(name: &str, ratio: &Estimate) -> Outcome {
    println!("note {name} ratio {:.2}", ratio.median);
    Outcome::Ok
}

/// The processes that wanted a core in the last minute, in words.
pub(crate) fn load() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let average = std::fs::read_to_string("/proc/loadavg").ok();
    match average.as_deref().and_then(|text| text.split(' ').next()) {
        Some(average) => format!("load {average} on {cores} cores"),
        None => format!("load unknown, {cores} cores"),
    }
}

/// A rate in millions a second.
pub(crate) fn millions(rate: f64) -> String {
    format!("{:.2} M", rate / 1e6)
}
