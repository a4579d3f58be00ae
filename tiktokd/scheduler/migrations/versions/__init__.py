"""One file per released schema, numbered; never edited after its release."""
