"""Encoders: one model or signal transform per file; see tiktokd.plugins for the contract."""
