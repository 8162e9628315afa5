"""Result files: round trip, pyperf, the published schema, older versions, clear errors."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyperf
import pytest

from benchmark_cases import make_measurement, make_result
from binnet._files import is_ours
from binnet._records import UncheckedFileWarning
from binnet.benchmarks._files import load_result, save_result
from binnet.benchmarks._result import Limits, Stability
from binnet.benchmarks._schema import SCHEMA_VERSION

OLD = Path(__file__).parent / "data" / "benchmark_schema_1.json"
REFERENCE = resources("binnet.benchmarks") / "data" / "reference.json"


def read_schema(version: int) -> dict[str, Any]:
    text = (resources("binnet.benchmarks") / "data" / f"schema-{version}.json").read_text("utf-8")
    return json.loads(text)


def is_valid(content: Any, version: int = SCHEMA_VERSION) -> bool:
    return jsonschema.Draft202012Validator(read_schema(version)).is_valid(content)


def run_pyperf(*arguments: str) -> str:
    command = [sys.executable, "-m", "pyperf", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_result(make_result(), tmp_path / "host.json")
    return tmp_path / "host.json"


def test_round_trip(tmp_path):
    result = make_result(
        make_measurement(),
        make_measurement(threads=2, joules=None, probes={}, verdict="within tolerance"),
        make_measurement(implementation="numpy", verdict="wrong"),
        stability=Stability(False, ("steal time of 3 %",), {"steal": 0.03}),
        division="open", open_reasons=("NUMBA_OPT is set",), is_complete=False,
    )  # fmt: skip
    save_result(result, tmp_path / "a.json")
    assert load_result(tmp_path / "a.json") == result
    assert is_ours(tmp_path / "a.json")


def test_a_result_replaces_another_but_no_foreign_file(path):
    foreign = path.with_name("foreign.json")
    foreign.write_text('{"a": 1}')
    changed = make_result(make_measurement(rate=3e6))
    save_result(changed, path)
    assert load_result(path) == changed
    with pytest.raises(FileExistsError, match="overwrite=True"):
        save_result(changed, foreign)
    save_result(changed, foreign, overwrite=True)
    assert load_result(foreign) == changed


def test_numbers_of_numpy_and_what_is_not_finite(tmp_path):
    machine = {"cores": np.int64(2), "clocks": (1.5, np.float32(2.5)), "temperature": float("nan")}
    save_result(make_result(machine=machine), tmp_path / "a.json")
    found = load_result(tmp_path / "a.json").machine
    assert found == {"cores": 2, "clocks": [1.5, 2.5], "temperature": None}


def test_what_cannot_be_read_again_is_not_written(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(ValueError, match="nothing to save"):
        save_result(replace(make_result(), measurements=()), path)
    with pytest.raises(ValueError, match="relax-sync-l2, 1 thread is measured twice"):
        save_result(make_result(make_measurement(), make_measurement()), path)
    with pytest.raises(ValueError, match=r"runs\[1\]\.values must be a list of numbers above 0"):
        save_result(make_result(make_measurement(values=((1.0,), ()))), path)
    with pytest.raises(ValueError, match="amount must be a number above 0, got None"):
        save_result(make_result(make_measurement(amount=float("inf"), values=((1.0,),))), path)
    with pytest.raises(ValueError, match=r"amount must be a number above 0, got 0\.0; use"):
        save_result(make_result(make_measurement(amount=0.0, values=((1.0,),))), path)
    assert not path.exists()


def test_pyperf_loads_it(path):
    suite = pyperf.BenchmarkSuite.load(str(path))
    assert suite.get_benchmark_names() == ["relax-sync-l2, 1 thread", "relax-sync-l2, 2 threads"]
    first = suite.get_benchmarks()[0]
    measurement = make_measurement()
    assert first.get_values() == tuple(v for run in measurement.values for v in run)
    assert (first.get_nrun(), first.get_loops(), first.get_unit()) == (3, 8, "second")
    metadata = first.get_metadata()
    assert (metadata["work"], metadata["work_unit"]) == (2e5, "flips")
    assert metadata["checksum"] == measurement.checksum
    assert (metadata["cpu_model_name"], metadata["commit"]) == ("A CPU", "c0ffee")


def test_commands_of_pyperf_read_it(path):
    other = path.with_name("other.json")
    doubled = [make_measurement(rate=2e6), make_measurement(threads=2, rate=1.8e6)]
    save_result(make_result(*doubled), other)
    compared = run_pyperf("compare_to", str(path), str(other))
    assert re.search(r"relax-sync-l2, 1 thread\b.*?2\.00x faster", compared, re.S)
    assert "relax-sync-l2, 2 threads" in compared
    assert "work_unit: flips" in run_pyperf("metadata", str(path))
    assert "relax-sync-l2, 1 thread" in run_pyperf("check", str(path))
    assert "Loop iterations per value: 8" in run_pyperf("stats", str(path))
    assert "Mean +- std dev: 209 ms" in run_pyperf("show", str(path))


def test_texts_that_pyperf_would_refuse(tmp_path):
    provenance = {"binnet": "0.1.0", "cpu": " A \n CPU", "python": "", "platform": None}
    save_result(make_result(provenance=provenance), tmp_path / "a.json")
    metadata = pyperf.BenchmarkSuite.load(str(tmp_path / "a.json")).get_metadata()
    assert metadata["cpu_model_name"] == "A CPU"
    assert not {"python_version", "platform"} & set(metadata)


@pytest.mark.parametrize("version", [1, 2])
def test_schemas_are_schemas(version):
    jsonschema.Draft202012Validator.check_schema(read_schema(version))


def test_a_file_is_valid(path):
    jsonschema.validate(json.loads(path.read_text()), read_schema(2))


def test_the_reference_is_valid():
    jsonschema.validate(json.loads(REFERENCE.read_text("utf-8")), read_schema(2))
    assert load_result(str(REFERENCE)).is_complete


def list_places(content: Any, *keys: Any) -> Iterator[tuple[Any, ...]]:
    """Yield where something is in a file, as keys from the top."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        yield (*keys, key)
        if isinstance(value, dict | list):
            yield from list_places(value, *keys, key)


