"""Trust 8: `--tpu grpc://...` that does not answer. The server that does is TensorFlow's own."""

import re
import socket
import threading

import pytest

from idxpipe.components.core.errors import SetupError, TransientError
from idxpipe.components.core.google.grpc_address import check_answers
from idxpipe.components.core.narration import PATIENCE_VARIABLE
from tests.emulators import deaf_port
from tests.silent import silent_server


def test_a_grpc_server_answers():
    tf = pytest.importorskip("tensorflow")
    server = tf.distribute.Server.create_local_server()
    check_answers(server.target)


def test_trust_8_one_that_is_mute(monkeypatch, capsys):
    monkeypatch.setenv(PATIENCE_VARIABLE, "5")
    with (
        silent_server("mute") as port,
        pytest.raises(TransientError, match="TPU does not answer") as caught,
    ):
        check_answers(f"grpc://127.0.0.1:{port}")
    assert "--max-wait" in caught.value.remedy
    said = capsys.readouterr().err
    assert re.search(rf"waiting for the TPU at grpc://127\.0\.0\.1:{port}, \d s so far", said)


def test_trust_8_one_that_is_not_there_or_another():
    with deaf_port() as port, pytest.raises(SetupError, match="cannot be reached"):
        check_answers(f"grpc://127.0.0.1:{port}")
    for address in ("grpc://127.0.0.1:99999", "grpc://127.0.0.1:x", "grpc://"):
        with pytest.raises(SetupError, match="cannot be reached"):
            check_answers(address)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(SetupError, match="no gRPC server"):
            check_answers(f"grpc://127.0.0.1:{listener.getsockname()[1]}")
