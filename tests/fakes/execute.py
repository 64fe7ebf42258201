"""Run a compiled pipeline in a process of its own; print a line of JSON for every change."""

import json
import sys
import threading

from idxpipe.pipeline.local import runner
from idxpipe.pipeline.spec.parse import dump, parse


def main() -> None:
    order = json.load(sys.stdin)
    lock = threading.Lock()

    def progress(task, note) -> None:
        with lock:
            print(json.dumps(task.to_json()), flush=True)

    pipeline = parse(dump(order["spec"]))
    record = runner.run(
        pipeline, order["parameters"], order["root"], jobs=2, grace=2.0, progress=progress
    )
    for task in record.tasks.values():
        progress(task, "")
    print(json.dumps({"run": str(record.status)}), flush=True)


if __name__ == "__main__":
    main()
