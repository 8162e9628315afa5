"""Damaged, edited and hostile files of every format: one clear line, or what was written.

No traceback, no crash, no hang, no gigabyte; and where a format has a digest, never a number that
nobody wrote. tests/mutations.py does the work, each format in a process of its own; with -m slow it
is 2000 mutations a format.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mutations import FORMATS

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="the limit of memory needs Linux"
)
MANY = 2000


def count(name: str, n: int) -> dict[str, object]:
    """Return what reading `n` mutations ended in."""
    script = str(Path(__file__).with_name("mutations.py"))
    done = subprocess.run(
        [sys.executable, script, name, str(n), "0"],
        capture_output=True,
        text=True,
        timeout=60 + n,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


def check(name: str, n: int) -> None:
    found = count(name, n)
    examples = found["examples"]
    allowed = {"refused", "same"} | (set() if FORMATS[name].is_checked else {"changed"})
    assert found.keys() - {"megabytes", "examples"} <= allowed, examples
    if FORMATS[name].is_mended:
        assert "refused" not in found
    else:
        assert found["refused"], "nothing was refused: the mutations change nothing"


@pytest.mark.parametrize("name", FORMATS)
def test_a_few_mutations(name: str) -> None:
    check(name, FORMATS[name].few)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_many_mutations(name: str) -> None:
    check(name, MANY)
