"""Lets ``python -m interactive_flow`` run the command line."""

from __future__ import annotations

import sys

from interactive_flow.cli import main

if __name__ == "__main__":
    sys.exit(main())
