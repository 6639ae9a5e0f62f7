//! Writes `docs/config.md` and `docs/config.schema.json` from the catalogue of keys, and
//! `docs/tags.md` from the catalogue of tags.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    std::fs::write(docs.join("tags.md"), protocol::tag::markdown())?;
    std::fs::write(docs.join("config.md"), config::reference::markdown())?;
    std::fs::write(docs.join("config.schema.json"), config::reference::schema())
}
