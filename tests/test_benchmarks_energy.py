"""Energy from powercap: folders as Linux makes them, counters that begin again, and none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from binnet.benchmarks._energy import EnergyMeter

RANGE = 262_143_328_850


def make_zone(root: Path, zone: str, name: str, energy: int) -> Path:
    folder = root / "class" / "powercap" / zone
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    (folder / "max_energy_range_uj").write_text(f"{RANGE}\n")
    return folder / "energy_uj"


def test_packages_are_summed_and_nothing_else(tmp_path: Path) -> None:
    counters = [
        make_zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000),
        make_zone(tmp_path, "intel-rapl:1", "package-1", 5_000_000),
        make_zone(tmp_path, "intel-rapl:0:0", "core", 10),  # part of a package
        make_zone(tmp_path, "intel-rapl:2", "psys", 10),  # packages and more
        make_zone(tmp_path, "intel-rapl-mmio:0", "package-0", 10),  # the same one again
    ]
    meter = EnergyMeter(tmp_path)
    assert meter.describe() == {
        "available": True, "reason": None, "packages": 2, "source": "powercap",
    }  # fmt: skip
    before = meter.read()
    for counter, more in zip(counters, (2_500_000, 500_000, 7, 7, 7), strict=True):
        counter.write_text(str(int(counter.read_text()) + more))
    assert meter.joules_since(before) == pytest.approx(3.0)


def test_a_counter_that_begins_again(tmp_path: Path) -> None:
    counter = make_zone(tmp_path, "intel-rapl:0", "package-0", RANGE - 999_999)
    meter = EnergyMeter(tmp_path)
    before = meter.read()
    counter.write_text("1000000\n")  # 999 999 to its largest number, one more to 0
    assert meter.joules_since(before) == pytest.approx(2.0, rel=1e-12)


def test_where_there_is_none(tmp_path: Path) -> None:
    meter = EnergyMeter(tmp_path)
    assert meter.read() is None
    assert meter.joules_since(None) is None
    found = meter.describe()
    assert not found["available"]
    assert found["reason"].startswith("no powercap here: ")


def test_a_counter_for_root_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make_zone(tmp_path, "intel-rapl:0", "package-0", 1)
    secret = make_zone(tmp_path, "intel-rapl:1", "package-1", 1)
    secret.chmod(0)
    if os.access(secret, os.R_OK):  # the superuser reads everything
        read_text = Path.read_text

        def refuse(path: Path, *arguments: object) -> str:
            if path == secret:
                raise PermissionError(13, "Permission denied", str(path))
            return read_text(path)

        monkeypatch.setattr(Path, "read_text", refuse)
    meter = EnergyMeter(tmp_path)
    assert meter.reason == f"needs root: permission denied for {secret}"
    assert meter.read() is None  # one package would not be all of it
    assert first.exists()


def test_a_counter_that_is_nonsense_or_vanishes(tmp_path: Path) -> None:
    counter = make_zone(tmp_path, "intel-rapl:0", "package-0", 1)
    meter = EnergyMeter(tmp_path)
    before = meter.read()
    counter.write_text("")
    assert meter.joules_since(before) is None
    reason = EnergyMeter(tmp_path).reason
    assert reason is not None
    assert "cannot be read" in reason
