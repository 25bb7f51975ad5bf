"""Who runs tasks: what ``executor=`` takes, and what is needed to write another one.

=======================================  =====================================================================
``executor=``                            tasks run
=======================================  =====================================================================
``"threads"`` (default)                  in threads of this process: `ThreadExecutor`
``"inline"``                             one at a time where the run is driven: `InlineExecutor`
``"processes"``                          in processes of their own: `ProcessExecutor`
``"async"``                              as coroutines on one event loop: `AsyncExecutor`
a `concurrent.futures.Executor`          there: `FuturesExecutor`
an object with the `Executor` protocol   as it likes; it reports to its `Port`
=======================================  =====================================================================

An object with a method ``fresh()`` is asked by it for an executor for each run.  Who writes one runs a job's task by
`run_task`, which gives its value or a `Failure`.
"""

from __future__ import annotations

from interactive_flow.engine.calls import Job
from interactive_flow.executors.async_loop import AsyncExecutor
from interactive_flow.executors.errors import RemoteError, RemoteTraceback, WorkerDiedError
from interactive_flow.executors.futures import FuturesExecutor
from interactive_flow.executors.processes import ProcessExecutor
from interactive_flow.runtime.executors import Executor, InlineExecutor, Port, ThreadExecutor
from interactive_flow.runtime.worker import Failure, run_task

__all__ = [
    "AsyncExecutor",
    "Executor",
    "Failure",
    "FuturesExecutor",
    "InlineExecutor",
    "Job",
    "Port",
    "ProcessExecutor",
    "RemoteError",
    "RemoteTraceback",
    "ThreadExecutor",
    "WorkerDiedError",
    "run_task",
]
