"""tiktokd: queue, download and analyze short videos on one machine. Holds only the version."""

__version__ = "0.1.0"
