"""The run service of Kubeflow Pipelines' API server, v2beta1, in small: takes runs and shows them.

Fields: https://github.com/kubeflow/pipelines, backend/api/v2beta1/run.proto
"""

from dataclasses import dataclass, field

from tests import oracles
from tests.fakes.http import JsonServer, Refused, Request

RUN = {"display_name", "pipeline_spec", "runtime_config", "experiment_id", "service_account"}


@dataclass
class FakeKubeflow(JsonServer):
    """Attributes: `states` are those that a run goes through, one at each look."""

    states: tuple[str, ...] = ("PENDING", "RUNNING", "SUCCEEDED")
    runs: dict[str, dict] = field(default_factory=dict)

    def answer(self, request: Request) -> dict:
        run_id = request.path.removeprefix("/apis/v2beta1/runs").strip("/")
        if request.method == "GET" and run_id in self.runs:
            run = self.runs[run_id]
            run["state"] = run["next"].pop(0) if len(run["next"]) > 1 else run["next"][0]
            return {k: v for k, v in run.items() if k != "next"}
        if request.method != "POST" or request.path != "/apis/v2beta1/runs":
            raise Refused(404, "Not Found")
        body = request.body
        config = body.get("runtime_config", {})
        if body.keys() - RUN or config.keys() - {"parameters", "pipeline_root"}:
            raise Refused(400, "unknown field")
        spec = body["pipeline_spec"]
        with oracles.as_refusal():
            oracles.parse_kubeflow_run(body)
        if "pipelineInfo" not in spec.get("pipeline_spec", spec):
            raise Refused(400, "pipeline_spec is not one")
        run = {**body, "run_id": f"run-{len(self.runs) + 1}", "next": list(self.states)}
        self.runs[run["run_id"]] = run
        return {k: v for k, v in run.items() if k != "next"} | {"state": "PENDING"}
