/* corpus_test.c: what a log's lines mean, and how nicks, files and bytes become users, rooms and text. */
#include "corpus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

enum { MAX_TEXT = 100 };

/* ---- lines ---- */

static void expect_line(const char *line, corpus_kind kind, const char *nick, const char *text)
{
    const corpus_utterance u = corpus_parse_line(line, strlen(line));
    assert_int_equal(u.kind, kind);
    if (kind != CORPUS_NOTICE) {
        assert_int_equal(u.nick_len, strlen(nick));
        assert_memory_equal(u.nick, nick, u.nick_len);
        assert_int_equal(u.text_len, strlen(text));
        assert_memory_equal(u.text, text, u.text_len);
    }
}

static void a_spoken_line_has_nick_and_text(void **state)
{
    (void)state;
    expect_line("[12:18] <|trey|> usual, quite stable though  :)", CORPUS_SAID, "|trey|", "usual, quite stable though  :)");
}

static void only_one_space_after_the_nick_belongs_to_the_format(void **state)
{
    (void)state;
    expect_line("[12:18] <a>   indented ", CORPUS_SAID, "a", "  indented ");
    expect_line("[12:18] <a>tight", CORPUS_SAID, "a", "tight");
}

static void text_may_hold_brackets_and_be_empty(void **state)
{
    (void)state;
    expect_line("[12:18] <a> <b> [12:18] > c", CORPUS_SAID, "a", "<b> [12:18] > c");
    expect_line("[12:18] <a> ", CORPUS_SAID, "a", "");
    expect_line("[12:18] <a>", CORPUS_SAID, "a", "");
}

static void a_nick_may_hold_spaces(void **state)
{
    (void)state;
    expect_line("[12:18] <[x] y> hi", CORPUS_SAID, "[x] y", "hi");
}

static void an_action_has_nick_and_deed(void **state)
{
    (void)state;
    expect_line("[13:56]  * genii sips a coffee", CORPUS_ACTION, "genii", "sips a coffee");
    expect_line("[13:56] * genii  sips", CORPUS_ACTION, "genii", " sips");
    expect_line("[13:56]  * genii", CORPUS_ACTION, "genii", "");
}

static void what_nobody_said_is_a_notice(void **state)
{
    (void)state;
    const char *notices[] = {
        "",
        "=== topyli [~juha@example.invalid]  has left #ubuntu []",
        "[05:12] -spam:#ubuntu- buy",
        "[01:09] (x/#ubuntu) y: z",
        "[12:18] <> nobody",
        "[12:18] <unclosed",
        "[12:18]",
        "[12:18] ",
        "[1x:18] <a> b",
        "12:18 <a> b",
        "[12:18]  *",
        "[12:18]  * ",
    };
    for (size_t i = 0; i < sizeof notices / sizeof notices[0]; i++) {
        expect_line(notices[i], CORPUS_NOTICE, NULL, NULL);
    }
}

/* ---- text ---- */

static void expect_repaired(const char *text, size_t len, const char *want, size_t repaired)
{
    bytes out = {0};
    size_t got = 0;
    assert_true(text_append_repaired(&out, text, len, &got));
    assert_int_equal(got, repaired);
    assert_int_equal(out.len, strlen(want));
    assert_memory_equal(out.at, want, out.len);
    bytes_fini(&out);
}

#define FFFD "\xEF\xBF\xBD"

static void well_formed_text_is_left_alone(void **state)
{
    (void)state;
    const char *text = "a\t\x08\x1C\x7F \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 \xEF\xBB\xBF \xEF\xBF\xBF";
    expect_repaired(text, strlen(text), text, 0);
}

