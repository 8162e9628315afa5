"""Values of all parameters in a preset, which the help of options states."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

from binnet.learning import RULES, preset


@cache
def find_values(kind: str) -> dict[str, Any]:
    """Return the values of all parameters in a preset, and those of the rules it does not take."""
    configuration = preset(kind)
    values: dict[str, Any] = {}
    for rule in reversed(RULES.values()):
        values |= vars(rule)
    for part in dataclasses.fields(configuration):
        values |= dataclasses.asdict(getattr(configuration, part.name))
    return values | {"rule": configuration.rule.name}
