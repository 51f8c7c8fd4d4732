"""Executors: measure runs in worker processes, here or on a cluster.

In: runs, their sessions, and the folders and device to use. Out: results in the store,
and the reason for each run that was lost. Runs are handed out in stacks: runs of one
session and one architecture, which are trained together. Every executor is a function
`(runs, sessions, settings, on_event) -> reasons for lost runs, by key` (`jobs.Executor`).

The store alone decides which runs are done. Any number of workers, on any number of
machines that share the store, may die or work on the same run. The first result that is
committed for a run stays.
"""
