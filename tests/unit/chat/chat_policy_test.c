/* The whole matrix of roles × actions, written out by hand from docs/decisions/ and not from the code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "chat_policy.h"

/* Columns: bot, member, moderator, admin of the server; first in an open room, then in an archived one.
 * + allowed, F forbidden, N not a member, H hidden (no such room), A archived. */
struct matrix {
    const char *what;
    enum policy_action action;
    bool own;
    enum member_role target_role, new_role;
    const char *rows[10];
};

static const struct {
    enum room_kind kind;
    enum member_role role;
    const char *name;
} row_keys[10] = {
    {ROOM_PUBLIC, MEMBER_NONE, "public, none"},       {ROOM_PUBLIC, MEMBER_MEMBER, "public, member"},
    {ROOM_PUBLIC, MEMBER_MODERATOR, "public, mod"},   {ROOM_PUBLIC, MEMBER_OWNER, "public, owner"},
    {ROOM_PRIVATE, MEMBER_NONE, "private, none"},     {ROOM_PRIVATE, MEMBER_MEMBER, "private, member"},
    {ROOM_PRIVATE, MEMBER_MODERATOR, "private, mod"}, {ROOM_PRIVATE, MEMBER_OWNER, "private, owner"},
    {ROOM_DIRECT, MEMBER_NONE, "direct, none"},       {ROOM_DIRECT, MEMBER_MEMBER, "direct, member"},
};

