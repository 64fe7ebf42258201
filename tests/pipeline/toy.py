"""Compiled pipelines written by hand, whose stages are shell scripts: no KFP, a few ms each."""

import yaml


def task(script, *arguments, **more):
    """Describe one task: what `document` needs to know of it."""
    return {"script": script, "arguments": list(arguments), **more}


def parameter(name):
    return {"componentInputParameter": name}


def constant(value):
    return {"runtimeValue": {"constant": value}}


def output(producer, key):
    return {"taskOutputParameter": {"producerTask": producer, "outputParameterKey": key}}


def artifact(producer, key):
    return {"taskOutputArtifact": {"producerTask": producer, "outputArtifactKey": key}}


def kind(title):
    return {"artifactType": {"schemaTitle": f"system.{title}", "schemaVersion": "0.0.1"}}


def document(tasks, inputs=None):
    """Return a PipelineSpec.

    Args:
        tasks: By name, from `task`; besides the script: `parameters` {name: (type, source)},
            `artifacts` {name: (title, source)}, `values` {name: type}, `files` {name: title},
            `cache`, `env`.
        inputs: The pipeline's parameters, {name: (type, default)}.
    """
    spec = {
        "pipelineInfo": {"name": "toy"},
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.16.1",
        "components": {},
        "deploymentSpec": {"executors": {}},
        "root": {"dag": {"tasks": {}}},
    }
    if inputs:
        spec["root"]["inputDefinitions"] = {
            "parameters": {n: _declared(*declared) for n, declared in inputs.items()}
        }
    for name, given in tasks.items():
        parameters, artifacts = given.get("parameters", {}), given.get("artifacts", {})
        component = {"executorLabel": f"exec-{name}"}
        incoming = {}
        if parameters:
            incoming["parameters"] = {n: {"parameterType": k} for n, (k, _) in parameters.items()}
        if artifacts:
            incoming["artifacts"] = {n: kind(k) for n, (k, _) in artifacts.items()}
        if incoming:
            component["inputDefinitions"] = incoming
        outgoing = {}
        if given.get("values"):
            outgoing["parameters"] = {n: {"parameterType": k} for n, k in given["values"].items()}
        if given.get("files"):
            outgoing["artifacts"] = {n: kind(k) for n, k in given["files"].items()}
        if outgoing:
            component["outputDefinitions"] = outgoing
        spec["components"][f"comp-{name}"] = component
        spec["deploymentSpec"]["executors"][f"exec-{name}"] = {
            "container": {
                "image": "toy",
                "command": ["sh", "-ec", given["script"]],
                "args": given["arguments"],
                "env": [{"name": k, "value": v} for k, v in given.get("env", {}).items()],
            }
        }
        sources = [s for _, s in [*parameters.values(), *artifacts.values()]]
        upstream = {
            s[key]["producerTask"]
            for s in sources
            for key in ("taskOutputParameter", "taskOutputArtifact")
            if key in s
        } | set(given.get("after", []))
        node = {
            "cachingOptions": {"enableCache": True} if given.get("cache", True) else {},
            "componentRef": {"name": f"comp-{name}"},
            "taskInfo": {"name": name},
        }
        if sources:
            node["inputs"] = {}
            if parameters:
                node["inputs"]["parameters"] = {n: s for n, (_, s) in parameters.items()}
            if artifacts:
                node["inputs"]["artifacts"] = {n: s for n, (_, s) in artifacts.items()}
        if upstream:
            node["dependentTasks"] = sorted(upstream)
        spec["root"]["dag"]["tasks"][name] = node
    return spec


def _declared(kind_, default=None):
    declared = {"parameterType": kind_}
    return (
        declared if default is None else {**declared, "defaultValue": default, "isOptional": True}
    )


def text(spec):
    return yaml.dump(spec, Dumper=yaml.CSafeDumper).encode()


def read(text):
    """A compiled pipeline as a document; libyaml takes a tenth of the time."""
    return yaml.load(text, yaml.CSafeLoader)


