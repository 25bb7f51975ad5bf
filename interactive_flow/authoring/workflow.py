"""`workflow` and `flow`: ordinary code whose calls of tasks become a graph.

A `Workflow` is an immutable description: a factory, what is injected into it, and options.  Running it makes a `Run`.
Both kinds are the same class: a `flow` is a workflow whose factory takes no tasks and returns the function itself.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Generic, ParamSpec, TypeVar, overload

from interactive_flow.authoring import check, defined
from interactive_flow.authoring.inject import Factory, as_task, is_async
from interactive_flow.authoring.options import Options, effective, session
from interactive_flow.authoring.task import as_called, reduced, sequential_mode, values_of
from interactive_flow.engine.fibers import Restart, awaited
from interactive_flow.engine.past import Past
from interactive_flow.engine.placeholder import current_workflow
from interactive_flow.engine.spec import WorkflowSpec
from interactive_flow.runtime.interrupts import runs_peoples_code
from interactive_flow.runtime.memories import recall_of, reuse_of
from interactive_flow.runtime.observers import log
from interactive_flow.runtime.recording import Recording, fingerprint_of, fingerprint_of_code
from interactive_flow.runtime.results import Caching
from interactive_flow.runtime.run import Run
from interactive_flow.store import Store, open_store
from interactive_flow.store.errors import RunExists, StoreError

_CHANGED = ". Its code, or something that it uses, has changed since; what was recorded comes from the code as it was"

P = ParamSpec("P")
R = TypeVar("R")


class Workflow(Generic[P, R]):
    """Code that calls tasks, ready to be run; made by `workflow` or `flow`.

    Calling it depends on the place.  Inside a running workflow it is a call of a sub-workflow and gives a placeholder.
    Outside, a `workflow` is still its bare factory, ``wf(embed, encode)(video)``, and a `flow` its bare function.
    """

    is_workflow = True

    def __init__(self, factory: Factory, wrapped: Callable[..., Any], bare: Callable[..., Any]) -> None:
        functools.update_wrapper(self, wrapped, updated=())  # a class's attributes must not hide a workflow's own
        self._factory = factory
        self._wrapped = wrapped
        self._bare = bare
        self._bound: MappingProxyType[str, Any] = MappingProxyType({})
        self._options = Options()
        self._runs: list[Run] = []  # the newest run only; shared by the copies that inject and options make
        self._spec: WorkflowSpec | None = None

    @property
    def name(self) -> str:
        """What it is called in records and panels."""
        return self._options.name or self._factory.name

    @property
    def spec(self) -> WorkflowSpec:
        """What the engine knows of it."""
        if self._spec is None:
            source, file, first_line = _source_of(self._wrapped)
            keyed_by = self._code if self._options.cache else None
            self._spec = WorkflowSpec(self.name, self._body, source, file, first_line, keyed_by)
            check.warn(source, file, first_line, self._factory.is_task)
        return self._spec

    @property
    def is_complete(self) -> bool:
        """True where no task is left to be looked up by its name when it runs."""
        return set(self._factory.parameters) <= set(self._bound)

    @property
    def last_run(self) -> Run | None:
        """The newest run of this workflow (or of a copy of it with other options); None before the first."""
        return self._runs[-1] if self._runs else None

    # -- making copies --------------------------------------------------------------------------------------------

    def inject(self, /, **tasks: Any) -> Workflow[P, R]:
        """A copy with tasks bound to the factory's parameters.

        Args:
            tasks: for each parameter a `Task`, a plain callable (it becomes a task of the parameter's name), or another
                `Workflow`, which makes it a sub-workflow.  Anything else is handed to the factory as it is.

        Raises:
            TypeError: the factory has no such parameter.

        Example:
            >>> fast = process_video.inject(encode_video=lambda video, fmt: video)
        """
        self._factory.check_names(tasks)
        copy = self._copy()
        copy._bound = MappingProxyType({**self._bound, **tasks})
        defined.note(copy)
        return copy

    def options(self, **options: Any) -> Workflow[P, R]:
        """A copy with other options; `interactive_flow.authoring.options.Options` tells which there are.

        With ``cache=True`` what the workflow gave before is used again as a whole, in a run of its own and as a
        sub-workflow, where neither its arguments nor its code (its tasks included) has changed since.

        Raises:
            TypeError: there is no such option.
            ValueError: an option is out of range.

        Example:
            >>> process_video.options(max_workers=2).run("talk.mp4", "talk.srt")
        """
        copy = self._copy()
        copy._options = self._options.with_(options, f"{self.name}.options()")
        defined.note(copy)
        return copy

    def _copy(self) -> Workflow[P, R]:
        copy = Workflow[P, R](self._factory, self._wrapped, self._bare)
        copy._bound, copy._options, copy._runs = self._bound, self._options, self._runs
        return copy

    # -- running --------------------------------------------------------------------------------------------------

    def run(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs the workflow, waits for it, and gives its value.

        In a notebook the live panel shows it.  Ctrl-C or the stop button cancels the run, keeps what has finished in
        `last_run`, and raises KeyboardInterrupt.

        Raises:
            MissingTaskError: a parameter of the factory has no task.
            TaskError: a failed call was in the result, or the workflow's code let its error escape.
            Exception: whatever else the workflow's code raised.
        """
        run = self._new_run(args, kwargs).drive()
        run.warn_of_ignored_errors(stacklevel=2)
        return run.result()  # type: ignore[no-any-return]

    def start(self, /, *args: P.args, **kwargs: P.kwargs) -> Run:
        """Starts the workflow in a thread of its own and gives its `Run` at once."""
        return self._new_run(args, kwargs).drive_in_background(sys._getframe(1))

    def sequential(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs the same code as ordinary Python: no engine, one call after the other, errors as exceptions."""
        args, kwargs = values_of(args, kwargs)
        outer = current_workflow.set(None)
        mode = sequential_mode.set("plain")
        try:
            value: Any = Restart(args, kwargs)
            while isinstance(value, Restart):
                code = self._factory.build(self._bound, as_task)
                sequential_mode.set("await" if is_async(code) else "plain")
                value = code(*value.args, **value.kwargs)
                value = awaited(value) if inspect.iscoroutine(value) else value
                if isinstance(value, Restart):
                    value = Restart(*values_of(value.args, value.kwargs))
            return values_of((value,), {})[0][0]  # type: ignore[no-any-return]
        finally:
            sequential_mode.reset(mode)
            current_workflow.reset(outer)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        workflow = current_workflow.get()
        if workflow is not None:
            return workflow.engine.driver.call(workflow, self.spec, args, kwargs)
        if sequential_mode.get():
            return as_called(self.sequential(*args, **kwargs))
        return self._bare(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """As a function does: a flow defined in a class body is a method."""
        if instance is None or not inspect.isfunction(self._bare) or self._factory.parameters:
            return self
        return flow(self._bare.__get__(instance, owner), name=self.name)

    def _new_run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run:
        """A run that begins with these arguments; or one that was interrupted, where there is one to be continued."""
        args, kwargs = values_of(args, kwargs)
        options = effective(self._options)
        if options.store is None:
            return self._run_of(args, kwargs)
        store, given = open_store(options.store), self._given(args, kwargs)
        if given and options.resume != "never":
            run = self._interrupted(store, args, kwargs, given)
            if run is not None:
                return run
        return self._run_of(args, kwargs, recording=lambda id: Recording(store, id, self.name, given))

    def _interrupted(self, store: Store, args: Any, kwargs: Any, given: str) -> Run | None:
        """The newest run with these arguments, to be continued, if it was interrupted."""
        arguments, _, code = given.partition(":")
        id, noted = store.newest(self.name, arguments) or ("", "")
        if not id or (summary := store.run(id)).status != "interrupted":
            return None
        try:
            run = self._continued(store, id, (args, kwargs))
        except RunExists:  # another process was quicker
            return None
        except StoreError as error:
            error.add_note(
                f"run {id} of {self.name} was interrupted and would be continued; options(resume='never') begins anew"
            )
            raise
        before = noted.partition(":")[2]
        log.warning(
            "run %s of %s was interrupted after %d calls, and is continued%s; options(resume='never') begins anew",
            *(id, self.name, summary.calls, _CHANGED if before and code and before != code else ""),
        )
        return run

    def _given(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """What is noted in a store: fingerprints of the arguments and of the code; empty where the former have none."""
        arguments = fingerprint_of(args, kwargs)
        return f"{arguments}:{fingerprint_of_code(self._code)}" if arguments else ""

    def _continued(self, store: Store, id: str, first: tuple[Any, Any] | None = None) -> Run:
        """A stored run, to go on where it was when it ended.

        Args:
            store, id: which.
            first: the arguments that it began with, where they are known.

        Raises:
            RunExists: it is still running.
            StoreError: its past cannot be read.
        """
        recorder = store.begin(id, self.name, again=True)
        try:
            memory = recall_of(store, id)
            args, kwargs = first if first and not memory.past.restarts else store.arguments(id)
            return self._run_of(
                args, kwargs, recording=lambda _: Recording(store, id, self.name, "", recorder), memory=memory, id=id
            )
        except BaseException:
            recorder.close()
            raise

    def _retried(self, args: tuple[Any, ...], kwargs: dict[str, Any], past: Past, store: Store | None = None) -> Run:
        """A new run that takes values from another one, kept in `store` or where all are."""
        options = effective(self._options)
        recording: Callable[[str], Recording] | None = None
        if store is None and options.store is not None:
            store = open_store(options.store)
        if store is not None:
            place, given = store, self._given(args, kwargs)
            recording = lambda id: Recording(place, id, self.name, given)  # noqa: E731
        return self._run_of(args, kwargs, recording=recording, memory=reuse_of(past))

    def _run_of(self, args: tuple[Any, ...], kwargs: dict[str, Any], **given: Any) -> Run:
        options = effective(self._options)
        all_tasks = bool(session().cache) and self._options.cache is not False
        store = open_store(options.store) if options.store is not None else None
        return Run(
            self.spec,
            args,
            kwargs,
            executor=options.executor,
            max_workers=options.max_workers,
            rate_limit=options.rate_limit,
            strategy=options.strategy or "resume",
            display=options.display or "auto",
            caching=Caching(all_tasks, store),
            begins=self._remember,
            again=self._retried,
            **given,
        )

    def _code(self) -> Any:
        """What decides what its calls give, as far as code does: the factory, with whatever it would be handed now."""
        found = self._factory.found(self._bound, as_task)
        return (self._wrapped, found) if found else self._wrapped

    def _remember(self, run: Run) -> None:
        self._runs[:] = [run]

    @runs_peoples_code
    def _body(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._factory.build(self._bound, as_task)(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<workflow {self.name}>"

    def __reduce__(self) -> Any:
        return reduced(self, self._wrapped)

    def __flow_code__(self) -> Any:
        """What counts as its code in a fingerprint: the factory, and the tasks it is bound to."""
        return (self._wrapped, dict(self._bound)) if self._bound else self._wrapped

    def __getstate__(self) -> dict[str, Any]:
        # Runs stay where they are.
        return {**self.__dict__, "_bound": dict(self._bound), "_runs": [], "_spec": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._bound = MappingProxyType(state["_bound"])


@overload
def workflow(factory: Callable[..., Callable[P, R]], /) -> Workflow[P, R]: ...


@overload
def workflow(factory: None = None, /, *, name: str | None = None) -> Callable[..., Workflow[..., Any]]: ...


def workflow(factory: Any = None, /, *, name: str | None = None) -> Any:
    """Makes a workflow of a factory: a function whose parameters name tasks and which returns the workflow's code.

    A class does as well: the parameters of its ``__init__`` name the tasks, its ``__call__`` is the code.

    Args:
        factory: the function or class.
        name: what the workflow is called; the factory's name unless given.

    Raises:
        TypeError: the factory is not callable.

    Example:
        >>> @workflow
        ... def sum_of_squares(square, add):
        ...     def run(a, b):
        ...         return add(square(a), square(b))
        ...     return run
        >>> sum_of_squares.inject(square=lambda x: x * x, add=lambda x, y: x + y).run(3, 4)
        25
    """
    if factory is None:
        return functools.partial(workflow, name=name)
    return _make(factory, factory, factory, name, sys._getframe(1), "workflow")


@overload
def flow(fn: Callable[P, R], /, *, name: str | None = None) -> Workflow[P, R]: ...


@overload
def flow(fn: None = None, /, *, name: str | None = None) -> Callable[[Callable[P, R]], Workflow[P, R]]: ...


def flow(fn: Any = None, /, *, name: str | None = None) -> Any:
    """Makes a workflow of a function that calls tasks and other flows by their names, without a factory.

    Example:
        >>> @flow
        ... def total(xs):
        ...     return sum(square(x) for x in xs)
        >>> total.run([1, 2, 3])
        14
    """
    if fn is None:
        return functools.partial(flow, name=name)
    made = _make(lambda: fn, fn, fn, name, sys._getframe(1), "flow")
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise TypeError(f"flow({made.name}): a flow is an ordinary or an async function, not a generator")
    return made


def _make(make: Any, wrapped: Any, bare: Any, name: str | None, frame: Any, what: str) -> Workflow[Any, Any]:
    if not callable(wrapped):
        raise TypeError(f"{what}({wrapped!r}): a {what} is made of a function")
    factory = Factory(make, frame)
    factory.defined = wrapped
    factory.name = name or getattr(wrapped, "__name__", type(wrapped).__name__)
    made: Workflow[Any, Any] = Workflow(factory, wrapped, bare)
    defined.note(made)
    return made


def _source_of(code: Any) -> tuple[str | None, str | None, int]:
    """Source, file and first line, for people to look at; nothing where it cannot be found."""
    try:
        lines, first = inspect.getsourcelines(code)
        return "".join(lines), inspect.getsourcefile(code), first
    except (OSError, TypeError):
        return None, getattr(getattr(code, "__code__", None), "co_filename", None), 0
