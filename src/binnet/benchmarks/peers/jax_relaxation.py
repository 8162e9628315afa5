"""Relaxation in JAX: compiled loops, whose arrays keep their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from binnet.benchmarks.peers._threads import limit_jax

Tensor = Any
