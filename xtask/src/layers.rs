//! The suite `layers`: no source reaches out of its layer or up into one above.
//!
//! The engine's runs are repeatable from a seed only as long as nothing in it can ask for a clock, a
//! random number or an order that depends on a hash; and a frame has one definition only as long as
//! the codecs belong to nobody's runtime. The compiler would let both slip.
//!
//! It reads names in the sources and never follows types: what a re-export hides, it does not see. Code
//! for tests alone is left out.

mod paths;

use std::path::{Path, PathBuf};

use self::paths::NamedPath;
use crate::repo::Repo;
use crate::suite::{Context, Verdict};

struct Layer {
    /// The crate's sources.
    sources: &'static str,
    /// Under these: a folder, or a file of the same name; all of it where this is empty.
    name: &'static str,
    /// Lists of paths that may not be named, nor anything below them.
    paths: &'static [&'static [&'static str]],
    /// Names that may not stand anywhere, whatever path they come by.
    names: &'static [&'static str],
    because: &'static str,
}

/// Where clocks, sockets, chance and platforms come from.
const WORLD: &[&str] = &[
    "std::time",
    "std::net",
    "std::thread",
    "std::fs",
    "std::env",
    "std::process",
    "tokio",
    "web_sys",
    "js_sys",
    "wasm_bindgen",
    "rand",
    "getrandom",
];
const CLOCKS: &[&str] = &["Instant", "SystemTime"];
const CORE: &str = "core/src";
const ABOVE: &[&str] = &["crate::driver", "crate::client"];

const SERVER: &str = "server/src";
/// Who puts the server together, and carries what it says.
const TOP: &[&str] = &[
    "crate::http",
    "crate::server",
    "crate::listener",
    "crate::socket",
    "crate::socketio",
    "crate::conversation",
];
const CONVERSATION: &[&str] = &["crate::session", "crate::services"];
const ROOMS: &[&str] = &["crate::hub", "crate::bus"];
const ADMISSION: &[&str] = &["crate::gateway", "crate::config"];
/// The time of day may be written down, but not asked for.
const NOW: &[&str] = &["crate::time::unix_ms"];

const LAYERS: [Layer; 15] = [
    Layer {
        sources: CORE,
        name: "engine",
        paths: &[
            WORLD,
            ABOVE,
            &["crate::wire", "crate::events", "crate::connection"],
            &["std", "serde", "serde_json", "tracing", "futures_util", "hashbrown"],
        ],
        names: &["Instant", "SystemTime", "HashMap", "HashSet"],
        because: "the engine is told the time and its seed, and knows nothing else of the world",
    },
    Layer {
        sources: CORE,
        name: "wire",
        paths: &[WORLD, ABOVE, &["crate::connection"]],
        names: CLOCKS,
        because: "codecs know no clock, socket, runtime or platform; server and clients share them",
    },
    Layer {
        sources: CORE,
        name: "events",
        paths: &[WORLD, ABOVE, &["crate::connection", "crate::engine"]],
        names: CLOCKS,
        because: "the schema describes what is said, not how or when",
    },
    Layer {
        sources: CORE,
        name: "connection",
        paths: &[WORLD, ABOVE],
        names: CLOCKS,
        because: "engine and codecs stay as drivable in virtual time together as they are alone",
    },
    Layer {
        sources: CORE,
        name: "driver",
        paths: &[&["crate::client"]],
        names: &[],
        because: "the client stands on the driver, not the other way round",
    },
    Layer {
        sources: CORE,
        name: "",
        paths: &[&["staywire_server"]],
        names: &[],
        because: "the server takes its frames from the core",
    },
    Layer {
        sources: SERVER,
        name: "time",
        paths: &[&["crate"]],
        names: &[],
        because: "a moment is a number and a text; whoever needs one is above",
    },
    Layer {
        sources: SERVER,
        name: "config",
        paths: &[TOP, ROOMS, &["crate::session", "crate::gateway"]],
        names: CLOCKS,
        because: "what an operator can set is said before there is anybody to do it",
    },
    Layer {
        sources: SERVER,
        name: "gateway",
        paths: &[TOP, CONVERSATION, ROOMS, NOW],
        names: &["SystemTime"],
        because: "who may come in is decided before there is a room, a frame or a socket",
    },
    Layer {
        sources: SERVER,
        name: "bus",
        paths: &[TOP, CONVERSATION, ADMISSION, &["crate::hub", "crate::time"]],
        names: CLOCKS,
        because: "a log knows who is heard of in it as little as it knows the time",
    },
    Layer {
        sources: SERVER,
        name: "hub",
        paths: &[TOP, CONVERSATION, ADMISSION, &["crate::time"]],
        names: CLOCKS,
        because: "the hub knows rooms and their logs; rights, frames and the time are others' affair",
    },
    Layer {
        sources: SERVER,
        name: "session",
        paths: &[TOP, &["crate::services"], NOW],
        names: CLOCKS,
        because: "a session is driven in virtual time as it is over a socket, whatever it serves",
    },
    Layer {
        sources: SERVER,
        name: "services",
        paths: &[TOP],
        names: &[],
        because: "services know the hub, and not how anybody came to it",
    },
    Layer {
        sources: SERVER,
        name: "conversation",
        paths: &[&["crate::http", "crate::socket", "crate::socketio", "crate::services"]],
        names: &[],
        because: "a session is run alike, whatever carries its messages",
    },
    Layer {
        sources: SERVER,
        name: "socketio",
        paths: &[&["crate::bus", "crate::http", "crate::socket"]],
        names: &["Hub", "MemoryBus"],
        because: "Socket.IO is a transport: rooms, rights and limits are the hub's and the session's",
    },
];

