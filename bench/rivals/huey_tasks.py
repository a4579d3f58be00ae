"""A huey task that does nothing, on SQLite with fsync at each commit. BENCH_HUEY_FILE names the file."""

import os

from huey import SqliteHuey

huey = SqliteHuey(filename=os.environ["BENCH_HUEY_FILE"], fsync=True, results=True)


@huey.task()
def nothing(number: int) -> dict[str, int]:
    """Return as much as our own benchmark stores."""
    return {"number": number}
