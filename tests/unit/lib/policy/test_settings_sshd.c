/* The settings for sshd, with the limits that sshd itself has. */
#include "tests/unit/setting_text.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

static void rows(void **state)
{
    static const struct {
        enum setting_id id;
        int number;
        const char *name;
        bool default_only;
    } expected[] = {
        {SETTING_CLIENT_ALIVE_INTERVAL, 13, "client_alive_interval", false},
        {SETTING_CLIENT_ALIVE_COUNT_MAX, 14, "client_alive_count_max", false},
        {SETTING_MAX_AUTH_TRIES, 15, "max_auth_tries", false},
        {SETTING_MAX_SESSIONS, 16, "max_sessions", false},
        {SETTING_UNUSED_CONNECTION_TIMEOUT, 17, "unused_connection_timeout", false},
        {SETTING_LOGIN_GRACE_TIME, 18, "login_grace_time", true},
        {SETTING_MAX_STARTUPS, 19, "max_startups", true},
        {SETTING_CHANNEL_TIMEOUT, 20, "channel_timeout", true},
    };
    char text[SETTING_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        const struct setting *row = &settings[expected[i].id];
        assert_int_equal(expected[i].id, expected[i].number); /* in snapshots on disk */
        assert_string_equal(row->name, expected[i].name);
        assert_ptr_equal(setting_find(expected[i].name), row);
        assert_int_equal(row->default_only != NULL, expected[i].default_only);
        assert_true(row->default_value == SETTING_UNSET);
        setting_format(row, row->default_value, text, sizeof text);
        assert_string_equal(text, "unset");
        assert_false(setting_value_valid(row, SETTING_UNSET));
        assert_false(setting_value_valid(row, -1));
        assert_false(setting_value_valid(row, INT64_MIN));
    }
    for (size_t i = 0; i < SETTING_CLIENT_ALIVE_INTERVAL; i++)
        assert_null(settings[i].default_only);
}

