"""docs/openapi.yaml and docs/asyncapi.yaml, as a judge of what a server says.

Objects are closed: where a schema lists properties and says nothing of others, others are refused. The documents themselves stay open,
as clients must be; but a test must see a member that nobody documented.
"""
import copy
import functools
import pathlib
import re
import urllib.parse

import jsonschema
import yaml

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
NAMES = ("openapi.yaml", "asyncapi.yaml")
METHODS = ("get", "put", "post", "patch", "delete", "head", "options")


def _closed(node):
    if isinstance(node, list):
        return [_closed(n) for n in node]
    if not isinstance(node, dict):
        return node
    node = {k: _closed(v) for k, v in node.items()}
    if node.get("type") == "object" and isinstance(node.get("properties"), dict):
        node.setdefault("additionalProperties", False)
    return node


class Documents:
    def __init__(self):
        self.raw = {name: yaml.safe_load((DOCS / name).read_text(encoding="utf-8")) for name in NAMES}
        self.openapi, self.asyncapi = (self.raw[name] for name in NAMES)
        self._store = {"http://docs.invalid/" + name: _closed(copy.deepcopy(doc)) for name, doc in self.raw.items()}

    # ---- references ----

    def resolve(self, document, node):
        """Follows $ref until there is none; a node of the plain document."""
        while isinstance(node, dict) and "$ref" in node:
            target = urllib.parse.urljoin("http://docs.invalid/" + document, node["$ref"])
            file, _, pointer = target.partition("#")
            document = file.removeprefix("http://docs.invalid/")
            node = functools.reduce(lambda at, part: at[part.replace("~1", "/").replace("~0", "~")], pointer.strip("/").split("/"), self.raw[document])
        return node

    def references(self):
        """Every $ref of both documents: (document, node)."""
        def walk(document, node):
            if isinstance(node, dict):
                if isinstance(node.get("$ref"), str):
                    yield document, node
                for child in node.values():
                    yield from walk(document, child)
            elif isinstance(node, list):
                for child in node:
                    yield from walk(document, child)
        for name in NAMES:
            yield from walk(name, self.raw[name])

    # ---- judging ----

    def problems(self, document, schema, value):
        """What is wrong with the value by this schema of the document; [] where nothing is."""
        base = "http://docs.invalid/" + document
        resolver = jsonschema.RefResolver(base, self._store[base], store=self._store)
        validator = jsonschema.Draft202012Validator(_closed(schema), resolver=resolver, format_checker=jsonschema.FormatChecker())
        found = []
        for error in validator.iter_errors(value):
            best = jsonschema.exceptions.best_match([error])
            found.append(f"at {'/'.join(map(str, best.absolute_path)) or 'the top'}: {best.message}")
        return found

    # ---- REST ----

    @functools.cached_property
    def operations(self):
        """operationId → (METHOD, path, operation)."""
        return {operation["operationId"]: (method.upper(), path, operation)
                for path, item in self.openapi["paths"].items() for method, operation in item.items() if method in METHODS}

    def response(self, operation_id, status):
        """The documented response of that status, or None."""
        responses = self.operations[operation_id][2]["responses"]
        return self.resolve("openapi.yaml", responses[str(status)]) if str(status) in responses else None

    def answer_problems(self, operation_id, answer):
        response = self.response(operation_id, answer.status)
        if response is None:
            return [f"the status {answer.status} is not documented ({answer.body[:300]!r})"]
        content = response.get("content")
        if not content:
            return ["a body that is not documented"] if answer.body else []
        kind = (answer.header("Content-Type") or "").split(";")[0]
        if kind not in content:
            return [f"Content-Type {kind!r} is not documented"]
        if "json" not in kind:
            return []
        return self.problems("openapi.yaml", content[kind]["schema"], answer.json)

    def request_problems(self, operation_id, body):
        documented = self.operations[operation_id][2].get("requestBody")
        if body is None:
            return ["a body is required"] if documented and documented["required"] else []
        if not documented:
            return ["no body is documented"]
        return self.problems("openapi.yaml", documented["content"]["application/json"]["schema"], body)

    # ---- WebSocket ----

    def message(self, name):
        return self.asyncapi["components"]["messages"][name]

    @functools.cached_property
    def event_kinds(self):
        kinds = set()
        for entry in self.openapi["components"]["schemas"]["Event"]["oneOf"]:
            kind = self.resolve("openapi.yaml", entry)["properties"]["type"]
            kinds |= {kind["const"]} if "const" in kind else set(kind["enum"])
        return kinds

    @functools.cached_property
    def commands(self):
        return {name.removeprefix("command_") for name in self.asyncapi["components"]["messages"] if name.startswith("command_")}

    @functools.cached_property
    def answers(self):
        """Types of frames that the server sends, without the events."""
        return {name for name in self.asyncapi["components"]["messages"] if not name.startswith("command_") and name != "event"}

    def frame_problems(self, frame):
        kind = frame.get("type") if isinstance(frame, dict) else None
        name = "event" if kind in self.event_kinds else kind
        if name not in self.answers | {"event"}:
            return [f"frames of type {kind!r} are not documented"]
        return self.problems("asyncapi.yaml", self.message(name)["payload"], frame)

    def command_problems(self, command):
        if command.get("type") not in self.commands:
            return [f"the command {command.get('type')!r} is not documented"]
        return self.problems("asyncapi.yaml", self.message("command_" + command["type"])["payload"], command)


def parameters_of(path):
    return re.findall(r"{(\w+)}", path)
