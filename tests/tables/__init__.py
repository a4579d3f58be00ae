"""Tables of phrases that several tests read."""
