"""Settings of all tests, and the accuracy table: what tests measured against published truth, beside its pass mark.

A test that holds such a mark takes the fixture `accuracy` and hands it the value before it asserts; `make accuracy`
runs these tests and writes the table. Of several values of one row (parametrized tests) the worst is shown.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import hypothesis
import pytest

# The clock on the wall judges no test: a machine that was busy for a moment failed one in which time is made up.
# (`timeout` ends what hangs; speed is measured in bench/.)
hypothesis.settings.register_profile("tiktokd", deadline=None)
hypothesis.settings.load_profile("tiktokd")

PROPERTY = "accuracy"
Worse = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One value of one row of the table."""

    row: str
    value: float
    mark: float
    unit: str
    worse: Worse
    """On which side of the mark the failures lie."""

    def passed(self) -> bool:
        """Return whether the mark is met."""
        return self.value <= self.mark if self.worse == "higher" else self.value >= self.mark


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accuracy", type=Path, metavar="FILE", help="write the table of measured accuracy to FILE")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--accuracy`, keep only the tests that measure some."""
    if config.getoption("--accuracy") is None:
        return
    kept = [item for item in items if PROPERTY in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture
def accuracy(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Note a value for the accuracy table and fail where it misses its mark."""

    def note(row: str, value: float, *, mark: float, unit: str = "", worse: Worse = "higher") -> None:
        found = Measurement(row=row, value=float(value), mark=mark, unit=unit, worse=worse)
        record_property(PROPERTY, asdict(found))
        assert found.passed(), f"{row}: {found.value:g} {unit}, mark {_mark(found)}"

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    config = terminalreporter.config
    file: Path | None = config.getoption("--accuracy")
    if file is None:
        return
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    found = [Measurement(**value) for report in reports for name, value in report.user_properties if name == PROPERTY]
    text = table(found)
    terminalreporter.write_line(text)
    file.write_text(text)


def table(found: Iterable[Measurement]) -> str:
    """Return the table in Markdown, a line per row with the worst of its values."""
    rows: dict[str, list[Measurement]] = {}
    for each in found:
        rows.setdefault(each.row, []).append(each)
    lines = ["| what | measured (worst) | values | pass mark | |", "|---|---|---|---|---|"]
    for row, each in sorted(rows.items()):
        worst = (max if each[0].worse == "higher" else min)(each, key=lambda m: m.value)
        verdict = "met" if worst.passed() else "**missed**"
        lines.append(f"| {row} | {worst.value:.4g} {worst.unit} | {len(each)} | {_mark(worst)} | {verdict} |")
    return "\n".join(lines) + "\n"


def _mark(each: Measurement) -> str:
    return f"{'≤' if each.worse == 'higher' else '≥'} {each.mark:g} {each.unit}".rstrip()
