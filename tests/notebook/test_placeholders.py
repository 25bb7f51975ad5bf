"""What IPython does to every variable (showing, completing, inspecting) must not wait for a pending placeholder.

The task behind it waits for an event that is set at the end only.  So a placeholder that was forced by accident would
never come, and the cell would run into its timeout.
"""

from __future__ import annotations

import pytest
from jupyter_core.utils import run_sync

PENDING = """\
import threading
from interactive_flow import flow, task
gate, made = threading.Event(), threading.Event()

@task
def slow(x):
    gate.wait()
    return x

@flow
def outer():
    global pending
    pending = slow(1)
    made.set()
    return pending

run = outer.start()
made.wait()
"""

PROBES = {
    "shown": "pending",
    "shown in a list": "[pending, {'a': pending}]",
    "printed": "print(repr(pending))",
    "inspected": "pending?",
    "inspected closely": "pending??",
    "pinfo": "%pinfo pending",
    "whos": "%whos",
    "who_ls": "%who_ls",
    "completed": "get_ipython().complete('pending.', 'pending.', 8)",
    "completed in a call": "get_ipython().complete('', 'print(pending, ', 15)",
    "looked at for a tooltip": "get_ipython().object_inspect_mime('pending', detail_level=0)",
    "a line that begins with it": "pending if False else 'fine'",
    "the last values": "_, __, ___",
    "rich formats": "get_ipython().display_formatter.format(pending)",
}


@pytest.fixture(scope="module")
def pending(kernel):
    kernel.run(PENDING)
    yield kernel
    # Only now may it come; so it was pending all the time.
    assert kernel.run("print(run.status); gate.set(); run.result()").outputs[-1].data["text/plain"] == "1"


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES.keys())
def test_looking_at_a_placeholder_does_not_wait_for_it(pending, probe):
    cell = pending.run(probe)
    assert not [output for output in cell.outputs if output.output_type == "error"]
    state = pending.run("print(run.status, run.calls[0].state)")
    assert state.outputs[0].text == "running running\n"


def test_a_shown_placeholder_says_what_it_stands_for_and_its_state(pending):
    text = pending.run("pending").outputs[0].data["text/plain"]
    assert "slow#1" in text
    assert "running" in text


def test_tooltips_and_completion_over_the_wire_do_not_wait_either(pending):
    client = pending.client
    for ask, reply in ((client.kc.inspect, "inspect_reply"), (client.kc.complete, "complete_reply")):
        request = ask("pending.", 8)
        message = {"parent_header": {}}
        while message["parent_header"].get("msg_id") != request:
            message = run_sync(client.kc.get_shell_msg)(timeout=20)
        assert message["msg_type"] == reply
