/* The policy as a drop-in for sshd: names, order, and what comes where. */
#include "tests/unit/policy_snapshot.h"

#include "tools/tmoutctl/sshd/dropin.h"
#include "tools/tmoutctl/sshd/keywords.h"

#include <errno.h>

enum { KEYWORDS_MAX = 16 };

/* What is printed after the header, for an sshd that lacks the keyword `without`. */
static char *printed(const char *policy, const char *without)
{
    struct snapshot snapshot;
    struct dropin dropin = {0};
    bool known[KEYWORDS_MAX];
    char *text = NULL;
    size_t size = 0;

    assert_true(sshd_keyword_count <= KEYWORDS_MAX);
    for (size_t i = 0; i < sshd_keyword_count; i++)
        known[i] = strcmp(sshd_keywords[i].keyword, without) != 0;
    open_policy(&snapshot, policy);
    assert_int_equal(dropin_collect(&snapshot, &dropin), 0);
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    assert_int_equal(dropin_print(to, &dropin, known), 0);
    fclose(to);
    dropin_free(&dropin);
    snapshot_close(&snapshot);
    char *body = strstr(text, "\n\n");
    assert_non_null(body);
    memmove(text, body + 2, strlen(body + 2) + 1);
    return text;
}

static void order(void **state)
{
    static const char policy[] = "group b { client_alive_interval = 0 }\n"
                                 "group c { client_alive_interval = 5m }\n"
                                 "group a { client_alive_interval = none }\n"
                                 "group d { client_alive_interval = 10m }\n"
                                 "group e { client_alive_interval = 300\n max_sessions = 0 }\n"
                                 "user z { client_alive_interval = 1h }\n"
                                 "user y { client_alive_interval = 2 }\n"
                                 "group silent { tmout = 5m }\n"
                                 "default { client_alive_interval = 9\n max_startups = 10 }\n";
    static const char expected[] = "# default: /p:11\nMaxStartups 10:30:10\n\n"
                                   "# default: /p:10\nClientAliveInterval 9\n\n"
                                   "# user \"y\": /p:8\nMatch User \"y\"\n"
                                   "    ClientAliveInterval 2\n\n"
                                   "# user \"z\": /p:7\nMatch User \"z\"\n"
                                   "    ClientAliveInterval 3600\n\n"
                                   "# group \"c\": /p:2\n# group \"e\": /p:5\n"
                                   "Match Group \"c,e\"\n    ClientAliveInterval 300\n\n"
                                   "# group \"d\": /p:4\nMatch Group \"d\"\n"
                                   "    ClientAliveInterval 600\n\n"
                                   "# group \"a\": /p:3\n# group \"b\": /p:1\n"
                                   "Match Group \"a,b\"\n    ClientAliveInterval 0\n\n"
                                   "# group \"e\": /p:6\nMatch Group \"e\"\n    MaxSessions 0\n";
    char *text = printed(policy, "");

    (void)state;
    assert_string_equal(text, expected);
    free(text);
}

static void keywords_that_sshd_lacks(void **state)
{
    char *text = printed("default { channel_timeout = 'session:*=5m'\n login_grace_time = 0 }\n"
                         "group g { unused_connection_timeout = none }\n",
                         "ChannelTimeout");

    (void)state;
    assert_string_equal(text, "# ChannelTimeout is left out: this sshd does not support it.\n\n"
                              "# default: /p:2\nLoginGraceTime 0\n\n"
                              "# group \"g\": /p:3\nMatch Group \"g\"\n"
                              "    UnusedConnectionTimeout 0\n");
    free(text);
    /* no comment about what no rule sets */
    text = printed("default { max_sessions = 3 }\n", "ChannelTimeout");
    assert_string_equal(text, "# default: /p:1\nMaxSessions 3\n");
    free(text);
    text = printed("default { tmout = 5m }\nuser 'a*b' { tmout = 6m }\n", "");
    assert_string_equal(text, "# The policy has no settings for sshd.\n");
    free(text);
}

