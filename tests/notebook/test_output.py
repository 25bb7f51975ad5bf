"""What tasks print in a notebook: each line under its own call, and none of it in any cell."""

from __future__ import annotations

import pytest

CELLS = """\
import asyncio, logging, sys, threading, time, warnings
from interactive_flow import flow, heartbeat, task

# As people do in the first cell of a notebook: these handlers keep the streams that there are now.
log = logging.getLogger("notebook")
log.propagate = False
log.handlers = [logging.StreamHandler(), logging.StreamHandler(sys.stdout)]
log.setLevel("INFO")
warnings.simplefilter("always")
COUNT = 50

def say(n, k):
    print(f"{n} prints {k}")
    log.info("%s logs %s", n, k)
    warnings.warn(f"{n} warns {k}")
    print(f"{n} complains {k}", file=sys.stderr)

@task
def chatters(n):
    together.wait(20)
    for k in range(3):
        say(n, k)
        time.sleep(0.001)

@task
def alone(n):
    from notebook_output import say  # as in a module of its own
    for k in range(3):
        say(n, k)

@task
async def awaits(n):
    for k in range(3):
        say(n, k)
        await asyncio.sleep(0.001)

@flow
def everybody(task):
    return [task(n) for n in range(COUNT)]

def own(run):
    "Whether each line is under its call; else what is wrong."
    for n, call in enumerate(run.calls):
        text = call.stdout
        lines = [line for line in text.splitlines() if line.split()[0] == str(n)]
        wanted = {f"{n} {word} {k}" for word in ("prints", "logs", "complains") for k in range(3)}
        logged = sum("logs" in line for line in lines)
        foreign = [line for line in text.splitlines() if f"{n} " not in line and "warnings.warn" not in line]
        if set(lines) != wanted or logged != 6 or text.count(f"UserWarning: {n} warns") != 3 or foreign:
            return n, text
    return "all"
"""
MODULE = """\
import logging, sys, warnings
warnings.simplefilter("always")
log = logging.getLogger("alone")
log.propagate = False
log.setLevel("INFO")
for stream in (sys.stderr, sys.stdout):
    log.addHandler(logging.StreamHandler(stream))

def say(n, k):
    print(f"{n} prints {k}")
    log.info("%s logs %s", n, k)
    warnings.warn(f"{n} warns {k}")
    print(f"{n} complains {k}", file=sys.stderr)
"""


def printed(cell):
    return "".join(o.text for o in cell.outputs if o.output_type == "stream")


@pytest.fixture
def talking(kernel, tmp_path):
    (tmp_path / "notebook_output.py").write_text(MODULE)
    kernel.run(f"import sys; sys.path.insert(0, {str(tmp_path)!r})")
    kernel.run(CELLS)
    return kernel


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("chatters", "executor='threads', max_workers=COUNT"),
        ("awaits", "executor='async', max_workers=COUNT"),
        ("alone", "executor='processes', max_workers=4"),
    ],
    ids=["threads", "async", "processes"],
)
def test_each_line_of_fifty_at_once_is_under_its_task_and_none_in_a_cell(talking, task, options):
    talking.run("together = threading.Barrier(COUNT)")
    starts = talking.run(f"run = everybody.options({options}).start({task}); print('begun')")
    other = talking.run("print('another cell'); run.wait(30); log.info('the cell logs'); print('still that cell')")
    talking.run("run.result()")
    assert printed(talking.run("print(own(run))")) == "all\n"
    assert printed(starts) == "begun\n"
    said = printed(other).splitlines()
    assert sorted(set(said)) == ["another cell", "still that cell", "the cell logs"]
    assert len(said) == 4, "both handlers are the cell's again"


def test_a_warning_that_python_gives_once_is_under_one_of_the_calls_that_gave_it(talking):
    cell = talking.run(
        """\
warnings.simplefilter("default")
@task
def deprecated(n):
    warnings.warn("old")
    return n
once = flow(lambda: [deprecated(n) for n in range(5)])
x = once.run()
print([call.stdout.count("UserWarning: old") for call in once.last_run.calls])
"""
    )
    counts = printed(cell)
    assert sorted(counts.strip("[]\n").split(", ")) == ["0", "0", "0", "0", "1"]
    assert "UserWarning" not in counts
