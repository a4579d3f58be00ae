"""A Celery task that does nothing, set up so that neither a task nor a result is lost when a process dies.

Run with `celery -A celery_tasks worker` in this folder; BENCH_REDIS_PORT names the redis-server.
"""

import os

from celery import Celery

_REDIS = f"redis://127.0.0.1:{os.environ['BENCH_REDIS_PORT']}"
app = Celery("celery_tasks", broker=f"{_REDIS}/0", backend=f"{_REDIS}/1")
app.conf.update(
    task_acks_late=True,  # as durable as a claim: the broker keeps the task until its result is stored
    worker_prefetch_multiplier=1,
    task_compression=None,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)


@app.task
def nothing(number: int) -> dict[str, int]:
    """Return as much as our own benchmark stores."""
    return {"number": number}
