"""What importing costs: nothing heavy is loaded, nothing is done; every public name is there."""

import subprocess
import sys
from pathlib import Path

import pytest

import binnet

HEAVY = ("numba", "llvmlite", "matplotlib", "scipy", "sklearn", "binnet_kernels")


def run_python(code: str, folder: Path) -> str:
    """Run code in a new process that finds the packages where this one does."""
    setup = f"import sys; sys.path[:] = {sys.path!r}\n"
    command = [sys.executable, "-W", "error", "-c", setup + code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert not list(folder.iterdir())  # no side effects
    return done.stdout


LOADED = f"print(*[name for name in {HEAVY} if name in sys.modules])\n"


def test_import_loads_nothing_heavy(tmp_path: Path) -> None:
    code = "before = set(sys.modules)\nimport binnet\n" + LOADED
    code += "print(*[m for m in set(sys.modules) - before if m.startswith('binnet.')])"
    assert run_python(code, tmp_path).split() == []


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "--help"], ["study", "--help"], ["--version"]], ids=str
)
def test_command_line_help_loads_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    code = f"""
from binnet.cli import main
main({arguments!r}, standalone_mode=False)
print("loaded:")
{LOADED}"""
    shown, loaded = run_python(code, tmp_path).split("loaded:")
    assert shown.startswith(("Usage:", "binnet, version"))
    assert loaded.split() == []


def test_parameters_can_be_handled_without_numba(tmp_path: Path) -> None:
    code = """
import binnet
binnet.preset().replace(n_hidden=5).to_dict()
binnet.BinaryNetwork.random(binnet.NetworkParameters(5))
"""
    assert run_python(code + LOADED, tmp_path).split() == []


TRAIN = """
from binnet.cli import main
try:
    main(["train", "--hidden", "5", "--epochs", "1", "--batch-size", "500", "--out", sys.argv[1]])
except SystemExit as done:
    assert not done.code
print("unwanted:", *[name for name in NAMES if name in sys.modules])
"""
# What Numba loads to compile, with SciPy's linear algebra; what is loaded to store arrays; asyncio.
NOT_FOR_TRAINING = (
    "numba.np.linalg",
    "scipy.linalg",
    "pandas",
    "xarray",
    "sklearn",
    "joblib",
    "asyncio",
)


def test_training_loads_what_it_needs(tmp_path: Path) -> None:
    """Kernels from the cache are loaded without what only a compiler needs, commands alone."""
    setup = f"import sys; sys.path[:] = {sys.path!r}\nNAMES = {NOT_FOR_TRAINING}\n"
    for name in ("compiled", "loaded"):  # the first one may have to compile
        command = [sys.executable, "-W", "error", "-c", setup + TRAIN, str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == ["unwanted:"]


def test_a_command_loads_no_other(tmp_path: Path) -> None:
    code = """
from binnet.cli import main
main(["train", "--help"], standalone_mode=False)
print("loaded:")
print(*[name for name in sys.modules if name.startswith("binnet.cli.") and "._" not in name])
"""
    assert run_python(code, tmp_path).split("loaded:")[1].split() == ["binnet.cli.train"]


def test_every_public_name_resolves() -> None:
    assert set(binnet.__all__) <= set(dir(binnet))
    for name in binnet.__all__:
        assert getattr(binnet, name) is not None
        assert name in {"get_version"} or getattr(binnet, name).__doc__
    for name in ("train", "relax", "predict", "resume", "BinaryNetwork", "FeedbackSchedule"):
        assert name in binnet.__all__
    with pytest.raises(AttributeError, match=r"nonsense"):
        _ = binnet.nonsense


def test_version(tmp_path: Path) -> None:
    assert binnet.__version__ == binnet.get_version()
    code = """
import runpy
sys.argv = ["binnet", "--version"]
try:
    runpy.run_module("binnet", run_name="__main__", alter_sys=True)
except SystemExit as done:
    assert not done.code
"""
    assert f"version {binnet.__version__}" in run_python(code, tmp_path)


def test_names_that_need_scikit_learn_are_not_listed_without_it(tmp_path: Path) -> None:
    code = """
import builtins, warnings
load = builtins.__import__
def hide(name, *arguments):
    if name.partition(".")[0] == "sklearn":
        raise ModuleNotFoundError(f"No module named {name!r}")
    return load(name, *arguments)
builtins.__import__ = hide
warnings.simplefilter("ignore", DeprecationWarning)
import inspect, pydoc
import binnet
from binnet import *
print(train is binnet.train, "BinaryRecurrentClassifier" in globals())
print("relax" in dict(inspect.getmembers(binnet)), hasattr(binnet, "nonsense"))
print("load_entangled_mnist" in pydoc.render_doc(binnet))
try:
    binnet.RandomSignProjection
except ImportError as error:
    print(error)
"""
    shown = run_python(code, tmp_path).splitlines()
    assert shown[:3] == ["True False", "True False", "True"]
    assert 'pip install "binnet[sklearn]"' in shown[3]
    assert {"encoders", "estimators", "RandomSignProjection"} <= set(dir(binnet))
