"""Fits that fail: an estimator is then what it was before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unchanged_by_failure(estimator: object) -> Iterator[None]:
    """Give an estimator its attributes back if what is done inside fails, or is interrupted.

    scikit-learn's checks of the samples set attributes before a parameter is found to be wrong: new
    classes or a new number of features would otherwise stand beside old weights.
    """
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
