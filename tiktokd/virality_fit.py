"""What the user's own corpus says about reach: outliers, percentiles, and a ridge fit judged on unseen creators. Pure.

Nothing here is causal: it describes which features went along with views in this corpus, at the time of its snapshots.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiktokd.robust import robust_z

Floats = NDArray[np.float64]

VIDEOS_MIN = 200
"""Below this a fit on a dozen features is noise."""
FOLDS = 5
"""Also the least number of creators: each fold holds other creators than the rest."""
HISTORY_MIN = 8
"""Videos of a creator from which on their own median means something."""
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Ridge penalties on standardized features; the best is chosen inside each training part."""
SHUFFLES = 5
"""Permutations per feature for its importance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A ridge regression of log views on features, and how well it does on creators that it has not seen."""

    names: tuple[str, ...]
    weights: tuple[float, ...]
    """Change of log10(1 + views) per standard deviation of a feature."""
    cv_spearman: float
    """Rank correlation of held-out predictions, -1..1."""
    cv_r2: float
    """Explained share of variance of held-out predictions; below 0: worse than the mean."""
    importance: tuple[float, ...]
    """Loss of held-out rank correlation when a feature is shuffled, per feature."""
    videos: int
    creators: int


def fit(rows: Sequence[Mapping[str, float | None]], views: Sequence[int], creators: Sequence[str]) -> Fit | None:
    """Return the fit, or `None` for fewer than 200 videos or five creators.

    Args:
        rows: Per video, feature → value; `None` or absent: not known, filled with the median of the training part.
        views: Per video, at the time of its snapshot.
        creators: Per video; no creator is both trained on and judged.
    """
    if len(rows) < VIDEOS_MIN or len(set(creators)) < FOLDS:
        return None
    names = tuple(sorted({name for row in rows for name, value in row.items() if value is not None}))
    if not names:
        return None
    table = np.array([[_number(row.get(name)) for name in names] for row in rows])
    target = np.log10(1.0 + np.asarray(views, np.float64))
    folds = _folds(creators)
    predicted, shuffled = np.zeros(len(target)), np.zeros((SHUFFLES, len(names), len(target)))
    for k in range(FOLDS):
        held = folds == k
        model = _train(table[~held], target[~held], folds[~held])
        predicted[held] = model.predict(table[held])
        for turn in range(SHUFFLES):
            for column in range(len(names)):
                shuffled[turn, column, held] = model.predict(_shuffle(table[held], column, turn))
    base = spearman(predicted, target)
    drops = [base - np.mean([spearman(shuffled[t, c], target) for t in range(SHUFFLES)]) for c in range(len(names))]
    whole = _train(table, target, folds)
    spread = float(((target - target.mean()) ** 2).sum())
    return Fit(
        names=names,
        weights=tuple(round(float(w), 6) for w in whole.weights),
        cv_spearman=round(base, 4),
        cv_r2=round(1.0 - float(((target - predicted) ** 2).sum()) / spread, 4) if spread > 0 else 0.0,
        importance=tuple(round(float(drop), 4) for drop in drops),
        videos=len(rows),
        creators=len(set(creators)),
    )


def outlier_z(views: int, history: Sequence[int]) -> float | None:
    """Return the robust z of log views among a creator's other videos; `None` for fewer than eight or no spread."""
    if len(history) < HISTORY_MIN:
        return None
    z = robust_z(float(np.log10(1.0 + views)), np.log10(1.0 + np.asarray(history, np.float64)))
    return None if z is None else round(z, 4)


def percentile(value: float, others: Sequence[float]) -> float | None:
    """Return the share 0..1 of `others` below `value`, ties counted half; `None` without others."""
    if not others:
        return None
    sample = np.asarray(others, np.float64)
    return round(float((sample < value).mean() + (sample == value).mean() / 2), 4)


def spearman(a: Floats, b: Floats) -> float:
    """Return the rank correlation, -1..1, ties at their mean rank; 0 where one side does not vary."""
    ranks = [_ranks(values) for values in (a, b)]
    spread = [float(r.std()) for r in ranks]
    if min(spread) <= 1e-12:
        return 0.0
    return float(np.mean((ranks[0] - ranks[0].mean()) * (ranks[1] - ranks[1].mean())) / (spread[0] * spread[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    medians: Floats
    means: Floats
    scales: Floats
    weights: Floats
    bias: float

    def predict(self, table: Floats) -> Floats:
        return _standard(table, self.medians, self.means, self.scales) @ self.weights + self.bias


def _train(table: Floats, target: Floats, folds: NDArray[np.intp]) -> _Model:
    """Fit on what is given, and on nothing else: medians, scales and the penalty come from here too."""
    known = np.isfinite(table)
    medians = np.array([np.median(table[known[:, c], c]) if known[:, c].any() else 0.0 for c in range(table.shape[1])])
    filled = np.where(known, table, medians)
    means, scales = filled.mean(axis=0), filled.std(axis=0)
    scales = np.where(scales > 1e-9, scales, 1.0)
    x = (filled - means) / scales
    penalty = min(PENALTIES, key=lambda p: _inner_error(x, target, folds, p))
    bias = float(target.mean())
    return _Model(medians=medians, means=means, scales=scales, weights=_ridge(x, target - bias, penalty), bias=bias)


def _inner_error(x: Floats, target: Floats, folds: NDArray[np.intp], penalty: float) -> float:
    error = 0.0
    for k in np.unique(folds):
        held = folds == k
        if held.all():
            continue
        bias = float(target[~held].mean())
        weights = _ridge(x[~held], target[~held] - bias, penalty)
        error += float(((target[held] - bias - x[held] @ weights) ** 2).sum())
    return error


def _ridge(x: Floats, y: Floats, penalty: float) -> Floats:
    return np.asarray(np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y))


def _standard(table: Floats, medians: Floats, means: Floats, scales: Floats) -> Floats:
    return np.asarray((np.where(np.isfinite(table), table, medians) - means) / scales)


def _folds(creators: Sequence[str]) -> NDArray[np.intp]:
    """Deal creators to folds, those with most videos first, each to the emptiest fold."""
    names, counts = np.unique(np.asarray(creators), return_counts=True)
    size, fold_of = [0] * FOLDS, {}
    for i in np.lexsort((names, -counts)):
        emptiest = int(np.argmin(size))
        fold_of[str(names[i])] = emptiest
        size[emptiest] += int(counts[i])
    return np.array([fold_of[str(creator)] for creator in creators])


def _shuffle(table: Floats, column: int, seed: int) -> Floats:
    mixed = table.copy()
    mixed[:, column] = np.random.default_rng(seed).permutation(mixed[:, column])
    return mixed


def _ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[inverse], np.float64)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