static void each_invalid_byte_becomes_one_replacement_character(void **state)
{
    (void)state;
    expect_repaired("caf\xE9!", 5, "caf" FFFD "!", 1);              /* Latin-1 */
    expect_repaired("\xE2\x82", 2, FFFD FFFD, 2);                   /* cut off */
    expect_repaired("\xE2\x82z", 3, FFFD FFFD "z", 2);              /* cut off by something else */
    expect_repaired("\xC0\xAF", 2, FFFD FFFD, 2);                   /* overlong */
    expect_repaired("\xE0\x80\xAF", 3, FFFD FFFD FFFD, 3);          /* overlong */
    expect_repaired("\xF0\x80\x80\xAF", 4, FFFD FFFD FFFD FFFD, 4); /* overlong */
    expect_repaired("\xED\xA0\x80", 3, FFFD FFFD FFFD, 3);          /* a surrogate */
    expect_repaired("\xF4\x90\x80\x80", 4, FFFD FFFD FFFD FFFD, 4); /* above U+10FFFF */
    expect_repaired("\xFF\xFE", 2, FFFD FFFD, 2);                   /* never in UTF-8 */
    expect_repaired("a\0b", 3, "a" FFFD "b", 1);                    /* NUL */
}

/* ---- names ---- */

static void expect_name(const char *nick, const char *want)
{
    char name[TEXT_NAME_MAX + 1];
    text_user_name(nick, strlen(nick), name);
    assert_string_equal(name, want);
}

static void nicks_become_valid_user_names(void **state)
{
    (void)state;
    expect_name("P3L|C4N0", "P3L|C4N0");
    expect_name("[x]^_`{y}-", "[x]^_`{y}-");
    expect_name("[optik] ", "[optik]~20");
    expect_name("ranma_1\\2", "ranma_1~5c2");
    expect_name("z\xC3\xB6", "z~c3~b6");
    expect_name("a~b", "a~7eb");
    expect_name("a<b\"&@/:,#%?c", "a~3cb~22~26~40~2f~3a~2c~23~25~3fc");
}

static void long_nicks_are_cut_and_stay_different(void **state)
{
    (void)state;
    char nick[80];
    char one[TEXT_NAME_MAX + 1];
    char other[TEXT_NAME_MAX + 1];
    memset(nick, 'n', sizeof nick);
    text_user_name(nick, TEXT_NAME_MAX, one);
    assert_int_equal(strlen(one), TEXT_NAME_MAX); /* still fits as it is */
    assert_memory_equal(one, nick, TEXT_NAME_MAX);
    text_user_name(nick, sizeof nick, one);
    nick[79] = 'x';
    text_user_name(nick, sizeof nick, other);
    assert_int_equal(strlen(one), TEXT_NAME_MAX);
    assert_int_equal(strlen(other), TEXT_NAME_MAX);
    assert_string_not_equal(one, other);
    for (size_t len = 1; len <= sizeof nick; len++) { /* escapes at every distance from the limit */
        memset(nick, ' ', sizeof nick);
        text_user_name(nick, len, one);
        assert_true(strlen(one) <= TEXT_NAME_MAX);
    }
}

static void expect_room(const char *file_name, const char *want)
{
    char id[TEXT_NAME_MAX + 1];
    text_room_id(file_name, id);
    assert_string_equal(id, want);
}

