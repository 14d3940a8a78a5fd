//! The browser's module: the suites `no-std` and `wasm-size`, and `cargo xtask wasm`, which builds it.
//!
//! Never packs for npm; it leaves the shrunk module and its JavaScript in `target/wasm-package`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::repo::Repo;
use crate::suite::{Context, Verdict};
use crate::{cache, sh};

const TARGET: &str = "wasm32-unknown-unknown";
/// What a page may have to download for the engine, gzipped.
const BUDGET: usize = 8_000;
const BINARYEN: &str = "132.0.0";
const NODE_AT_LEAST: u32 = 20;

/// Named one by one: `--all-features` emits what browsers still refuse.
const WASM_FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-multivalue",
];

struct Sizes {
    raw: usize,
    gzipped: usize,
}

pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<(), String> {
    if let Some(arg) = args.first() {
        return Err(format!("`cargo xtask wasm` takes no `{arg}`"));
    }
    build(repo).map(|_sizes| ())
}

/// The target has a standard library, so it is `#![no_std]` that makes this a proof: it must be there.
pub(crate) fn no_std(context: &Context<'_>) -> Result<Verdict, String> {
    let repo = context.repo;
    let head = std::fs::read_to_string(repo.root().join("core/src/lib.rs"))
        .map_err(|why| format!("core/src/lib.rs: {why}"))?;
    if !head.contains("no_std)]") && !head.contains("#![no_std]") {
        return Err("core/src/lib.rs is not `no_std` when its features are off".to_owned());
    }
    ensure_target(repo)?;
    let engine = ["build", "-p", "staywire", "--lib", "--no-default-features", "--target", TARGET];
    sh::run(&mut repo.cargo(&engine))?;
    Ok(Verdict::Passed)
}

pub(crate) fn size(context: &Context<'_>) -> Result<Verdict, String> {
    let Sizes { gzipped, .. } = build(context.repo)?;
    if gzipped > BUDGET {
        let over = gzipped - BUDGET;
        return Err(format!("{gzipped} bytes gzipped, {over} over the budget of {BUDGET}"));
    }
    Ok(Verdict::Passed)
}

fn build(repo: &Repo) -> Result<Sizes, String> {
    // First the cheap questions: a missing tool should not show after minutes of compiling.
    ensure_node()?;
    ensure_target(repo)?;
    let wasm_opt = wasm_opt()?;
    let cargo_build = ["build", "-p", "staywire-wasm", "--profile", "wasm", "--target", TARGET];
    sh::run(&mut repo.cargo(&cargo_build))?;
    let target_dir = repo.target_dir()?;
    let compiled = target_dir.join(TARGET).join("wasm").join("staywire_wasm.wasm");
    let package = target_dir.join("wasm-package");
    std::fs::create_dir_all(&package)
        .map_err(|why| format!("{} can't be made: {why}", package.display()))?;

    let bindgen = ["run", "--quiet", "-p", "xtask-wasm", "--"];
    sh::run(repo.cargo(&bindgen).arg(&compiled).arg(&package))?;
    let module = package.join("staywire_bg.wasm");
    let mut shrink = Command::new("node");
    shrink.arg(wasm_opt).arg("-Oz").args(WASM_FEATURES);
    sh::run(shrink.arg(&module).arg("-o").arg(&module))?;

    let sizes = measure(&module)?;
    println!(
        "{} bytes, {} gzipped, of a budget of {BUDGET}: {}",
        sizes.raw,
        sizes.gzipped,
        module.display()
    );
    Ok(sizes)
}

fn measure(module: &Path) -> Result<Sizes, String> {
    let bytes = std::fs::read(module).map_err(|why| format!("{}: {why}", module.display()))?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zipped = encoder.write_all(&bytes).and_then(|()| encoder.finish());
    let zipped = zipped.map_err(|why| format!("gzip failed: {why}"))?;
    Ok(Sizes { raw: bytes.len(), gzipped: zipped.len() })
}

fn ensure_target(repo: &Repo) -> Result<(), String> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--print", "target-libdir", "--target", TARGET]).current_dir(repo.root());
    if Path::new(sh::capture(&mut rustc)?.trim()).is_dir() {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).current_dir(repo.root());
    sh::run(&mut rustup).map_err(|why| {
        format!(
            "{why}\nThe standard library for {TARGET} is missing. Where rustup can't fetch it, a \
             distribution's compiler may carry it (on Debian the packages rustc-web and \
             libstd-rust-web-dev-wasm32); name that compiler in RUSTC and try again."
        )
    })
}

fn ensure_node() -> Result<(), String> {
    let need = format!("wasm-opt runs on Node.js {NODE_AT_LEAST} or newer");
    let version = sh::capture(Command::new("node").arg("--version"))
        .map_err(|why| format!("{need}, and `node` is not to be found: {why}"))?;
    match node_major(&version) {
        Some(major) if major >= NODE_AT_LEAST => Ok(()),
        _ => Err(format!("{need}; this one is {}", version.trim())),
    }
}

fn node_major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// The script to run with node.
fn wasm_opt() -> Result<PathBuf, String> {
    let dir = cache::tool("binaryen", BINARYEN, |dir| {
        // npm is a script on Windows, which is not started by its bare name.
        let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
        sh::run(npm.arg(dir).arg(format!("binaryen@{BINARYEN}")).current_dir(dir))
    })?;
    Ok(dir.join("node_modules/binaryen/bin/wasm-opt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_node_says_of_itself() {
        assert_eq!(node_major("v20.20.2\n"), Some(20));
        assert_eq!(node_major("v8.0.0"), Some(8));
        assert_eq!(node_major("20.1.0"), None);
    }
}
