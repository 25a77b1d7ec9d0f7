/* docs/errors.md is the error table for readers. Run with --print to get the text that belongs there. */
#include <stdio.h>
#include <string.h>

#include "wire_fixture.h"

static const struct {
    const char *name, *word;
    int status, close_code;
    const char *sentence;
} rows[] = {
#define X(name, word, http, close_code, sentence) {#name, word, http, close_code, sentence},
    CONFAB_ERR_MAP(X)
#undef X
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static void write_document(buf *out)
{
    buf_append_str(out, "# Errors\n\n"
                        "Generated from `include/confab/err.h` by `errors_doc_test --print`; a test fails where the two differ.\n\n"
                        "`code` is the word in WebSocket error frames, close reasons and REST problem documents\n"
                        "(`\"type\":\"https://confab.invalid/errors/CODE\"`); it never changes its meaning. The sentence is for people and "
                        "may be replaced\n"
                        "by a more precise one. Where a close code stands, the connection is closed with it; otherwise it stays open.\n\n"
                        "| code | HTTP status | WebSocket close code | sentence |\n| --- | --- | --- | --- |\n");
    for (int i = 1; i < ROWS; i++) {
        buf_printf(out, "| `%s` | %d | ", rows[i].word, rows[i].status);
        if (rows[i].close_code) buf_append_int(out, rows[i].close_code);
        buf_printf(out, " | %s |\n", rows[i].sentence);
    }
}

/* The document lies beside the sources, and this file's name says where they are. */
static void document_path(char *out, size_t cap)
{
    static const char here[] = "tests/unit/wire/errors_doc_test.c", file[] = __FILE__;
    size_t root = sizeof file - sizeof here;
    assert_true(sizeof file >= sizeof here && strcmp(&file[root], here) == 0);
    assert_true((size_t)snprintf(out, cap, "%.*sdocs/errors.md", (int)root, file) < cap);
}

static void document_says_what_the_table_says(void **state)
{
    (void)state;
    char path[4096], bytes[4096];
    buf want = {0}, have = {0};
    document_path(path, sizeof path);
    write_document(&want);
    FILE *f = fopen(path, "rb");
    if (f) {
        for (size_t n; (n = fread(bytes, 1, sizeof bytes, f)) > 0;) {
            buf_append(&have, bytes, n);
        }
        (void)fclose(f);
    }
    bool same = strcmp(buf_cstr(&want), buf_cstr(&have)) == 0;
    if (!same) print_error("%s differs from the table. It must read:\n%s", path, buf_cstr(&want));
    buf_free(&want);
    buf_free(&have);
    assert_true(same);
}

static void rows_are_unique_and_usable(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        assert_true(rows[i].word[0] && strspn(rows[i].word, "abcdefghijklmnopqrstuvwxyz_") == strlen(rows[i].word));
        assert_true(i == 0 ? rows[i].status == 200 : rows[i].status >= 400 && rows[i].status <= 599);
        assert_true(rows[i].close_code == 0 || (rows[i].close_code >= 1000 && rows[i].close_code <= 1015) ||
                    (rows[i].close_code >= 4000 && rows[i].close_code <= 4999));
        assert_true(rows[i].sentence[0] && !strpbrk(rows[i].sentence, "|\n\"\\"));
        assert_string_equal(confab_err_word((enum confab_code)i), rows[i].word);
        assert_int_equal(confab_err_http_status((enum confab_code)i), rows[i].status);
        assert_int_equal(confab_err_close_code((enum confab_code)i), rows[i].close_code);
        assert_string_equal(confab_err_sentence(confab_fail((enum confab_code)i)), rows[i].sentence);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(rows[i].word, rows[j].word);
            assert_string_not_equal(rows[i].sentence, rows[j].sentence);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--print") == 0) {
        buf b = {0};
        write_document(&b);
        (void)fputs(buf_cstr(&b), stdout);
        buf_free(&b);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(document_says_what_the_table_says),
        cmocka_unit_test(rows_are_unique_and_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
