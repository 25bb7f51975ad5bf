"""Whose code something is."""

from __future__ import annotations

import importlib.metadata
import json
import math

import pytest

import interactive_flow
from interactive_flow.examples import nine
from interactive_flow.store.fingerprint import set_cell_lookup
from interactive_flow.store.fingerprint.origin import origin_of, origin_of_module, place_of


def test_python_and_its_library():
    for definition in (len, json, json.dumps, json.JSONDecoder, math.sin, math, int):
        assert origin_of(definition).kind == "python"


def test_installed_distributions():
    origin = origin_of(pytest.fixture)
    assert origin == ("library", "pytest", importlib.metadata.version("pytest"))
    assert origin_of(pytest) == origin


def test_this_package_is_a_library_and_its_examples_are_not():
    assert origin_of(interactive_flow.task) == ("library", "interactive_flow", interactive_flow.__version__)
    assert origin_of(nine).is_user


def test_everything_else_is_the_users(project):
    assert origin_of(test_python_and_its_library).is_user
    assert origin_of(project("json2", "def f(): pass").f).is_user
    assert origin_of_module("__main__", None).is_user
    assert origin_of_module("json", "/home/somebody/json.py").is_user
    assert origin_of_module("unheard_of", "/usr/lib/python3/dist-packages/unheard_of.py").is_user  # of no distribution


def test_places():
    assert place_of("/home/somebody/helpers.py", 3) == "helpers.py:3"
    set_cell_lookup({"cell": 7}.get)
    try:
        assert place_of("cell", 3) == "cell 7"
        assert place_of("helpers.py", 3) == "helpers.py:3"
    finally:
        set_cell_lookup(None)
