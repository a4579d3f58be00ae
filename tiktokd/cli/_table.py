"""Tables that fit the terminal: what matters least goes first, and ids are never cut. Knows no verb."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

GAP = 2
SHORTEST = 12
"""Cells that a column which may be shortened keeps, if it does not say otherwise."""

Cell = str | Text


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    header: str
    rank: int = 0
    """0 always stays; the others are taken in this order as long as they fit, and left out where they are empty."""
    shortens: bool = False
    """Its cells may be cut, with an ellipsis; of other columns nothing is ever cut."""
    right: bool = False
    shortest: int = SHORTEST
    """Cells that it keeps where it shortens; less tells nothing."""


def fitting(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int) -> Table:
    """Return a table of at most `width` columns; cells are harmless text already."""
    natural = [max([len(column.header), *(_cells(row[n]) for row in rows)]) for n, column in enumerate(columns)]
    least = [min(wide, columns[n].shortest) if columns[n].shortens else wide for n, wide in enumerate(natural)]
    kept = [n for n, column in enumerate(columns) if not column.rank]
    for n in sorted((n for n, column in enumerate(columns) if column.rank), key=lambda n: columns[n].rank):
        if any(_cells(row[n]) for row in rows) and _total([least[each] for each in (*kept, n)]) <= width:
            kept.append(n)
    kept.sort()
    widths = {n: natural[n] for n in kept}
    while _total(list(widths.values())) > width and any(widths[n] > least[n] for n in kept):
        longest = max((n for n in kept if widths[n] > least[n]), key=lambda n: widths[n])
        widths[longest] -= 1
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0), header_style="dim")
    for n in kept:
        column = columns[n]
        table.add_column(
            column.header, justify="right" if column.right else "left", no_wrap=True, width=widths[n],
            overflow="ellipsis" if column.shortens else "fold",
        )  # fmt: skip
    for row in rows:
        table.add_row(*(row[n] if isinstance(row[n], Text) else Text(str(row[n])) for n in kept))
    return table


def _cells(cell: Cell) -> int:
    return cell.cell_len if isinstance(cell, Text) else cell_len(cell)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)
