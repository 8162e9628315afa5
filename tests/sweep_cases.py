"""Observables for the tests of the sweep engine; worker processes import this file too."""

import os
import signal
import time
from pathlib import Path

import numpy as np

GRID = {"x": [0.5, 1.0, 2.0], "kind": ["plain", "squared"], "seed": [0, 1, 2, 3]}


def measure(x: float, kind: str, seed: int, pause: float = 0.0) -> dict[str, object]:
    """A number, a count and a histogram, from a seeded draw."""
    time.sleep(pause)
    value = np.random.default_rng([seed, int(8 * x)]).normal(x)
    return {
        "value": value**2 if kind == "squared" else value,
        "count": seed + int(8 * x),
        "histogram": (("bin",), np.arange(3) * seed),
    }


def expected(x: float, kind: str, seed: int) -> float:
    value = np.random.default_rng([seed, int(8 * x)]).normal(x)
    return value**2 if kind == "squared" else value


def measure_and_log(
    x: float, kind: str, seed: int, folder: str, pause: float = 0.0
) -> dict[str, object]:
    """As `measure`; leaves a line for every execution, with the process that did it."""
    result = measure(x, kind, seed, pause)
    with (Path(folder) / f"{os.getpid()}.log").open("a") as log:
        log.write(f"{x} {kind} {seed}\n")
    return result


def fail_at_two(x: float, kind: str, seed: int) -> dict[str, object]:
    if x == 2.0 and kind == "squared":
        raise ArithmeticError("no square of two today")
    return measure(x, kind, seed)


def die_at_two(x: float, kind: str, seed: int) -> dict[str, object]:
    """The process that measures this dies, as for lack of memory."""
    if x == 2.0:
        os.kill(os.getpid(), signal.SIGKILL)
    return measure(x, kind, seed)


def die_in_many_ways(x: int) -> dict[str, int]:
    """Two of the cells kill their process, each in its way."""
    if x == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if x == 5:
        os._exit(0)
    return {"y": x}


def die_once(x: int, folder: str) -> dict[str, int]:
    """The process that measures a cell for the first time dies."""
    died = Path(folder) / "died"
    if x == 2 and not died.exists():
        died.touch()
        os._exit(1)
    return {"y": x}


def wait_for_the_other(x: int, folder: str) -> dict[str, int]:
    """Ends when another process measures the same cell."""
    (Path(folder) / f"{x}-{os.getpid()}").touch()
    deadline = time.monotonic() + 60
    while len(list(Path(folder).glob(f"{x}-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2 if os.environ.get("BINNET_TEST_SLOW") and x > 1 else 0)
    return {"y": x}


def change_shape(x: float) -> dict[str, object]:
    return {"y": (("bin",), np.zeros(int(x)))}


def return_nothing(x: float) -> None:
    return None


def executions(folder: Path) -> list[str]:
    return [line for log in folder.glob("*.log") for line in log.read_text().splitlines()]


def fail_on_demand(x: int) -> dict[str, int]:
    """Fails in its last cell while the environment says so, which is no part of its code."""
    if x == 3 and os.environ.get("BINNET_TEST_FAIL"):
        raise ArithmeticError("not today")
    return {"y": x}


def measure_many(cells: list[dict[str, object]]) -> list[dict[str, object]]:
    """As `measure`, of many cells; notes which ones if they have a folder."""
    results = [measure(**{k: v for k, v in c.items() if k != "folder"}) for c in cells]  # type: ignore[arg-type]
    folder = cells[0].get("folder")
    if folder is not None:
        line = " ".join(f"{c['x']}-{c['kind']}-{c['seed']}" for c in cells)
        with (Path(str(folder)) / f"{os.getpid()}.log").open("a") as log:
            log.write(f"{line}\n")
    return results


def fail_many_at_two(cells: list[dict[str, object]]) -> list[dict[str, object]]:
    return [fail_at_two(**c) for c in cells]  # type: ignore[arg-type]


def fail_together(cells: list[dict[str, object]]) -> list[dict[str, object]]:
    raise MemoryError("too many at once")


def stop_at_two(cells: list[dict[str, object]]) -> list[dict[str, object]]:
    """As Ctrl-C, in the pieces that come to 2."""
    if any(c["x"] == 2.0 for c in cells):
        raise KeyboardInterrupt
    return measure_many(cells)


def die_many_at_two(cells: list[dict[str, object]]) -> list[dict[str, object]]:
    return [die_at_two(**c) for c in cells]  # type: ignore[arg-type]
