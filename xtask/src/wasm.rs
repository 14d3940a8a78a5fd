//! The browser's module: the suites `no-std`, `wasm-size` and `wasm`, and `cargo xtask wasm`, which
//! builds it.
//!
//! Never packs for npm, which `web.rs` sees to; it leaves the shrunk module and its JavaScript in `target/wasm-package`. In one
//! run of the suites it builds once, whichever of them ask.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::counts::Counts;
use crate::repo::Repo;
use crate::suite::{Context, Verdict};
use crate::{cache, packages, sh};

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

/// What was built, and where.
#[derive(Clone)]
pub(crate) struct Package {
    pub(crate) folder: PathBuf,
    gzipped: usize,
}

pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<(), String> {
    if let Some(arg) = args.first() {
        return Err(format!("`cargo xtask wasm` takes no `{arg}`"));
    }
    build(repo).map(|_package| ())
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
    let Package { gzipped, .. } = package(context)?;
    if gzipped > BUDGET {
        let over = gzipped - BUDGET;
        return Err(format!("{gzipped} bytes gzipped, {over} over the budget of {BUDGET}"));
    }
    Ok(Verdict::Passed)
}

/// The module that ships, driven by Node.js through the JavaScript that ships with it.
pub(crate) fn face(context: &Context<'_>) -> Result<Verdict, String> {
    let Package { folder, .. } = package(context)?;
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=tap"]).arg("wasm/tests/face.test.mjs");
    node.env("STAYWIRE_WASM_PACKAGE", folder).current_dir(context.repo.root());
    let mut counts = Counts::default();
    let outcome = sh::run_watched(&mut node, |line| match tap_total(line) {
        Some(("pass", number)) => counts.passed = number,
        Some(("fail", number)) => counts.failed = number,
        Some(("skipped", number)) => counts.skipped = number,
        _ => {}
    });
    match outcome {
        // Where it fails in a way that counts nothing, the sentence must count.
        Err(why) if counts.failed == 0 => Err(why),
        _ => Ok(Verdict::Counted { counts, notes: Vec::new() }),
    }
}

/// One of the totals under a TAP report: `# pass 8`.
fn tap_total(line: &str) -> Option<(&str, u64)> {
    let (what, number) = line.strip_prefix("# ")?.split_once(' ')?;
    Some((what, number.trim().parse().ok()?))
}

/// Built once in a run, whoever asks.
pub(crate) fn package(context: &Context<'_>) -> Result<Package, String> {
    context.wasm_package.get_or_init(|| build(context.repo)).clone()
}

fn build(repo: &Repo) -> Result<Package, String> {
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
    // Twice would find more than once, and nothing reads the list of features after this.
    shrink.args(["--converge", "-ocimfs", "20", "--strip-target-features"]);
    // The stack lies lowest and grows down: only its overflow would reach the first 1,024 bytes.
    shrink.arg("--low-memory-unused");
    sh::run(shrink.arg(&module).arg("-o").arg(&module))?;

    // Without this, Node.js older than 22 takes the JavaScript for CommonJS.
    std::fs::write(package.join("package.json"), "{ \"type\": \"module\" }\n")
        .map_err(|why| format!("{}: {why}", package.display()))?;

    let bytes = std::fs::read(&module).map_err(|why| format!("{}: {why}", module.display()))?;
    let (raw, gzipped) = (bytes.len(), gzipped_size(&bytes)?);
    println!("{raw} bytes, {gzipped} gzipped, of a budget of {BUDGET}: {}", module.display());
    Ok(Package { folder: package, gzipped })
}

fn gzipped_size(bytes: &[u8]) -> Result<usize, String> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zipped = encoder.write_all(bytes).and_then(|()| encoder.finish());
    zipped.map(|zipped| zipped.len()).map_err(|why| format!("gzip failed: {why}"))
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
    let need = format!("wasm-opt and the module's tests run on Node.js {NODE_AT_LEAST} or newer");
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
        let mut npm = packages::npm();
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

    #[test]
    fn reads_the_totals_of_a_tap_report() {
        assert_eq!(tap_total("# pass 8"), Some(("pass", 8)));
        assert_eq!(tap_total("# Subtest: a life"), None);
        assert_eq!(tap_total("ok 1 - a life"), None);
    }
}
