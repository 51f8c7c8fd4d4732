"""Executors: hand out runs in stacks and collect what is committed.

In: runs, their sessions, and a place to read and write. Out: results in the store, and
the reason for every run that was lost. The store alone decides what is done. Every
executor is one function `(runs, sessions, place, on_event) -> why runs were lost, by
key` (`jobs.Executor`). Any number of workers, on any number of machines that share the
store, may die or work on the same run. What was committed stays as it was first
committed.
"""
