/* Shared by the tests of settings. */
#ifndef TEST_SETTING_TEXT_H
#define TEST_SETTING_TEXT_H

#include "tests/unit/check.h"

#include "lib/policy/settings.h"

#include <inttypes.h>

/* Returns the value of a text that the setting must accept. */
static inline int64_t parsed(enum setting_id id, const char *text)
{
    int64_t value = -7;
    const char *wrong = setting_parse(&settings[id], text, &value);

    if (wrong != NULL)
        fail_msg("%s = \"%s\" %s", settings[id].name, text, wrong);
    return value;
}

/* The text must be rejected and the value left unchanged. */
static inline void assert_invalid(enum setting_id id, const char *text)
{
    int64_t value = -7;

    if (setting_parse(&settings[id], text, &value) == NULL)
        fail_msg("%s = \"%s\" was parsed as %" PRId64, settings[id].name, text, value);
    assert_int_equal(value, -7);
}

struct stricter_pair {
    enum setting_id id;
    const char *stricter, *looser;
};

static inline void assert_stricter(const struct stricter_pair *pair)
{
    const struct setting *row = &settings[pair->id];
    const int64_t a = parsed(pair->id, pair->stricter);
    const int64_t b = parsed(pair->id, pair->looser);

    assert_true(setting_stricter(row, a, b));
    assert_false(setting_stricter(row, b, a));
    assert_false(setting_stricter(row, a, a));
}

#endif
