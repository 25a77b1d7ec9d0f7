"""Conversations as text: each NNN-name.txt in this folder is one test; the first digit is the area (1 recovery, 2 messages, 3 people, 4 errors).

    # A sentence: what must hold.            the first line names the test
    users alice bob                          accounts; tokens are theirs to use
    room lobby private alice                 a room (public where no kind is said) and its members, besides root, who made it
    alice connects [/ws/chat/lobby]          ... and authenticates
    alice > {"type":"join","room_id":"lobby"}
    alice < {"type":"joined","last_id":"$last"}   waits for a frame with these members, passing over others
    alice = {"type":"caught_up"}             the very next frame must have these members
    alice quiet                              nothing (more) has come, once everything sent so far is answered
    alice closed 1008                        the server closes with this code
    alice breaks / alice leaves              drops the connection / closes it in order
    rest alice POST /api/rooms/lobby/messages {"message":"x"} 201 {"id":"$id"}
    restart | kill                           the server, on the same folder

A value "$name" takes what is received the first time, and stands for it from then on; "$name+1" counts from it.
"""
import json
import pathlib
import re
import shlex
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "server"))

from confab_client import Client
from confab_server import AsyncCase, Server


class Script:
    def __init__(self, server):
        self.server = server
        self.clients = {}
        self.values = {}

    def fill(self, value):
        """With "$name" replaced where it is known; unknown ones stay."""
        if isinstance(value, dict):
            return {k: self.fill(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.fill(v) for v in value]
        found = re.fullmatch(r"\$(\w+?)([+-]\d+)?", value) if isinstance(value, str) else None
        if not found or found[1] not in self.values:
            return value
        known = self.values[found[1]]
        return known + int(found[2]) if found[2] else known

    def match(self, wanted, got):
        """Is `wanted` a part of `got`? Takes the values of unknown names, if all fits."""
        taken = {}

        def fits(w, g):
            if isinstance(w, dict):
                return isinstance(g, dict) and all(k in g and fits(v, g[k]) for k, v in w.items())
            if isinstance(w, list):
                return isinstance(g, list) and len(w) == len(g) and all(map(fits, w, g))
            if isinstance(w, str) and re.fullmatch(r"\$\w+", w):
                return taken.setdefault(w[1:], g) == g
            return w == g and isinstance(w, bool) == isinstance(g, bool)

        if not fits(self.fill(wanted), got):
            return False
        self.values.update(taken)
        return True

    # ---- statements ----

    async def run(self, line):
        for pattern, method in self.STATEMENTS:
            found = re.fullmatch(pattern, line)
            if found:
                await method(self, *found.groups())
                return
        raise AssertionError("this is no statement")

    async def users(self, names):
        self.server.add_users(*names.split())

    async def room(self, room, rest):
        words = rest.split()
        kind = words.pop(0) if words and words[0] in ("public", "private") else "public"
        self.server.make_room(room, kind, words)

    async def connects(self, who, path):
        self.clients[who] = await Client.login(self.server, self.server.token(who.split(".")[0]), path or "/ws")

    async def sends(self, who, text):
        await self.clients[who].send(self.fill(json.loads(text)))

    async def waits(self, who, text):
        wanted, passed = json.loads(text), []
        while True:
            try:
                got = await self.clients[who].recv()
            except Exception as e:
                raise AssertionError(f"{e}; wanted {self.fill(wanted)}, passed over {passed[-5:]}") from None
            if self.match(wanted, got):
                return
            passed.append(got)

    async def next_is(self, who, text):
        wanted = json.loads(text)
        got = await self.clients[who].recv()
        assert self.match(wanted, got), f"{got} came, wanted {self.fill(wanted)}"

    async def quiet(self, who):
        came = await self.clients[who].settled()
        assert came == [], f"{came} came"

    async def closed(self, who, code):
        got = await self.clients.pop(who).closed()
        assert got[0] == int(code), f"closed with {got}"

    async def breaks(self, who):
        await self.clients.pop(who).abort()

    async def leaves(self, who):
        await self.clients.pop(who).close()

    async def rest(self, who, method, path, tail):
        path = re.sub(r"\$(\w+)", lambda m: str(self.values[m[1]]), path)
        found = re.fullmatch(r"(\{.*\} )?(\d{3})( \{.*\})?", tail)
        assert found, "rest WHO METHOD PATH [BODY] STATUS [ANSWER]"
        body = self.fill(json.loads(found[1])) if found[1] else None
        answer = self.server.http(method, path, body, token=self.server.admin if who == "root" else self.server.token(who))
        assert answer.status == int(found[2]), f"{answer.status} {answer.body[:300]}"
        if found[3]:
            assert self.match(json.loads(found[3]), answer.json), f"{answer.json} came"

    async def confab(self, words):
        outcome = self.server.run(*shlex.split(words))
        assert outcome.code == 0, outcome.err

    async def restart(self):
        await self.end()
        self.server.restart()

    async def kill(self):
        self.server.kill()
        await self.end()
        self.server.start()

    async def end(self):
        for client in self.clients.values():
            await client.abort()
        self.clients = {}

    STATEMENTS = (
        (r"users (.+)", users), (r"room (\S+) ?(.*)", room), (r"restart", restart), (r"kill", kill), (r"confab (.+)", confab),
        (r"rest (\S+) (\S+) (\S+) (.+)", rest), (r"(\S+) connects ?(\S*)", connects), (r"(\S+) > (.+)", sends), (r"(\S+) < (.+)", waits),
        (r"(\S+) = (.+)", next_is), (r"(\S+) quiet", quiet), (r"(\S+) closed (\d+)", closed), (r"(\S+) breaks", breaks), (r"(\S+) leaves", leaves))


class Scenarios(AsyncCase):
    pass


def add(file):
    lines = file.read_text().splitlines()
    sentence = lines[0].lstrip("# ").rstrip(".")

    async def test(self):
        with Server() as server:
            script = Script(server)
            try:
                for number, line in enumerate(lines, 1):
                    line = line.strip()
                    if line and not line.startswith("#"):
                        try:
                            await script.run(line)
                        except Exception as e:
                            raise AssertionError(f"{file.name}:{number}: {line}: {e!r}") from e
            finally:
                await script.end()

    test.__doc__ = None
    setattr(Scenarios, "test_" + file.name[:3] + "_" + re.sub(r"\W+", "_", sentence).lower(), test)


for file in sorted(HERE.glob("[0-9][0-9][0-9]-*.txt")):
    add(file)

if __name__ == "__main__":
    unittest.main()