static void file_names_become_valid_room_ids(void **state)
{
    (void)state;
    expect_room("2004-12-25.train-c.txt", "2004-12-25.train-c");
    expect_room("Ubuntu Log (2).TXT", "ubuntulog2");
    expect_room("._-x.txt", "x");
    expect_room("\xC3\xA4.txt", "room");
    expect_room(".txt", "txt");
    char longest[200];
    char id[TEXT_NAME_MAX + 1];
    memset(longest, 'q', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    text_room_id(longest, id);
    assert_int_equal(strlen(id), TEXT_NAME_MAX);
}

/* ---- files ---- */

static void add(corpus *c, const char *name, const char *content)
{
    assert_true(corpus_add_file(c, name, content, strlen(content), MAX_TEXT));
}

static void expect_text(const corpus *c, size_t line, const char *user, const char *text)
{
    assert_string_equal(c->users[c->lines[line].user].name, user);
    assert_int_equal(c->lines[line].len, strlen(text));
    assert_memory_equal(corpus_text(c, &c->lines[line]), text, strlen(text));
}

static void a_file_becomes_a_room_with_its_speakers_as_members(void **state)
{
    (void)state;
    corpus *c = corpus_new();
    assert_non_null(c);
    add(c, "one.txt", "[01:00] <b> first\n=== c has joined\n[01:01]  * a waves\r\n[01:02] <b> caf\xE9");
    add(c, "two.txt", "[01:00] <c> other\n[01:01] <a> again\n");
    assert_int_equal(c->room_count, 2);
    assert_int_equal(c->line_count, 5);
    assert_int_equal(c->rooms[0].line_count, 3);
    assert_int_equal(c->rooms[1].first_line, 3);
    expect_text(c, 0, "b", "first");
    expect_text(c, 1, "a", "/me waves");
    expect_text(c, 2, "b", "caf" FFFD);
    expect_text(c, 4, "a", "again");
    assert_int_equal(c->rooms[0].member_count, 2);
    assert_int_equal(c->rooms[0].members[0], corpus_find_user(c, "b", 1));
    assert_int_equal(c->rooms[0].members[1], corpus_find_user(c, "a", 1));
    assert_int_equal(c->rooms[1].member_count, 2);
    assert_int_equal(corpus_find_user(c, "nobody", 6), CORPUS_NO_USER);
    assert_int_equal(c->counts.notices, 1);
    assert_int_equal(c->counts.actions, 1);
    assert_int_equal(c->counts.repaired_lines, 1);
    assert_int_equal(c->counts.raw_lines, 6);
    corpus_free(c);
}

static void nicks_that_differ_only_by_case_share_the_first_spelling(void **state)
{
    (void)state;
    corpus *c = corpus_new();
    add(c, "one.txt", "[01:00] <Bob> x\n[01:00] <bob> y\n[01:00] <BOB_> z\n");
    assert_int_equal(c->user_count, 2);
    assert_int_equal(c->counts.nicks, 3);
    expect_text(c, 1, "Bob", "y");
    expect_text(c, 2, "BOB_", "z");
    assert_int_equal(c->rooms[0].member_count, 2);
    corpus_free(c);
}

static void empty_and_overlong_lines_are_counted_and_left_out(void **state)
{
    (void)state;
    char content[400];
    char longest[MAX_TEXT + 2];
    memset(longest, 'l', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    (void)snprintf(content, sizeof content, "[01:00] <a> \n[01:00] <a> %s\n[01:00] <a> %.*s\n[01:00] <b>\n[01:00]  * d\n", longest,
                   MAX_TEXT, longest);
    corpus *c = corpus_new();
    add(c, "one.txt", content);
    assert_int_equal(c->counts.empty_lines, 2);
    assert_int_equal(c->counts.too_long_lines, 1);
    assert_int_equal(c->line_count, 2);
    assert_int_equal(c->lines[0].len, MAX_TEXT);
    expect_text(c, 1, "d", "/me");
    assert_int_equal(corpus_find_user(c, "b", 1), CORPUS_NO_USER); /* said nothing */
    corpus_free(c);
}

static void a_line_is_too_long_by_what_it_takes_in_a_frame(void **state)
{
    (void)state;
    char content[300];
    corpus *c = corpus_new();
    (void)snprintf(content, sizeof content, "[01:00] <a> %0*d\"\\\x08\n[01:00] <a> %0*d\"\\\x08\n", MAX_TEXT - 10, 7, MAX_TEXT - 9, 7);
    add(c, "one.txt", content);
    assert_int_equal(c->line_count, 1); /* each of the three takes 2, 2 and 6 bytes */
    assert_int_equal(c->counts.too_long_lines, 1);
    corpus_free(c);
}

static void files_without_speakers_make_no_room_and_equal_ids_get_a_number(void **state)
{
    (void)state;
    corpus *c = corpus_new();
    add(c, "LICENSE.txt", "Attribution 4.0 International\n");
    add(c, "A.txt", "\xEF\xBB\xBF[01:00] <a> x");
    add(c, "a.txt", "[01:00] <a> y");
    add(c, "(a).txt", "[01:00] <a> z");
    assert_int_equal(c->counts.silent_files, 1);
    assert_int_equal(c->room_count, 3);
    assert_string_equal(c->rooms[0].id, "a");
    assert_string_equal(c->rooms[1].id, "a-2");
    assert_string_equal(c->rooms[2].id, "a-3");
    expect_text(c, 0, "a", "x");
    corpus_free(c);
}

static void thousands_of_users_are_found_again(void **state)
{
    (void)state;
    corpus *c = corpus_new();
    for (int i = 0; i < 3000; i++) {
        char content[64];
        char file_name[32];
        (void)snprintf(file_name, sizeof file_name, "room%d.txt", i);
        (void)snprintf(content, sizeof content, "[01:00] <nick%d> x\n", i % 1500);
        add(c, file_name, content);
    }
    assert_int_equal(c->user_count, 1500);
    for (uint32_t i = 0; i < 1500; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "NICK%u", i);
        assert_int_equal(corpus_find_user(c, name, strlen(name)), i);
    }
    corpus_free(c);
}

/* ---- folders ---- */

static void write_file(const char *folder, const char *name, const char *content)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fputs(content, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
}

static void remove_file(const char *folder, const char *name)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(unlink(path), 0);
}