def put(content: Any, place: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(content)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    if value is None:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return changed


@pytest.mark.parametrize("wrong", [None, "x", 0, -1.5, [1], {"x": "y"}], ids=repr)
def test_what_the_schema_forbids_is_refused_and_named(tmp_path, wrong):
    """Whatever is taken out of a file or put into it: the schema and the reader agree."""
    path = tmp_path / "a.json"
    save_result(make_result(make_measurement()), path)
    content = json.loads(path.read_text())
    n_wrong = 0
    for place in list_places(content):
        changed = put(content, place, wrong)
        if is_valid(changed):
            continue
        n_wrong += 1
        path.write_text(json.dumps(changed))
        with pytest.raises(ValueError, match=r"a\.json") as caught:
            load_result(path)
        names = [key for key in place if isinstance(key, str) and key not in {"x", "sha256"}]
        message = str(caught.value)
        known = names[-1] in message or "not a result of" in message or "was edited" in message
        assert known, (place, message)
    assert n_wrong > (10 if wrong == 0 else 30)


def test_what_is_divided_by_is_above_0_in_both_versions(path):
    """Work, seconds, bandwidths and peaks: a file of version 1 has no digest that would tell."""
    old = json.loads(OLD.read_text())
    divisors = [
        ("benchmarks", 0, "runs", 0, "values", 0),
        ("binnet", "measurements", 0, "amount"),
        ("binnet", "limits", 0, "bandwidth", "L1"),
        ("binnet", "limits", 0, "peaks", "fma32"),
    ]
    for place in divisors:
        for wrong in (0, -1.0):
            changed = put(old, place, wrong)
            assert not is_valid(changed, 1)
            path.write_text(json.dumps(changed))
            with pytest.raises(ValueError, match=r"must be a .*numbers? above 0, got"):
                load_result(path)


def test_an_integer_that_no_float_holds_is_refused(path):
    content = json.loads(path.read_text())
    content["binnet"]["measurements"][0]["n_bytes"] = 10**400
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"n_bytes must be a number of at least 0, got 1000"):
        load_result(path)


def test_what_the_schema_allows_is_refused_by_its_digest_alone(path):
    content = json.loads(path.read_text())
    n_right = 0
    for place in list_places(content):
        changed = put(content, place, 2)
        if changed == content or not is_valid(changed):
            continue
        n_right += 1
        path.write_text(json.dumps(changed))
        with pytest.raises(ValueError, match="damaged or was edited"):
            load_result(path)
    assert n_right > 10


