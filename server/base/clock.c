#include "confab/clock.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic int64_t test_wall_ms = -1, test_mono_us = -1;

int64_t clock_wall_ms(void)
{
    int64_t fixed = atomic_load_explicit(&test_wall_ms, memory_order_relaxed);
    if (fixed >= 0) return fixed;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_mono_us(void)
{
    int64_t fixed = atomic_load_explicit(&test_mono_us, memory_order_relaxed);
    if (fixed >= 0) return fixed;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void clock_set_for_tests(int64_t wall_ms, int64_t mono_us)
{
    atomic_store(&test_wall_ms, wall_ms);
    atomic_store(&test_mono_us, mono_us);
}

/* Civil date from days since 1970-01-01, proleptic Gregorian, eras of 400 years (Howard Hinnant, "chrono-compatible low-level date
 * algorithms"). Here instead of gmtime_r because it runs once per event on the fan-out path. */
static void civil_from_days(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

static int64_t days_from_civil(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

static void put_digits(char *at, int width, int value)
{
    for (int i = width - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

size_t clock_format_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE])
{
    static const int64_t day_ms = 86400000;
    /* Years 0000 and 9999 bound what four digits can say. */
    const int64_t least = -719528 * day_ms, most = 2932897 * day_ms - 1;
    if (wall_ms < least) wall_ms = least;
    if (wall_ms > most) wall_ms = most;
    int64_t days = wall_ms / day_ms, ms = wall_ms % day_ms;
    if (ms < 0) {
        ms += day_ms;
        days--;
    }
    int year, month, day;
    civil_from_days(days, &year, &month, &day);
    put_digits(out, 4, year);
    out[4] = '-';
    put_digits(out + 5, 2, month);
    out[7] = '-';
    put_digits(out + 8, 2, day);
    out[10] = 'T';
    put_digits(out + 11, 2, (int)(ms / 3600000));
    out[13] = ':';
    put_digits(out + 14, 2, (int)(ms / 60000 % 60));
    out[16] = ':';
    put_digits(out + 17, 2, (int)(ms / 1000 % 60));
    out[19] = '.';
    put_digits(out + 20, 3, (int)(ms % 1000));
    out[23] = 'Z';
    out[24] = '\0';
    return 24;
}

/* Reads exactly `width` digits at s[*at] and moves on; -1 where they are not digits. */
static int take_digits(const char *s, size_t n, size_t *at, int width)
{
    int value = 0;
    for (int i = 0; i < width; i++, (*at)++) {
        if (*at >= n || s[*at] < '0' || s[*at] > '9') return -1;
        value = value * 10 + (s[*at] - '0');
    }
    return value;
}

static int take_char(const char *s, size_t n, size_t *at, const char *any_of)
{
    if (*at >= n) return 0;
    for (const char *c = any_of; *c; c++) {
        if (s[*at] == *c) {
            (*at)++;
            return *c;
        }
    }
    return 0;
}

/* The zone designator, in minutes east of UTC; out of range where it is malformed. */
static int take_zone(const char *s, size_t n, size_t *at)
{
    enum { MALFORMED = 100000 };
    int sign = take_char(s, n, at, "Zz+-");
    if (sign == 'Z' || sign == 'z') return 0;
    if (!sign) return MALFORMED;
    int hours = take_digits(s, n, at, 2);
    if (!take_char(s, n, at, ":")) return MALFORMED;
    int minutes = take_digits(s, n, at, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return MALFORMED;
    return (sign == '-' ? -1 : 1) * (hours * 60 + minutes);
}

int64_t clock_parse_rfc3339(const char *s, size_t n)
{
    static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    size_t at = 0;
    int year = take_digits(s, n, &at, 4);
    if (!take_char(s, n, &at, "-")) return -1;
    int month = take_digits(s, n, &at, 2);
    if (!take_char(s, n, &at, "-")) return -1;
    int day = take_digits(s, n, &at, 2);
    if (!take_char(s, n, &at, "Tt ")) return -1;
    int hour = take_digits(s, n, &at, 2);
    if (!take_char(s, n, &at, ":")) return -1;
    int minute = take_digits(s, n, &at, 2);
    if (!take_char(s, n, &at, ":")) return -1;
    int second = take_digits(s, n, &at, 2);
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > month_days[month - 1] || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59 || second < 0 || second > 60)
        return -1;
    int ms = 0;
    if (take_char(s, n, &at, ".")) {
        int scale = 100, digits = 0, digit;
        for (; at < n && s[at] >= '0' && s[at] <= '9'; at++, digits++, scale /= 10) {
            digit = s[at] - '0';
            ms += digit * scale;
        }
        if (digits == 0) return -1;
    }
    int zone = take_zone(s, n, &at);
    if (zone > 24 * 60 || at != n) return -1;
    int64_t result =
        days_from_civil(year, month, day) * 86400000 + (int64_t)(hour * 3600 + minute * 60 + second) * 1000 + ms - (int64_t)zone * 60000;
    return result < 0 ? -1 : result;
}
