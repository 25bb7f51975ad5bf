"""Plain single-threaded Python becomes a concurrent, live workflow.

>>> import interactive_flow as iflow
>>> @iflow.task
... def square(x):
...     return x * x
>>> @iflow.flow
... def total(xs):
...     return sum(square(x) for x in xs)
>>> total.run([1, 2, 3])
14
"""

from __future__ import annotations

from typing import Any

from interactive_flow.authoring import stable
from interactive_flow.authoring.combinators import concurrently, finish_order, first, parallel_reduce, restart, wait
from interactive_flow.authoring.options import configure
from interactive_flow.authoring.stored import open_run, prune, resume, runs
from interactive_flow.authoring.task import Task, task
from interactive_flow.authoring.workflow import Workflow, flow, workflow
from interactive_flow.model.errors import (
    CacheWarning,
    DeterminismError,
    IgnoredTaskErrorWarning,
    InteractiveFlowError,
    MissingTaskError,
    PlaceholderError,
    RunInterrupted,
    StoreWarning,
    TaskCancelled,
    TaskError,
    TaskTimeout,
    WorkflowCodeWarning,
)
from interactive_flow.model.policies import Retry, Timeout
from interactive_flow.model.record import CallRecord
from interactive_flow.runtime.run import Run, last_run
from interactive_flow.runtime.worker import heartbeat, last_heartbeat, track

__version__ = "0.1.0"

__all__ = [
    "CacheWarning",
    "CallRecord",
    "DeterminismError",
    "IgnoredTaskErrorWarning",
    "InteractiveFlowError",
    "MissingTaskError",
    "PlaceholderError",
    "Retry",
    "Run",
    "RunInterrupted",
    "StoreWarning",
    "Task",
    "TaskCancelled",
    "TaskError",
    "TaskTimeout",
    "Timeout",
    "Workflow",
    "WorkflowCodeWarning",
    "concurrently",
    "configure",
    "finish_order",
    "first",
    "flow",
    "heartbeat",
    "last_heartbeat",
    "last_run",
    "load_ipython_extension",
    "open_run",
    "parallel_reduce",
    "prune",
    "restart",
    "resume",
    "runs",
    "stable",
    "task",
    "track",
    "unload_ipython_extension",
    "wait",
    "workflow",
]


def load_ipython_extension(ipython: Any) -> None:
    """What ``%load_ext interactive_flow`` calls."""
    from interactive_flow.notebook.extension import load_ipython_extension as load

    load(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """What ``%unload_ext interactive_flow`` calls."""
    from interactive_flow.notebook.extension import unload_ipython_extension as unload

    unload(ipython)
