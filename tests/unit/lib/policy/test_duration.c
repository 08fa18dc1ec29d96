/* Durations: parsing and formatting. */
#include "tests/unit/check.h"

#include "lib/policy/duration.h"

#include <inttypes.h>
#include <string.h>

static void durations_of_sshd_config(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } good[] = {
        {"0", 0},
        {"600", 600},
        {"600s", 600},
        {"600S", 600},
        {"10m", 600},
        {"10M", 600},
        {"1h30m", 5400},
        {"1H30M", 5400},
        {"2d", 172800},
        {"2D", 172800},
        {"1w", 604800},
        {"1W", 604800},
        {"1w2d3h4m5s", 788645},
        {"30m1h", 5400}, /* in any order */
        {"1m1m", 120},   /* added up */
        {"1h30", 3630},  /* a number without unit is seconds, at the end too */
        {"0s", 0},
        {"9223372036854775807", INT64_MAX},
        {"9223372036854775807s", INT64_MAX},
        {"9223372036854775806s1", INT64_MAX},
        {"15250284452471w3d15h30m7s", INT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        int64_t seconds = -7;
        const char *wrong = duration_parse(good[i].text, &seconds);
        if (wrong != NULL || seconds != good[i].seconds)
            fail_msg("\"%s\": %s, %" PRId64, good[i].text, wrong != NULL ? wrong : "accepted",
                     seconds);
    }
}

static void rejects_everything_else(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "abc",
        "3abc",
        "m",
        "10x",
        "-1",
        "+1",
        "- 1",
        " 5",
        "5 ",
        "5 m",
        "10 m",
        "1h 30m",
        "5m\n",
        "\t5",
        "010",
        "00",
        "01m",
        "007",
        "0x10",
        "1e3",
        "1.5h",
        "1,5h",
        "1h30x",
        "mh",
        "1hh",
        "1mm",
        "none",
        "forever",
        "5\xc2\xa0m",
        "\xd9\xa1",
        "5m\x01",
        /* overflow: of one number, of a unit, of the sum */
        "9223372036854775808",
        "99999999999999999999",
        "9223372036854775807m",
        "15250284452472w",
        "9223372036854775807s1",
        "9223372036854775800s100s",
        "18446744073709551616",
        "18446744073709551617",
        "15250284452471w15250284452471w",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t seconds = -7;
        const char *wrong = duration_parse(bad[i], &seconds);
        if (wrong == NULL)
            fail_msg("\"%s\" was parsed as %" PRId64 " s", bad[i], seconds);
        assert_true(strlen(wrong) > 0);
        assert_int_equal(seconds, -7);
    }
}

/* Every byte after a valid duration is checked. */
static void rejects_every_extra_byte(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        const char text[] = {'5', 'm', (char)c, '\0'};
        int64_t seconds = -7;
        const char *wrong = duration_parse(text, &seconds);
        if (c >= '0' && c <= '9')
            assert_int_equal(seconds, 300 + c - '0');
        else if (wrong == NULL)
            fail_msg("5m and the byte 0x%02x were accepted", (unsigned)c);
    }
}

static void formats_with_units(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } forms[] = {
        {0, "0"},           {1, "1s"},           {59, "59s"},    {60, "1m"},
        {90, "1m30s"},      {900, "15m"},        {3600, "1h"},   {5400, "1h30m"},
        {3601, "1h1s"},     {86400, "1d"},       {604800, "7d"}, {86399, "23h59m59s"},
        {31536000, "365d"}, {90061, "1d1h1m1s"},
    };
    char text[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        duration_format(forms[i].seconds, text, sizeof text);
        assert_string_equal(text, forms[i].text);
    }
}

static void round_trip(void **state)
{
    char text[64];

    (void)state;
    for (int64_t seconds = 0; seconds < INT64_MAX / 2;
         seconds = seconds < 4000 ? seconds + 1 : seconds / 2 * 3 + 1) {
        int64_t again = -7;
        duration_format(seconds, text, sizeof text);
        assert_null(duration_parse(text, &again));
        assert_int_equal(again, seconds);
    }
    int64_t again = -7;
    duration_format(INT64_MAX, text, sizeof text);
    assert_null(duration_parse(text, &again));
    assert_true(again == INT64_MAX);
}

/* A buffer that is too small gets the beginning, and nothing is written past its end. */
static void small_buffers(void **state)
{
    (void)state;
    for (size_t size = 1; size < 16; size++) {
        char *text = malloc(size);
        assert_non_null(text);
        duration_format(90061, text, size);
        assert_true(strnlen(text, size) < size);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_of_sshd_config),
        cmocka_unit_test(rejects_everything_else),
        cmocka_unit_test(rejects_every_extra_byte),
        cmocka_unit_test(formats_with_units),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(small_buffers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
