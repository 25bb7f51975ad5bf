"""The engines that are compared: one adapter each, that imports its engine only when it is opened.

Every peer runs with the settings under which its own documentation says it is lean: threads of this process where it
has them, no dashboard, no log files, no caching of results.  All get the same number of workers.
"""

from __future__ import annotations

import inspect
import logging
import os
import platform
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, ClassVar

from patterns import Engine, items, same


class InteractiveFlow(Engine):
    """This package: events recorded, no display."""

    name = "interactive_flow"
    most = 1_000_000

    def open(self) -> None:
        from interactive_flow import flow, task, wait

        self._flow, self._task, self._wait = flow, task, wait

    def task(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self._task(function)

    def values(self, handles: list[Any]) -> list[Any]:
        return self._wait(handles)

    def value(self, handle: Any) -> Any:
        return self._wait(handle)

    def program(self, code: Callable[..., Any]) -> Callable[..., Any]:
        return self._flow(code).options(max_workers=self.workers, display="none").run


class BarePool(Engine):
    """`concurrent.futures.ThreadPoolExecutor`: it knows no dependencies, so the calling code waits for arguments."""

    name = "ThreadPoolExecutor"

    def open(self) -> None:
        self._pool = ThreadPoolExecutor(self.workers)

    def close(self) -> None:
        self._pool.shutdown()

    def task(self, function: Callable[..., Any]) -> Callable[..., Any]:
        submit = self._pool.submit
        return lambda *args: submit(function, *(a.result() if hasattr(a, "result") else a for a in args))

    def values(self, handles: list[Any]) -> list[Any]:
        return [handle.result() for handle in handles]

    def value(self, handle: Any) -> Any:
        return handle.result()

    # Where no argument is a future, the pool as bare as it can be.

    def fan_out(self, n: int) -> int:
        submit = self._pool.submit
        return sum([future.result() for future in [submit(same, x) for x in range(n)]])

    def chain(self, n: int) -> Any:
        submit = self._pool.submit
        x: Any = n
        for _ in range(n):
            x = submit(same, x).result()
        return x

    def barriers(self, n: int) -> int:
        submit = self._pool.submit
        total = 0
        for x in range(n):
            total += submit(same, x).result()
        return total


class DaskDelayed(Engine):
    """`dask.delayed` on dask's threaded scheduler."""

    name = "dask.delayed"
    most = 5_000
    most_by_pattern: ClassVar[dict[str, int]] = {"barriers": 1_000, "grid": 400}

    def open(self) -> None:
        self._dask: Any = import_module("dask")
        self._pool = ThreadPoolExecutor(self.workers)

    def task(self, function: Callable[..., Any]) -> Callable[..., Any]:
        delayed: Callable[..., Any] = self._dask.delayed(function, pure=False)
        return delayed

    def values(self, handles: list[Any]) -> list[Any]:
        return list(self._dask.compute(*handles, scheduler="threads", pool=self._pool))


class DaskDistributed(Engine):
    """`dask.distributed`: one worker with threads, in this process."""

    name = "dask.distributed"
    most = 500
    most_by_pattern: ClassVar[dict[str, int]] = {"chain": 200, "barriers": 100, "grid": 80}
    starts_slowly = True

    def open(self) -> None:
        distributed: Any = import_module("distributed")
        cluster = distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=self.workers,
            processes=False,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
        self._client = distributed.Client(cluster)

    def task(self, function: Callable[..., Any]) -> Callable[..., Any]:
        submit = self._client.submit
        return lambda *args: submit(function, *args, pure=False)

    def values(self, handles: list[Any]) -> list[Any]:
        return list(self._client.gather(handles))


class Parsl(Engine):
    """Parsl on its thread executor."""

    name = "parsl"
    most = 5_000

    def open(self) -> None:
        import parsl
        from parsl.executors import ThreadPoolExecutor as ParslThreads

        self._parsl = parsl
        parsl.load(
            parsl.Config(
                executors=[ParslThreads(max_threads=self.workers)],
                run_dir=str(Path(self.scratch) / "parsl"),
                initialize_logging=False,
                usage_tracking=0,
            )
        )

    def task(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self._parsl.python_app(function)

    def values(self, handles: list[Any]) -> list[Any]:
        return [handle.result() for handle in handles]


class Ray(Engine):
    """Ray on this machine: worker processes, as it has no threads."""

    name = "ray"
    most = 1_000
    most_by_pattern: ClassVar[dict[str, int]] = {"grid": 80}
    starts_slowly = True

    def open(self) -> None:
        os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
        self._ray: Any = import_module("ray")
        self._ray.init(num_cpus=self.workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR")

    def close(self) -> None:
        self._ray.shutdown()

    def task(self, function: Callable[..., Any]) -> Callable[..., Any]:
        remote: Callable[..., Any] = self._ray.remote(function).remote
        return remote

    def values(self, handles: list[Any]) -> list[Any]:
        return list(self._ray.get(handles))


class PipeFunc(Engine):
    """PipeFunc on a thread pool: a pipeline is made of the calls asked for, a fan-out is one mapped function."""

    name = "pipefunc"
    most_by_pattern: ClassVar[dict[str, int]] = {"chain": 200, "tree": 200, "barriers": 500, "grid": 80}

    def open(self) -> None:
        import pipefunc

        self._pipefunc = pipefunc
        self._pool = ThreadPoolExecutor(self.workers)
        self._nodes: dict[str, Any] = {}

    def task(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> str:
            name = f"y{len(self._nodes)}"
            names = [f"{name}_{position}" for position in range(len(args))]
            known = self._nodes
            from_calls = {n: a for n, a in zip(names, args, strict=True) if isinstance(a, str) and a in known}
            plain = {n: a for n, a in zip(names, args, strict=True) if n not in from_calls}
            known[name] = self._pipefunc.PipeFunc(
                _with_parameters(function, names), name, renames=from_calls, bound=plain
            )
            return name

        return call

    def values(self, handles: list[Any]) -> list[Any]:
        nodes, self._nodes = self._nodes, {}
        pipeline = self._pipefunc.Pipeline(list(nodes.values()), validate_type_annotations=False)
        results = self._map(pipeline, {})
        return [results[handle].output for handle in handles]

    def _map(self, pipeline: Any, inputs: dict[str, Any]) -> Any:
        return pipeline.map(inputs, executor=self._pool, storage="dict", show_progress=False, parallel=True)

    def _mapped(self, inputs: list[Any]) -> list[Any]:
        function = self._pipefunc.PipeFunc(same, "y", mapspec="x[i] -> y[i]")
        return list(self._map(self._pipefunc.Pipeline([function]), {"x": inputs})["y"].output)

    def fan_out(self, n: int) -> int:
        return sum(self._mapped(list(range(n))))

    def dynamic(self, n: int) -> int:
        pipeline = self._pipefunc.Pipeline(
            [
                self._pipefunc.PipeFunc(items, "z", renames={"x": "n"}, mapspec="... -> z[i]", internal_shape=("?",)),
                self._pipefunc.PipeFunc(same, "y", renames={"x": "z"}, mapspec="z[i] -> y[i]"),
            ],
            validate_type_annotations=False,
        )
        return sum(sum(self._map(pipeline, {"n": x})["y"].output) for x in range(n // 100))


def _with_parameters(function: Callable[..., Any], names: list[str]) -> Callable[..., Any]:
    """The function under a signature with these names, which is how PipeFunc knows what is to be passed."""

    def call(**named: Any) -> Any:
        return function(*(named[name] for name in names))

    parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return call


class Redun(Engine):
    """redun with its thread executor and a database in memory, caching switched off."""

    name = "redun"
    most_by_pattern: ClassVar[dict[str, int]] = {
        "fan_out": 60,
        "chain": 60,
        "tree": 60,
        "dynamic": 100,
        "barriers": 30,
        "grid": 80,
    }
    starts_slowly = True

    def open(self) -> None:
        import redun
        from redun.config import Config

        sys.setrecursionlimit(10_000)  # it evaluates nested calls by recursion
        logging.getLogger("redun").setLevel(logging.CRITICAL)
        logging.disable(logging.INFO)
        self._redun = redun
        executor = {"type": "local", "max_workers": self.workers, "mode": "thread"}
        self._scheduler = redun.Scheduler(
            Config({"backend": {"db_uri": "sqlite:///:memory:"}, "executors.default": executor})
        )
        self._scheduler.load()

    def task(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self._redun.task(name=function.__name__, namespace="benchmark", cache=False)(function)

    def values(self, handles: list[Any]) -> list[Any]:
        return self._scheduler.run(handles)


class Prefect(Engine):
    """Prefect with its thread task runner, and the server that it starts for itself."""

    name = "prefect"
    most_by_pattern: ClassVar[dict[str, int]] = {
        "fan_out": 30,
        "chain": 30,
        "tree": 30,
        "dynamic": 100,
        "barriers": 30,
        "grid": 24,
    }
    starts_slowly = True

    def open(self) -> None:
        os.environ["PREFECT_HOME"] = self.scratch
        os.environ["PREFECT_LOGGING_LEVEL"] = "CRITICAL"
        os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
        os.environ["DO_NOT_TRACK"] = "1"
        os.environ["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "true"
        self._prefect: Any = import_module("prefect")
        self._no_cache: Any = import_module("prefect.cache_policies").NO_CACHE
        self._runner: Any = import_module("prefect.task_runners").ThreadPoolTaskRunner(max_workers=self.workers)

    def task(self, function: Callable[..., Any]) -> Callable[..., Any]:
        task: Any = self._prefect.task(function, cache_policy=self._no_cache, log_prints=False)
        submit: Callable[..., Any] = task.submit
        return submit

    def values(self, handles: list[Any]) -> list[Any]:
        return [handle.result() for handle in handles]

    def program(self, code: Callable[..., Any]) -> Callable[..., Any]:
        def benchmark(*args: Any) -> Any:
            return code(*args)

        flow: Callable[..., Any] = self._prefect.flow(benchmark, task_runner=self._runner, validate_parameters=False)
        return flow


ENGINES: dict[str, type[Engine]] = {
    engine.name: engine
    for engine in (
        InteractiveFlow,
        BarePool,
        DaskDelayed,
        DaskDistributed,
        Parsl,
        Ray,
        PipeFunc,
        Redun,
        Prefect,
    )
}
PEERS = [name for name in ENGINES if name != InteractiveFlow.name]
_PACKAGES = {DaskDelayed.name: "dask", DaskDistributed.name: "distributed"}


def version_of(engine: str) -> str | None:
    """The installed version of an engine; None where it is not installed."""
    if engine == BarePool.name:
        return platform.python_version()
    try:
        return metadata.version(_PACKAGES.get(engine, engine))
    except metadata.PackageNotFoundError:
        return None
