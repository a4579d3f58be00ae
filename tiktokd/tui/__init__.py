"""The Textual monitor."""
