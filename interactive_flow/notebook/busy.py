"""Hears what our widgets are told by the browser, even while a cell is running.

A kernel reads its shell channel in a thread of its own and hands every message on to the thread that runs cells, so a
click waits until the cell has ended.  ipykernel 7.0 to 7.3 can hand it to a subshell instead, where the front end asks
for that; 7.4 sends it to where the widget was last written from, which is the cell.  So messages for widgets that were
given to `hear` are taken out where they are read, and handled on a thread of ours; all others go their way.

A message is answered as the kernel would: the status goes to busy before and to idle after, with the message as
parent, and so does what is sent meanwhile.  Without that a front end believes its message to be still on the way, and
keeps back the next.

This needs what ipykernel does not promise (the names in `_Shell`).  Where something of it is missing nothing is done:
clicks are heard when the cell has ended, or by a subshell.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeAlias
from weakref import WeakMethod

Handler: TypeAlias = Callable[[dict[str, Any]], None]
"""Takes a message, as `ipykernel` reads it."""

log = logging.getLogger("interactive_flow")

_lock = threading.Lock()
_tap: _Tap | None = None


def hear(comm: str, handle: Handler) -> bool:
    """Lets messages for a comm be handled at once, on a thread of their own.

    Args:
        comm: the comm's id.  It is best told before the comm is opened, as a click may come right after that.
        handle: takes a message; a method, of an object that is not kept alive by this.

    Returns:
        False where this kernel cannot do so: there is none, or it is not as it is expected to be.
    """
    global _tap
    try:
        with _lock:
            if _tap is None:
                _tap = _Tap(_Shell())
            _tap.handlers[comm] = WeakMethod(handle)
    except (ImportError, AttributeError, TypeError) as error:
        log.debug("clicks are not heard while a cell runs: %r", error)
        return False
    return True


def forget(comm: str) -> None:
    """Leaves messages for a comm to the kernel."""
    if _tap is not None:
        _tap.handlers.pop(comm, None)


class _Shell:
    """The parts of this process's kernel that are needed here; raises AttributeError or TypeError for others."""

    def __init__(self) -> None:
        from ipykernel.kernelbase import Kernel

        if not Kernel.initialized():
            raise AttributeError("there is no kernel")
        kernel: Any = Kernel.instance()
        self.session: Any = kernel.session
        self.stream: Any = kernel.shell_stream
        self.pass_on: Any = kernel.shell_channel_thread_main
        self.io_loop: Any = kernel.shell_channel_thread.io_loop
        self.parent: contextvars.ContextVar[Any] = kernel._shell_parent
        self._iopub = kernel.iopub_socket
        self._topic = kernel._topic("status")
        if not isinstance(self.parent, contextvars.ContextVar) or not callable(self.stream.on_recv):
            raise TypeError("the kernel's shell is another one than expected")

    def publish_status(self, state: str, parent: dict[str, Any]) -> None:
        self.session.send(self._iopub, "status", {"execution_state": state}, parent=parent, ident=self._topic)


class _Tap:
    """Takes the messages that there are handlers for out of a shell channel.

    Attributes:
        handlers: by the ids of comms.
    """

    def __init__(self, shell: _Shell) -> None:
        self.handlers: dict[str, WeakMethod[Handler]] = {}
        self._shell = shell
        self._taken: SimpleQueue[tuple[Handler, list[Any]]] = SimpleQueue()
        threading.Thread(target=self._work, daemon=True, name="iflow-clicks").start()
        # A stream belongs to the thread of its loop.
        shell.io_loop.add_callback(shell.stream.on_recv, self._received, copy=False)

    def _received(self, frames: list[Any]) -> Any:
        """Takes a message, or hands it on to the kernel; runs in the thread that reads the shell channel."""
        try:
            handle = self._handler(frames)
        except Exception:  # whatever is wrong with it, the kernel knows best
            handle = None
        if handle is None:
            return self._shell.pass_on(frames)
        self._taken.put((handle, frames))
        return None

    def _handler(self, frames: list[Any]) -> Handler | None:
        session = self._shell.session
        # Without its content a message may be read again.
        message = session.deserialize(session.feed_identities(frames, copy=False)[1], content=False, copy=False)
        if message["header"]["msg_type"] != "comm_msg":
            return None
        known = self.handlers.get(session.unpack(message["content"])["comm_id"])
        return known() if known else None

    def _work(self) -> None:
        while True:
            handle, frames = self._taken.get()
            # A context of its own, as the parent of what is sent is kept there.
            contextvars.Context().run(self._handle, handle, frames)
            del handle, frames

    def _handle(self, handle: Handler, frames: list[Any]) -> None:
        shell = self._shell
        try:
            message = shell.session.deserialize(shell.session.feed_identities(frames, copy=False)[1], copy=False)
            shell.parent.set(message)
            shell.publish_status("busy", message)
            try:
                handle(message)
            finally:
                shell.publish_status("idle", message)
        except Exception:
            log.exception("a message for a panel could not be handled")