static void names(void **state)
{
    static const char *const good[] = {
        "kim",       "Domain Users", " leading",      "trailing ", "a=b", "it's",
        "WORK\\kim", "a\\b c",       "m\xc3\xbcller", "\xff",      "x#y", "a!b",
        "all",       "-T",           "$HOME",         "%u",        "{",   "\\x"};
    static const char *const bad[] = {"*",    "a*",      "?",    "a?b",    "!a",    "!",    ",",
                                      "a,b",  "\"",      "a\"b", "#a",     "#",     "a\nb", "\t",
                                      "\x7f", "a\x1b[m", "\\",   "a\\\\b", "a\\\"", "a\\'", "a\\"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (dropin_name_problem(good[i]) != NULL)
            fail_msg("%s: %s", good[i], dropin_name_problem(good[i]));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (dropin_name_problem(bad[i]) == NULL)
            fail_msg("%s", bad[i]);
}

/* A file's name must not end a comment. */
static void paths_in_comments(void **state)
{
    struct snapshot snapshot;
    struct dropin dropin = {0};

    (void)state;
    open_policy(&snapshot, "default { max_sessions = 3 }\n");
    assert_int_equal(dropin_collect(&snapshot, &dropin), 0);
    assert_int_equal(dropin.path_count, 2);
    assert_string_equal(dropin.path[1], "/d/line?break.conf");
    dropin_free(&dropin);
    snapshot_close(&snapshot);
}

static void many_rules(void **state)
{
    enum { RULES = 3000 };
    char *policy = malloc(RULES * 64);
    size_t used = 0;
    struct snapshot snapshot;
    struct dropin dropin = {0};

    (void)state;
    assert_non_null(policy);
    for (int i = 0; i < RULES; i++)
        used += (size_t)sprintf(policy + used, "group g%d { max_sessions = %d }\n", i, i % 7);
    open_policy(&snapshot, policy);
    assert_int_equal(dropin_collect(&snapshot, &dropin), 0);
    assert_int_equal(dropin.count, RULES);
    for (size_t i = 1; i < dropin.count; i++)
        assert_true(strcmp(dropin.rule[i - 1].name, dropin.rule[i].name) < 0);
    dropin_free(&dropin);
    snapshot_close(&snapshot);
    free(policy);
}

/* Wherever the snapshot is damaged: all rules as they were, or an error. */
static void damaged(void **state)
{
    struct snapshot snapshot;
    size_t rejected = 0;

    (void)state;
    open_policy(&snapshot, "default { max_sessions = 3 }\nuser kim { max_sessions = 4 }\n"
                           "group g { max_sessions = 5 }\n");
    snapshot.front_size = 0; /* else it would be read from memory */
    for (uint64_t at = 0; at < snapshot.file_size; at++) {
        struct dropin dropin = {0};
        unsigned char byte, other;
        assert_int_equal(pread(snapshot.fd, &byte, 1, (off_t)at), 1);
        other = byte ^ 0x55;
        assert_int_equal(pwrite(snapshot.fd, &other, 1, (off_t)at), 1);
        if (dropin_collect(&snapshot, &dropin) != 0) {
            assert_int_equal(errno, EBADMSG);
            rejected++;
        } else {
            assert_int_equal(dropin.count, 3);
            assert_int_equal(dropin.rule[0].content.setting[SETTING_MAX_SESSIONS].value, 3);
            assert_string_equal(dropin.rule[1].name, "g");
            assert_string_equal(dropin.rule[2].name, "kim");
        }
        dropin_free(&dropin);
        assert_int_equal(pwrite(snapshot.fd, &byte, 1, (off_t)at), 1);
    }
    /* a rule that no bucket leads to, or one more than there are */
    for (int change = -1; change <= 1; change += 2) {
        struct dropin dropin = {0};
        snapshot.rule_count[RULE_USER] += (uint32_t)change;
        assert_int_equal(dropin_collect(&snapshot, &dropin), -1);
        assert_int_equal(errno, EBADMSG);
        snapshot.rule_count[RULE_USER] -= (uint32_t)change;
        dropin_free(&dropin);
    }
    assert_true(rejected > 250); /* three rules and their bucket */
    snapshot_close(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order),      cmocka_unit_test(keywords_that_sshd_lacks),
        cmocka_unit_test(names),      cmocka_unit_test(paths_in_comments),
        cmocka_unit_test(many_rules), cmocka_unit_test(damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