# The shape of the real pipeline: look at two files, copy each, train on one, judge with both.
LOOK = """
printf %s "$(cksum < "$0/a")" > "$2"
printf %s "$(cksum < "$0/b")" > "$3"
mkdir -p "$1" && echo looked > "$1/report.txt"
"""

COPY = """
mkdir -p "$1"
if [ -e "$1/half" ]; then echo "went on from half"; fi
touch "$1/half"
if [ -n "$MEET" ]; then
  touch "$MEET/$2"
  for i in $(seq 600); do [ $(ls "$MEET" | wc -l) -ge 2 ] && break; sleep 0.05; done
  [ $(ls "$MEET" | wc -l) -ge 2 ]
fi
if [ "$HANG" = "$2" ]; then sleep 60 & : > "$HANG_MARK"; wait; fi
if [ "$BREAK" = "$2" ]; then
  echo "something before" >&2
  printf 'error: %s: byte 4: wrong magic number\\n  expected: 2051\\n  found:    7\\n' "$0" >&2
  exit 3
fi
cat "$0/$2" > "$1/content"
"""

TRAIN = """
if [ "$BREAK" = train ]; then echo "Segmentation fault" >&2; kill -SEGV $$; fi
mkdir -p "$1" && tr a-z A-Z < "$0/content" > "$1/model"
"""

JUDGE = """
cat "$0/content" "$1/model" > "$2.html"
cat > "$3" <<END
{"parameterValues": {"score": 0.5}, "artifacts": {
  "report": {"artifacts": [{"name": "report", "uri": "$2.html", "metadata": {}}]},
  "metrics": {"artifacts": [{"name": "metrics", "uri": "$4",
    "metadata": {"accuracy": 0.5, "n": 3}}]}
}}
END
"""


def _copy(split, file):
    return task(
        COPY,
        "{{$.inputs.parameters['data']}}",
        "{{$.outputs.artifacts['dataset'].path}}",
        file,
        parameters={
            "data": ("STRING", parameter("data")),
            "fingerprint": ("STRING", output("look", f"fingerprint_{file}")),
        },
        files={"dataset": "Dataset"},
    )


def toy():
    return document(
        {
            "look": task(
                LOOK,
                "{{$.inputs.parameters['data']}}",
                "{{$.outputs.artifacts['report'].path}}",
                "{{$.outputs.parameters['fingerprint_a'].output_file}}",
                "{{$.outputs.parameters['fingerprint_b'].output_file}}",
                parameters={"data": ("STRING", parameter("data"))},
                values={"fingerprint_a": "STRING", "fingerprint_b": "STRING"},
                files={"report": "Artifact"},
                cache=False,
            ),
            "copy-train": _copy("train", "a"),
            "copy-test": _copy("test", "b"),
            "train": task(
                TRAIN,
                "{{$.inputs.artifacts['dataset'].uri}}",
                "{{$.outputs.artifacts['model'].uri}}",
                parameters={"steps": ("NUMBER_INTEGER", parameter("steps"))},
                artifacts={"dataset": ("Dataset", artifact("copy-train", "dataset"))},
                files={"model": "Model"},
            ),
            "judge": task(
                JUDGE,
                "{{$.inputs.artifacts['dataset'].uri}}",
                "{{$.inputs.artifacts['model'].uri}}",
                "{{$.outputs.artifacts['report'].uri}}",
                "{{$.outputs.output_file}}",
                "{{$.outputs.artifacts['metrics'].uri}}",
                artifacts={
                    "dataset": ("Dataset", artifact("copy-test", "dataset")),
                    "model": ("Model", artifact("train", "model")),
                },
                values={"score": "NUMBER_DOUBLE"},
                files={"report": "HTML", "metrics": "Metrics"},
            ),
        },
        {"data": ("STRING",), "steps": ("NUMBER_INTEGER", 10.0)},
    )
