"""What jupyter_server answers, and what ours does: the same requests to both, in the order of its own REST tests.

    python lab_reference.py OUT URL TOKEN

Writes `ours.json` and `reference.json` into OUT: a list of [request, status, what of the answer can be compared].
Left out is where ours differs on purpose: saving into a folder that is not there and starting a kernel that there is
not are 404, not 500; an unknown type is 400; a notebook read as a file has its registered MIME type.

The file `saved.ipynb` is saved by ours and read by nbformat, which must find nothing to say and write the same bytes.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import nbformat
from tornado.websocket import websocket_connect

OUT, URL, TOKEN = sys.argv[1:4]
CELL = {"id": "a", "cell_type": "code", "metadata": {}, "source": "print('hi')\n1", "execution_count": 1,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "hi\n"},
                    {"output_type": "execute_result", "data": {"text/plain": "1", "application/json": {"b": [1], "a": "é"}},
                     "metadata": {}, "execution_count": 1}]}
NOTEBOOK = {"cells": [CELL, {"id": "b", "cell_type": "markdown", "metadata": {}, "source": "# ñ\n\ntext"}],
            "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


class Server:
    def __init__(self, url, token):
        self.url, self.token, self.log = url, token, []

    def ask(self, method, path, body=None, compare=None, log=True):
        data = None if body is None else json.dumps(body).encode()
        path = urllib.parse.quote(path, safe="/?=&%")
        request = urllib.request.Request(self.url + path, data=data, method=method,
                                         headers={"Authorization": f"token {self.token}"})
        try:
            with urllib.request.urlopen(request) as response:
                status, text = response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        answer = json.loads(text) if text.startswith(("{", "[")) else text
        if log:
            shown = re.sub(r"[0-9a-f-]{36}", "ID", f"{method} {path} {json.dumps(body)}")
            self.log.append([shown, status, compare(answer) if compare and answer and status < 400 else None])
        return answer


def model(answer):
    """What of a contents model does not depend on the time."""
    fields = {key: answer[key] for key in ("name", "path", "type", "format", "mimetype", "writable")}
    content = answer["content"]
    if answer["type"] == "directory" and content is not None:
        content = sorted((model(entry) for entry in content), key=lambda entry: entry["name"])
    if answer["type"] == "notebook" and content is not None:
        content = json.loads(json.dumps(content))
        for cell in content["cells"]:
            cell["metadata"].pop("trusted", None)
    if answer["format"] == "base64":
        content = content.rstrip()  # jupyter_server ends it with a line break
    return {**fields, "content": content}


def contents(server):
    api = "/api/contents"
    ask = lambda method, path, body=None: server.ask(method, api + path, body, model)
    ask("GET", "")
    for body in ({"type": "notebook"}, {"type": "notebook"}, {"type": "directory"}, {"type": "file", "ext": ".txt"}, {}):
        ask("POST", "", body)
    ask("PUT", "/saved.ipynb", {"type": "notebook", "format": "json", "content": NOTEBOOK})
    ask("PUT", "/saved.ipynb", {"type": "notebook", "format": "json", "content": NOTEBOOK})
    ask("PUT", "/å b", {"type": "directory"})
    ask("PUT", "/å b/ünï.txt", {"type": "file", "format": "text", "content": "ünïcode"})
    ask("PUT", "/å b/bytes.bin", {"type": "file", "format": "base64", "content": "/wD/"})
    ask("PUT", "/a.txt", {"type": "file", "format": "base64"})
    for path in ("/saved.ipynb", "/saved.ipynb?content=0", "/å b", "/å b/ünï.txt",
                 "/å b/ünï.txt?format=base64", "/å b/bytes.bin", "/å b/bytes.bin?format=text", "/å b?content=0",
                 "/none.txt", "/å b?type=file", "/saved.ipynb?type=directory", "/.hidden"):
        ask("GET", path)
    ask("POST", "", {"copy_from": "saved.ipynb"})
    ask("POST", "/å b", {"copy_from": "saved.ipynb"})
    ask("POST", "/saved.ipynb", {"type": "notebook"})
    ask("PATCH", "/saved-Copy1.ipynb", {"path": "renamed.ipynb"})
    ask("PATCH", "/renamed.ipynb", {"path": "saved.ipynb"})
    ask("PATCH", "/none.ipynb", {"path": "x.ipynb"})
    ids = lambda answer: [entry["id"] for entry in (answer if isinstance(answer, list) else [answer])]
    checkpoints = "/api/contents/saved.ipynb/checkpoints"
    server.ask("POST", checkpoints, None, ids)
    server.ask("GET", checkpoints, None, ids)
    server.ask("PUT", "/api/contents/saved.ipynb", {"type": "notebook", "format": "json", "content": {**NOTEBOOK, "cells": []}}, model)
    server.ask("POST", checkpoints + "/checkpoint")
    ask("GET", "/saved.ipynb")
    server.ask("DELETE", checkpoints + "/checkpoint")
    server.ask("GET", checkpoints, None, ids)
    ask("DELETE", "/å b")
    ask("DELETE", "/å b/bytes.bin")
    ask("DELETE", "/none.txt")
    server.ask("GET", "/files/å b/ünï.txt", None, str)


def session(answer):
    return {**{key: answer[key] for key in ("path", "name", "type")}, "notebook": answer.get("notebook")}


async def execute(server, kernel, code):
    """Runs code over the WebSocket; returns the types of all that came for it, each once, and the status.

    Each once, for our kernel says again that it is busy when it has answered another request during a cell.
    """
    url = f"{server.url.replace('http', 'ws')}/api/kernels/{kernel}/channels?token={server.token}"
    socket = await websocket_connect(url)
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": uuid.uuid4().hex, "username": "", "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    await socket.write_message(json.dumps({"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}))
    seen, status, idle = set(), None, False
    while status is None or not idle:
        message = json.loads(await asyncio.wait_for(socket.read_message(), 60))
        if message["parent_header"].get("msg_id") != header["msg_id"]:
            continue
        seen.add((message["channel"], message["msg_type"]))
        idle = idle or message["content"].get("execution_state") == "idle"
        if message["channel"] == "shell":
            status = message["content"]["status"]
    socket.close()
    return {"status": status, "types": sorted(seen)}


def kernels(server):
    server.ask("GET", "/api/kernels", None, len)
    kernel = server.ask("POST", "/api/kernels", None, lambda answer: sorted(set(answer) - {"reason"}))
    server.log.append(["execute", None, asyncio.run(execute(server, kernel["id"], "1 + 1"))])
    one = f"/api/kernels/{kernel['id']}"
    server.ask("GET", one, None, lambda answer: answer["id"] == kernel["id"])
    server.ask("POST", one + "/interrupt")
    server.ask("POST", one + "/restart", None, lambda answer: answer["id"] == kernel["id"])
    server.ask("DELETE", one)
    server.ask("GET", one)
    server.ask("DELETE", one)
    body = {"path": "saved.ipynb", "type": "notebook", "name": "saved", "kernel": {"name": None}}
    made = server.ask("POST", "/api/sessions", body, session)
    server.ask("POST", "/api/sessions", body, session)
    one = f"/api/sessions/{made['id']}"
    server.ask("GET", one, None, session)
    server.ask("PATCH", one, {"path": "renamed.ipynb", "name": "renamed"}, session)
    server.ask("GET", "/api/sessions", None, lambda answer: [session(entry) for entry in answer])
    server.ask("PATCH", one, {"kernel": {"name": None}}, session)
    server.ask("DELETE", one)
    server.ask("GET", "/api/kernels", None, len)
    server.ask("GET", one)
    server.ask("POST", "/api/sessions", {"type": "notebook"})


def reference():
    """A jupyter_server with a Python kernel, on a folder of its own."""
    folder = tempfile.mkdtemp()
    token, port = uuid.uuid4().hex, 18888 + os.getpid() % 1000
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyter_server", "--no-browser", f"--ServerApp.root_dir={folder}", "--allow-root",
         f"--port={port}", f"--IdentityProvider.token={token}", "--FileContentsManager.delete_to_trash=False"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "JUPYTER_CONFIG_DIR": folder + "/.config", "JUPYTER_RUNTIME_DIR": folder + "/.runtime"})
    server = Server(f"http://127.0.0.1:{port}", token)
    for _ in range(300):
        try:
            server.ask("GET", "/api", log=False)
            return server, process
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("jupyter_server did not start")


other, process = reference()
try:
    for server, name in ((Server(URL, TOKEN), "ours"), (other, "reference")):
        contents(server)
        kernels(server)
        with open(f"{OUT}/{name}.json", "w") as file:
            json.dump(server.log, file, sort_keys=True)
finally:
    process.terminate()

ours = Server(URL, TOKEN)
text = ours.ask("GET", "/api/contents/saved.ipynb?type=file&format=text", log=False)["content"]
notebook = nbformat.reads(text, as_version=4)
nbformat.validate(notebook)
with open(f"{OUT}/saved.json", "w") as file:
    json.dump({"ours": text, "nbformat": nbformat.writes(notebook) + "\n"}, file)