static void a_folder_is_read_by_name_up_to_the_limit(void **state)
{
    (void)state;
    char folder[] = "/tmp/confab-corpus-test-XXXXXX";
    char problem[256] = "";
    assert_non_null(mkdtemp(folder));
    write_file(folder, "b.txt", "[01:00] <b> b\n");
    write_file(folder, "a.txt", "[01:00] <a> a\n");
    write_file(folder, "c.txt", "[01:00] <c> c\n");
    write_file(folder, "README.md", "[01:00] <d> d\n");
    corpus *c = corpus_load(folder, 2, MAX_TEXT, problem, sizeof problem);
    assert_non_null(c);
    assert_int_equal(c->room_count, 2);
    assert_string_equal(c->rooms[0].id, "a");
    assert_string_equal(c->rooms[1].id, "b");
    corpus_free(c);
    remove_file(folder, "a.txt");
    remove_file(folder, "b.txt");
    remove_file(folder, "c.txt");
    assert_null(corpus_load(folder, 0, MAX_TEXT, problem, sizeof problem));
    assert_non_null(strstr(problem, "nobody speaks"));
    remove_file(folder, "README.md");
    assert_int_equal(rmdir(folder), 0);
    assert_null(corpus_load(folder, 0, MAX_TEXT, problem, sizeof problem));
    assert_non_null(strstr(problem, folder));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_spoken_line_has_nick_and_text),
        cmocka_unit_test(only_one_space_after_the_nick_belongs_to_the_format),
        cmocka_unit_test(text_may_hold_brackets_and_be_empty),
        cmocka_unit_test(a_nick_may_hold_spaces),
        cmocka_unit_test(an_action_has_nick_and_deed),
        cmocka_unit_test(what_nobody_said_is_a_notice),
        cmocka_unit_test(well_formed_text_is_left_alone),
        cmocka_unit_test(each_invalid_byte_becomes_one_replacement_character),
        cmocka_unit_test(nicks_become_valid_user_names),
        cmocka_unit_test(long_nicks_are_cut_and_stay_different),
        cmocka_unit_test(file_names_become_valid_room_ids),
        cmocka_unit_test(a_file_becomes_a_room_with_its_speakers_as_members),
        cmocka_unit_test(nicks_that_differ_only_by_case_share_the_first_spelling),
        cmocka_unit_test(empty_and_overlong_lines_are_counted_and_left_out),
        cmocka_unit_test(a_line_is_too_long_by_what_it_takes_in_a_frame),
        cmocka_unit_test(files_without_speakers_make_no_room_and_equal_ids_get_a_number),
        cmocka_unit_test(thousands_of_users_are_found_again),
        cmocka_unit_test(a_folder_is_read_by_name_up_to_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
