"""A process is killed at two hundred random moments; what it had begun is continued each time, and ends well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("killed.py")
KILLS = 200


@pytest.mark.timeout(600)
@pytest.mark.skipif(not hasattr(os, "waitid"), reason="it forks")
def test_killed_at_any_moment_a_run_goes_on_to_the_same_result(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, tmp_path, str(KILLS), "20261122"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["calls"] >= 300
    assert told["killed"] >= KILLS
    assert told["resumed"] >= KILLS // 5  # had something to go on from; the others died before anything was stored
    assert told["most"] > 1  # runs that were continued were killed too
