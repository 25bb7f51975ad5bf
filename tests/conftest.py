"""What every test lives under: a home of its own for IPython and Jupyter, and hypothesis without a stopwatch."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# A slow machine is no failure: nothing here asserts how long something took.
settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")

_OWN_HOME = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keeps the developer's own settings, history and kernels out of the tests, and the tests out of them."""
    home = tempfile.TemporaryDirectory(prefix="interactive-flow-tests-")
    config.add_cleanup(home.cleanup)
    for name in _OWN_HOME:
        folder = Path(home.name, name.lower())
        folder.mkdir()
        os.environ[name] = str(folder)
