/* tmoutctl sshd-config: the drop-in for a version, and what an sshd makes of
 * its files. The sshd is a script that prints what a file holds. */
#include "tests/unit/host_tree.h"
#include "tests/unit/tools/tmoutctl/captured.h"

#include "tools/tmoutctl/verbs/verbs.h"

enum { OPTION_CHECK, OPTION_OPENSSH, OPTION_VERSION };

static const char policy[] =
    "default {\n max_sessions = 5\n channel_timeout = \"session:shell=10m\"\n"
    "}\nuser \"root\" { max_auth_tries = 2 }\n";

static int sshd_config(const struct verb_place *place, const char *openssh, bool check,
                       struct captured *captured)
{
    const struct verb_arguments arguments = {
        .option = {[OPTION_CHECK] = check ? "" : NULL, [OPTION_OPENSSH] = openssh}};

    return verb_run_with(&verb_sshd_config, &place->context, &arguments, captured);
}

/* An sshd of this version, whose -T prints `text`, for every query. */
static void put_sshd(const char *root, const char *version, const char *text)
{
    char script[512], *full = path_in(root, "usr/sbin/sshd");

    put(root, "/sshd-T", text);
    snprintf(script, sizeof script,
             "#!/bin/sh\ncase $1 in -T) cat %s/sshd-T;; *) echo OpenSSH_%s >&2; exit 1;; esac\n",
             root, version);
    put(root, "/usr/sbin/sshd", script);
    assert_int_equal(chmod(full, 0755), 0);
    free(full);
}

static void for_a_version(void **state)
{
    const struct verb_arguments old = {.option = {[OPTION_VERSION] = "9.2"}};
    struct verb_place place;
    struct captured captured, older;

    place_open(&place, *state, policy);
    assert_int_equal(sshd_config(&place, "9.2", false, &captured), TMOUTCTL_FINE);
    assert_string_equal(captured.err, "");
    assert_contains(captured.out, "\nMaxSessions 5\n");
    assert_contains(captured.out, "\nChannelTimeout session:shell=10m\n");
    assert_contains(captured.out, "MaxAuthTries 2\n");
    assert_int_equal(verb_run_with(&verb_sshd_config, &place.context, &old, &older), TMOUTCTL_FINE);
    assert_string_equal(older.out, captured.out);
    captured_free(&older);
    captured_free(&captured);

    assert_int_equal(sshd_config(&place, "8.9", false, &captured), TMOUTCTL_FINE);
    assert_string_equal(captured.err, "tmoutctl: channel_timeout has no effect: this sshd has no "
                                      "ChannelTimeout (new in OpenSSH 9.2)\n");
    assert_contains(captured.out, "# ChannelTimeout is left out");
    captured_free(&captured);
    place.context.quiet = true;
    assert_int_equal(sshd_config(&place, "8.9", false, &captured), TMOUTCTL_FINE);
    assert_string_equal(captured.err, "");
    captured_free(&captured);
    place_close(&place);
}

static void wrong_usage(void **state)
{
    static const char *const versions[] = {"9", "nine", "", "9.2x"};
    struct verb_place place;
    struct captured captured;

    place_open(&place, *state, policy);
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        assert_int_equal(sshd_config(&place, versions[i], false, &captured), TMOUTCTL_FAILURE);
        assert_contains(captured.err,
                        "' for '--openssh': not a version of OpenSSH such as 9.2\nusage: ");
        captured_free(&captured);
    }
    place_close(&place);
}

static void as_json(void **state)
{
    struct verb_place place;
    struct captured text, captured;
    json_error_t error;

    place_open(&place, *state, policy);
    assert_int_equal(sshd_config(&place, "8.9", false, &text), TMOUTCTL_FINE);
    place.context.json = true;
    assert_int_equal(sshd_config(&place, "8.9", false, &captured), TMOUTCTL_FINE);
    json_t *value = json_loads(captured.out, 0, &error);
    assert_non_null(value);
    assert_string_equal(json_text_at(value, "text"), text.out);
    json_t *left_out = json_array_get(json_object_get(value, "left_out"), 0);
    assert_string_equal(json_text_at(left_out, "setting"), "channel_timeout");
    assert_string_equal(json_text_at(left_out, "since"), "9.2");
    json_decref(value);
    captured_free(&captured);
    captured_free(&text);
    place_close(&place);
}

static void what_cannot_be_printed(void **state)
{
    struct verb_place place;
    struct captured captured;

    place_open(&place, *state, "user \"a*\" { max_sessions = 1 }\n user \"b,c\" { tmout = 1m }\n");
    assert_int_equal(sshd_config(&place, "9.2", false, &captured), TMOUTCTL_NO);
    assert_contains(captured.err, "tmout.conf:1: ");
    assert_contains(captured.err, "\"a*\"");
    assert_null(strstr(captured.err, "b,c"));
    assert_string_equal(captured.out, "");
    captured_free(&captured);
    assert_int_equal(sshd_config(&place, NULL, false, &captured), TMOUTCTL_FAILURE);
    assert_contains(captured.err, "sshd is not installed: ");
    assert_contains(captured.err, "; use --openssh to name the OpenSSH version that the file is ");
    captured_free(&captured);
    write_text(place.config, "default { tmout = wrong }\n");
    assert_int_equal(sshd_config(&place, "9.2", false, &captured), TMOUTCTL_FAILURE);
    assert_contains(captured.err, "tmoutctl: no policy is in force: ");
    captured_free(&captured);
    place_close(&place);
}

