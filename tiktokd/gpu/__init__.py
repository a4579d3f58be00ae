"""The GPU half: batching, memory, engine, worker, telemetry."""
