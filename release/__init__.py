"""What is done once before a release, by a person with a network."""
