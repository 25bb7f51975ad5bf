"""Clicks on a panel while its cell is running: a real kernel that is sent the messages of a widget."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

from interactive_flow.notebook import busy

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 15  # seconds; what is waited for would take twice as long by itself

DEFINITIONS = """\
import threading
from interactive_flow import flow, heartbeat, task

told, never = threading.Event(), threading.Event()

@task
def patient(n):
    while heartbeat():
        never.wait(0.02)
    told.set()

@task
def deaf(n):
    never.wait(2 * {patience})

@flow
def endless():
    return [patient(1), deaf(2)]
"""


class Clicker:
    """A front end of one kernel: runs cells, reads what is published, and sends what a widget would."""

    def __init__(self, manager, client):
        self.manager = manager
        self.client = client
        self.published = []

    def begin(self, source):
        """Begins to execute a cell; the id of the request."""
        return self.client.execute(source, allow_stdin=False, stop_on_error=False)

    def reply(self, request):
        """Waits for the end of a cell."""
        while True:
            message = self.client.get_shell_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") == request:
                return message["content"]

    def run(self, source):
        """Executes a cell; what its last line evaluates to, as text."""
        request = self.begin(source)
        self.see(lambda m: is_status(m, request, "idle"))
        assert self.reply(request)["status"] == "ok", self.published[-5:]
        results = [m for m in self.published if m["msg_type"] == "execute_result" and parent(m) == request]
        return results[0]["content"]["data"]["text/plain"] if results else None

    def see(self, wanted):
        """Waits until something is published; that message."""
        deadline = time.monotonic() + PATIENCE
        while True:
            message = self.client.get_iopub_msg(timeout=max(deadline - time.monotonic(), 0))
            self.published.append(message)
            if wanted(message):
                return message

    def panel(self):
        """Waits until a panel is shown; the id of its comm."""
        opened = self.see(lambda m: m["msg_type"] == "comm_open" and "spoken" in m["content"]["data"]["state"])
        return opened["content"]["comm_id"]

    def click(self, comm, button):
        """Sends what a panel sends for a click; the id of the message."""
        return self.send(comm, {"method": "custom", "content": {"do": button}})

    def send(self, comm, data):
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]


def parent(message):
    return message["parent_header"].get("msg_id")


def is_status(message, request, state):
    return (
        message["msg_type"] == "status"
        and parent(message) == request
        and message["content"]["execution_state"] == state
    )


def told(message):
    """The traits that a comm message tells."""
    return message["content"]["data"].get("state", {})


def states(clicker, request):
    return [
        m["content"]["execution_state"] for m in clicker.published if m["msg_type"] == "status" and parent(m) == request
    ]


@pytest.fixture
def clicker(tmp_path):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")])),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    manager, client = start_new_kernel(env=environment, cwd=str(tmp_path))
    try:
        clicker = Clicker(manager, client)
        clicker.run(DEFINITIONS.format(patience=PATIENCE))
        yield clicker
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.context.destroy()


@pytest.mark.parametrize(
    "source",
    ["endless.run()", "run = endless.start(); run.result()", "run = endless.start(); await run"],
    ids=["run", "start", "await"],
)
def test_cancel_ends_a_run_while_its_cell_is_busy(clicker, source):
    cell = clicker.begin(source)
    comm = clicker.panel()
    click = clicker.click(comm, "cancel")
    clicker.see(lambda m: is_status(m, click, "idle"))
    assert states(clicker, click) == ["busy", "idle"]
    assert states(clicker, cell) == ["busy"], "the cell was over before it was cancelled"
    end = clicker.reply(cell)
    assert (end["status"], end["ename"]) == ("error", "TaskCancelled")
    assert clicker.run(f"told.wait({PATIENCE})") == "True", "the task never heard that it is cancelled"
    assert clicker.run("endless.last_run.status") == "'cancelled'"
    assert clicker.run("1 + 1") == "2"


def test_a_run_that_goes_on_without_a_cell_is_cancelled_too(clicker):
    clicker.run("run = endless.start()")
    comm = clicker.panel()
    clicker.click(comm, "cancel")
    assert clicker.run(f"run.wait({PATIENCE})") == "True"
    assert clicker.run("run.status") == "'cancelled'"


def test_what_is_sent_for_a_click_belongs_to_the_click_and_not_to_the_cell(clicker, tmp_path):
    cell = clicker.begin("endless.run()")
    comm = clicker.panel()
    click = clicker.click(comm, "report")
    update = clicker.see(lambda m: m["msg_type"] == "comm_msg" and "said" in m["content"]["data"].get("state", {}))
    assert parent(update) == click
    (report,) = tmp_path.glob("endless-*.html")
    assert update["content"]["data"]["state"]["said"] == f"Report saved as {report}"
    assert "</html>" in report.read_text(encoding="utf-8")
    clicker.see(lambda m: is_status(m, click, "idle"))
    later = clicker.see(lambda m: m["msg_type"] == "comm_msg" and "top" in m["content"]["data"].get("state", {}))
    assert parent(later) != click
    clicker.click(comm, "cancel")
    assert clicker.reply(cell)["ename"] == "TaskCancelled"


def test_the_tab_that_is_looked_at_is_drawn_while_the_cell_is_busy(clicker):
    cell = clicker.begin("endless.run()")
    comm = clicker.panel()
    for name in ("timeline", "decisions"):
        clicker.send(comm, {"method": "update", "state": {"tab": name}, "buffer_paths": []})
        news = clicker.see(lambda m, name=name: m["msg_type"] == "comm_msg" and told(m).get(name))
        assert "patient#1" in news["content"]["data"]["state"][name]
    assert states(clicker, cell) == ["busy"]
    clicker.click(comm, "cancel")
    assert clicker.reply(cell)["ename"] == "TaskCancelled"


def test_messages_that_mean_nothing_are_passed_over(clicker):
    cell = clicker.begin("endless.run()")
    comm = clicker.panel()
    for content in ({"do": "bogus"}, {"do": ["cancel"]}, {}, "cancel", None):
        clicker.send(comm, {"method": "custom", "content": content})
    last = clicker.send(comm, {"method": "bogus"})
    clicker.see(lambda m: is_status(m, last, "idle"))
    clicker.send("no-such-comm", {"method": "custom", "content": {"do": "cancel"}})
    assert states(clicker, cell) == ["busy"]
    clicker.click(comm, "cancel")
    assert clicker.reply(cell)["ename"] == "TaskCancelled"
    assert clicker.run("1 + 1") == "2"


def test_other_widgets_are_left_to_the_kernel(clicker):
    clicker.run("import ipywidgets; seen = []; other = ipywidgets.IntSlider()")
    comm = clicker.run("other.comm.comm_id").strip("'")
    clicker.run("import threading; other.observe(lambda change: seen.append(threading.current_thread().name), 'value')")
    cell = clicker.begin("endless.run()")
    clicker.click(clicker.panel(), "cancel")
    clicker.reply(cell)
    message = clicker.send(comm, {"method": "update", "state": {"value": 7}, "buffer_paths": []})
    clicker.see(lambda m: is_status(m, message, "idle"))
    assert clicker.run("seen, other.value") == "(['MainThread'], 7)"


def test_without_what_it_needs_of_the_kernel_nothing_is_done(clicker):
    clicker.run(
        "from ipykernel.kernelbase import Kernel\n"
        "kernel = Kernel.instance()\n"
        "from interactive_flow.notebook import busy\n"
        "class Other:\n    session = kernel.session\n"
        "Kernel.instance, real = classmethod(lambda cls: Other), Kernel.instance\n"
        "found = busy.hear('id', threading.Event().set)\n"
        "Kernel.instance = real"
    )
    assert clicker.run("found") == "False"
    assert clicker.run("from interactive_flow import flow, task; flow(lambda: task(abs)(-1)).run()") == "1"


def test_without_a_kernel_nothing_is_done():
    assert busy.hear("id", Path().exists) is False
