"""The commands that look after what runs on Vertex AI Pipelines."""

import argparse
from typing import Any

from idxpipe.pipeline.cli.follow import follow_to_the_end
from idxpipe.pipeline.cli.options import limit_of, one_job, place_of, vertex_of
from idxpipe.pipeline.cli.wording import columns, data_of, id_of, summary, word

Result = tuple[Any, str]


def status(args: argparse.Namespace) -> Result:
    """Show one run."""
    from idxpipe.pipeline.vertex.client import console
    from idxpipe.pipeline.vertex.record import problem_of, read

    vertex, job_id = one_job(args, args.job)
    job = vertex.get(job_id)
    record = read(job).record
    lines = [f"{job_id}: {word(job)}", console(vertex.place, job_id), "", *summary(record)]
    problem = problem_of(job)
    failed = [task for task in record.tasks.values() if task.error]
    lines += [f"\n{task.name}: {task.error}" for task in [*failed, *([problem] if problem else [])]]
    return data_of(vertex.place, job, record), "\n".join(lines)


def wait(args: argparse.Namespace) -> Result:
    """Follow one run to its end."""
    vertex, job_id = one_job(args, args.job)
    return follow_to_the_end(args, vertex, job_id)


def cancel(args: argparse.Namespace) -> Result:
    """Cancel one run."""
    vertex, job_id = one_job(args, args.job)
    vertex.cancel(job_id)
    return {"job": job_id, "cancelling": True}, f"{job_id} is being cancelled"


def logs(args: argparse.Namespace) -> Result:
    """Say where the logs of one run are."""
    from idxpipe.pipeline.rerun import select
    from idxpipe.pipeline.vertex.client import console, logging_command
    from idxpipe.pipeline.vertex.record import read

    vertex, job_id = one_job(args, args.job)
    job = vertex.get(job_id)
    stages = sorted(select(read(job).whole, args.stage)) if args.stage else [""]
    commands = [logging_command(vertex.place, job, stage) for stage in stages]
    url = console(vertex.place, job_id)
    return {"job": job_id, "console": url, "commands": commands}, "\n".join([url, *commands])


def list_jobs(args: argparse.Namespace) -> Result:
    """List runs."""
    vertex = vertex_of(args, place_of(args))
    jobs = vertex.jobs(args.filter, limit_of(args))
    rows = [("job", "status", "created", "name")]
    rows += [
        (
            id_of(job),
            word(job),
            str(job.get("createTime", ""))[:19],
            str(job.get("displayName", "")),
        )
        for job in jobs
    ]
    data = [{k: v for k, v in job.items() if k != "pipelineSpec"} for job in jobs]
    return data, columns(rows)
