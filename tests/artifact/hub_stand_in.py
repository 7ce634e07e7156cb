"""The part of the hub's HTTP API that sharing an artifact needs, on this machine."""

import base64
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Hub(ThreadingHTTPServer):
    """Repositories in memory: name -> file -> content. Files in .safetensors are uploaded beside the commit."""

    daemon_threads = True

    def __init__(self, token: str):
        super().__init__(("127.0.0.1", 0), Handler)
        self.token, self.repositories, self.large = token, {}, {}
        self.private: dict[str, bool] = {}
        self.commits: list[tuple[str, str, list[str]]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def sha(self, name: str) -> str:
        files = self.repositories[name]
        return hashlib.sha1(b"".join(k.encode() + v for k, v in sorted(files.items()))).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        return

    def answer(self, value: object = None, status: int = 200, **headers: str) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for key, text in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key.replace("_", "-"), text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def missing(self, code: str) -> None:
        self.answer({"error": code}, 404, X_Error_Code=code)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_POST(self) -> None:
        path, body = urlsplit(self.path).path, self.body()
        if path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            return self.answer({"error": "Unauthorized"}, 401)
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            address = f"{self.server.address}/{name}"
            if name in self.server.repositories:
                return self.answer({"error": "exists", "url": address}, 409)
            self.server.repositories[name] = {}
            self.server.private[name] = bool(asked.get("private")) or asked.get("visibility") == "private"
            return self.answer({"url": address, "name": name})
        if found := re.fullmatch(r"/api/models/(.+)/preupload/main", path):
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = [("lfs" if name.endswith(".safetensors") else "regular") for name in names]
            files = [
                {"path": name, "uploadMode": mode, "shouldIgnore": False}
                for name, mode in zip(names, modes, strict=True)
            ]
            return self.answer({"files": files})
        if found := re.fullmatch(r"/(.+)\.git/info/lfs/objects/batch", path):
            asked = json.loads(body)["objects"]
            made = [
                one | {"actions": {"upload": {"href": f"{self.server.address}/upload/{one['oid']}"}}} for one in asked
            ]
            return self.answer({"transfer": "basic", "objects": made})
        if found := re.fullmatch(r"/api/models/(.+)/commit/main", path):
            return self.commit(found[1], [json.loads(line) for line in body.splitlines()])
        return self.missing("EntryNotFound")

    def commit(self, name: str, lines: list[dict]) -> None:
        files = self.server.repositories[name]
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.large[value["oid"]]
        message = next(line["value"]["summary"] for line in lines if line["key"] == "header")
        self.server.commits.append((name, message, sorted(files)))
        sha = self.server.sha(name)
        self.answer({"commitUrl": f"{self.server.address}/{name}/commit/{sha}", "commitOid": sha})

    def do_PUT(self) -> None:
        content = self.body()
        assert hashlib.sha256(content).hexdigest() == self.path.rpartition("/")[2]
        self.server.large[self.path.rpartition("/")[2]] = content
        self.answer()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path == "/":
            return self.answer()
        found = re.fullmatch(r"/api/models/(?P<name>[^/]+/[^/]+)(?:/(?:revision|tree)/(?P<revision>[^/]+))?", path)
        found = found or re.fullmatch(r"/(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)", path)
        if found is None or found["name"] not in self.server.repositories:
            return self.missing("RepoNotFound")
        name, files = found["name"], self.server.repositories[found["name"]]
        if self.server.private[name] and self.headers.get("Authorization") != f"Bearer {self.server.token}":
            return self.missing("RepoNotFound")
        sha = self.server.sha(name)
        if found["revision"] not in (None, "main", sha):
            return self.missing("RevisionNotFound")
        if "/resolve/" in path:
            if found["file"] not in files:
                return self.missing("EntryNotFound")
            content = files[found["file"]]
            tag = f'"{hashlib.sha256(content).hexdigest()}"'
            return self.answer(content, X_Repo_Commit=sha, ETag=tag)
        if "/tree/" in path:
            listed = [
                {"type": "file", "path": file, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for file, content in files.items()
            ]
            return self.answer(listed)
        siblings = [{"rfilename": file} for file in files]
        return self.answer(
            {"id": name, "modelId": name, "sha": sha, "siblings": siblings, "tags": [], "private": False}
        )
