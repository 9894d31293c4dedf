"""MLflow servers that come and go, what stands between them and a search, and a search without training."""

import random
import re
import socket
import struct
import threading

from servers import HOST

from actsearch.records import Direction, ExecutionRecord, Objective, Resources, SearchRecord, Status, TrialRecord


class Proxy:
    """Stands before a server. `mode`: `pass`, `hang`, `reset`, `error` (500), or `deaf`: the answer gets lost."""

    def __init__(self, port: int) -> None:
        self._port, self.mode = port, "pass"
        self._listening = socket.create_server((HOST, 0))
        self.uri = f"http://{HOST}:{self._listening.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def set(self, mode: str) -> None:
        self.mode = mode
        while self._open:
            _cut(self._open.pop())

    def close(self) -> None:
        self.set("reset")
        _cut(self._listening)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self.mode == "reset":
                _cut(client)
                continue
            self._open.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One connection; each mode is that of its beginning, since `set` cuts what is open."""
        mode = self.mode
        try:
            if mode == "hang":
                while client.recv(65536):
                    pass
            elif mode == "error":
                _read_request(client)
                client.sendall(b"HTTP/1.1 500 broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                client.close()
            else:
                self._forward(client, deaf=mode == "deaf")
        except OSError:
            return

    def _forward(self, client: socket.socket, *, deaf: bool) -> None:
        server = socket.create_connection((HOST, self._port))
        self._open.append(server)
        if not deaf:
            threading.Thread(target=_pump, args=(server, client), daemon=True).start()
            _pump(client, server)
            return
        server.sendall(_read_request(client))
        server.recv(65536)  # the server has done it
        _cut(client)


def _read_request(client: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        request += client.recv(65536)
    head, _, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.I)
    while length and len(body) < int(length[1]):
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    _cut(target)


def _cut(connection: socket.socket) -> None:
    """Ends a connection at once; the other side sees a reset."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()


def search_record(search_id: str = "s1") -> SearchRecord:
    """A search as its ledger first hears of it."""
    objective = Objective("val_accuracy", Direction.MAX)
    return SearchRecord(search_id, "synthetic", objective, "relu", 1000.0, space={"activations": ["relu", "elu"]})


def trial(number: int) -> TrialRecord:
    """One trial of two."""
    name = ("relu", "elu")[number]
    return TrialRecord(str(number), {"activation": name, "units": 8}, name)


def execution(number: int, which: int) -> ExecutionRecord:
    """One execution, the same at each call; at 1000 s plus 10 for each before it."""
    draw, at = random.Random(100 * number + which), 1000.0 + 10 * (2 * which + number)
    history = {name: tuple(draw.random() for _ in range(3)) for name in ("loss", "val_accuracy")}
    return ExecutionRecord(
        str(number), which, 7, 3, Status.COMPLETED, at, at + 4, score=max(history["val_accuracy"]), best_epoch=2,
        history=history, epoch_seconds=(1.0, 1.5, 1.25), resources=Resources(0.1, 0.2, 3.75, 2.5, 4.0, 10, 4),
        health=({"epoch": 1, "gradient_ratio": 2.0, "sites": [dict.fromkeys(("dead", "saturated", "sparsity", "gradient_norm"), 0.1) | {"site": "one"}], "findings": [{"severity": "warning", "site": "one", "reason": "dead"}]},),
    )  # fmt: skip


def contents(client, experiment: str) -> dict:
    """All that MLflow has of an experiment, by what runs stand for; nothing that chance has named."""
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id], max_results=5000)
    keys = {run.info.run_id: key_of(run) for run in runs}
    assert len(set(keys.values())) == len(keys), "a run is there twice"
    found = {}
    for run in runs:
        tags = dict(run.data.tags)
        tags["mlflow.parentRunId"] = keys.get(tags.get("mlflow.parentRunId"))
        if note := tags.get("mlflow.note.content"):
            tags["mlflow.note.content"] = re.sub(r"#/experiments/\d+/runs/(\w+)", lambda m: str(keys[m[1]]), note)
        histories = {
            name: sorted((p.step, p.timestamp, p.value) for p in client.get_metric_history(run.info.run_id, name))
            for name in run.data.metrics
        }
        files = sorted(_files(client, run.info.run_id))
        times = (run.info.status, run.info.start_time, run.info.end_time)
        found[keys[run.info.run_id]] = (times, run.data.params, tags, histories, files)
    return found


def statuses(client, experiment: str) -> dict:
    """The status of each run, by what it stands for."""
    return {key: run[0][0] for key, run in contents(client, experiment).items()}


def key_of(run) -> tuple:
    names = ("level", "trial_id", "execution")
    return tuple(run.data.tags.get(f"actsearch.{name}") for name in names)


def _files(client, run_id: str, folder: str | None = None):
    for file in client.list_artifacts(run_id, folder):
        if file.is_dir:
            yield from _files(client, run_id, file.path)
        else:
            yield file.path
