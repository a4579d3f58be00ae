"""`tiktokd` with toy workers: `python -m tests.toy_run --config FILE`. What is not a toy is the real program."""

import sys

from tiktokd import daemon

TOYS = daemon.Targets(download="tests.toys:start", cpu="tests.toys:start", gpu="tests.toys:start")

if __name__ == "__main__":
    sys.exit(daemon.main(targets=TOYS))
