//! What people and editors read about the keys: `docs/config.md` and `docs/config.schema.json`.
//!
//! Both are written from the catalogue by `cargo run -p config --example generate_reference`, and a
//! test holds that the files are what it would write.

mod markdown;
mod schema;

pub use markdown::markdown;
pub use schema::schema;
