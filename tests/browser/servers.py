"""The servers that pages come from: JupyterLab, Notebook 7 and Voilà, each a process of its own.

Everything that they write (settings, workspaces, kernel files, history) goes to a temporary directory, so a developer's
own Jupyter is left alone.
"""

from __future__ import annotations

import json
import os
import queue
import re
import secrets
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import nbformat
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TIMEOUT = 60.0
_OWN = (
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
    "JUPYTERLAB_SETTINGS_DIR",
    "JUPYTERLAB_WORKSPACES_DIR",
    "IPYTHONDIR",
)


class Server:
    """A server of notebooks.

    Attributes:
        root: the folder in which it serves notebooks.
        url: where it listens, with a slash at the end.
        token: what it asks for.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.root.mkdir()
        self.token = secrets.token_hex(16)
        self._folder = folder
        self._write_settings()
        self.log: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", *self.command()], cwd=self.root, env=self._environment(), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        self.url = self._wait_until_it_listens()

    def command(self) -> list[str]:
        """The module to start, and its arguments."""
        raise NotImplementedError

    def _environment(self) -> dict[str, str]:
        own = {name: str(self._folder / name.lower()) for name in _OWN}
        path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
        return {**os.environ, **own, "PYTHONPATH": path, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}

    def _write_settings(self) -> None:
        settings = self._folder / "jupyterlab_settings_dir" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        quiet = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
        (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))

    def _wait_until_it_listens(self) -> str:
        """Reads the server's log until it tells its address; goes on reading, or the pipe would fill up."""
        addresses: queue.SimpleQueue[str | None] = queue.SimpleQueue()

        def read() -> None:
            assert self._process.stdout is not None
            for line in self._process.stdout:
                self.log.append(line)
                if found := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
                    addresses.put(f"http://127.0.0.1:{found[1]}/")
            addresses.put(None)

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()
        try:
            address = addresses.get(timeout=TIMEOUT)
        except queue.Empty:
            address = None
        if address is None:
            self.close()
            pytest.fail("the server did not start:\n" + "".join(self.log))
        return address

    def write(self, name: str, *cells: str) -> str:
        """Writes a notebook of code cells to the served folder; returns its path there."""
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(book, self.root / name)
        return name

    def read(self, name: str) -> Any:
        """The notebook as it was saved."""
        return nbformat.read(self.root / name, as_version=4)

    def shut_kernels_down(self) -> None:
        """Ends every kernel of this server."""
        for kernel in json.loads(self._request("GET", "api/kernels")):
            self._request("DELETE", f"api/kernels/{kernel['id']}")

    def _request(self, method: str, path: str) -> str:
        request = urllib.request.Request(
            self.url + path, method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            return str(response.read().decode())

    def close(self) -> None:
        """Ends the server, and with it its kernels."""
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(timeout=20)
        assert self._process.stdout is not None
        self._process.stdout.close()


class Lab(Server):
    """JupyterLab."""

    def command(self) -> list[str]:
        """See `Server`."""
        return ["jupyterlab", *self.options(), "--LabApp.expose_app_in_browser=True", "--LabApp.news_url="]

    def options(self) -> list[str]:
        """What JupyterLab and Notebook 7 share."""
        return [
            "--no-browser",
            "--allow-root",
            "--ip=127.0.0.1",
            "--port=0",
            f"--ServerApp.root_dir={self.root}",
            f"--IdentityProvider.token={self.token}",
            "--LabApp.extension_manager=readonly",
        ]


class Classic(Lab):
    """Notebook 7."""

    def command(self) -> list[str]:
        """See `Server`."""
        return ["notebook", *self.options(), "--JupyterNotebookApp.expose_app_in_browser=True"]


class Voila(Server):
    """Voilà; notebooks are at ``voila/render/``."""

    def command(self) -> list[str]:
        """See `Server`."""
        with socket.socket() as free:  # it tells the port that it was given, which had better not be 0
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        return [
            "voila",
            "--no-browser",
            f"--port={port}",
            "--Voila.ip=127.0.0.1",
            "--VoilaConfiguration.show_tracebacks=True",
            str(self.root),
        ]
