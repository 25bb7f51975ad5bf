"""Which process records a run, and whether it still lives.

A recorder gives a sign of life every few seconds.  A run that has given none for a minute is taken for dead.  On the
same machine (and in the same container) its process can be looked for besides: if it is gone, the run is dead at once;
if it is there, it may be too busy to give signs, in code that holds the interpreter's lock, or asleep with the machine,
and has an hour.
"""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path
from typing import NamedTuple

BEAT = 5.0
"""Seconds between two signs of life."""

STALE = 60.0
"""Seconds without one, after which a run is taken for dead of whose process nobody can tell."""

BUSY = 3600.0
"""The same for a process that can be seen to be there."""


class Process(NamedTuple):
    """A process, told apart from others that had its number before or will have it."""

    machine: str
    """Host, boot and container, as far as the system tells."""
    id: int
    began: str
    """When it began, in the system's own words; empty where it does not tell."""


def this_process() -> Process:
    """The process that this runs in."""
    return Process(_machine(), os.getpid(), _began(os.getpid()) or "")


def lives(process: Process, beat: float, now: float) -> bool:
    """True where a run is taken to be alive.

    Args:
        process: who records it.
        beat: its last sign of life, seconds since the epoch.
        now: seconds since the epoch.
    """
    there = _is_there(process)
    if there is None:
        return now - beat < STALE
    return there and now - beat < BUSY


def _is_there(process: Process) -> bool | None:
    """Whether the process can be seen, None where nobody here can tell."""
    if process.machine != _machine():
        return None
    if process.began:
        return _began(process.id) == process.began
    if os.name != "posix":
        return None
    try:
        os.kill(process.id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return None  # it may be another one, which has got its number


@cache
def _machine() -> str:
    parts = [socket.gethostname()]
    for file in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            path = Path(file)
            parts.append(str(path.readlink()) if path.is_symlink() else path.read_text("ascii").strip())
        except OSError:
            continue
    return " ".join(parts)


def _began(process: int) -> str | None:
    """Clock ticks from boot to the start of a process (Linux); None where that cannot be seen, or it is a zombie."""
    try:
        text = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before may contain anything
    return None if fields[0] in "ZX" else fields[19]
