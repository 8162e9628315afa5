"""How the kernels are compiled, and where compiled code is kept.

The cache is decided on import, so each of its tests imports in a process of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.errors import NumbaError

from binnet_kernels import _jit

only_xdg = pytest.mark.skipif(
    sys.platform in ("win32", "darwin"), reason="XDG_CACHE_HOME is a convention of Linux"
)

SCRIPT = """
import json, sys
import numba
before = numba.config.CACHE_DIR
import numpy as np
from binnet_kernels import _jit, _rng
result = int(_rng.mix(np.uint64(1)))
print(json.dumps({"folder": _jit.CACHE_FOLDER, "result": result,
                  "same": numba.config.CACHE_DIR == before,
                  "loaded": sum(_rng.mix.stats.cache_hits.values())}))
"""


def compile_in_new_process(**environment: str) -> dict:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR")
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["result"] == 0x5692161D100B05E5  # mix(1)
    assert found["same"], "importing the kernels changed where other packages cache theirs"
    return found


def compiled_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.nb[ci]") if "_rng.mix" in path.name]


@only_xdg
def test_compiled_code_lands_in_the_users_cache_folder(tmp_path: Path) -> None:
    first = compile_in_new_process(XDG_CACHE_HOME=str(tmp_path))
    assert first["loaded"] == 0
    folder = tmp_path / "binnet" / "kernels" / _jit._source_hash()
    assert Path(first["folder"]) == folder
    files = compiled_files(tmp_path)
    assert len(files) == 2
    assert all(folder in path.parents for path in files)
    again = compile_in_new_process(XDG_CACHE_HOME=str(tmp_path))
    assert again["loaded"] == 1
    assert compiled_files(tmp_path) == files


@only_xdg
def test_without_a_writable_folder_nothing_is_cached(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"  # also the superuser cannot make a folder in a file
    in_the_way.write_text("")
    found = compile_in_new_process(XDG_CACHE_HOME=str(in_the_way))
    assert found["folder"] is None
    assert found["loaded"] == 0


def test_numba_cache_dir_is_respected(tmp_path: Path) -> None:
    chosen, other = tmp_path / "chosen", tmp_path / "other"
    found = compile_in_new_process(NUMBA_CACHE_DIR=str(chosen), XDG_CACHE_HOME=str(other))
    assert Path(found["folder"]) == chosen
    assert len(compiled_files(chosen)) == 2
    assert not other.exists()


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "{}/binnet/kernels"),
        ("linux", "HOME", "{}/.cache/binnet/kernels"),
        ("darwin", "HOME", "{}/Library/Caches/binnet/kernels"),
        ("win32", "LOCALAPPDATA", "{}/binnet/kernels"),
    ],
)
def test_folder_of_each_platform(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, variable: str, expected: str
) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    if variable == "HOME":
        monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(_jit.sys, "platform", platform)
    assert _jit._user_cache_folder() == Path(expected.format(tmp_path))


def test_serial_kernels_may_not_allocate() -> None:
    """`_nrt=False`: without Numba's runtime there is no heap to allocate from."""

    def allocate(n: int) -> float:
        return np.zeros(n)[0]

    for decorator in (_jit.kernel, _jit.reassociating_kernel):
        with pytest.raises(NumbaError, match="zeros"):
            decorator(allocate)(3)


def test_flags_leave_nan_and_infinity_alone() -> None:
    for flags in (_jit.CONTRACT, _jit.REASSOCIATE):
        assert not flags & {"nnan", "ninf", "fast"}
