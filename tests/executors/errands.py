"""Tasks for the tests of executors, in a module that other processes can import; and how tests wait for processes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interactive_flow import flow, heartbeat, last_heartbeat, task, track

WHERE = "module"


class Refusal(Exception):
    """An error that cannot be made from its `args`."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(f"refused: {reason}")
        self.code = code
        self.reason = reason


@dataclass
class Pair:
    left: Any
    right: Any


class Multiplier:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, x: int) -> int:
        return self.factor * x

    def times(self, x: int) -> int:
        return self.factor * x


class Unreadable:
    """Can be pickled, but not read again."""

    def __reduce__(self) -> Any:
        return int, ("this is no number",)


@task
def same(x: Any) -> Any:
    return x


@task
def add(x: Any, y: Any = 0, *more: Any, scale: int = 1) -> Any:
    return (x + y + sum(more)) * scale


@task
def total(values: Any) -> int:
    """The sum of the numbers in any nesting of containers."""
    match values:
        case int():
            return values
        case Pair():
            return total.fn([values.left, values.right])
        case dict():
            return total.fn(list(values.values()))
        case _:
            return sum(total.fn(v) for v in values)


@task
def complain(path: str) -> None:
    raise FileNotFoundError(2, "no such thing", path)


@task
def refuse(code: int) -> None:
    raise Refusal(code, reason="no room")


@task
def wrap_error() -> None:
    try:
        int("x")
    except ValueError as error:
        raise LookupError("outer") from error


@task
def chatter(name: str) -> str:
    print(f"{name}: out")
    print(f"{name}: err", file=sys.stderr)
    print(f"{name}: end", end="")
    return name


@task
def report(parts: int) -> bool:
    going_on = heartbeat(0.0, "begun")
    for _ in track(range(parts)):
        pass
    return going_on


@task
def items(n: int) -> Iterator[int]:
    for i in range(n):
        print("item", i)
        yield i * i


@task
async def async_items(n: int) -> AsyncIterator[int]:
    for i in range(n):
        yield i * i


@task
async def async_double(x: int) -> int:
    return 2 * x


@task
def count_up(path: str, succeed_at: int) -> tuple[int, Any]:
    """Fails until it was called `succeed_at` times."""
    with Path(path).open("a") as file:
        file.write("x")
    count = len(Path(path).read_text())
    before = last_heartbeat()
    heartbeat(None, f"attempt {count}")
    if count < succeed_at:
        raise Refusal(count, reason="not yet")
    return count, before


@task
def pid() -> int:
    return os.getpid()


@task
def inner_run(x: int) -> int:
    """A run inside a run."""
    squares = flow(lambda n: [same(i * i) for i in range(n)], name="inner")
    return sum(squares.options(executor="threads", display="none").run(x))


@flow
def squares(n: int) -> list[int]:
    return [add(0, x, scale=x) for x in range(n)]


@task
def tell(path: str) -> str:
    """Writes its process's number to a named pipe, then hangs."""
    Path(path).write_text(str(os.getpid()))
    threading.Event().wait()
    return "never"


@task
def tell_with_child(path: str) -> str:
    """The same, with a process that it has started and the number of that."""
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    Path(path).write_text(f"{os.getpid()} {child.pid}")
    child.wait()
    return "never"


@task
def die(how: str, path: str = "") -> str:
    """Ends its process, once for each `path`."""
    if path:
        if Path(path).exists():
            return "survived"
        Path(path).touch()
    if how == "exit":
        os._exit(7)
    elif how == "abort":
        os.abort()
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


@task
def note_all(x: int, fatal: int, path: str) -> int:
    """Notes that it was called; one call ends the process."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{x}\n".encode())
    os.close(fd)
    if x == fatal:
        os._exit(1)
    return x


@task
def obstacle(x: int, slow: int, path: str) -> int:
    """One of the calls waits until somebody opens the named pipe."""
    if x == slow:
        Path(path).read_text()
    return x


@task
def surroundings() -> tuple[str, str | None, list[str], list[str]]:
    return str(Path.cwd()), os.environ.get("IFLOW_TEST"), sys.path, sys.argv


def pipe(folder: Path, name: str = "pipe") -> str:
    """A new named pipe."""
    path = folder / name
    os.mkfifo(path)
    return str(path)


def ends(pid: int, seconds: float = 20.0) -> bool:
    """Waits until a process is over; False if it is not by then."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], seconds)[0])
    finally:
        os.close(fd)


@contextmanager
def told(path: str) -> Iterator[Callable[[], list[int]]]:
    """Reads, in a thread of its own, the numbers that a task writes to a named pipe; what it gives waits for them."""
    text: list[str] = []
    reader = threading.Thread(target=lambda: text.append(Path(path).read_text()), daemon=True)
    reader.start()

    def numbers() -> list[int]:
        reader.join(20)
        return [int(number) for number in text[0].split()]

    yield numbers
