"""The examples in the docstrings do what they say."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import binnet

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(binnet.__path__, "binnet.")
    if not module.name.startswith("binnet.cli")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    public = {attribute: getattr(binnet, attribute) for attribute in binnet.__all__}
    result = doctest.testmod(
        importlib.import_module(name), extraglobs={**public, "np": np}, raise_on_error=False
    )
    assert result.failed == 0
