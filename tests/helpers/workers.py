"""A small worker that speaks the protocol of `invariance_probe.worker`, and may kill itself."""

WORKER = """
import json, os, signal, sys
from pathlib import Path
from invariance_probe.results.store import Store
from invariance_probe.plan.roles import read_run
from invariance_probe.plan.run import RunResult
poison, once = sys.argv[1], Path(sys.argv[2])
for line in sys.stdin:
    job = json.loads(line)
    for data in job["runs"]:
        run = read_run(data)
        if run.key() == poison or (poison == "once" and not once.exists()):
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        Store(Path(job["store"])).commit_result(run, RunResult(run.key(), "done"))
        print(json.dumps({"event": "committed", "key": run.key(), "status": "done"}), flush=True)
    print(json.dumps({"event": "stack_done"}), flush=True)
"""
"""Source of the worker.

Its arguments are the key of a run on which it always dies, or "once", and the file that
says that it died once.
"""
