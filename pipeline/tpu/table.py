"""The reports as text."""

from idxpipe.pipeline.tpu.check import Finding, Report
from idxpipe.pipeline.tpu.compiler import Refused

# What a reader must not take the table for.
LIMITS = """\
It proves that these programs compile and fit; it ran nothing. TPUStrategy, the input from the host
and the network between the replicas are not in it. HBM, FLOPs and bytes are per replica and run of
the program; the roofline is an estimate from them and the chip's peaks."""


HEAD = (
    *("topology", "program", "replicas", "batch", "compiles", "HBM GiB", "of"),
    *("GFLOP", "GB", "roofline", "examples/s"),
)


def rows(reports: list[Report]) -> list[tuple[str, ...]]:
    """Return the cells of each program's row, as `HEAD` names them."""
    return [_row(report, finding) for report in reports for finding in report.findings]


def notes(reports: list[Report]) -> str:
    """Return the compiler's reasons, the times, the largest batches, and what it does not prove."""
    lines = []
    for report in reports:
        lines += ["", *_notes(report)]
    return "\n".join([*lines, "", LIMITS])


def _row(report: Report, finding: Finding) -> tuple[str, ...]:
    outcome, bound = finding.outcome, finding.bound
    about = (report.topology.name, finding.name, str(finding.replicas), str(finding.examples))
    hbm = report.topology.chip.hbm_bytes
    if isinstance(outcome, Refused):
        used = _gib(outcome.used) if outcome.used else "-"
        return (*about, "no", used, _gib(outcome.limit or hbm), "-", "-", "-", "-")
    work = (f"{outcome.flops / 1e9:.3f}", f"{outcome.bytes / 1e9:.4f}")
    speed = ("-", "-")
    if bound:
        rate = f"{finding.examples / bound.seconds:,.0f}"
        speed = (f"{bound.seconds * 1e6:,.0f} us, {bound.bound}", rate)
    return (*about, "yes", _gib(outcome.hbm_bytes), _gib(hbm), *work, *speed)


def _notes(report: Report) -> list[str]:
    name = report.topology.name
    lines = []
    for finding in report.findings:
        if isinstance(finding.outcome, Refused):
            lines.append(f"{name}: {finding.name}: {finding.outcome.reason}")
        elif finding.steps > 1:
            lines.append(
                f"{name}: {finding.name}: FLOPs and bytes of one of its {finding.steps} steps"
            )
    if not report.topology.chip.tensorflow:
        lines.append(f"{name}: Vertex AI does not support TensorFlow on this generation")
    if report.seconds is not None:
        lines.append(f"{name}: all steps take {report.seconds:.3g} s at the roofline")
    if largest := report.largest:
        above = f"{largest.does_not} does not fit" if largest.does_not else "no limit was found"
        lines.append(
            f"{name}: largest batch size that compiled {largest.fits}, {above} "
            f"({largest.compiles} more compilations)"
        )
    return lines


def _gib(size: int) -> str:
    return f"{size / 2**30:.3f}"