/* The text, its value, and how that is printed. */
static void accepts_valid_values(void **state)
{
    static const struct {
        enum setting_id id;
        const char *text;
        int64_t value;
        const char *printed;
    } good[] = {
        {SETTING_CLIENT_ALIVE_INTERVAL, "0", SETTING_OFF, "0"},
        {SETTING_CLIENT_ALIVE_INTERVAL, "none", SETTING_OFF, "0"},
        {SETTING_CLIENT_ALIVE_INTERVAL, "1", 1, "1s"},
        {SETTING_CLIENT_ALIVE_INTERVAL, "5m", 300, "5m"},
        {SETTING_CLIENT_ALIVE_INTERVAL, "2147483647", INT_MAX, "24855d3h14m7s"},
        {SETTING_CLIENT_ALIVE_COUNT_MAX, "0", SETTING_OFF, "0"},
        {SETTING_CLIENT_ALIVE_COUNT_MAX, "none", SETTING_OFF, "0"},
        {SETTING_CLIENT_ALIVE_COUNT_MAX, "3", 3, "3"},
        {SETTING_CLIENT_ALIVE_COUNT_MAX, "2147483647", INT_MAX, "2147483647"},
        {SETTING_MAX_AUTH_TRIES, "1", 1, "1"},
        {SETTING_MAX_AUTH_TRIES, "2147483647", INT_MAX, "2147483647"},
        {SETTING_MAX_SESSIONS, "0", 0, "0"},
        {SETTING_MAX_SESSIONS, "10", 10, "10"},
        {SETTING_UNUSED_CONNECTION_TIMEOUT, "none", SETTING_OFF, "none"},
        {SETTING_UNUSED_CONNECTION_TIMEOUT, "0", SETTING_OFF, "none"},
        {SETTING_UNUSED_CONNECTION_TIMEOUT, "1h", 3600, "1h"},
        {SETTING_LOGIN_GRACE_TIME, "0", SETTING_OFF, "0"},
        {SETTING_LOGIN_GRACE_TIME, "none", SETTING_OFF, "0"},
        {SETTING_LOGIN_GRACE_TIME, "2m", 120, "2m"},
        {SETTING_MAX_STARTUPS, "10", -1, "10:30:10"},
        {SETTING_MAX_STARTUPS, "10:30:60", -1, "10:30:60"},
        {SETTING_MAX_STARTUPS, "1:1:1", -1, "1:1:1"},
        {SETTING_MAX_STARTUPS, "20:100:20", -1, "20:100:20"},
        {SETTING_MAX_STARTUPS, "268435455:100:268435455", -1, "268435455:100:268435455"},
        {SETTING_CHANNEL_TIMEOUT, "none", 4, "set"},
        {SETTING_CHANNEL_TIMEOUT, "session:shell=10m", 17, "set"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        const struct setting *row = &settings[good[i].id];
        char text[SETTING_TEXT_MAX];
        int64_t value = -7;
        const char *wrong = setting_parse(row, good[i].text, &value);
        if (wrong != NULL)
            fail_msg("%s = \"%s\" %s", row->name, good[i].text, wrong);
        assert_true(good[i].value == -1 || value == good[i].value);
        assert_true(setting_value_valid(row, value));
        setting_format(row, value, text, sizeof text);
        assert_string_equal(text, good[i].printed);
    }
}

static void rejects_invalid_values(void **state)
{
    static const struct {
        enum setting_id id;
        const char *text;
    } bad[] = {
        {SETTING_CLIENT_ALIVE_INTERVAL, ""},
        {SETTING_CLIENT_ALIVE_INTERVAL, "unset"},
        {SETTING_CLIENT_ALIVE_INTERVAL, "0s"},
        {SETTING_CLIENT_ALIVE_INTERVAL, "00"},
        {SETTING_CLIENT_ALIVE_INTERVAL, "-1"},
        {SETTING_CLIENT_ALIVE_INTERVAL, "None"},
        {SETTING_CLIENT_ALIVE_INTERVAL, "2147483648"},
        {SETTING_CLIENT_ALIVE_COUNT_MAX, "2147483648"},
        {SETTING_CLIENT_ALIVE_COUNT_MAX, "3m"},
        {SETTING_CLIENT_ALIVE_COUNT_MAX, "9223372036854775806"}, /* SETTING_OFF */
        {SETTING_CLIENT_ALIVE_COUNT_MAX, "9223372036854775807"},
        {SETTING_MAX_AUTH_TRIES, "0"}, /* nobody could log in */
        {SETTING_MAX_AUTH_TRIES, "none"},
        {SETTING_MAX_AUTH_TRIES, "2147483648"},
        {SETTING_MAX_AUTH_TRIES, "010"},
        {SETTING_MAX_SESSIONS, "none"},
        {SETTING_MAX_SESSIONS, "-1"},
        {SETTING_MAX_SESSIONS, "2147483648"},
        {SETTING_UNUSED_CONNECTION_TIMEOUT, "0m"},
        {SETTING_UNUSED_CONNECTION_TIMEOUT, "unset"},
        {SETTING_UNUSED_CONNECTION_TIMEOUT, "2147483648"},
        {SETTING_LOGIN_GRACE_TIME, "2147483648"},
        {SETTING_LOGIN_GRACE_TIME, "1.5"},
        {SETTING_MAX_STARTUPS, ""},
        {SETTING_MAX_STARTUPS, "0"},
        {SETTING_MAX_STARTUPS, "none"},
        {SETTING_MAX_STARTUPS, "0:30:5"},
        {SETTING_MAX_STARTUPS, "10:30"},
        {SETTING_MAX_STARTUPS, "10:"},
        {SETTING_MAX_STARTUPS, "10:30:"},
        {SETTING_MAX_STARTUPS, ":30:60"},
        {SETTING_MAX_STARTUPS, "10:0:60"},
        {SETTING_MAX_STARTUPS, "10:101:60"},
        {SETTING_MAX_STARTUPS, "61:30:60"},
        {SETTING_MAX_STARTUPS, "10:30:60x"},
        {SETTING_MAX_STARTUPS, "10:30:60:7"},
        {SETTING_MAX_STARTUPS, "010:30:60"},
        {SETTING_MAX_STARTUPS, "10:030:60"},
        {SETTING_MAX_STARTUPS, "10:30:-1"},
        {SETTING_MAX_STARTUPS, " 10"},
        {SETTING_MAX_STARTUPS, "268435456"},
        {SETTING_MAX_STARTUPS, "10:30:268435456"},
        {SETTING_MAX_STARTUPS, "10:4294967326:60"}, /* 30 in 32 bits */
        {SETTING_MAX_STARTUPS, "99999999999999999999"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_invalid(bad[i].id, bad[i].text);
}

static void channel_timeouts(void **state)
{
    static const char *const good[] = {
        "none",
        "session:shell=10m",
        "session:shell=0",
        "session:shell=2147483647",
        "session:*=1h30m",
        "session*=5",
        "*=5",
        "sess???:shell=5",
        "session:subsystem:sftp=5m",
        "session:subsystem:*=5m",
        "*:sftp=5m",
        "*sftp=5m",
        "?*=5m",
        "session:subsystem:?=5m",
        "session:shell=10m agent-connection=1h",
        "session:shell=0 session:*=5m x11-connection=1d",
        "direct-tcpip=1 direct-streamlocal@openssh.com=1 forwarded-*=2",
        "global=1h",
        "tun-connection=1h",
    };
    static const struct {
        const char *text, *because;
    } bad[] = {
        {"", "empty"},
        {"session=3s", "session:shell"},
        {"Session:shell=3s", "matches no channel"},
        {"shell=3s", "matches no channel"},
        {"sess=3s", "matches no channel"},
        {"session:=3s", "matches no channel"},
        {"session:shell*x=3s", "matches no channel"},
        {"session:subsystem:=3s", "matches no channel"},
        {"session:subsystem=3s", "matches no channel"},
        {"glob*=1h", "matches no channel"}, /* sshd compares this one to the letter */
        {"x11=3s", "matches no channel"},
        {"=3s", "without a channel type"},
        {"session:shell", "TYPE=INTERVAL"},
        {"10m", "TYPE=INTERVAL"},
        {"session:shell=", "not a duration"},
        {"session:shell=none", "not a duration"},
        {"session:shell=10x", "not a duration"},
        {"session:shell=010", "not a duration"},
        {"session:shell==5", "not a duration"},
        {"session:shell=5=5", "not a duration"},
        {"session:shell=2147483648", "too long"},
        {"none session:shell=5", "use none alone"},
        {"session:shell=5 none", "use none alone"},
        {" session:shell=5", "extra space"},
        {"session:shell=5 ", "extra space"},
        {"session:shell=5  x11-connection=5", "extra space"},
        {" ", "extra space"},
        {"session:shell=5,x11-connection=5", "character"},
        {"!session:shell=5", "character"},
        {"session:shell=5 #", "character"},
        {"session:shell=5\n", "character"},
        {"session:shell=5\tx11-connection=5", "character"},
        {"'session:shell=5'", "character"},
        {"session:shell=\"5\"", "character"},
        {"session:sh\\ell=5", "character"},
        {"session:sh\xc3\xa4ll=5", "character"},
    };
    const struct setting *row = &settings[SETTING_CHANNEL_TIMEOUT];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        int64_t value = -7;
        const char *wrong = setting_parse(row, good[i], &value);
        if (wrong != NULL)
            fail_msg("\"%s\" %s", good[i], wrong);
        assert_int_equal(value, strlen(good[i]));
        assert_true(setting_value_valid(row, value));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t value = -7;
        const char *wrong = setting_parse(row, bad[i].text, &value);
        if (wrong == NULL || strstr(wrong, bad[i].because) == NULL)
            fail_msg("\"%s\": %s", bad[i].text, wrong != NULL ? wrong : "was accepted");
        assert_int_equal(value, -7);
    }
}

/* Two hundred characters and no more; and a pattern of only stars takes no
 * longer than others. */
static void long_channel_timeouts(void **state)
{
    const struct setting *row = &settings[SETTING_CHANNEL_TIMEOUT];
    char text[300];
    int64_t value = -7;

    (void)state;
    for (size_t size = 195; size <= 205; size++) {
        memset(text, '*', size);
        memcpy(text + size - 2, "=5", 3);
        assert_int_equal(setting_parse(row, text, &value) == NULL, size <= 200);
        memset(text, 'q', size);
        memcpy(text + size - 2, "=5", 3);
        assert_non_null(setting_parse(row, text, &value));
    }
    for (size_t i = 0; i < 198; i++)
        text[i] = i % 2 == 0 ? '*' : 'z';
    memcpy(text + 198, "=5", 3);
    assert_null(setting_parse(row, text, &value)); /* some subsystem is called so */
    assert_true(setting_value_valid(row, 200));
    assert_false(setting_value_valid(row, 201));
    assert_false(setting_value_valid(row, 0));
}

static void strictest(void **state)
{
    static const struct stricter_pair pair[] = {
        {SETTING_CLIENT_ALIVE_INTERVAL, "5m", "10m"},
        {SETTING_CLIENT_ALIVE_INTERVAL, "2147483647", "0"},
        {SETTING_CLIENT_ALIVE_COUNT_MAX, "1", "2"},
        {SETTING_CLIENT_ALIVE_COUNT_MAX, "2147483647", "0"},
        {SETTING_MAX_AUTH_TRIES, "1", "2"},
        {SETTING_MAX_SESSIONS, "0", "1"},
        {SETTING_UNUSED_CONNECTION_TIMEOUT, "1d", "none"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pair); i++) {
        const struct setting *row = &settings[pair[i].id];
        const int64_t b = parsed(pair[i].id, pair[i].looser);

        assert_stricter(&pair[i]);
        assert_true(setting_stricter(row, b, SETTING_UNSET));
        assert_false(setting_stricter(row, SETTING_UNSET, b));
    }
    for (enum setting_id id = SETTING_LOGIN_GRACE_TIME; id <= SETTING_CHANNEL_TIMEOUT; id++) {
        assert_false(setting_stricter(&settings[id], 1, 2));
        assert_false(setting_stricter(&settings[id], 2, 1));
    }
}

/* Packed numbers that no text produces. */
static void startups_from_disk(void **state)
{
    const struct setting *row = &settings[SETTING_MAX_STARTUPS];
    const int64_t good = parsed(SETTING_MAX_STARTUPS, "10:30:60");

    (void)state;
    assert_true(setting_value_valid(row, good));
    assert_false(setting_value_valid(row, 0));
    assert_false(setting_value_valid(row, SETTING_OFF));
    assert_false(setting_value_valid(row, good & ~(INT64_C(127) << 28)));        /* rate 0 */
    assert_false(setting_value_valid(row, good | INT64_C(127) << 28));           /* rate 127 */
    assert_false(setting_value_valid(row, good & ((INT64_C(1) << 35) - 1)));     /* from 0 on */
    assert_false(setting_value_valid(row, good & ~((INT64_C(1) << 28) - 1)));    /* full at 0 */
    assert_false(setting_value_valid(row, good | INT64_C(1) << 62));             /* begin > full */
    assert_false(setting_value_valid(row, good | (int64_t)(UINT64_C(1) << 63))); /* a sign */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),
        cmocka_unit_test(accepts_valid_values),
        cmocka_unit_test(rejects_invalid_values),
        cmocka_unit_test(channel_timeouts),
        cmocka_unit_test(long_channel_timeouts),
        cmocka_unit_test(strictest),
        cmocka_unit_test(startups_from_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
