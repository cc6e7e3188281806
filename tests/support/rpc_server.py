"""JSON-RPC over HTTP on loopback in front of an embedded chain, so that commands see a network."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from unionveil_ocean.sandbox.chain import EmbeddedChain

_MUCH_GAS = 5_000_000
_ACCOUNTS = ("eth_accounts", "eth_sendTransaction", "eth_sign")


class RpcServer:
    """Answers like a public RPC: it holds no account and signs nothing.

    Attributes:
        url: with a path that represents a secret key.
        requests: names of the requested methods.
        is_down: refuse every request.
        fault: answers a request instead of the chain, with "result" or "error"; None lets the chain answer.
    """

    def __init__(self, chain: EmbeddedChain) -> None:
        self.requests: list[str] = []
        self.is_down = False
        self.fault: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda _: None
        self.ask = ask = chain.web3.provider.request_func(chain.web3, chain.web3.middleware_onion)
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.requests.append(body["method"])
                if server.is_down:
                    self.send_error(503)
                    return
                given = server.fault(body) or server.answer(ask, body)
                answer = {"jsonrpc": "2.0", "id": body["id"], **given}
                data = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v3/rpc-secret"

    def answer(self, ask: Any, body: dict[str, Any]) -> dict[str, Any]:
        if body["method"] in _ACCOUNTS:
            return {"error": {"code": -32601, "message": "no accounts here"}}
        if body["method"] == "eth_estimateGas":
            # py-evm would run the call some twenty times to estimate; one call shows whether it is refused.
            refused = self.answer(
                ask, {**body, "method": "eth_call", "params": [body["params"][0], "latest"]}
            )
            return refused if "error" in refused else {"result": hex(_MUCH_GAS)}
        try:
            answer = ask(body["method"], body.get("params", []))
        except Exception as error:
            text = str(error)
            return {"error": {"code": 3 if "execution reverted" in text else -32000, "message": text}}
        if "error" in answer:
            message = answer["error"] if isinstance(answer["error"], str) else answer["error"]["message"]
            return {"error": {"code": -32000, "message": message}}
        return {"result": _wire(answer.get("result"))}

    def __enter__(self) -> RpcServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _wire(value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return hex(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Mapping):
        return {key: _wire(part) for key, part in value.items()}
    return [_wire(part) for part in value]