pub(crate) fn suite(context: &Context<'_>) -> Result<Verdict, String> {
    let mut found = Vec::new();
    for layer in &LAYERS {
        let files = layer_files(context.repo, layer)?;
        if files.is_empty() {
            // A layer that was renamed would otherwise go unwatched from then on.
            found.push(format!("{}/{}: no source there to watch", layer.sources, layer.name));
        }
        for file in files {
            let source = std::fs::read_to_string(context.repo.root().join(&file))
                .map_err(|why| format!("{}: {why}", file.display()))?;
            found.extend(violations(layer, &file, &source));
        }
    }
    let manifest = std::fs::read_to_string(context.repo.root().join("core/Cargo.toml"))
        .map_err(|why| format!("core/Cargo.toml: {why}"))?;
    if manifest.lines().any(|line| line.trim_start().starts_with("staywire-server")) {
        found.push("core/Cargo.toml depends on the server".to_owned());
    }
    if found.is_empty() { Ok(Verdict::Passed) } else { Err(format!("\n{}", found.join("\n"))) }
}

/// What a source names that its layer may not: one line each, with the reason.
fn violations(layer: &Layer, file: &Path, source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for NamedPath { line, segments, is_import } in paths::named(source) {
        let full = absolute(&segments, file);
        let banned = layer.paths.iter().copied().flatten().any(|banned| {
            // Alone and outside of an import, `std` or `rand` is a variable's name.
            (is_import || full.len() > 1) && starts_with(&full, banned)
        });
        let named = full.iter().any(|segment| layer.names.contains(&segment.as_str()));
        if banned || named {
            let path = full.join("::");
            found.push(format!("{}:{line}: `{path}`: {}", file.display(), layer.because));
        }
    }
    found
}

fn starts_with(path: &[String], prefix: &str) -> bool {
    let mut segments = path.iter();
    prefix.split("::").all(|segment| segments.next().is_some_and(|own| own == segment))
}

/// Resolves `self::` and `super::` by the file's place in the crate.
fn absolute(segments: &[String], file: &Path) -> Vec<String> {
    let ups = segments.iter().take_while(|segment| *segment == "super").count();
    let is_relative = ups > 0 || (segments.len() > 1 && segments[0] == "self");
    if !is_relative {
        return segments.to_vec();
    }
    let mut full = module_of(file);
    full.truncate(full.len().saturating_sub(ups).max(1));
    let rest = if ups > 0 { &segments[ups..] } else { &segments[1..] };
    full.extend_from_slice(rest);
    full
}

/// `core/src/engine/rooms.rs` is `crate::engine::rooms`.
fn module_of(file: &Path) -> Vec<String> {
    let inside = [CORE, SERVER].iter().find_map(|sources| file.strip_prefix(sources).ok());
    let inside = inside.unwrap_or(file).with_extension("");
    let mut module = vec!["crate".to_owned()];
    module.extend(inside.iter().map(|part| part.to_string_lossy().into_owned()));
    if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
        module.pop();
    }
    module
}

