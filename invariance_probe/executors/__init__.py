"""How runs are handed out: stacks in, committed run folders out; the store is the truth of what is done.

Every executor is one function `(runs, sessions, place, on_event) -> why runs were lost, by key` (`jobs.Executor`). Any number of
workers, on any number of machines that share the store, may die or be there twice: what was committed stays, and stays as it was first.
"""
