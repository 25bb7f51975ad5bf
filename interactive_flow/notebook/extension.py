"""What ``%load_ext interactive_flow`` does: live panels, runs shown as themselves, cell numbers, and ``%flow``.

Everything is registered by name, so loading again replaces and never adds.
"""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell

from interactive_flow.notebook.show import install, uninstall


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Loads the extension; IPython calls it for ``%load_ext interactive_flow``."""
    install(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Takes back what `load_ipython_extension` did; what is shown stays, as it is."""
    uninstall(shell)