/// From the root of the checkout, in a steady order.
fn layer_files(repo: &Repo, layer: &Layer) -> Result<Vec<PathBuf>, String> {
    let base = Path::new(layer.sources);
    let mut files = Vec::new();
    let mut folders = vec![base.join(layer.name)];
    let single = base.join(format!("{}.rs", layer.name));
    if repo.root().join(&single).is_file() {
        files.push(single);
    }
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(repo.root().join(&folder)) else {
            continue;
        };
        for entry in entries {
            let entry = entry.map_err(|why| format!("{}: {why}", folder.display()))?;
            let path = folder.join(entry.file_name());
            let is_tests = path.file_stem().is_some_and(|stem| stem == "tests");
            if is_tests {
                continue;
            } else if entry.path().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(layer: &str, file: &str, source: &str) -> Vec<String> {
        let is_meant = |candidate: &&Layer| {
            candidate.name == layer && Path::new(file).starts_with(candidate.sources)
        };
        violations(LAYERS.iter().find(is_meant).unwrap(), Path::new(file), source)
    }

    fn engine(source: &str) -> usize {
        check("engine", "core/src/engine/rooms.rs", source).len()
    }

    #[test]
    fn finds_what_was_planted_in_the_engine() {
        for planted in [
            "use std::time::Instant;",
            "use alloc::vec::Vec;\nfn f() { let now = std::time::SystemTime::now(); }",
            "use crate::{engine::time::Millis, wire::Frame};",
            "use super::super::client::Client;",
            "use hashbrown::HashMap;",
            "fn f(map: &map::HashSet<u8>) {}",
            "pub(crate) use tokio;",
            "extern crate std;",
            "fn f() -> u32 { getrandom::u32().unwrap_or(0) }",
            "#[derive(serde::Serialize)] struct S;",
            "#[cfg(not(test))] use std::fs;",
            "#[cfg(any(test, feature = \"trace\"))] use std::fs;",
        ] {
            assert!(engine(planted) > 0, "not found: {planted}");
        }
    }

    #[test]
    fn says_where_and_why() {
        let found =
            check("engine", "core/src/engine/link.rs", "//! Link.\n\nuse std::net::IpAddr;\n");
        assert_eq!(
            found,
            [
                "core/src/engine/link.rs:3: `std::net::IpAddr`: the engine is told the time and its seed, \
              and knows nothing else of the world"
            ]
        );
    }

    #[test]
    fn leaves_innocent_sources_alone() {
        for innocent in [
            "//! Unlike tokio::time, this knows no std::time::Instant.\nuse core::fmt;",
            "use alloc::{collections::BTreeMap, vec::Vec};\nuse super::time::Millis;\nuse self::x::Y;",
            "fn f(rand: u64) -> &'static str { let std = rand; \"use std::fs;\" }",
            "/* use /* nested */ std::fs; */ const A: char = '\"'; const B: &str = r#\"std::fs\"#;",
            "#[cfg(test)]\nmod tests { use std::collections::HashMap; fn f() { std::fs::read(\"\"); } }",
            "#[cfg(all(test, unix))] use std::vec;",
        ] {
            let found = check("engine", "core/src/engine/rooms.rs", innocent);
            assert_eq!(found, Vec::<String>::new(), "in {innocent}");
        }
    }

    #[test]
    fn the_other_layers_have_rules_of_their_own() {
        assert_eq!(
            check("wire", "core/src/wire/mod.rs", "use std::collections::HashMap;").len(),
            0
        );
        assert_eq!(
            check("wire", "core/src/wire/mod.rs", "use std::{io, net::SocketAddr};").len(),
            1
        );
        assert_eq!(check("wire", "core/src/wire/mod.rs", "use super::driver;").len(), 1);
        assert_eq!(
            check("driver", "core/src/driver/task.rs", "use crate::client::Config;").len(),
            1
        );
        assert_eq!(
            check("driver", "core/src/driver/task.rs", "use crate::engine::Engine;").len(),
            0
        );
        assert_eq!(check("", "core/src/lib.rs", "pub use staywire_server::hub;").len(), 1);
    }

    #[test]
    fn the_server_has_a_direction_too() {
        for (layer, file, planted) in [
            ("session", "plain.rs", "use crate::http::time::iso8601;"),
            ("session", "commands.rs", "use super::super::services::chat;"),
            ("session", "mod.rs", "use crate::time::{iso8601, unix_ms};"),
            ("services", "ai/service.rs", "fn f() { crate::http::recorder(); }"),
            ("hub", "mod.rs", "use crate::{bus::Bus, session::Session};"),
            ("bus", "memory.rs", "use std::time::SystemTime;"),
            ("gateway", "gate.rs", "use crate::hub::Hub;"),
            ("config", "limits.rs", "use super::super::gateway::Refusal;"),
            ("time", "time.rs", "use crate::config::Config;"),
        ] {
            let file = match layer {
                "time" => format!("server/src/{file}"),
                _ => format!("server/src/{layer}/{file}"),
            };
            assert_eq!(check(layer, &file, planted).len(), 1, "{file}: {planted}");
        }
        for (layer, file, innocent) in [
            ("session", "plain.rs", "use crate::time::iso8601;\nuse crate::hub::Hub;"),
            ("services", "chat.rs", "use crate::session::Caller;\nuse crate::time::unix_ms;"),
            ("hub", "member.rs", "use super::outbound::Outbound;\nuse crate::bus::StoredEvent;"),
        ] {
            let found = check(layer, &format!("server/src/{layer}/{file}"), innocent);
            assert_eq!(found, Vec::<String>::new(), "{innocent}");
        }
    }
}
