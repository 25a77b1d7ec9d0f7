/* What is written to a log through the VFS is there for whoever may ask for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db_vfs.h"

struct log {
    char folder[64], path[96];
    sqlite3_vfs *vfs, *plain;
    sqlite3_file *file; /* through the VFS, opened as a log */
};

static sqlite3_file *open_file(sqlite3_vfs *vfs, const char *path)
{
    int flags = 0;
    sqlite3_file *f = calloc(1, (size_t)vfs->szOsFile);
    assert_non_null(f);
    assert_int_equal(vfs->xOpen(vfs, path, f, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_WAL, &flags), SQLITE_OK);
    return f;
}

static int open_log(void **state)
{
    struct log *l = calloc(1, sizeof *l);
    assert_non_null(l);
    (void)strcpy(l->folder, "/tmp/confab-vfs-XXXXXX");
    assert_non_null(mkdtemp(l->folder));
    (void)strcpy(l->path, l->folder);
    (void)strcat(l->path, "/x.db"); /* SQLite gives a log the mode of its database */
    FILE *database = fopen(l->path, "wb");
    assert_non_null(database);
    assert_int_equal(fclose(database), 0);
    (void)strcat(l->path, "-wal");
    assert_int_equal(sqlite3_initialize(), SQLITE_OK);
    assert_non_null(db_vfs_name());
    l->vfs = sqlite3_vfs_find(db_vfs_name());
    l->plain = sqlite3_vfs_find(NULL);
    assert_true(l->vfs && l->plain && l->vfs != l->plain);
    l->file = open_file(l->vfs, l->path);
    *state = l;
    return 0;
}

static int close_log(void **state)
{
    struct log *l = *state;
    if (l->file->pMethods) assert_int_equal(l->file->pMethods->xClose(l->file), SQLITE_OK);
    free(l->file);
    assert_int_equal(unlink(l->path), 0);
    l->path[strlen(l->path) - 4] = '\0';
    assert_int_equal(unlink(l->path), 0);
    assert_int_equal(rmdir(l->folder), 0);
    free(l);
    return 0;
}

static void write_at(struct log *l, const void *p, int n, sqlite3_int64 at)
{
    assert_int_equal(l->file->pMethods->xWrite(l->file, p, n, at), SQLITE_OK);
}

/* What another process would find in the file. */
static sqlite3_int64 size_on_disk(struct log *l)
{
    sqlite3_int64 size = -1;
    sqlite3_file *f = open_file(l->plain, l->path);
    assert_int_equal(f->pMethods->xFileSize(f, &size), SQLITE_OK);
    assert_int_equal(f->pMethods->xClose(f), SQLITE_OK);
    free(f);
    return size;
}

static void assert_on_disk(struct log *l, const char *expected, int n, sqlite3_int64 at)
{
    char *found = calloc(1, (size_t)n);
    assert_non_null(found);
    sqlite3_file *f = open_file(l->plain, l->path);
    assert_int_equal(f->pMethods->xRead(f, found, n, at), SQLITE_OK);
    assert_memory_equal(found, expected, (size_t)n);
    assert_int_equal(f->pMethods->xClose(f), SQLITE_OK);
    free(f);
    free(found);
}

static void appended_pieces_are_held_until_a_sync(void **state)
{
    struct log *l = *state;
    write_at(l, "abc", 3, 0);
    write_at(l, "defg", 4, 3);
    assert_int_equal(size_on_disk(l), 0);
    assert_int_equal(l->file->pMethods->xSync(l->file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    assert_on_disk(l, "abcdefg", 7, 0);
}

static void own_reads_and_sizes_see_what_is_held(void **state)
{
    struct log *l = *state;
    char found[4];
    sqlite3_int64 size;
    write_at(l, "abcdef", 6, 0);
    assert_int_equal(l->file->pMethods->xRead(l->file, found, 4, 1), SQLITE_OK);
    assert_memory_equal(found, "bcde", 4);
    write_at(l, "gh", 2, 6);
    assert_int_equal(l->file->pMethods->xFileSize(l->file, &size), SQLITE_OK);
    assert_int_equal(size, 8);
    assert_int_equal(l->file->pMethods->xRead(l->file, found, 4, 6), SQLITE_IOERR_SHORT_READ);
}

static void write_elsewhere_keeps_the_order(void **state)
{
    struct log *l = *state;
    write_at(l, "aaaaaaaa", 8, 0);
    write_at(l, "BB", 2, 2); /* back into what is held */
    write_at(l, "CC", 2, 6);
    write_at(l, "dd", 2, 8);
    assert_int_equal(l->file->pMethods->xSync(l->file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    assert_on_disk(l, "aaBBaaCCdd", 10, 0);
}

static void more_than_can_be_held_goes_through_in_order(void **state)
{
    struct log *l = *state;
    enum { PIECE = 4120, PIECES = 200 };
    char *all = malloc(PIECE * PIECES);
    assert_non_null(all);
    for (int i = 0; i < PIECE * PIECES; i++)
        all[i] = (char)(i * 31 + i / 997);
    for (int i = 0; i < PIECES; i++) {
        write_at(l, all + i * PIECE, 24, (sqlite3_int64)i * PIECE);
        write_at(l, all + i * PIECE + 24, PIECE - 24, (sqlite3_int64)i * PIECE + 24);
    }
    assert_int_equal(l->file->pMethods->xSync(l->file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    assert_on_disk(l, all, PIECE * PIECES, 0);
    write_at(l, all, PIECE * 30, 0); /* one piece that is as large as what is held at most */
    write_at(l, "end", 3, PIECE * 30);
    assert_int_equal(l->file->pMethods->xSync(l->file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    assert_on_disk(l, all, PIECE * 30, 0);
    assert_on_disk(l, "end", 3, PIECE * 30);
    free(all);
}

static void truncating_and_closing_pass_on_what_is_held(void **state)
{
    struct log *l = *state;
    write_at(l, "abcdef", 6, 0);
    assert_int_equal(l->file->pMethods->xTruncate(l->file, 4), SQLITE_OK);
    assert_int_equal(size_on_disk(l), 4);
    write_at(l, "XY", 2, 4);
    assert_int_equal(l->file->pMethods->xClose(l->file), SQLITE_OK);
    l->file->pMethods = NULL;
    assert_on_disk(l, "abcdXY", 6, 0);
}

int main(void)
{
#define ON_LOG(test) cmocka_unit_test_setup_teardown(test, open_log, close_log)
    const struct CMUnitTest tests[] = {
        ON_LOG(appended_pieces_are_held_until_a_sync),
        ON_LOG(own_reads_and_sizes_see_what_is_held),
        ON_LOG(write_elsewhere_keeps_the_order),
        ON_LOG(more_than_can_be_held_goes_through_in_order),
        ON_LOG(truncating_and_closing_pass_on_what_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
