"""Which code measures: an edited observable is another sweep, and nothing stale is returned."""

import functools
import json
import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import xarray as xr

import sweep_cases
from binnet import studies, sweeps
from binnet.sweeps import _identity as identity
from binnet.sweeps import _results as results

CODE = '''
SCALE = {scale}
TABLE = {{"a": 1, "b": {{1, 2}}}}

def helper(x):
    """{doc}"""
    return SCALE * x  # {doc}

class Model:
    def __init__(self, shift):
        self.shift = shift

    def __call__(self, x):
        return {{"y": helper(x) + self.shift + TABLE["a"]}}

def measure(x, offset={offset}):
    """{doc}"""
    if x in {{"p", "q", "r", "s"}}:
        return {{}}
    return {{"y": helper(x) + offset}}

def measure_loosely(x):
    from beside import shift
    return {{"y": shift(x)}}

def print_identity():
    import functools, json
    from binnet.sweeps._identity import identify, name_function
    observables = [measure, Model(3), functools.partial(measure, offset=4), Model(3).__call__]
    print(json.dumps([[name_function(o), identify(o)] for o in observables]))

if __name__ == "__main__":
    print_identity()
'''


def run(*arguments: Any, **options: Any) -> xr.Dataset:
    return sweeps.run(*arguments, progress=False, **options)


def make(name: str = "measure", **changes: Any) -> Any:
    """Return an observable as it is after an edit of its module."""
    module: dict[str, Any] = {"__name__": "written", "__package__": ""}
    exec(CODE.format(**{"scale": 2, "offset": 0, "doc": "Measure."} | changes), module)
    return module[name]


def test_another_function_of_the_same_name_is_not_taken_for_it(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    run({"x": [1, 2]}, lambda x: {"y": x}, path=path)
    with pytest.raises(
        ValueError, match=r"other code measured: changed since is <lambda>; name an"
    ):
        run({"x": [1, 2]}, lambda x: {"y": 10 * x}, path=path)
    assert run({"x": [1, 2]}, lambda x: {"y": x}, path=path)["y"].values.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scale": 3}, "measure.helper.SCALE"),
        ({"offset": 1}, "measure"),
    ],
)
def test_what_has_changed_is_said(tmp_path: Path, changes: Any, words: str) -> None:
    path = tmp_path / "a.nc"
    run({"x": [1, 2]}, make(), path=path)
    run({"x": [1, 2]}, make(doc="Other words."), path=path)
    with pytest.raises(ValueError, match=rf"changed since is {words}; .*adopt=True"):
        run({"x": [1, 2]}, make(**changes), path=path)


def test_an_unfinished_sweep_of_other_code_is_refused(tmp_path: Path) -> None:
    def fail(limit: int) -> Any:
        def measure(x: int) -> dict[str, int]:
            return {"y": x // (x < limit)}

        return measure

    path = tmp_path / "a.nc"
    with pytest.raises(sweeps.SweepError, match=r"a\.nc\.partial"):
        run({"x": [1, 2, 3]}, fail(3), path=path)
    with pytest.raises(ValueError, match=r"changed since is measure\.limit"):
        run({"x": [1, 2, 3]}, fail(4), path=path)
    # Where nothing was finished there is nothing to mix.
    with pytest.raises(sweeps.SweepError, match=r"ZeroDivisionError[^/]*$"):
        run({"x": [1, 2, 3]}, fail(0), path=tmp_path / "b.nc")
    assert run({"x": [1, 2, 3]}, fail(4), path=tmp_path / "b.nc")["y"].values.tolist() == [1, 2, 3]


def test_read_and_not_measured_is_said(tmp_path: Path, caplog: Any) -> None:
    path = tmp_path / "a.nc"
    run({"x": [1, 2]}, make(), path=path)
    caplog.clear()
    sweeps.run({"x": [1, 2]}, make(), path=path)
    assert f"{path} was read, not measured" in caplog.text


@pytest.mark.parametrize("start", ["script", "imported", "other hashes"])
def test_identity_is_the_same_in_every_process(tmp_path: Path, start: str) -> None:
    (tmp_path / "written.py").write_text(CODE.format(scale=2, offset=0, doc="Measure."))
    arguments = {
        "script": ["written.py"],
        "imported": ["-c", "import written; written.print_identity()"],
        "other hashes": ["written.py"],
    }[start]
    environment = {"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": str(len(start))}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, env=environment, check=True, capture_output=True
    )
    found = dict(json.loads(done.stdout))
    partial = functools.partial(make(), offset=4)
    assert found == {
        identity.name_function(observable): identity.identify(observable)
        for observable in (make("Model")(3), partial, make("Model")(3).__call__)
    }
    assert list(found) == ["written:measure", "written:Model", "written:Model.__call__"]


