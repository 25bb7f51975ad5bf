"""What the live panel costs: runs of calls that do nothing in a real kernel, with the panel on and off.

The kernel is a fresh ipykernel each time.  This process plays the front end: it asks for execution and takes in
everything that the kernel publishes, widget messages included, as a browser would.
"""

from __future__ import annotations

import json
from typing import Any

_SETUP = """
import gc, time
from interactive_flow import flow, task

@task
def same(x):
    return x

@flow
def fan_out(n):
    return [same(x) for x in range(n)]

def seconds(display, n):
    gc.collect()
    began = time.perf_counter(), time.process_time()
    fan_out.options(max_workers=4, display=display).run(n)
    return time.perf_counter() - began[0], time.process_time() - began[1]
"""


class _Kernel:
    """A kernel, and the little of a front end that it takes."""

    def __init__(self) -> None:
        from jupyter_client.manager import start_new_kernel

        self._manager, self._client = start_new_kernel(kernel_name="python3")
        self.messages = 0

    def execute(self, code: str) -> Any:
        """Runs code; what it prints last, as JSON."""
        printed: list[str] = []

        def take(message: dict[str, Any]) -> None:
            self.messages += message["msg_type"] in ("comm_open", "comm_msg", "display_data", "update_display_data")
            if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
                printed.append(message["content"]["text"])

        reply = self._client.execute_interactive(code, output_hook=take, timeout=120, store_history=False)
        if reply["content"]["status"] != "ok":
            raise RuntimeError("\n".join(reply["content"]["traceback"]))
        return json.loads("".join(printed)) if printed else None

    def close(self) -> None:
        """Ends the kernel."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


def measure(n: int, on_first: bool) -> dict[str, float]:
    """Seconds of a run with the panel and of one without, and how many messages the panel took.

    Args:
        n: calls in a run.
        on_first: which of the two is measured first.
    """
    kernel = _Kernel()
    try:
        kernel.execute(_SETUP)
        for display in ("none", "auto"):
            kernel.execute(f"seconds({display!r}, 500)")
        values: dict[str, float] = {}
        for display in ("auto", "none") if on_first else ("none", "auto"):
            kernel.messages = 0
            wall, cpu = kernel.execute(f"import json; print(json.dumps(seconds({display!r}, {n})))")
            on = "on" if display == "auto" else "off"
            values |= {on: wall, f"{on} cpu": cpu, f"{on} messages": kernel.messages}
        return values
    finally:
        kernel.close()
