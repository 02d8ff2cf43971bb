"""As much of a W&B server as a run needs, on this machine: it answers the client's queries and keeps the history."""

import gzip
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Server(ThreadingHTTPServer):
    """history: rows by the line at which the client put them. artifacts, configs: what was sent, in order.

    forgetful: does not know whose key it is given.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.history: dict[int, dict[str, Any]] = {}
        self.artifacts: list[dict[str, Any]] = []
        self.configs: list[dict[str, Any]] = []
        self.known: set[str] = set()
        self.forgetful = False

    def handle_error(self, request: object, client_address: object) -> None:
        """The client's process may end while it is answered."""

    def stream(self, files: dict[str, Any]) -> None:
        lines = files.get("wandb-history.jsonl", {"offset": 0, "content": []})
        for number, line in enumerate(lines["content"], start=lines["offset"]):
            assert number not in self.history, f"line {number} was overwritten"
            self.history[number] = json.loads(line)

    def answer(self, query: str, given: dict[str, Any]) -> dict[str, Any]:
        project = {"id": "p", "name": "signaltok", "entity": {"id": "e", "name": "us"}}
        if query == "RunResumeStatus":
            return {"model": {**project, "bucket": self.resume(given["name"])}}
        if query == "UpsertBucket":
            new = given["name"] not in self.known
            self.known.add(given["name"])
            if given.get("config"):
                self.configs.append(json.loads(given["config"]))
            bucket = {"id": "b", "name": given["name"], "displayName": "x", "project": project}
            bucket["historyLineCount"] = len(self.history)
            return {"upsertBucket": {"bucket": bucket, "inserted": new}}
        if query == "CreateRunFiles":
            files = [{"name": name, "uploadUrl": f"{self.url}/upload"} for name in given["files"]]
            return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
        if query == "CreateArtifact":
            self.artifacts.append(given.get("input", given))
            sequence = {"id": "s", "latestArtifact": None}
            return {"createArtifact": {"artifact": {"id": "a", "state": "COMMITTED", "artifactSequence": sequence}}}
        if query == "Viewer" and not self.forgetful:
            who = {"id": "v", "entity": "us", "username": "us", "email": "", "flags": "{}", "teams": {"edges": []}}
            return {"viewer": who}
        if query == "ArtifactType":
            return {"project": None}
        return {}

    def resume(self, name: str) -> dict[str, Any] | None:
        if name not in self.known:
            return None
        tail = [json.dumps(self.history[max(self.history)])] if self.history else []
        lines = {"historyLineCount": len(self.history), "eventsLineCount": 0, "logLineCount": 0}
        texts = {"historyTail": json.dumps(tail), "eventsTail": "[]", "summaryMetrics": "{}", "config": "{}"}
        return {"name": name, **lines, **texts, "tags": [], "wandbConfig": json.dumps({"t": 1})}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing on the screen."""

    def do_PUT(self) -> None:
        self.content()
        self.reply({})

    def do_POST(self) -> None:
        content = self.content()
        if self.path.endswith("file_stream"):
            self.server.stream(json.loads(content).get("files") or {})
            self.reply({})
        elif self.path.endswith("graphql"):
            body = json.loads(content)
            (name,) = re.findall(r"^\s*(?:query|mutation)\s+(\w+)", body["query"])
            self.reply({"data": self.server.answer(name, body.get("variables") or {})})
        else:
            self.reply({})

    def content(self) -> bytes:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(content) if self.headers.get("Content-Encoding") == "gzip" else content

    def reply(self, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
