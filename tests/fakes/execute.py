"""Run a compiled pipeline in a process of its own; print a line of JSON for every change."""

import json
import sys
import threading

from idxpipe.pipeline.local import runner as local
from idxpipe.pipeline.spec import parse as spec


def main() -> None:
    order = json.load(sys.stdin)
    lock = threading.Lock()

    def progress(task, note) -> None:
        with lock:
            print(json.dumps(task.to_json()), flush=True)

    pipeline = spec.parse(spec.dump(order["spec"]))
    record = local.run(
        pipeline, order["parameters"], order["root"], jobs=2, grace=2.0, progress=progress
    )
    for task in record.tasks.values():
        progress(task, "")
    print(json.dumps({"run": str(record.status)}), flush=True)


if __name__ == "__main__":
    main()
