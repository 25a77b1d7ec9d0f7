"""Accounts over REST: set-up, login, sessions, cookies, roles, administration, audit."""
import re
import unittest

from confab_server import PASSWORD, Server, ServerCase, watch


class SetUp(unittest.TestCase):
    def test_the_setup_link_makes_the_first_admin_and_works_once(self):
        watch(self)
        with Server() as server:
            body = {"setup_token": server.setup_token(), "username": "boss", "password": PASSWORD}
            wrong = server.http("POST", "/api/auth/setup", {**body, "setup_token": "A" * 43})
            self.assertEqual((wrong.status, wrong.code), (401, "auth_failed"))
            weak = server.http("POST", "/api/auth/setup", {**body, "password": "short"})
            self.assertEqual((weak.status, weak.code), (400, "invalid_field"))
            made = server.http("POST", "/api/auth/setup", body)
            self.assertEqual(made.status, 201)
            self.assertEqual((made.json["user"]["user_id"], made.json["user"]["role"]), ("boss", "admin"))
            self.assertEqual(server.http("GET", "/api/users", token=made.json["access_token"]).status, 200)
            again = server.http("POST", "/api/auth/setup", {**body, "username": "intruder"})
            self.assertEqual((again.status, again.code), (409, "already_set_up"))
            server.restart()
            self.assertNotIn("/setup#", "".join(server.output))

    def test_a_setup_link_of_an_earlier_start_is_void(self):
        watch(self)
        with Server() as server:
            old = server.setup_token()
            server.restart()
            self.assertNotEqual(server.setup_token(), old)
            body = {"setup_token": old, "username": "boss", "password": PASSWORD}
            self.assertEqual(server.http("POST", "/api/auth/setup", body).status, 401)

    def test_a_first_start_makes_the_room_general(self):
        watch(self)
        with Server() as server:
            rooms = server.call("GET", "/api/rooms")["items"]
            self.assertEqual([(r["room_id"], r["kind"]) for r in rooms], [("general", "public")])
            server.call("DELETE", "/api/rooms/general", status=204)
            server.restart()
            self.assertEqual(server.call("GET", "/api/rooms")["items"], [], "what an admin deleted stays deleted")


