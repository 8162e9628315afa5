"""Progress bars that never stop the work that they show.

Standard error may be missing (``2>&-``, pythonw), closed later, or a pipe whose reader has left:
the bar is then no longer seen, and nothing else happens.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any


class _Tolerant:
    """A stream that forgets what it cannot write; all else is that of the stream itself."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def progress_bar(
    iterable: Iterable[Any] | None = None, *, disable: bool | None = False, **options: Any
) -> Any:
    """Return the bar that ``tqdm.auto.tqdm`` makes of the same arguments.

    `disable` None shows it on a terminal only.
    """
    if sys.stderr is None or sys.stderr.closed:
        disable = True
    if not disable:
        options = {"file": _Tolerant(sys.stderr), "dynamic_ncols": True} | options
    # Outside a notebook tqdm.auto gives the same bar, and loads asyncio for another one.
    bars: Any = importlib.import_module("tqdm.auto" if "IPython" in sys.modules else "tqdm.std")
    return bars.tqdm(iterable, disable=disable, **options)
