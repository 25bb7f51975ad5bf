"""What workflow code uses beside its tasks: `wait`, `first`, `finish_order`, `parallel_reduce`.

Each of them also works on plain values and outside a workflow, with the same result, so that a workflow gives the same
run sequentially as it does concurrently.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from interactive_flow.authoring.task import Task, name_of, sequential_mode
from interactive_flow.authoring.workflow import Workflow, flow
from interactive_flow.engine.calls import WorkflowCall, force_all
from interactive_flow.engine.cells import CellCall
from interactive_flow.engine.containers import fill, gather
from interactive_flow.engine.fibers import Restart
from interactive_flow.engine.placeholder import call_of, current_workflow, is_placeholder
from interactive_flow.engine.replay import items
from interactive_flow.engine.spec import WorkflowSpec
from interactive_flow.model.errors import PlaceholderError

T = TypeVar("T")

_MISSING: Any = object()


def wait(value: T) -> T:
    """Waits until `value` is there, and gives the plain value.

    Args:
        value: a placeholder, a container with placeholders in it, or anything else, which is given back as it is.

    Raises:
        TaskError: the call failed; its ``__cause__`` is the original exception.

    Example:
        >>> try:
        ...     page = wait(fetch(url))
        ... except TaskError:
        ...     page = ""
    """
    if is_placeholder(value):
        return call_of(value)()  # type: ignore[no-any-return]
    (kept,), _, calls = gather((value,), {})
    if not calls:
        return value
    force_all(calls)
    return fill(kept)  # type: ignore[no-any-return]


def first(*xs: Any) -> Any:
    """The result that is there first, as a placeholder; an error counts as there.

    Plain values are there before everything else.

    Raises:
        ValueError: there is nothing to choose from.

    Example:
        >>> fastest = first(mirror_a(url), mirror_b(url))
    """
    workflow = current_workflow.get()
    elements = _own(list(xs), workflow)
    if not elements:
        raise ValueError("first() needs at least one value")
    for x in elements:
        if not is_placeholder(x):
            return x
    if len(elements) == 1:
        return elements[0]
    if workflow is None:
        done = [x for x in elements if call_of(x).done]
        return min(done, key=lambda x: call_of(x).order) if done else elements[0]
    return workflow.engine.driver.first(workflow, elements)


def finish_order(xs: Iterable[Any], *more: Any) -> Iterator[Any]:
    """Iterates over results in the order in which they finish; an error counts as finished.

    Plain values come first, in their own order.  Then item n is a placeholder for the n-th result to finish, so that
    the loop does not stand still: what it calls with an item starts as soon as that result is there.

    Args:
        xs: an iterable; or, with `more`, the first of the values.

    Example:
        >>> total = 0
        >>> for size in finish_order([measure(f) for f in files]):
        ...     total = add(total, size)
    """
    workflow = current_workflow.get()
    elements = _own([xs, *more] if more else list(xs), workflow)
    plain = [x for x in elements if not is_placeholder(x)]
    pending = [x for x in elements if is_placeholder(x)]
    if workflow is None:
        return chain(plain, sorted(pending, key=lambda x: (not call_of(x).done, call_of(x).order)))
    node = workflow.engine.driver.finish_order(workflow, pending) if pending else None

    def step(position: int) -> Any:
        if position < len(plain):
            return plain[position]
        if position >= len(elements):
            raise StopIteration
        taker = current_workflow.get()
        if taker is None or node is None or taker.engine is not node.engine:
            raise PlaceholderError("the iterator of finish_order is for the code of its run; hand on a list instead")
        return taker.engine.driver.next_item(taker, node)

    return items(workflow, node, step)


def parallel_reduce(f: Callable[[Any, Any], Any], xs: Iterable[Any], initial: Any = _MISSING) -> Any:
    """Reduces with `f` as soon as any two elements are there, in whatever order they come.

    `f` must be associative and commutative: N elements take N - 1 calls of it, but which are paired depends on the
    order of finish.  Plain values are paired first; the odd one out becomes the first argument together with the
    earliest result.

    Args:
        f: a task or a workflow of two arguments; a plain function is run as a sub-workflow, so it may call tasks.
        xs: the elements: placeholders, plain values, or both.
        initial: one more element, in front; makes an empty `xs` give it back.

    Raises:
        ValueError: there are no elements and no initial value.

    Example:
        >>> total = parallel_reduce(add, [measure(f) for f in files])
    """
    workflow = current_workflow.get()
    elements = _own(list(xs) if initial is _MISSING else [initial, *xs], workflow)
    if not elements:
        raise ValueError("parallel_reduce() of nothing, with no initial value")
    if len(elements) == 1:
        return elements[0]
    if workflow is None:
        return _reduce_now(partial(_now, f), elements)
    return workflow.engine.driver.parallel_reduce(workflow, _spec_of(f), elements)


def concurrently(*functions: Callable[[], Any]) -> list[Any]:
    """Runs each function as a sub-workflow of its own, so that a barrier in one does not hold up the others.

    Args:
        functions: workflow code without arguments; closures may use everything around them.

    Returns:
        Their results, in the order of the functions; placeholders inside a workflow.

    Example:
        >>> def left():
        ...     return deepen(a) if score(a) > 10 else a
        >>> def right():
        ...     return deepen(b) if score(b) > 10 else b
        >>> best = pick(*concurrently(left, right))
    """
    workflow = current_workflow.get()
    if workflow is None:
        return [_now(function) for function in functions]
    call = workflow.engine.driver.call
    return [call(workflow, _spec_of(function), (), {}) for function in functions]


def _spec_of(function: Any) -> Any:
    """A task's or a workflow's spec; a plain function's calls are sub-workflows."""
    return function.spec if isinstance(function, Task | Workflow) else WorkflowSpec(name_of(function), function)


def _now(function: Any, *args: Any) -> Any:
    """What a call of `function` gives where there is no run; in a sequential one it is a sub-workflow all the same."""
    if sequential_mode.get() is None or isinstance(function, Task | Workflow):
        return function(*args)
    return flow(function, name="function")(*args)


def restart(*args: Any, **kwargs: Any) -> Any:
    """Returned by a workflow, runs it again with these arguments, in the same run but with a fresh history.

    It waits for the arguments, and gives up what the workflow had not finished.  So a workflow can go on for ever in
    constant memory, one round after the other.

    Raises:
        RuntimeError: it was called in a notebook cell, which nobody runs again but its user.

    Example:
        >>> @workflow
        ... def poll(check):
        ...     def run(seen):
        ...         news = wait(check(seen))
        ...         return news if news else restart(seen + 1)
        ...     return run
    """
    if isinstance(current_workflow.get(), CellCall):
        raise RuntimeError(
            "restart() is for workflows: what returns it is run again; put the code into a @flow, or run the cell again"
        )
    return Restart(args, kwargs)


def _reduce_now(f: Callable[[Any, Any], Any], elements: list[Any]) -> Any:
    """The order that a run has in which each call finishes as soon as it is made."""
    pairs = zip(elements[0::2], elements[1::2], strict=False)
    results = deque(f(x, y) for x, y in pairs)
    if len(elements) % 2:
        results.append(f(elements[-1], results.popleft()))
    while len(results) > 1:
        results.append(f(results.popleft(), results.popleft()))
    return results[0]


def _own(elements: list[Any], workflow: WorkflowCall | None) -> list[Any]:
    """The same, with the placeholders of other runs replaced by their values."""
    if workflow is None:
        return elements

    def own(x: Any) -> Any:
        return wait(x) if any(call.engine is not workflow.engine for call in gather((x,), {})[2]) else x

    return [own(x) for x in elements]
