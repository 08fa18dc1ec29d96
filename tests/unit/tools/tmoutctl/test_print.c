/* JSON from any bytes, and text that a terminal shows as it is. */
#include "tests/unit/tools/tmoutctl/captured.h"

#include "tools/tmoutctl/print.h"

#include <time.h>

#define REPLACED "\xef\xbf\xbd"

static void texts_become_json(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"a\xff"
         "b",
         "a" REPLACED "b"},
        {"\xc3", REPLACED},
        {"\xc3(", REPLACED "("},
        {"\xe2\x82\xac\xe2\x82", "\xe2\x82\xac" REPLACED REPLACED},
        {"\xf0\x9f\x92\xa9\x80", "\xf0\x9f\x92\xa9" REPLACED},
        {"\xc0\xaf", REPLACED REPLACED},
        {"\xf5\x80\x80\x80", REPLACED REPLACED REPLACED REPLACED},
        {"long \xed\xa0\x80 surrogate", REPLACED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *value = json_text(cases[i].text);
        assert_non_null(value);
        assert_string_equal(json_string_value(value), cases[i].expected);
        json_decref(value);
    }
    json_t *null = json_text_or_null(NULL), *text = json_text_or_null("x");
    assert_true(json_is_null(null));
    assert_string_equal(json_string_value(text), "x");
    json_decref(null);
    json_decref(text);
}

static void terminals_are_not_controlled(void **state)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"plain", "plain"},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x92\xa9",
         "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x92\xa9"},
        {"\x1b[31mred", "?[31mred"},
        {"a\tb\nc", "a?b?c"},
        {"\x7f", "?"},
        {"\xc2\x9b"
         "1m",
         "?1m"},
        {"\xc2\xa0", "\xc2\xa0"},
        {"\xc2\xad", "?"},
        {"left\xe2\x80\xaeright", "left?right"},
        {"\xe2\x80\x8b", "?"},
        {"\xe2\x80\x90", "\xe2\x80\x90"},
        {"\xe2\x81\xa6", "?"},
        {"\xef\xbb\xbf", "?"},
        {"\xef\xbf\xbd", "?"},
        {"\xf3\xa0\x81\x81", "?"},
        {"\xff\xfe", "??"},
        {"\xe2\x82", "??"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct captured captured;
        capture_begin(&captured);
        print_clean(cases[i].text);
        capture_end(&captured);
        assert_string_equal(captured.out, cases[i].shown);
        assert_int_equal(is_clean_text(cases[i].text), strcmp(cases[i].text, cases[i].shown) == 0);
        captured_free(&captured);
    }
}

static void json_is_printed_with_a_newline(void **state)
{
    struct captured captured;

    (void)state;
    capture_begin(&captured);
    const int status = print_json(json_pack("{s:i}", "a", 1), TMOUTCTL_NO);
    capture_end(&captured);
    assert_int_equal(status, TMOUTCTL_NO);
    assert_string_equal(captured.out, "{\n  \"a\": 1\n}\n");
    assert_string_equal(captured.err, "");
    captured_free(&captured);

    capture_begin(&captured);
    const int without_memory = print_json(NULL, TMOUTCTL_FINE);
    capture_end(&captured);
    assert_int_equal(without_memory, TMOUTCTL_FAILURE);
    assert_string_equal(captured.err, "tmoutctl: out of memory\n");
    captured_free(&captured);
}

/* A full disk must not look like success. */
static void a_full_disk_is_a_failure(void **state)
{
    struct captured captured;

    (void)state;
    capture_begin(&captured);
    const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    dup2(full, STDOUT_FILENO);
    close(full);
    puts("lost");
    const int status = finish(TMOUTCTL_FINE);
    clearerr(stdout);
    capture_end(&captured);
    assert_int_equal(status, TMOUTCTL_FAILURE);
    assert_string_equal(captured.err, "tmoutctl: cannot write to standard output\n");
    captured_free(&captured);
}

static void times_are_local(void **state)
{
    char text[64];

    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    format_time(1764158400, text, sizeof text);
    assert_string_equal(text, "2025-11-26 12:00:00");
    format_time(INT64_MAX, text, sizeof text);
    assert_string_equal(text, "an unknown time");
    format_time(0, text, 5);
    assert_string_equal(text, "an u");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_json),
        cmocka_unit_test(terminals_are_not_controlled),
        cmocka_unit_test(json_is_printed_with_a_newline),
        cmocka_unit_test(a_full_disk_is_a_failure),
        cmocka_unit_test(times_are_local),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
