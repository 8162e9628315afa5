"""What the commands share: how errors are shown, and how a process's threads are set up."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click


@contextmanager
def clear_errors(options: Mapping[str, str] | None = None) -> Iterator[None]:
    """Turn errors about what the user passed into one line instead of a traceback.

    `options` says which option stands for a parameter of the library that the line may name.
    """
    try:
        yield
    except (ValueError, TypeError, OSError, MemoryError) as error:
        line = str(error)
        for name, option in (options or {}).items():
            line = re.sub(rf"\b{re.escape(name)}\b", option, line)
        raise click.ClickException(line) from error


def prefer_waiting_threads() -> None:
    """Let idle threads of this process spin for a moment before they sleep.

    Training enters four parallel regions per batch, microseconds apart; waking a sleeping thread
    takes longer than the region. The variable is GNU OpenMP's and is read when the kernels first
    start their threads; where the user has set it, or the wait policy, that stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000000")
