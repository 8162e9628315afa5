"""Execute every notebook of notebooks/ from top to bottom; the first error ends the run.

The notebooks are kept as plain Python files in jupytext's percent format, which diffs well. Each
is turned into a notebook in memory and run by a fresh kernel with notebooks/ as working folder;
nothing is written, so a notebook that runs here runs for a reader too.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import jupytext
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
SECONDS_PER_CELL = 600


def main() -> int:
    """Run the notebooks in order of their names; 0 if all of them ended well, else 1."""
    paths = sorted(FOLDER.glob("*.py"))
    if not paths:
        print(f"no notebooks in {FOLDER.name}/")
    for path in paths:
        started = time.perf_counter()
        client = NotebookClient(
            jupytext.read(path, fmt="py:percent"),
            timeout=SECONDS_PER_CELL,
            kernel_name="python3",
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": str(FOLDER)}},
        )
        try:
            client.execute()
        except (CellExecutionError, TimeoutError) as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            return 1
        print(f"{path.name}: {time.perf_counter() - started:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
