"""`python -m tiktokd.cli`: tiktokctl where the console script is not installed. Holds nothing else."""

import sys

from tiktokd.cli import main

if __name__ == "__main__":
    sys.exit(main())
