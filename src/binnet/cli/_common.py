"""What the commands share: how errors are shown, and how a process's threads are set up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn errors about what the user passed, or has not installed, into one line."""
    try:
        yield
    except (ValueError, TypeError, OSError, MemoryError, ImportError) as error:
        raise click.ClickException(str(error)) from error


def prefer_waiting_threads() -> None:
    """Let idle threads of this process spin for a moment before they sleep.

    Training enters four parallel regions per batch, microseconds apart; waking a sleeping thread
    takes longer than the region. The variable is GNU OpenMP's and is read when the kernels first
    start their threads; where the user has set it, or the wait policy, that stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000000")
