"""The notebook layer: the IPython extension, the live panel, runs shown as values, and ``%flow``.

==============================  ===================================================================================
`notebook.extension`            what ``%load_ext interactive_flow`` does
`notebook.show`                 how a run comes to be shown: `display_provider`, `mimebundle`
`notebook.panel`                *when* a run that goes on is drawn (an observer)
`notebook.picture`              *what* is drawn: the fold of its events, and markup from `interactive_flow.views`
`notebook.screens`              *where*: a widget with a static twin, or HTML that is sent anew
`notebook.widget`, ``static/``  the widget and its front-end files
`notebook.actions`              what the panel's buttons do
`notebook.busy`                 how the panel is heard while a cell is running
`notebook.details`              what a click on a node tells
`notebook.pace`                 how often work may be done, and how much may be sent
`notebook.magics`               ``%flow``
`notebook.flow_cells`           ``%%flow``: cells that extend the notebook's session
`notebook.session_panel`        the panels under those cells
`notebook.refresh`              ``%flow refresh``: stale cells are run again
`notebook.looking`              what IPython looks at while such a cell runs
`notebook.waiting`              what an ordinary cell says while it waits for a placeholder
`notebook.inspector`            ``name?`` of a placeholder that is pending
`notebook.cells`                which cell a line of code stands in
==============================  ===================================================================================
"""

from __future__ import annotations

from interactive_flow.notebook.show import display_provider, mimebundle

__all__ = ["display_provider", "mimebundle"]
