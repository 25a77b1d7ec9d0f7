#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* needs those above */

#include "confab/metrics.h"
#include "live_ring.h"

static void append_number(struct live_ring *r, int64_t n)
{
    buf b = {0};
    buf_append_int(&b, n);
    assert_true(live_ring_append(r, buf_span(&b)));
    buf_free(&b);
}

/* Reads back what a gather yields: short unmasked text frames of decimal numbers, which must follow one another from `from`. */
static int64_t count_numbers(const struct live_piece *pieces, size_t n, int64_t from)
{
    int64_t seen = 0;
    for (size_t i = 0; i < n; i++) {
        const char *p = pieces[i].block->data + pieces[i].off, *end = p + pieces[i].len;
        while (p < end) {
            assert_int_equal((unsigned char)p[0], 0x81);
            span text = {p + 2, (size_t)p[1]};
            int64_t value;
            assert_true(span_to_int64(text, &value));
            assert_int_equal(value, from + seen);
            seen++;
            p += 2 + text.n;
        }
        assert_ptr_equal(p, end);
    }
    return seen;
}

static void ring_yields_every_event_once_in_order(void **state)
{
    (void)state;
    struct live_ring r;
    live_ring_init(&r, 1 << 20, 100);
    for (int64_t i = 0; i < 5000; i++)
        append_number(&r, 100 + i);
    assert_int_equal(r.first, 100);
    assert_int_equal(live_ring_next(&r), 5100);
    int64_t at = 100, reached;
    struct live_piece pieces[8];
    while (at < 5100) {
        size_t n = live_ring_gather(&r, at, 5100, 700, pieces, 8, &reached);
        assert_true(n >= 1 && reached > at);
        assert_int_equal(count_numbers(pieces, n, at), reached - at);
        at = reached;
    }
    live_ring_fini(&r);
}

static void ring_forgets_what_is_older_than_asked_for_and_goes_on(void **state)
{
    (void)state;
    struct live_ring r;
    struct live_piece pieces[8];
    int64_t reached;
    live_ring_init(&r, 1 << 20, 1);
    for (int64_t i = 1; i <= 100; i++)
        append_number(&r, i);
    live_ring_drop_before(&r, 91);
    assert_int_equal(r.first, 91);
    size_t n = live_ring_gather(&r, 91, 101, 1 << 20, pieces, 8, &reached);
    assert_int_equal(count_numbers(pieces, n, 91), 10);
    live_ring_drop_before(&r, 50); /* gone already */
    assert_int_equal(r.first, 91);
    live_ring_drop_before(&r, 101);
    assert_int_equal(r.first, 101);
    assert_int_equal(live_ring_next(&r), 101);
    append_number(&r, 101);
    assert_int_equal(r.bytes, 5); /* header and three digits */
    live_ring_fini(&r);
}

static void ring_drops_the_oldest_beyond_its_bytes_but_never_the_newest(void **state)
{
    (void)state;
    struct live_ring r;
    char big[400];
    memset(big, 'x', sizeof big);
    live_ring_init(&r, 1000, 1);
    for (int i = 0; i < 10; i++)
        assert_true(live_ring_append(&r, (span){big, sizeof big}));
    assert_int_equal(live_ring_next(&r), 11);
    assert_int_equal(r.count, 2);
    assert_int_equal(r.first, 9);
    assert_true(r.bytes <= 1000);
    live_ring_fini(&r);

    live_ring_init(&r, 10, 1);
    assert_true(live_ring_append(&r, (span){big, sizeof big}));
    assert_int_equal(r.count, 1);
    live_ring_fini(&r);
}

static void gather_gives_at_least_one_event_however_small_the_budget(void **state)
{
    (void)state;
    struct live_ring r;
    struct live_piece piece;
    int64_t reached;
    live_ring_init(&r, 1 << 16, 1);
    append_number(&r, 1);
    append_number(&r, 2);
    assert_int_equal(live_ring_gather(&r, 1, 3, 1, &piece, 1, &reached), 1);
    assert_int_equal(reached, 2);
    assert_int_equal(live_ring_gather(&r, 3, 3, 1, &piece, 1, &reached), 0);
    assert_int_equal(reached, 3);
    live_ring_fini(&r);
}

static void neighbours_in_one_block_are_one_piece(void **state)
{
    (void)state;
    struct live_ring r;
    struct live_piece pieces[4];
    int64_t reached;
    live_ring_init(&r, 1 << 16, 1);
    for (int64_t i = 1; i <= 20; i++)
        append_number(&r, i);
    assert_int_equal(live_ring_gather(&r, 1, 21, SIZE_MAX, pieces, 4, &reached), 1);
    assert_int_equal(reached, 21);
    live_ring_fini(&r);
}

static void a_piece_outlives_the_ring_by_its_reference(void **state)
{
    (void)state;
    struct live_ring r;
    struct live_piece piece;
    int64_t reached, before = metric_gauge_get(METRIC_RING_BYTES);
    live_ring_init(&r, 1 << 16, 7);
    append_number(&r, 7);
    assert_int_equal(live_ring_gather(&r, 7, 8, 100, &piece, 1, &reached), 1);
    live_block_ref(piece.block);
    live_ring_fini(&r);
    assert_int_equal(count_numbers(&piece, 1, 7), 1);
    assert_true(metric_gauge_get(METRIC_RING_BYTES) > before);
    live_block_unref(piece.block);
    assert_int_equal(metric_gauge_get(METRIC_RING_BYTES), before);
}

static void frame_headers_follow_the_three_lengths_of_rfc_6455(void **state)
{
    (void)state;
    static const struct {
        size_t payload, header;
        unsigned char second;
    } cases[] = {{0, 2, 0}, {125, 2, 125}, {126, 4, 126}, {65535, 4, 126}, {65536, 10, 127}, {70000, 10, 127}};
    char *payload = calloc(1, 70000);
    assert_non_null(payload);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = cases[i].payload;
        assert_int_equal(live_frame_size(n), n + cases[i].header);
        struct live_block *b = live_block_new(live_frame_size(n));
        assert_non_null(b);
        live_frame_append(b, LIVE_OP_TEXT, (span){payload, n});
        const unsigned char *h = (const unsigned char *)b->data;
        assert_int_equal(h[0], 0x81);
        assert_int_equal(h[1], cases[i].second);
        if (cases[i].header == 4) assert_int_equal(h[2] << 8 | h[3], n);
        if (cases[i].header == 10) assert_int_equal(h[6] << 24 | h[7] << 16 | h[8] << 8 | h[9], n);
        assert_int_equal(b->len, live_frame_size(n));
        live_block_unref(b);
    }
    free(payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_yields_every_event_once_in_order),
        cmocka_unit_test(ring_forgets_what_is_older_than_asked_for_and_goes_on),
        cmocka_unit_test(ring_drops_the_oldest_beyond_its_bytes_but_never_the_newest),
        cmocka_unit_test(gather_gives_at_least_one_event_however_small_the_budget),
        cmocka_unit_test(neighbours_in_one_block_are_one_piece),
        cmocka_unit_test(a_piece_outlives_the_ring_by_its_reference),
        cmocka_unit_test(frame_headers_follow_the_three_lengths_of_rfc_6455),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
