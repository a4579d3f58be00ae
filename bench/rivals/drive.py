"""Queue tasks in Celery or huey, start eight of its workers, print tasks per second as JSON. Runs under any Python that
has the rival installed: `python drive.py celery|huey COUNT`, in this folder.

The clock runs from the first tenth of the results to the last, so that starting and queueing are not held against it.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

WORKERS = 8
DEADLINE_S = 180.0


def main() -> None:
    """Measure one rival."""
    name, count = sys.argv[1], int(sys.argv[2])
    command, done = (_celery if name == "celery" else _huey)(count)
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        print(json.dumps({"per_second": _watch(done, count)}))
    finally:
        worker.terminate()
        try:
            worker.wait(20)
        except subprocess.TimeoutExpired:
            worker.kill()


def _celery(count: int) -> tuple[list[str], Callable[[], int]]:
    import redis
    from celery_tasks import app, nothing

    with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        for number in range(count):
            nothing.apply_async((number,), producer=producer)
    results = redis.Redis(port=int(os.environ["BENCH_REDIS_PORT"]), db=1)
    options = ["worker", "--pool=prefork", f"--concurrency={WORKERS}", "--without-gossip", "--without-mingle"]
    return [sys.executable, "-m", "celery", "-A", "celery_tasks", *options], results.dbsize


def _huey(count: int) -> tuple[list[str], Callable[[], int]]:
    from huey_tasks import huey, nothing

    for number in range(count):
        nothing(number)
    consumer = [sys.executable, "-m", "huey.bin.huey_consumer", "huey_tasks.huey", "-w", str(WORKERS), "-k", "process"]
    return [*consumer, "-d", "0.01", "-m", "0.05"], huey.result_count


def _watch(done: Callable[[], int], count: int) -> float:
    """Return tasks per second between the first tenth and the last."""
    started = time.monotonic()
    first: tuple[float, int] | None = None
    while time.monotonic() - started < DEADLINE_S:
        now, finished = time.monotonic(), done()
        if first is None and finished >= count / 10:
            first = (now, finished)
        if finished >= count and first is not None:
            return (finished - first[1]) / (now - first[0])
        time.sleep(0.02)
    raise SystemExit(f"only {done()} of {count} tasks were done after {DEADLINE_S:.0f} s")


if __name__ == "__main__":
    main()