def test_layout_of_the_text_does_not_matter(path):
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True))
    assert load_result(path) == make_result()


def test_version_1_is_read():
    content = json.loads(OLD.read_text())
    jsonschema.validate(content, read_schema(1))
    assert not is_valid(content)
    with pytest.warns(UncheckedFileWarning, match=r"benchmark_schema_1\.json is of an older"):
        found = load_result(OLD)
    same = make_result(
        make_measurement(joules=None), make_measurement(threads=2, rate=1.8e6, joules=None)
    )
    limits = tuple(Limits(old.threads, old.bandwidth, old.peaks) for old in same.limits_before)
    expected = replace(
        same, limits_before=limits, limits_after=(), stability=Stability(True, (), {}),
        energy={"available": False, "reason": "schema version 1 has no energy"},
    )  # fmt: skip
    assert found == expected


def test_version_1_is_written_as_version_2(tmp_path):
    with pytest.warns(UncheckedFileWarning):
        found = load_result(OLD)
    save_result(found, tmp_path / "new.json")
    jsonschema.validate(json.loads((tmp_path / "new.json").read_text()), read_schema(2))
    assert load_result(tmp_path / "new.json") == found


def test_damage_in_a_file_of_version_1_is_named(tmp_path):
    content = json.loads(OLD.read_text())
    del content["binnet"]["limits"]
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"lacks binnet\.limits; use an undamaged copy"):
        load_result(tmp_path / "a.json")


PYPERF = {"version": "1.0", "benchmarks": [{"runs": [{"values": [1.0]}]}]}
FOREIGN = {
    "": r"is not JSON \(.*\): no result of binnet bench",
    "{": "is not JSON",
    "[1]": "is JSON of another program",
    "{}": "is JSON of another program",
    json.dumps(PYPERF): 'is a pyperf file without the key "binnet"',
    json.dumps({"machine_info": {}, "benchmarks": []}): "is a file of pytest-benchmark",
    json.dumps({"binnet": "0.1.0", "accuracy": 0.9}): "is a file of another command of binnet's",
    json.dumps({**PYPERF, "binnet": {"schema": 3}}): (
        r"is of schema version 3, of a newer binnet; this one reads versions 1 to 2: update it"
    ),
    json.dumps({**PYPERF, "binnet": {"schema": "2"}}): (
        r"binnet\.schema must be an integer of at least 1, got '2'"
    ),
    json.dumps({**PYPERF, "binnet": {"schema": 2}}): "lacks metadata",
}


@pytest.mark.parametrize(("text", "message"), FOREIGN.items())
def test_other_files_are_refused(tmp_path, text, message):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"other\.json:? {message}"):
        load_result(path)


def test_other_bytes_are_refused(tmp_path):
    path = tmp_path / "picture.json"
    path.write_bytes(b"\x89PNG\r\n\xff\xfe")
    with pytest.raises(ValueError, match=r"picture\.json is not JSON"):
        load_result(path)
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"picture\.json is not JSON"):
        load_result(path)


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="binnet bench run --output FILE writes one"):
        load_result(tmp_path / "none.json")
    with pytest.raises(IsADirectoryError, match="name a result file in it"):
        load_result(tmp_path)


def test_the_page_names_every_key():
    page = (Path(__file__).parents[1] / "docs" / "benchmark_schema.md").read_text("utf-8")
    schema = read_schema(2)["properties"]["binnet"]["properties"]
    keys = [
        *schema,
        *schema["measurements"]["items"]["properties"],
        *schema["stability"]["properties"],
        *read_schema(2)["$defs"]["limits"]["properties"],
    ]
    assert [key for key in keys if f"`{key}`" not in page] == []


def test_the_round_trip_tests_every_field():
    """A field that has its default in every test might be lost without a test that fails."""
    result = make_result(
        make_measurement(implementation="numpy"), is_complete=False, open_reasons=("a",),
        stability=Stability(False, ("a",), {"a": 1}),
    )  # fmt: skip
    for part in (result, result.measurements[0], result.limits_before[0], result.stability):
        for field in fields(part):
            default = field.default_factory() if callable(field.default_factory) else field.default
            assert getattr(part, field.name) != default, field.name
