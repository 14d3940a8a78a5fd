//! Turns the engine's compiled module into the pair a browser loads: a `.wasm` and its JavaScript.
//!
//! `cargo xtask wasm` calls it as `xtask-wasm IN.wasm OUT_DIR`. It is a program of its own so that the
//! other tasks need not wait for wasm-bindgen to compile. It never builds, shrinks or measures anything.

use std::env::args_os;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use walrus::{Module, ModuleConfig};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let mut args = args_os().skip(1).map(PathBuf::from);
    let (Some(input), Some(out_dir), None) = (args.next(), args.next(), args.next()) else {
        eprintln!("usage: xtask-wasm IN.wasm OUT_DIR (`cargo xtask wasm` calls it for you)");
        return ExitCode::from(2);
    };
    match generate(&input, &out_dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("wasm-bindgen refused {}: {why:?}", input.display());
            ExitCode::FAILURE
        }
    }
}

fn generate(input: &Path, out_dir: &Path) -> anyhow::Result<()> {
    // Names and producers are for debugging and would be bytes in every download.
    let mut config = ModuleConfig::new();
    config.generate_name_section(false).generate_producers_section(false);
    let mut module = config.parse_file(input)?;
    // Numbers alone cross the border. Told that the module holds no references to JavaScript's values,
    // wasm-bindgen leaves out the table of them, and the JavaScript that would fill it at the start.
    module.customs.remove_raw("target_features");
    remove_exports(&mut module, |name| name.starts_with("__externref"));

    let mut bindgen = Bindgen::new();
    bindgen
        .input_module("staywire", module)
        .out_name("staywire")
        // Left at its default, the web loader has no URL of its own and every page must name one.
        .omit_default_module_path(false)
        .web(true)?;
    let mut output = bindgen.generate_output()?;
    // For what unwinds, which nothing in here does: no JavaScript asks for them.
    remove_exports(output.wasm_mut(), |name| name.starts_with("__"));
    output.emit(out_dir)
}

fn remove_exports(module: &mut Module, unwanted: impl Fn(&str) -> bool) {
    let unwanted = module.exports.iter().filter(|export| unwanted(&export.name));
    let unwanted: Vec<_> = unwanted.map(|export| export.id()).collect();
    for export in unwanted {
        module.exports.delete(export);
    }
}
