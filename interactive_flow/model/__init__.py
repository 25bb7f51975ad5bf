"""Plain data: calls, events, the run record, errors and policies.  No threads, no I/O, no drawing."""