static void for_the_installed_sshd(void **state)
{
    struct verb_place place;
    struct captured captured;

    place_open(&place, *state, policy);
    put_sshd(*state, "9.2p1", "maxsessions 10\nchanneltimeout none\n");
    assert_int_equal(sshd_config(&place, NULL, false, &captured), TMOUTCTL_FINE);
    assert_contains(captured.out, "\nChannelTimeout session:shell=10m\n");
    captured_free(&captured);
    put_sshd(*state, "8.9p1", "maxsessions 10\n");
    assert_int_equal(sshd_config(&place, NULL, false, &captured), TMOUTCTL_FINE);
    assert_contains(captured.out, "# ChannelTimeout is left out");
    captured_free(&captured);
    place_close(&place);
}

static void checking(void **state)
{
    const struct verb_arguments check = {.option = {[OPTION_CHECK] = ""}};
    struct verb_place place;
    struct captured captured;

    place_open(&place, *state, policy);
    put_sshd(*state, "9.2p1", "maxsessions 5\nmaxauthtries 2\nchanneltimeout session:shell=10m\n");
    put(*state, "/etc/ssh/sshd_config", "Match User anna\n    MaxSessions 9\n");
    assert_int_equal(sshd_config(&place, NULL, true, &captured), TMOUTCTL_FINE);
    assert_string_equal(captured.err, "");
    assert_contains(captured.out, "/etc/ssh/sshd_config:2: MaxSessions 9 in a Match block of this "
                                  "site overrides the policy's default, 5\n");
    assert_contains(captured.out, "sshd's effective configuration matches the policy (global "
                                  "settings and 1 user)\n");
    captured_free(&captured);
    place.context.quiet = true;
    assert_int_equal(sshd_config(&place, NULL, true, &captured), TMOUTCTL_FINE);
    assert_string_equal(captured.out, "");
    captured_free(&captured);
    place.context.quiet = false;

    put_sshd(*state, "9.2p1", "maxsessions 10\nmaxauthtries 2\nchanneltimeout session:shell=10m\n");
    assert_int_equal(sshd_config(&place, NULL, true, &captured), TMOUTCTL_NO);
    assert_contains(captured.out,
                    "global settings: MaxSessions is 10, the policy has 5 (default, ");
    assert_contains(captured.out, "user root: MaxSessions is 10, the policy has 5 (default, ");
    assert_contains(captured.err, "differs from the policy: 2 differences; ");
    captured_free(&captured);
    json_t *answer = verb_json(&verb_sshd_config, &place.context, &check);
    assert_true(json_is_false(json_object_get(answer, "agrees")));
    assert_int_equal(json_number_at(answer, "users"), 1);
    const json_t *differences = json_object_get(answer, "differences");
    assert_int_equal(json_array_size(differences), 2);
    assert_string_equal(json_text_at(json_array_get(differences, 0), "user"), "null");
    assert_string_equal(json_text_at(json_array_get(differences, 1), "user"), "root");
    assert_string_equal(json_text_at(json_array_get(differences, 1), "keyword"), "MaxSessions");
    assert_string_equal(json_text_at(json_array_get(differences, 1), "sshd"), "10");
    assert_string_equal(json_text_at(json_array_get(differences, 1), "policy"), "5");
    const json_t *looser = json_array_get(json_object_get(answer, "looser"), 0);
    assert_string_equal(json_text_at(looser, "file"), "/etc/ssh/sshd_config");
    assert_int_equal(json_number_at(looser, "line"), 2);
    assert_string_equal(json_text_at(looser, "sshd"), "9");
    json_decref(answer);

    put_sshd(*state, "9.2p1", "");
    put(*state, "/usr/sbin/sshd",
        "#!/bin/sh\ntest $1 = -T || echo OpenSSH_9.2p1 >&2\n"
        "echo no hostkeys available >&2\nexit 1\n");
    assert_int_equal(sshd_config(&place, NULL, true, &captured), TMOUTCTL_FAILURE);
    assert_contains(captured.err, "sshd -T: no hostkeys available");
    captured_free(&captured);
    place_close(&place);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(for_a_version),
        WITH_DIRECTORY(wrong_usage),
        WITH_DIRECTORY(as_json),
        WITH_DIRECTORY(what_cannot_be_printed),
        WITH_DIRECTORY(for_the_installed_sshd),
        WITH_DIRECTORY(checking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
