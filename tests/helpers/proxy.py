"""What stands between an MLflow server and a search."""

import re
import socket
import struct
import threading

from tests.helpers.servers import HOST


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
