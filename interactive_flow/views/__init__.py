"""What people see of a run: pure functions from a `RunRecord` to data, text, SVG and HTML.

A view asks the record and nothing else; it never talks to the engine, never waits and never raises because a renderer
is missing.  Import from the modules; the package itself imports nothing, so each view costs only what it needs.

====================  ===============================================================================================
module                what it offers
====================  ===============================================================================================
`views.summary`       ``summarise(record, now=None) -> Summary``: counts, rows, elapsed and estimate, as plain dicts.
                      ``Summariser(record).update(changed=None, now=None) -> Summary``: the same, at the cost of what
                      changed; for live panels (``changed`` is ``record.changed``, which the caller clears then).
`views.graph`         ``graph_model(record, collapse_above=80, opened=()) -> Graph``: nodes, edges and clusters; a new
                      one is needed only when ``record.shape`` changed.
`views.states`        ``node_states(graph, changed=None) -> dict[node id, NodeState]``: JSON-able; all nodes, or those
                      that stand for the calls `changed`; always as the record is now.
`views.dot`           ``to_dot(graph) -> str``: DOT text that depends on the shape alone, never on states.
                      ``digraph(record) -> graphviz.Digraph``: with the states drawn in.
`views.render`        ``render_svg(dot, timeout=20.0) -> str | None``: SVG ready for inline use (see below), cached by
                      `dot`; None where it cannot be drawn, and then ``rendering_hint() -> str`` tells why and what
                      to install.
                      ``restyle(svg, graph) -> str``: the same SVG with the present states baked in.
`views.mermaid`       ``mermaid(record) -> str``: a Mermaid flowchart.
`views.timeline`      ``timeline_svg(record, nodes=None) -> str``: inline SVG; with `nodes` (``graph.node_of``) each bar
                      has the id of its call's node as ``data-of``.
`views.critical`      ``critical_path(record) -> tuple[float, list[str]]``: seconds, and the ids of the longest chain.
`views.chrome`        ``chrome_trace(record) -> str``: trace-event JSON for Perfetto and chrome://tracing.
`views.decisions`     ``decisions(record) -> list[Decision]`` and ``decisions_text(record) -> str``.
`views.advice`        ``analyse(record) -> Analysis``: what barriers cost, which calls need not have stood after them,
                      how long the run would have taken then, or with other numbers of workers.
`views.advice_words`  The same in words: ``advice_text(record, analysis)``, ``advice_html(record, analysis)``.
`views.plan`          ``plan_of(record) -> Plan``: a run as what could be carried out again, which
                      ``views.simulation.simulate(plan, workers) -> seconds`` does.
`views.travel`        ``Travel(record).page(first) -> Page``: the decisions for a slider, as plain data.
`views.sources`       ``Sources(record).at(site) -> Listing | None``: the code around a line.
`views.text`          ``text_snapshot(record, width=78) -> str``: the ``text/plain`` twin.
`views.html`          ``static_panel(record, svg=DRAW) -> str``: the static HTML twin, a fragment without script;
                      pass ``svg=None`` to leave the graph out, or an SVG that is drawn already.
                      Pieces, each a fragment: ``header_html(summary)``, ``rows_html(summary)``,
                      ``graph_html(record, svg)``, ``legend_html()``, ``result_html(record)``;
                      ``style_html() -> str`` is the ``<style>`` element; the outermost element has class ``iflow``.
                      The words in them: ``done_text``, ``time_text``, ``eta_text``, ``count_texts``, ``row_texts``.
`views.sections`      More pieces, bounded in size: ``errors_html(record)``, ``output_html(record)``,
                      ``outputs_html(record)`` (without a title), ``not_needed_html(record)``,
                      ``not_reused_html(record)``.
`views.tabs`          ``TABS``: the tabs of a panel; ``tabs_html(contents) -> str``: what they are without script;
                      ``timeline_html(record) -> str``, ``decisions_html(record) -> str``: two of them.
`views.report`        ``report_html(record, environment) -> str``: one self-contained page; `environment` is a mapping
                      of names to texts, or of headings to such mappings.
`views.style`         ``SYMBOLS``, ``WORDS``: symbol and word of each state; ``css() -> str``: the style sheet
                      ``static/iflow.css`` that everything shown in HTML uses, the notebook's panel too.
====================  ===============================================================================================

How an SVG from `render_svg` is restyled, in Python by `restyle` and in a browser by a panel, without a new layout::

    const node = svg.querySelector(`[data-node="${id}"]`);        // id and s from node_states(graph)
    node.dataset.state = s.state;                                 // colours and borders follow, by iflow.css
    node.querySelector(".iflow-symbol").textContent = s.symbol;   // never colour alone
    node.querySelector(".iflow-detail").textContent = s.detail;   // "97/100 ✗1"; nodes of several calls only
    node.querySelector(".iflow-badge").textContent = s.badge;     // "↻2": retried
    node.querySelector(".iflow-done").style.setProperty("--iflow-part", s.part);   // 0 to 1, along the lower edge
    node.querySelector("title").textContent = s.title;            // tooltip, and what a screen reader says

Each of the inner elements may be absent: a single call has no ``.iflow-detail``, a sub-workflow drawn as a cluster no
``.iflow-done``, a barrier none of them.  An edge has the class ``iflow-edge`` and ``data-from`` and ``data-to``.
"""
