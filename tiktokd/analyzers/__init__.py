"""Analyzers: one analysis per file; see tiktokd.plugins for the contract."""
