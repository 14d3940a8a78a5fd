//! `cargo xtask schema`: writes the committed JSON Schema of the events again.
//!
//! The test that compares the schema with the types is also what writes it, so that the two can't
//! disagree; this only asks it to.

use crate::repo::Repo;
use crate::sh;

pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<(), String> {
    if let Some(arg) = args.first() {
        return Err(format!("`cargo xtask schema` takes no `{arg}`"));
    }
    let test = ["test", "-p", "staywire", "--features", "schema", "--test", "schema"];
    sh::run(repo.cargo(&test).env("STAYWIRE_UPDATE_SCHEMA", "1"))
}
