"""How the kernels are compiled, and where compiled code is kept.

The cache is decided on import, so each of its tests imports in a process of its own.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError

from binnet import preset, train
from binnet_kernels import _jit

KERNELS = Path(_jit.__file__).parent

only_xdg = pytest.mark.skipif(
    sys.platform in ("win32", "darwin"), reason="XDG_CACHE_HOME is a convention of Linux"
)

SCRIPT = """
import json, sys
import numba
before = numba.config.CACHE_DIR
import numpy as np
from binnet_kernels import _jit
from binnet_kernels.lowlevel import rng
result = int(rng.mix(np.uint64(1)))
print(json.dumps({"folder": _jit.CACHE_FOLDER, "result": result,
                  "same": numba.config.CACHE_DIR == before,
                  "loaded": sum(rng.mix.stats.cache_hits.values())}))
"""


def compile_in_new_process(warning: str = "", **environment: str) -> dict:
    """Compile a kernel, or load it; the process gives this warning, once, and no other."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR")
    }
    done = subprocess.run(
        [sys.executable, "-W", "always" if warning else "error", "-c", SCRIPT],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Warning: ") == bool(warning), done.stderr
    assert warning in done.stderr
    found = json.loads(done.stdout)
    assert found["result"] == 0x5692161D100B05E5  # mix(1)
    assert found["same"], "importing the kernels changed where other packages cache theirs"
    return found


NOT_KEPT = "RuntimeWarning: compiled kernels cannot be kept, so each start compiles them again ("


def compiled_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.nb[ci]") if "rng.mix" in path.name]


@only_xdg
def test_compiled_code_lands_in_the_users_cache_folder(tmp_path: Path) -> None:
    first = compile_in_new_process(XDG_CACHE_HOME=str(tmp_path))
    assert first["loaded"] == 0
    folder = tmp_path / "binnet" / "kernels" / _jit._source_hash(KERNELS)
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
    found = compile_in_new_process(NOT_KEPT, XDG_CACHE_HOME=str(in_the_way))
    assert found["folder"] is None
    assert found["loaded"] == 0


def test_numba_cache_dir_is_respected(tmp_path: Path) -> None:
    chosen, other = tmp_path / "chosen", tmp_path / "other"
    found = compile_in_new_process(NUMBA_CACHE_DIR=str(chosen), XDG_CACHE_HOME=str(other))
    folder = chosen / f"binnet-{_jit._source_hash(KERNELS)}"
    assert Path(found["folder"]) == folder
    files = compiled_files(chosen)
    assert len(files) == 2
    assert all(folder in path.parents for path in files)
    assert not other.exists()
    assert compile_in_new_process(NUMBA_CACHE_DIR=str(chosen))["loaded"] == 1


def test_without_a_writable_numba_cache_dir_nothing_is_cached(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    assert compile_in_new_process(NOT_KEPT, NUMBA_CACHE_DIR=str(in_the_way))["folder"] is None


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which a kernel is cached."""
    folder = tmp_path_factory.mktemp("compiled")
    compile_in_new_process(NUMBA_CACHE_DIR=str(folder))
    return folder


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "no bytes":
        content = bytearray()
    elif how == "half":
        content = content[: len(content) // 2]
    elif how == "one bit":
        content[-len(content) // 3] ^= 4
    path.unlink()
    if how == "unreadable":
        path.mkdir()
    else:
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("nbi", "no bytes"),
        ("nbi", "one bit"),
        ("nbc", "half"),
        ("nbc", "one bit"),
        ("nbc", "unreadable"),
    ],
)
def test_damaged_code_is_compiled_again_and_replaced(
    kind: str, how: str, compiled: Path, tmp_path: Path
) -> None:
    shutil.copytree(compiled, tmp_path, dirs_exist_ok=True)
    (path,) = (path for path in compiled_files(tmp_path) if path.suffix == f".{kind}")
    damage(path, how)
    assert compile_in_new_process(NUMBA_CACHE_DIR=str(tmp_path))["loaded"] == 0
    assert compile_in_new_process(NUMBA_CACHE_DIR=str(tmp_path))["loaded"] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of resources")
def test_on_a_full_disk_nothing_is_kept_which_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    monkeypatch.setitem(globals(), "SCRIPT", limit + SCRIPT)
    found = compile_in_new_process(NOT_KEPT, NUMBA_CACHE_DIR=str(tmp_path))
    assert found["folder"]
    assert found["loaded"] == 0
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_source_hash_covers_subfolders_and_names(tmp_path: Path) -> None:
    below = tmp_path / "rules"
    below.mkdir()
    (tmp_path / "structs.py").write_text("A = 1\n")
    (below / "perceptron.py").write_text("B = 2\n")
    found = {_jit._source_hash(tmp_path)}
    (below / "notes.txt").write_text("no source")
    assert _jit._source_hash(tmp_path) in found
    (below / "perceptron.py").write_text("B = 3\n")
    found.add(_jit._source_hash(tmp_path))
    (below / "perceptron.py").rename(below / "symmetric.py")
    found.add(_jit._source_hash(tmp_path))
    (below / "symmetric.py").rename(tmp_path / "symmetric.py")
    found.add(_jit._source_hash(tmp_path))
    assert len(found) == 4


def test_processes_that_save_at_once_do_not_mix_up_their_types(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As two processes do: one saves between the other's index and the code it points to."""

    def double(x):
        return x + x

    monkeypatch.setattr(_jit, "CACHE_FOLDER", str(tmp_path))
    one, other, later = (_jit.kernel(double) for _ in range(3))
    file, others_file = one._cache._cache_file, other._cache._cache_file
    save = file._save_index

    def save_late(*arguments: object) -> None:
        assert other(1.5) == 3.0
        save(*arguments)

    monkeypatch.setattr(others_file, "_load_index", dict)  # it had looked before
    monkeypatch.setattr(file, "_save_index", save_late)
    assert one(3) == 6
    assert (later(1.5), later(3)) == (3.0, 6)
    assert sum(later.stats.cache_hits.values()) == 1  # the entry of the first is lost, no more


CALLEE = """
from binnet_kernels._jit import kernel


@kernel
def answer():
    return {}
"""
CALLER = """
from binnet_kernels._jit import kernel
from binnet_kernels.rules.callee import answer


@kernel
def ask():
    return answer()
"""


@pytest.mark.parametrize("variable", ["NUMBA_CACHE_DIR", "XDG_CACHE_HOME"])
def test_edited_callee_in_a_subfolder_is_compiled_into_its_callers(
    tmp_path: Path, variable: str
) -> None:
    root = tmp_path / "sources"
    package = root / "binnet_kernels"
    shutil.copytree(KERNELS, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "rules" / "caller.py").write_text(CALLER)
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR")
    }
    script = (
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "from binnet_kernels.rules.caller import ask\n"
        "print(ask(), sum(ask.stats.cache_hits.values()))"
    )
    for answer, hits in ((41, 0), (41, 1), (42, 0)):
        (package / "rules" / "callee.py").write_text(CALLEE.format(answer))
        done = subprocess.run(
            [sys.executable, "-B", "-W", "error", "-c", script],
            env=inherited | {variable: str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == [str(answer), str(hits)]


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


def test_compilation_is_told_of_once_and_loading_is_not(tmp_path: Path) -> None:
    """A command says why it stands still; the second run of it has nothing to say."""
    script = """
from binnet_kernels._jit import telling_of_compilation
from binnet_kernels.lowlevel.rng import derive_keys
import numpy as np
with telling_of_compilation(lambda: print("compiling")):
    derive_keys(np.uint64(1), 0, 3)
    derive_keys(np.uint64(1), 0, 4)
derive_keys(np.uint64(1), 0, 5)
"""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    for said in ("compiling\n", ""):
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True
        )
        assert (done.returncode, done.stdout) == (0, said), done.stderr


def find_literals() -> set[str]:
    """Return the kernels, with types, that this process has compiled for numbers written out."""
    return {
        f"{name}.{kernel.py_func.__name__}{kinds}"
        for name, module in sys.modules.items()
        if name.startswith("binnet_kernels.")
        for kernel in vars(module).values()
        if isinstance(kernel, Dispatcher)
        for kinds in kernel.signatures
        if "Literal" in str(kinds)
    }


def test_no_kernel_is_compiled_for_a_number_that_is_written_out() -> None:
    """Numba gives such a number a type of its own, and compiles the kernel once more for it."""
    before = find_literals()  # of kernels that training does not call
    X, y = np.ones((20, 10), np.int8), np.zeros(20, np.int64)
    for changes in ({}, {"rule": "symmetric"}, {"rule": "soft"}, {"arithmetic": "int8"}):
        settings = preset().replace(n_hidden=8, n_inputs=10, n_outputs=2, epochs=1, **changes)
        train(X, y, settings, threads=1)
    assert find_literals() == before