@pytest.mark.parametrize(
    ("kind", "first", "other"),
    [
        ("partial", 1, 2),
        ("object", 1, 2),
        ("method", 1, 2),
        ("cached", 1, 2),
        ("numba", 1, 2),
        ("closure", {"b", "a"}, {"a"}),
        ("array", np.arange(3), np.arange(4)),
        ("nested", lambda x: x, lambda x: -x),
    ],
)
def test_observables_of_many_kinds_resume_and_are_told_apart(
    tmp_path: Path, kind: str, first: Any, other: Any
) -> None:
    def observe(value: Any) -> Any:
        if kind == "partial":
            return functools.partial(make(), offset=value)
        if kind in ("object", "method"):
            model = make("Model")(value)
            return model if kind == "object" else model.__call__
        if kind == "cached":
            return functools.lru_cache(make(offset=value))
        if kind == "numba":
            inner = numba.njit(make("helper", scale=value))
            return lambda x: {"y": inner.py_func(x)}
        return lambda x: {"y": x + 0 * len(str(value))}

    path = tmp_path / "a.nc"
    assert "0x" not in sweeps.Observable(observe(first)).name
    run({"x": [1, 2]}, observe(first), path=path)
    run({"x": [1, 2]}, observe(first), path=path)
    with pytest.raises(ValueError, match="holds what other code measured"):
        run({"x": [1, 2]}, observe(other), path=path)


def test_what_is_imported_inside_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    for text in ("shift = lambda x: x", "shift = lambda x: x + 1"):
        (tmp_path / "beside.py").write_text(text)
        monkeypatch.delitem(sys.modules, "beside", raising=False)
        found.append(identity.identify(make("measure_loosely")))
    monkeypatch.delitem(sys.modules, "beside", raising=False)
    assert found[0] != found[1]


def test_what_cannot_be_told_is_refused_only_where_it_could_be_stale(tmp_path: Path) -> None:
    lock = threading.Lock()

    def measure(x: int) -> dict[str, int]:
        with lock:
            return {"y": x}

    assert run({"x": [1, 2]}, measure)["y"].values.tolist() == [1, 2]
    with pytest.raises(TypeError, match=r"measure\.lock refers to a lock .* or leave out the path"):
        run({"x": [1, 2]}, measure, path=tmp_path / "a.nc")
    assert not list(tmp_path.iterdir())


def test_data_that_a_function_loads_once_is_no_other_code(tmp_path: Path) -> None:
    module: dict[str, Any] = {"__name__": "written"}
    exec(
        "DATA = None\ndef measure(x):\n    global DATA\n    DATA = DATA or [x]\n"
        "    return {'y': DATA[0]}\n",
        module,
    )
    run({"x": [1, 2]}, module["measure"], path=tmp_path / "a.nc")
    assert module["DATA"] == [1]
    run({"x": [1, 2]}, module["measure"], path=tmp_path / "a.nc")


def test_cells_that_change_what_later_ones_read_are_noted(caplog: Any) -> None:
    """Fixed parameters are copied for each cell; what a function encloses cannot be."""
    left = [10, 20, 30]

    def take(x: int) -> dict[str, int]:
        return {"y": left.pop() * x}

    assert list(sweeps.run({"x": [1, 2, 3]}, take, progress=False)["y"]) == [30, 40, 30]
    assert "the cells changed take.left: on other workers" in caplog.text
    caplog.clear()
    sweeps.run({"x": [1, 2, 3]}, lambda x: {"y": x + len(left)}, progress=False)
    assert not caplog.text


