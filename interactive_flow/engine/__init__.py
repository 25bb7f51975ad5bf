"""The sans-I/O engine: what workflow code calls becomes a graph, and the graph says what may run next.

The engine is one plain object that knows no threads, no wall clock and no executors.  Whoever drives it (see
`interactive_flow.runtime.runner`) tells it what happened (a call was made, a task started, succeeded, failed, gave a
heartbeat, a timer fired, somebody cancelled) by one method for each, and asks it what to do next: which task to start,
which workflow to advance, when to come back.  Everything that happens is appended to one list of events.

=================  ==================================================================================
module             holds
=================  ==================================================================================
`placeholder`      the transparent stand-in for a result, and which workflow's code is running
`containers`       finding placeholders in arguments and results, and putting values in their place
`spec`             what is fixed about a task or a workflow before any call
`calls`            the nodes: task calls and workflow calls
`combinators`      the nodes that choose among others: first, finish_order, parallel_reduce
`fibers`           how workflow code is parked at a barrier and continued
`timers`           deadlines: timeouts and retries
`past`             what is known of a run from its events
`memory`           how calls get what they got in a run before: `recall` continues one, `reuse` takes its values
`likeness`         whether a call is the one that was recorded
`engine`           the state machine
=================  ==================================================================================
"""
