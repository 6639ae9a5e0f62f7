//! What people and editors read about the keys: `docs/config.md` and `docs/config.schema.json`.
