"""Ways of doing the same work, ours among them, each in processes of its own; `bench.queue` compares them."""
