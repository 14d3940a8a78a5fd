//! Turns the engine's compiled module into the pair a browser loads: a `.wasm` and its JavaScript.
//!
//! `cargo xtask wasm` calls it as `xtask-wasm IN.wasm OUT_DIR`. It is a program of its own so that the
//! other tasks need not wait for wasm-bindgen to compile. It never builds, shrinks or measures anything.

use std::env::args_os;
use std::path::PathBuf;
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let mut args = args_os().skip(1).map(PathBuf::from);
    let (Some(input), Some(out_dir), None) = (args.next(), args.next(), args.next()) else {
        eprintln!("usage: xtask-wasm IN.wasm OUT_DIR (`cargo xtask wasm` calls it for you)");
        return ExitCode::from(2);
    };
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(&input)
        .out_name("staywire")
        // Left at its default, the web loader has no URL of its own and every page must name one.
        .omit_default_module_path(false)
        // Names and producers are for debugging and would be bytes in every download.
        .remove_name_section(true)
        .remove_producers_section(true);
    let outcome = bindgen.web(true).and_then(|bindgen| bindgen.generate(&out_dir));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("wasm-bindgen refused {}: {why:?}", input.display());
            ExitCode::FAILURE
        }
    }
}