/* clang-format off */
static const struct matrix matrices[] = {
    /*                                                        public: none         member       moderator    owner  */
    {"see a room", POLICY_SEE_ROOM, false, 0, 0,             {"++++ ++++", "++++ ++++", "++++ ++++", "++++ ++++",
    /* private */                                             "NNN+ NNN+", "++++ ++++", "++++ ++++", "++++ ++++",
    /* direct: none, member */                                "HHH+ HHH+", "++++ ++++"}},
    {"read a room", POLICY_READ_ROOM, false, 0, 0,           {"++++ ++++", "++++ ++++", "++++ ++++", "++++ ++++",
                                                              "NNN+ NNN+", "++++ ++++", "++++ ++++", "++++ ++++",
                                                              "HHH+ HHH+", "++++ ++++"}},
    {"join", POLICY_JOIN_ROOM, false, 0, 0,                  {"++++ AAAA", "++++ ++++", "++++ ++++", "++++ ++++",
                                                              "NNN+ NNNA", "++++ ++++", "++++ ++++", "++++ ++++",
                                                              "HHHF HHHF", "++++ ++++"}},
    {"post", POLICY_POST, false, 0, 0,                       {"++++ AAAA", "++++ AAAA", "++++ AAAA", "++++ AAAA",
                                                              "NNN+ NNNA", "++++ AAAA", "++++ AAAA", "++++ AAAA",
                                                              "HHHF HHHF", "++++ AAAA"}},
    {"edit one's own", POLICY_EDIT_MESSAGE, true, 0, 0,      {"NNN+ NNNA", "++++ AAAA", "++++ AAAA", "++++ AAAA",
                                                              "NNN+ NNNA", "++++ AAAA", "++++ AAAA", "++++ AAAA",
                                                              "HHHF HHHF", "++++ AAAA"}},
    {"edit another's", POLICY_EDIT_MESSAGE, false, 0, 0,     {"FFFF FFFF", "FFFF FFFF", "FFFF FFFF", "FFFF FFFF",
                                                              "NNNF NNNF", "FFFF FFFF", "FFFF FFFF", "FFFF FFFF",
                                                              "HHHF HHHF", "FFFF FFFF"}},
    {"react", POLICY_REACT, false, 0, 0,                     {"NNN+ NNNA", "++++ AAAA", "++++ AAAA", "++++ AAAA",
                                                              "NNN+ NNNA", "++++ AAAA", "++++ AAAA", "++++ AAAA",
                                                              "HHHF HHHF", "++++ AAAA"}},
    {"delete one's own", POLICY_DELETE_MESSAGE, true, 0, 0,  {"++++ ++++", "++++ ++++", "++++ ++++", "++++ ++++",
                                                              "NNN+ NNN+", "++++ ++++", "++++ ++++", "++++ ++++",
                                                              "HHH+ HHH+", "++++ ++++"}},
    {"delete another's", POLICY_DELETE_MESSAGE, false, 0, 0, {"FF++ FF++", "FF++ FF++", "++++ ++++", "++++ ++++",
                                                              "NNN+ NNN+", "FF++ FF++", "++++ ++++", "++++ ++++",
                                                              "HHH+ HHH+", "FFF+ FFF+"}},
    {"rename", POLICY_UPDATE_ROOM, false, 0, 0,              {"FF++ FFAA", "FF++ FFAA", "++++ AAAA", "++++ AAAA",
                                                              "NNN+ NNNA", "FF++ FFAA", "++++ AAAA", "++++ AAAA",
                                                              "HHHF HHHF", "FFFF FFFF"}},
    {"change the kind", POLICY_SET_ROOM_KIND, false, 0, 0,   {"FFF+ FFFA", "FFF+ FFFA", "FFF+ FFFA", "++++ AAAA",
                                                              "NNN+ NNNA", "FFF+ FFFA", "FFF+ FFFA", "++++ AAAA",
                                                              "HHHF HHHF", "FFFF FFFF"}},
    {"archive", POLICY_ARCHIVE_ROOM, false, 0, 0,            {"FFF+ FFF+", "FFF+ FFF+", "FFF+ FFF+", "++++ ++++",
                                                              "NNN+ NNN+", "FFF+ FFF+", "FFF+ FFF+", "++++ ++++",
                                                              "HHH+ HHH+", "FFF+ FFF+"}},
    {"delete a room", POLICY_DELETE_ROOM, false, 0, 0,       {"FFF+ FFF+", "FFF+ FFF+", "FFF+ FFF+", "++++ ++++",
                                                              "NNN+ NNN+", "FFF+ FFF+", "FFF+ FFF+", "++++ ++++",
                                                              "HHH+ HHH+", "FFF+ FFF+"}},
    {"add a member", POLICY_ADD_MEMBER, false, 0, MEMBER_MEMBER,
                                                             {"FF++ FFAA", "FF++ FFAA", "++++ AAAA", "++++ AAAA",
                                                              "NNN+ NNNA", "FF++ FFAA", "++++ AAAA", "++++ AAAA",
                                                              "HHHF HHHF", "FFFF FFFF"}},
    {"add a moderator", POLICY_ADD_MEMBER, false, 0, MEMBER_MODERATOR,
                                                             {"FFF+ FFFA", "FFF+ FFFA", "FFF+ FFFA", "++++ AAAA",
                                                              "NNN+ NNNA", "FFF+ FFFA", "FFF+ FFFA", "++++ AAAA",
                                                              "HHHF HHHF", "FFFF FFFF"}},
    {"add an owner", POLICY_ADD_MEMBER, false, 0, MEMBER_OWNER,
                                                             {"FFF+ FFFA", "FFF+ FFFA", "FFF+ FFFA", "++++ AAAA",
                                                              "NNN+ NNNA", "FFF+ FFFA", "FFF+ FFFA", "++++ AAAA",
                                                              "HHHF HHHF", "FFFF FFFF"}},
    {"remove a member", POLICY_REMOVE_MEMBER, false, MEMBER_MEMBER, 0,
                                                             {"FF++ FF++", "FF++ FF++", "++++ ++++", "++++ ++++",
                                                              "NNN+ NNN+", "FF++ FF++", "++++ ++++", "++++ ++++",
                                                              "HHHF HHHF", "FFFF FFFF"}},
    {"remove a moderator", POLICY_REMOVE_MEMBER, false, MEMBER_MODERATOR, 0,
                                                             {"FFF+ FFF+", "FFF+ FFF+", "FFF+ FFF+", "++++ ++++",
                                                              "NNN+ NNN+", "FFF+ FFF+", "FFF+ FFF+", "++++ ++++",
                                                              "HHHF HHHF", "FFFF FFFF"}},
    {"remove an owner", POLICY_REMOVE_MEMBER, false, MEMBER_OWNER, 0,
                                                             {"FFF+ FFF+", "FFF+ FFF+", "FFF+ FFF+", "++++ ++++",
                                                              "NNN+ NNN+", "FFF+ FFF+", "FFF+ FFF+", "++++ ++++",
                                                              "HHHF HHHF", "FFFF FFFF"}},
    {"leave", POLICY_REMOVE_MEMBER, true, MEMBER_MEMBER, 0,  {"++++ ++++", "++++ ++++", "++++ ++++", "++++ ++++",
                                                              "NNN+ NNN+", "++++ ++++", "++++ ++++", "++++ ++++",
                                                              "HHHF HHHF", "FFFF FFFF"}},
    {"promote", POLICY_SET_MEMBER_ROLE, false, MEMBER_MEMBER, MEMBER_MODERATOR,
                                                             {"FFF+ FFF+", "FFF+ FFF+", "FFF+ FFF+", "++++ ++++",
                                                              "NNN+ NNN+", "FFF+ FFF+", "FFF+ FFF+", "++++ ++++",
                                                              "HHHF HHHF", "FFFF FFFF"}},
    {"demote", POLICY_SET_MEMBER_ROLE, false, MEMBER_OWNER, MEMBER_MEMBER,
                                                             {"FFF+ FFF+", "FFF+ FFF+", "FFF+ FFF+", "++++ ++++",
                                                              "NNN+ NNN+", "FFF+ FFF+", "FFF+ FFF+", "++++ ++++",
                                                              "HHHF HHHF", "FFFF FFFF"}},
    {"step down to member", POLICY_SET_MEMBER_ROLE, true, 0, MEMBER_MEMBER,
                                                             {"FFF+ FFF+", "FFF+ FFF+", "++++ ++++", "++++ ++++",
                                                              "NNN+ NNN+", "FFF+ FFF+", "++++ ++++", "++++ ++++",
                                                              "HHHF HHHF", "FFFF FFFF"}},
    {"promote oneself", POLICY_SET_MEMBER_ROLE, true, 0, MEMBER_OWNER,
                                                             {"FFF+ FFF+", "FFF+ FFF+", "FFF+ FFF+", "++++ ++++",
                                                              "NNN+ NNN+", "FFF+ FFF+", "FFF+ FFF+", "++++ ++++",
                                                              "HHHF HHHF", "FFFF FFFF"}},
};
/* clang-format on */

