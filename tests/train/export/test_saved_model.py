from pathlib import Path

from tensorflow.core.protobuf import saved_model_pb2


def test_tensorflow_serving_finds_its_signature(finished):
    body = Path(f"{finished[0].model}/saved_model.pb").read_bytes()
    (graph,) = saved_model_pb2.SavedModel.FromString(body).meta_graphs
    assert "serve" in graph.meta_info_def.tags
    signature = graph.signature_def["serving_default"]
    assert signature.method_name == "tensorflow/serving/predict"
    assert list(signature.inputs) == ["images"]
    assert set(signature.outputs) == {"classes", "probabilities", "logits"}
