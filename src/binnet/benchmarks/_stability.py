"""Whether the machine was quiet while it was measured."""
from __future__ import annotations
from collections.abc import Sequence
from binnet.benchmarks._result import Limits, Measurement, Stability

class Watch:
    def __enter__(self) -> Watch:
        return self
    def __exit__(self, *error: object) -> None:
        pass
    def judge(self, measurements: Sequence[Measurement], before: Sequence[Limits], after: Sequence[Limits]) -> Stability:
        return Stability(True)
