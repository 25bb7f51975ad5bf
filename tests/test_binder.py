"""That Binder would make its image from `binder/` as meant; repo2docker plans it without building anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BINDER = ROOT / "binder"


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Dockerfile that repo2docker writes for a copy of `binder/`: it reads nothing else of the checkout."""
    checkout = tmp_path_factory.mktemp("checkout")
    (checkout / "binder").symlink_to(BINDER)
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(checkout)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_python_is_one_that_the_package_supports(plan: str) -> None:
    assert (BINDER / "runtime.txt").read_text().strip() == "python-3.11"
    assert "environment-2epy-2d3-2e11" in plan


def test_system_packages_are_installed(plan: str) -> None:
    packages = (BINDER / "apt.txt").read_text().split()
    assert "graphviz" in packages
    assert f"apt-get install --yes --no-install-recommends {' '.join(packages)}" in plan


def test_package_is_installed_after_the_files_are_there(plan: str) -> None:
    assert "RUN ./binder/postBuild" in plan
    assert plan.index("COPY --chown=0:0 src/") < plan.index("RUN ./binder/postBuild")


def test_post_build_does_what_it_says(tmp_path: Path) -> None:
    """Runs the script itself, with a `pip` that only writes down what it was asked."""
    asked = tmp_path / "asked"
    pip = tmp_path / "bin" / "pip"
    pip.parent.mkdir()
    pip.write_text(f'#!/bin/sh\necho "$@" >>"{asked}"\n')
    pip.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{pip.parent}{os.pathsep}{os.environ['PATH']}",
        "NB_PYTHON_PREFIX": str(tmp_path / "prefix"),
    }
    subprocess.run([BINDER / "postBuild"], cwd=ROOT, env=environment, check=True)
    assert asked.read_text().split()[-1] == ".[notebook,examples,terminal]"
    settings = json.loads((tmp_path / "prefix/share/jupyter/lab/settings/overrides.json").read_text())
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
