"""The runtime: what drives the engine in the real world.

=================  ==================================================================================
module             holds
=================  ==================================================================================
`clock`            time, and waiting for a signal until a deadline
`executors`        who runs tasks: the protocol, threads, inline
`worker`           what is around a task while it runs: its job, heartbeats, captured output
`capture`          sending what tasks print to their own records
`collector`        Python's garbage collector, while runs go on
`runner`           drives one run: its thread, its code, the time
`code_side`        what workflow code and placeholders ask of a run
`executor_side`    what executors ask of a run, and what they are handed
`tiny`             tiny calls, run in the thread of the workflow's code
`interrupts`       Ctrl-C and the stop button, at places where they do no harm
`run`              the handle that people hold
`stored`           the same for a run that is in a store
`recording`        a run and its store, while the run goes on
`cache`            results that are used again: when calls are looked up, and kept; `results` what is known of them
`memories`         what a run has from others before it
`observers`        who watches a run, and how often they are told
`sites`            lines of people's code, and which notebook cell they stand in
=================  ==================================================================================
"""
