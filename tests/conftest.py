"""What every test lives under: a home of its own for IPython and Jupyter, and hypothesis without a stopwatch."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A slow machine is no failure: nothing here asserts how long something took.
settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")

_OWN_HOME = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
_left_behind: set[asyncio.AbstractEventLoop] = set()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keeps the developer's own settings, history and kernels out of the tests, and the tests out of them."""
    home = tempfile.TemporaryDirectory(prefix="interactive-flow-tests-")
    config.add_cleanup(home.cleanup)
    config.add_cleanup(_close_event_loops)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # So a shell starts what it runs in the background, and whatever is started from there ignores Ctrl-C too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in _OWN_HOME:
        folder = Path(home.name, name.lower())
        folder.mkdir()
        os.environ[name] = str(folder)


@pytest.fixture(autouse=True)
def _keep_event_loop() -> Iterator[None]:
    """Keeps the event loop that IPython or nbclient leave with this thread.

    The next `asyncio.run` would drop it without closing it, and the warning about that would hit some other test.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            _left_behind.add(asyncio.get_event_loop())
        except RuntimeError:
            return  # there is none


def _close_event_loops() -> None:
    for loop in _left_behind:
        if not loop.is_running():
            loop.close()
