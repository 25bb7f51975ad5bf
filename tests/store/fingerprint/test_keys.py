"""Keys of calls, and fingerprints as plain data."""

from __future__ import annotations

import dataclasses
import json
import socket

import pytest

from interactive_flow.store.fingerprint import (
    CallKey,
    CodeFingerprint,
    FingerprintError,
    Part,
    call_key,
    code_fingerprint,
    explain_change,
)

RATE = 2


def scale(x, size=1, *rest, mode="fast"):
    return x * RATE


def other(x, size=1, *rest, mode="fast"):
    return x + RATE


def test_by_position_or_by_name():
    assert call_key(scale, (1, 2)) == call_key(scale, (1,), {"size": 2}) == call_key(scale, (), {"size": 2, "x": 1})


def test_every_argument_counts():
    calls = [
        ((1,), {}), ((2,), {}), ((True,), {}), ((1, 2), {}), ((1, 2, 3), {}), ((1, 2, 3, 4), {}), ((1, 2, [3]), {}),
        ((1,), {"mode": 2}), ((1,), {"mode": "2"}), (([1, 2],), {}),
    ]  # fmt: skip
    keys = [call_key(scale, args, kwargs).digest for args, kwargs in calls]
    assert len(set(keys)) == len(keys)
    assert call_key(scale, (1,)).digest != call_key(other, (1,)).digest


def test_callables_without_parameters_that_are_known():
    assert call_key(max, (1, 2)).arguments.keys() == {"args[0]", "args[1]"}
    assert call_key(max, (1, 2)) != call_key(max, (2, 1))


def test_arguments_are_explained():
    before, after = call_key(scale, (1, 2)), call_key(scale, (3,), {"mode": 1})
    assert sorted(explain_change(before, after)) == [
        "argument `mode` is given now",
        "argument `size` is not given any more",
        "argument `x` changed",
    ]
    assert explain_change(before, before) == []


def test_error_names_the_argument():
    with socket.socket() as connection, pytest.raises(FingerprintError) as caught:
        call_key(scale, ({"conn": [connection]},))
    assert str(caught.value).startswith(
        "argument x['conn'][0]: a socket.socket cannot be fingerprinted; give its class"
    )
    assert "leave it out of the arguments" in str(caught.value)


def test_error_in_the_class_of_an_argument(project):
    module = project("subject", "made = (x for x in 'a')\nclass Model:\n    def use(self): return made")
    with pytest.raises(FingerprintError) as caught:
        call_key(scale, (module.Model(),))
    assert caught.value.path == "argument x → subject.Model → subject.Model.use → subject.made"


def test_edited_class_of_an_argument_counts(project):
    source = "class Model:\n    def use(self): return 1"
    before, after = (
        call_key(scale, (project("subject", text).Model(),)) for text in (source, source.replace("1", "2"))
    )
    assert explain_change(before, after) == ["argument `x` changed"]


def test_as_json_and_back():
    key = call_key(scale, (1, 2))
    assert CallKey.from_json(json.loads(json.dumps(key.as_json()))) == key
    code = code_fingerprint(scale)
    assert CodeFingerprint.from_json(json.loads(json.dumps(code.as_json()))) == code


def test_versions_are_explained():
    def made(*parts):
        return CodeFingerprint.of((Part("__main__:main", "function", "cell 1", {"code": "0"}, (1,)), *parts))

    def library(name, version):
        return Part(name, "library", None, {"version": version})

    before = made(library("python", "3.11"), library("numpy", "1.26.4"))
    after = made(library("python", "3.12"), library("numpy", "2.1.0"), library("scipy", "1.0"))
    assert explain_change(before, after) == ["python 3.11 → 3.12", "numpy 1.26.4 → 2.1.0", "scipy 1.0 is used now"]
    assert explain_change(after, before)[-1] == "scipy 1.0 is not used any more"


def test_every_part_counts_and_places_do_not():
    code = code_fingerprint(scale)
    for index, part in enumerate(code.parts):
        moved = dataclasses.replace(part, where="elsewhere")
        parts = (*code.parts[:index], moved, *code.parts[index + 1 :])
        assert CodeFingerprint.of(parts).digest == code.digest
        changed = dataclasses.replace(part, members={**part.members, "version": "0"})
        assert CodeFingerprint.of((*code.parts[:index], changed, *code.parts[index + 1 :])).digest != code.digest
    assert CodeFingerprint.of(code.parts).digest == code.digest