static enum confab_code code_of(char letter)
{
    switch (letter) {
    case '+':
        return CONFAB_OK;
    case 'F':
        return CONFAB_FORBIDDEN;
    case 'N':
        return CONFAB_NOT_A_MEMBER;
    case 'H':
        return CONFAB_ROOM_NOT_FOUND;
    case 'A':
        return CONFAB_ROOM_ARCHIVED;
    default:
        return CONFAB_INTERNAL;
    }
}

static void expect(const struct matrix *m, size_t row, size_t column, char letter)
{
    struct policy_question q = {.action = m->action,
                                .user_role = (enum user_role)(USER_BOT + column % 5),
                                .member_role = row_keys[row].role,
                                .room_kind = row_keys[row].kind,
                                .room_archived = column >= 5,
                                .own = m->own,
                                .target_role = m->target_role,
                                .new_role = m->new_role};
    confab_err e = policy_decide(&q);
    if (e.code != code_of(letter))
        fail_msg("%s, %s, server role %d, %s: expected %c, got %s", m->what, row_keys[row].name, (int)q.user_role,
                 q.room_archived ? "archived" : "open", letter, confab_err_word(e.code));
}

static void every_role_may_do_what_the_matrix_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
        for (size_t row = 0; row < 10; row++) {
            assert_int_equal(strlen(matrices[i].rows[row]), 9);
            for (size_t column = 0; column < 9; column++) {
                if (column != 4) expect(&matrices[i], row, column, matrices[i].rows[row][column]);
            }
        }
    }
}

static void every_action_about_a_room_is_in_the_matrix(void **state)
{
    (void)state;
    for (int action = 0; action < POLICY_ACTION_COUNT; action++) {
        bool server =
            action == POLICY_CREATE_ROOM || action == POLICY_ADMIN_USERS || action == POLICY_READ_AUDIT || action == POLICY_ADMIN_SERVER;
        bool found = server;
        for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++)
            found = found || (int)matrices[i].action == action;
        if (!found) fail_msg("action %d is in no matrix", action);
    }
}

static void only_admins_administer_the_server_and_everyone_makes_rooms(void **state)
{
    (void)state;
    const enum policy_action office[] = {POLICY_ADMIN_USERS, POLICY_READ_AUDIT, POLICY_ADMIN_SERVER};
    for (int role = USER_BOT; role <= USER_ADMIN; role++) {
        struct policy_question q = {.action = POLICY_CREATE_ROOM, .user_role = (enum user_role)role};
        assert_int_equal(policy_decide(&q).code, CONFAB_OK);
        for (size_t i = 0; i < 3; i++) {
            q.action = office[i];
            assert_int_equal(policy_decide(&q).code, role == USER_ADMIN ? CONFAB_OK : CONFAB_FORBIDDEN);
        }
    }
}

static void a_disabled_user_may_do_nothing_whatever_their_roles(void **state)
{
    (void)state;
    for (int action = 0; action < POLICY_ACTION_COUNT; action++) {
        struct policy_question q = {.action = (enum policy_action)action,
                                    .user_role = USER_ADMIN,
                                    .disabled = true,
                                    .member_role = MEMBER_OWNER,
                                    .room_kind = ROOM_PUBLIC,
                                    .own = true};
        assert_int_equal(policy_decide(&q).code, CONFAB_FORBIDDEN);
    }
}

static void an_unknown_role_or_action_is_refused(void **state)
{
    (void)state;
    struct policy_question q = {.action = POLICY_SEE_ROOM, .user_role = 0, .room_kind = ROOM_PUBLIC};
    assert_int_equal(policy_decide(&q).code, CONFAB_FORBIDDEN);
    q.user_role = (enum user_role)5;
    assert_int_equal(policy_decide(&q).code, CONFAB_FORBIDDEN);
    q.user_role = USER_ADMIN;
    q.action = POLICY_ACTION_COUNT;
    assert_int_equal(policy_decide(&q).code, CONFAB_FORBIDDEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_role_may_do_what_the_matrix_says),
        cmocka_unit_test(every_action_about_a_room_is_in_the_matrix),
        cmocka_unit_test(only_admins_administer_the_server_and_everyone_makes_rooms),
        cmocka_unit_test(a_disabled_user_may_do_nothing_whatever_their_roles),
        cmocka_unit_test(an_unknown_role_or_action_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