def test_our_own_observables_are_told_by_the_version() -> None:
    assert identity.identify(studies.relaxation) is None
    assert identity.identify(studies.count_fixed_points) is None
    wrapped = functools.wraps(studies.relaxation)(lambda **parameters: {"y": 0})
    assert identity.identify(wrapped) is not None
    assert identity.identify(functools.partial(studies.relaxation, replicas=3)) is not None


@pytest.mark.parametrize("finished", [True, False])
def test_files_of_versions_that_noted_no_code_are_read_with_a_note(
    tmp_path: Path, finished: bool, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    path = tmp_path / "a.nc"
    monkeypatch.setenv("BINNET_TEST_FAIL", "" if finished else "1")
    with monkeypatch.context() as patch:
        patch.setattr(sweeps.Observable, "identify", lambda self: None)
        if finished:
            run({"x": [1, 2, 3]}, sweep_cases.fail_on_demand, path=path)
        else:
            with pytest.raises(sweeps.SweepError):
                run({"x": [1, 2, 3]}, sweep_cases.fail_on_demand, path=path)
    monkeypatch.setenv("BINNET_TEST_FAIL", "")
    with caplog.at_level(logging.WARNING):
        result = run({"x": [1, 2, 3]}, sweep_cases.fail_on_demand, path=path)
    assert "is of a version that did not note the code" in caplog.text
    assert result["y"].values.tolist() == [1, 2, 3]
    if not finished:
        (adopted,) = json.loads(result.attrs["adopted"])
        assert (adopted["code"], adopted["cells"]) == (None, "0-1")


def test_cells_of_other_code_or_version_are_adopted_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.nc"
    run({"x": [1, 2]}, make(), path=path)
    result = run({"x": [0, 1, 2, 3]}, make(scale=5), path=path, adopt=True)
    assert result["y"].values.tolist() == [0, 2, 4, 15]
    (adopted,) = json.loads(result.attrs["adopted"])
    assert adopted["cells"] == "1-2"
    assert adopted["code"] == identity.digest_code(identity.identify(make()))
    xr.testing.assert_identical(sweeps.load(path), result)
    # From now on they belong to it, and another version adopts them all.
    run({"x": [0, 1, 2, 3]}, make(scale=5), path=path)
    monkeypatch.setattr("binnet.sweeps.grid.get_version", lambda: "9.9")
    with pytest.raises(ValueError, match=r"its binnet is .*, this one's 9\.9;.*adopt=True"):
        run({"x": [0, 1, 2, 3]}, make(scale=5), path=path)
    with sweeps.adopting():
        result = run({"x": [0, 1, 2, 3]}, make(scale=5), path=path)
    assert [part["cells"] for part in json.loads(result.attrs["adopted"])] == ["0,3", "1-2"]
    assert not results.journal_path(path).exists()


def test_an_unfinished_sweep_is_adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.nc"
    monkeypatch.setenv("BINNET_TEST_FAIL", "1")
    with pytest.raises(sweeps.SweepError):
        run({"x": [1, 2, 3]}, sweep_cases.fail_on_demand, path=path)
    monkeypatch.setenv("BINNET_TEST_FAIL", "")
    monkeypatch.setattr("binnet.sweeps.grid.get_version", lambda: "9.9")
    with pytest.raises(ValueError, match="its binnet is"):
        run({"x": [1, 2, 3]}, sweep_cases.fail_on_demand, path=path)
    assert sweeps.plan(
        {"x": [1, 2, 3]}, sweep_cases.fail_on_demand, path=path, adopt=True
    ).n_finished == 2  # fmt: skip
    result = run({"x": [1, 2, 3]}, sweep_cases.fail_on_demand, path=path, adopt=True)
    assert result["y"].values.tolist() == [1, 2, 3]
    assert json.loads(result.attrs["adopted"])[0]["cells"] == "0-1"