class Accounts(ServerCase):
    def account(self, role="member"):
        name = self.fresh("user-")
        self.server.add_password_user(name, role)
        return name

    def login(self, name, password=PASSWORD, **fields):
        return self.server.http("POST", "/api/auth/login", {"username": name, "password": password, **fields})

    def refresh(self, token):
        return self.server.http("POST", "/api/auth/refresh", {"refresh_token": token})

    # ---- sessions ----

    def test_login_gives_a_session(self):
        name = self.account()
        answer = self.login(name)
        self.assertEqual(answer.status, 200)
        session = answer.json
        self.assertEqual((session["token_type"], session["expires_in"], session["user"]["user_id"]), ("Bearer", 900, name))
        self.assertNotIn("Set-Cookie", answer.headers)
        self.assertIn("no-store", answer.header("Cache-Control"))
        me = self.server.call("GET", "/api/me", token=session["access_token"])
        self.assertEqual(me, session["user"])
        self.assertEqual(set(me), {"user_id", "display_name", "role", "disabled", "created_at"})

    def test_login_knows_no_difference_between_a_wrong_password_and_an_unknown_user(self):
        name = self.account()
        answers = [self.login(name, "not the password"), self.login("nobody-at-all", PASSWORD)]
        for answer in answers:
            self.assertProblem(answer, 401, "bad_credentials")
        self.assertEqual(answers[0].json, answers[1].json)

    def test_login_takes_the_name_in_any_case(self):
        name = self.account()
        self.assertEqual(self.login(name.upper()).json["user"]["user_id"], name)

    def test_a_user_without_a_password_cannot_log_in(self):
        self.assertProblem(self.login(self.users("nopass")), 401, "bad_credentials")

    def test_refresh_rotates_and_the_reuse_of_an_old_token_ends_the_session(self):
        session = self.login(self.account()).json
        second = self.refresh(session["refresh_token"])
        self.assertEqual(second.status, 200)
        self.assertNotEqual(second.json["refresh_token"], session["refresh_token"])
        self.assertEqual(self.server.http("GET", "/api/me", token=second.json["access_token"]).status, 200)
        third = self.refresh(second.json["refresh_token"])
        self.assertEqual(third.status, 200)
        self.assertProblem(self.refresh(session["refresh_token"]), 401, "session_expired")
        self.assertProblem(self.refresh(third.json["refresh_token"]), 401, "session_expired")
        self.assertEqual(self.server.http("GET", "/api/me", token=third.json["access_token"]).status, 401)

    def test_a_refresh_token_that_is_none_is_refused(self):
        for token in ("", "x", "A" * 43, "A" * 5000):
            with self.subTest(token=token[:10]):
                self.assertIn(self.refresh(token).status, (400, 401))
        self.assertProblem(self.server.http("POST", "/api/auth/refresh", {}), 400, "missing_field", "refresh_token")

    def test_logout_ends_the_session_and_may_be_said_twice(self):
        session = self.login(self.account()).json
        for _ in range(2):
            self.assertEqual(self.server.http("POST", "/api/auth/logout", {"refresh_token": session["refresh_token"]}).status, 204)
        self.assertProblem(self.refresh(session["refresh_token"]), 401, "session_expired")
        self.assertEqual(self.server.http("GET", "/api/me", token=session["access_token"]).status, 401)

    def test_sessions_are_listed_and_can_be_ended_one_by_one(self):
        name = self.account()
        first, second = self.login(name).json, self.login(name).json
        items = self.server.call("GET", "/api/me/sessions", token=first["access_token"])["items"]
        self.assertEqual(len(items), 2)
        self.assertEqual([s["current"] for s in items].count(True), 1)
        self.assertEqual(set(items[0]), {"id", "created_at", "last_used_at", "expires_at", "address", "agent", "current"})
        other = next(s for s in items if not s["current"])
        self.server.call("DELETE", f"/api/me/sessions/{other['id']}", token=first["access_token"], status=204)
        self.assertEqual(self.server.http("GET", "/api/me", token=second["access_token"]).status, 401)
        self.assertEqual(self.server.http("GET", "/api/me", token=first["access_token"]).status, 200)
        stranger = self.login(self.account()).json
        mine = next(s for s in items if s["current"])
        refused = self.server.http("DELETE", f"/api/me/sessions/{mine['id']}", token=stranger["access_token"])
        self.assertProblem(refused, 404, "not_found")

    def test_changing_the_password_ends_the_other_sessions(self):
        name = self.account()
        mine, other = self.login(name).json, self.login(name).json
        body = {"old_password": PASSWORD, "new_password": "a completely new one"}
        wrong = self.server.http("POST", "/api/me/password", {**body, "old_password": "wrong wrong"}, token=mine["access_token"])
        self.assertProblem(wrong, 403, "forbidden", "old_password")
        weak = self.server.http("POST", "/api/me/password", {**body, "new_password": "short"}, token=mine["access_token"])
        self.assertProblem(weak, 400, "invalid_field")
        self.assertEqual(self.server.http("POST", "/api/me/password", body, token=mine["access_token"]).status, 204)
        self.assertEqual(self.server.http("GET", "/api/me", token=mine["access_token"]).status, 200)
        self.assertEqual(self.server.http("GET", "/api/me", token=other["access_token"]).status, 401)
        self.assertEqual(self.login(name).status, 401)
        self.assertEqual(self.login(name, "a completely new one").status, 200)

    def test_the_cookie_flow_keeps_the_refresh_token_out_of_scripts_reach(self):
        answer = self.login(self.account(), cookie=True)
        self.assertNotIn("refresh_token", answer.json)
        cookie = answer.header("Set-Cookie")
        name, value = re.match(r"([^=]+)=([^;]+)", cookie).groups()
        for part in ("HttpOnly", "SameSite=Strict", "Path=/api/auth"):
            self.assertIn(part, cookie)
        self.assertNotIn("Domain", cookie)
        own = f"http://127.0.0.1:{self.server.port}"
        foreign = self.server.http("POST", "/api/auth/refresh", headers={"Cookie": f"{name}={value}", "Origin": "http://evil.example"})
        self.assertProblem(foreign, 403, "origin_refused")
        refreshed = self.server.http("POST", "/api/auth/refresh", headers={"Cookie": f"other=1; {name}={value}", "Origin": own})
        self.assertEqual(refreshed.status, 200)
        self.assertNotIn("refresh_token", refreshed.json)
        rotated = re.match(r"[^=]+=([^;]+)", refreshed.header("Set-Cookie")).group(1)
        self.assertNotEqual(rotated, value)
        foreign = self.server.http("POST", "/api/auth/logout", headers={"Cookie": f"{name}={rotated}", "Origin": "http://evil.example"})
        self.assertProblem(foreign, 403, "origin_refused")
        out = self.server.http("POST", "/api/auth/logout", headers={"Cookie": f"{name}={rotated}", "Origin": own})
        self.assertEqual(out.status, 204)
        self.assertRegex(out.header("Set-Cookie"), rf"^{name}=;.*Max-Age=0")
        self.assertEqual(self.server.http("POST", "/api/auth/refresh", headers={"Cookie": f"{name}={rotated}"}).status, 401)

    def test_a_cookie_login_from_a_foreign_page_is_refused(self):
        body = {"username": self.account(), "password": PASSWORD, "cookie": True}
        self.assertProblem(self.server.http("POST", "/api/auth/login", body, headers={"Origin": "http://evil.example"}), 403, "origin_refused")

    def test_a_cookie_is_no_credential_for_the_api(self):
        answer = self.login(self.account(), cookie=True)
        cookie = answer.header("Set-Cookie").split(";")[0]
        self.assertProblem(self.server.http("GET", "/api/me", headers={"Cookie": cookie}), 401, "auth_required")

    def test_requests_without_a_good_token_are_answered_401_with_a_challenge(self):
        for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic cm9vdDpyb290"}, {"Authorization": "Bearer"}):
            with self.subTest(headers=headers):
                answer = self.server.http("GET", "/api/me", headers=headers)
                self.assertProblem(answer, 401)
                self.assertIn("Bearer", answer.header("WWW-Authenticate"))

    def test_a_token_in_the_query_is_not_taken_by_the_api(self):
        self.assertEqual(self.server.http("GET", f"/api/me?token={self.server.admin}").status // 100, 4)

    # ---- profile ----

    def test_the_display_name_can_be_changed(self):
        token = self.token(self.users("alice"))
        self.assertEqual(self.server.call("PATCH", "/api/me", {"display_name": "Älice ☕"}, token=token)["display_name"], "Älice ☕")
        self.assertEqual(self.server.call("GET", "/api/me", token=token)["display_name"], "Älice ☕")
        for name in ("x" * 129, "two\nlines", 5):
            self.assertProblem(self.server.http("PATCH", "/api/me", {"display_name": name}, token=token), 400, "invalid_field", "display_name")
        self.assertProblem(self.server.http("PATCH", "/api/me", {"role": "admin"}, token=token), 400, "unknown_field")

    # ---- administration ----

    def test_only_admins_administer(self):
        name = self.users("alice")
        for role in ("member", "moderator", "bot"):
            token = self.server.token(self.fresh(role), role=role)
            for method, path, body in (("GET", "/api/users", None), ("POST", "/api/users", {"username": "x"}), ("GET", "/api/audit", None),
                                       ("PATCH", f"/api/users/{name}", {"role": "admin"}), ("POST", f"/api/users/{name}/revoke", {}),
                                       ("POST", f"/api/users/{name}/password", {"new_password": PASSWORD})):
                with self.subTest(role=role, method=method, path=path):
                    self.assertProblem(self.server.http(method, path, body, token=token), 403, "forbidden")

    def test_an_admin_makes_users(self):
        name = self.fresh("made-")
        made = self.server.call("POST", "/api/users", {"username": name, "password": PASSWORD, "role": "bot", "display_name": "Beep"}, status=201)
        self.assertEqual((made["user_id"], made["role"], made["display_name"], made["disabled"]), (name, "bot", "Beep", False))
        self.assertEqual(self.login(name).status, 200)
        self.assertProblem(self.server.http("POST", "/api/users", {"username": name.upper()}, token=self.server.admin), 409, "user_exists")
        for body in ({"username": "with space"}, {"username": ""}, {"username": "x" * 65}, {"username": "ok-1", "role": "king"},
                     {"username": "ok-2", "password": "short"}, {"username": "a/b"}, {"username": "ümlaut"}):
            with self.subTest(body=body):
                self.assertProblem(self.server.http("POST", "/api/users", body, token=self.server.admin), 400, "invalid_field")
        self.assertProblem(self.server.http("POST", "/api/users", {}, token=self.server.admin), 400, "missing_field", "username")

    def test_users_are_listed_by_pages(self):
        names = sorted(self.users(*["paged"] * 7))
        seen, after = [], ""
        while True:
            page = self.server.call("GET", f"/api/users?limit=3{after}")
            seen += [u["user_id"] for u in page["items"]]
            if not page["more"]:
                break
            after = f"&after={page['next']}"
        self.assertTrue(set(names) <= set(seen))
        self.assertEqual(len(seen), len(set(seen)))

    def test_anyone_may_look_a_user_up_and_unknown_ones_are_not_found(self):
        name = self.users("alice")
        self.assertEqual(self.server.call("GET", f"/api/users/{name}", token=self.token(self.users("bob")))["user_id"], name)
        self.assertProblem(self.server.http("GET", "/api/users/nobody", token=self.server.admin), 404, "user_not_found")
        self.assertProblem(self.server.http("PATCH", "/api/users/nobody", {"role": "bot"}, token=self.server.admin), 404, "user_not_found")
        self.assertProblem(self.server.http("GET", "/api/users/%00", token=self.server.admin), 400)

    def test_a_disabled_user_is_out_and_an_enabled_one_may_log_in_again(self):
        name = self.account()
        session = self.login(name).json
        self.assertTrue(self.server.call("PATCH", f"/api/users/{name}", {"disabled": True})["disabled"])
        self.assertEqual(self.server.http("GET", "/api/me", token=session["access_token"]).status, 401)
        self.assertEqual(self.refresh(session["refresh_token"]).status, 401)
        self.assertProblem(self.login(name), 403, "forbidden")
        self.assertFalse(self.server.call("PATCH", f"/api/users/{name}", {"disabled": False})["disabled"])
        self.assertEqual(self.login(name).status, 200)

    def test_a_new_role_counts_at_once(self):
        name = self.users("rising")
        self.assertEqual(self.server.http("GET", "/api/users", token=self.token(name)).status, 403)
        self.server.call("PATCH", f"/api/users/{name}", {"role": "admin"})
        self.assertEqual(self.server.http("GET", "/api/users", token=self.token(name)).status, 200)
        self.server.call("PATCH", f"/api/users/{name}", {"role": "member"})
        self.assertEqual(self.server.http("GET", "/api/users", token=self.token(name)).status, 403)

    def test_an_admin_sets_a_password_and_the_sessions_end(self):
        name = self.account()
        session = self.login(name).json
        self.server.call("POST", f"/api/users/{name}/password", {"new_password": "set by the admin"}, status=204)
        self.assertEqual(self.server.http("GET", "/api/me", token=session["access_token"]).status, 401)
        self.assertEqual(self.login(name, "set by the admin").status, 200)

    def test_what_admins_do_is_in_the_audit_log_newest_first(self):
        name = self.users("audited")
        self.server.call("PATCH", f"/api/users/{name}", {"role": "moderator"})
        self.server.call("POST", f"/api/users/{name}/revoke", status=204)
        items = self.server.call("GET", "/api/audit?limit=10")["items"]
        self.assertEqual(set(items[0]), {"id", "at", "actor", "action", "target", "address", "detail"})
        mine = [a for a in items if a["target"] == name]
        self.assertEqual([(a["actor"], a["action"], a["address"]) for a in mine[:2]],
                         [("root", "user_revoked", "127.0.0.1"), ("root", "user_updated", "127.0.0.1")])
        self.assertEqual([a["id"] for a in items], sorted((a["id"] for a in items), reverse=True))
        page = self.server.call("GET", f"/api/audit?limit=1&before={items[0]['id']}")
        self.assertEqual(page["items"], items[1:2])
        self.assertNotIn(PASSWORD, str(self.server.call("GET", "/api/audit?limit=200")))

    def test_the_public_keys_are_published(self):
        keys = self.server.http("GET", "/.well-known/confab-keys.json").json["keys"]
        self.assertTrue(any(k["active"] for k in keys))
        for key in keys:
            self.assertEqual(key["algorithm"], "v4.public")
            self.assertTrue(key["public_key"].startswith("k4.public."))
            self.assertTrue(key["kid"].startswith("k4.pid."))


class LastAdmin(unittest.TestCase):
    def test_the_last_admin_cannot_be_demoted_or_disabled(self):
        watch(self)
        with Server() as server:
            for change in ({"role": "member"}, {"disabled": True}):
                answer = server.http("PATCH", "/api/users/root", change, token=server.admin)
                self.assertEqual((answer.status, answer.code), (409, "last_owner"))
            server.token("second", role="admin")
            self.assertEqual(server.http("PATCH", "/api/users/second", {"role": "member"}, token=server.admin).status, 200)

    def test_login_is_limited_per_account_and_tells_when_to_come_back(self):
        watch(self)
        with Server(RATE_PROFILE="default") as server:
            server.add_password_user("target")
            for _ in range(60):
                answer = server.http("POST", "/api/auth/login", {"username": "target", "password": "wrong guess"})
                if answer.status != 401:
                    break
            self.assertEqual((answer.status, answer.code), (429, "rate_limited"))
            self.assertGreaterEqual(int(answer.header("Retry-After")), 1)


if __name__ == "__main__":
    unittest.main()
