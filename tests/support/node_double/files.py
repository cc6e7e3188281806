"""Files over HTTP on loopback, for nodes and algorithms to fetch."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer:
    """Serves bytes under names; later additions and changes are served at once."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        content = self.content

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                data = content.get(self.path.lstrip("/"))
                self.send_response(404 if data is None else 200)
                self.send_header("content-length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write(data or b"")

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def add(self, name: str, data: bytes) -> str:
        """Serves a file and returns its URL."""
        self.content[name] = data
        return f"{self.url}/{name}"

    def __enter__(self) -> FileServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
