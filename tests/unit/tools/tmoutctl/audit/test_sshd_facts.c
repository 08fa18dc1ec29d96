/* What the audit asks sshd: options that it does not know, and whether it has answered. */
#include "tests/unit/tools/tmoutctl/audit/audited_host.h"

#include "tools/tmoutctl/audit/sshd_facts.h"

#define CONFIG "/etc/ssh/sshd_config"

/* An sshd that names one bad option at a time, the first line that begins with Bad. It
 * refuses any file with the word Never. */
static const char script[] =
    "#!/bin/sh\n"
    "[ \"$1\" = -V ] && { echo OpenSSH_9.2p1 >&2; exit; }\n"
    "[ \"$1\" = -T ] || exit 1\n"
    "for file; do :; done\n"
    "[ -f \"$file\" ] || file=/dev/null\n"
    "line=$(grep -n '^Bad' \"$file\" | head -n 1)\n"
    "if [ -n \"$line\" ]; then\n"
    "    echo \"$file: line ${line%%:*}: Bad configuration option: ${line#*:}\" >&2; exit 255\n"
    "fi\n"
    "grep -q '^Never' \"$file\" && { echo no >&2; exit 255; }\n"
    "echo usepam yes\n";

static void options_that_keep_it_from_starting(void **state)
{
    static const struct {
        const char *text;
        bool starts, answers; /* as it is, and without the bad options */
        unsigned bad[3];      /* lines, up to a 0 */
    } cases[] = {
        {"UsePAM yes\n", true, true, {0}},
        {"BadA\n", false, true, {1}},
        {"UsePAM yes\nBadA\n# BadB\nBadC\n", false, true, {2, 4}},
        {"BadA\r\nBadB", false, true, {1, 2}},
        {"Never\n", false, false, {0}},
        {"BadA\nNever\n", false, false, {1}},
    };
    struct audited_host *host = *state;

    put_script(host, "/usr/sbin/sshd", script);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sshd_facts facts = {0};
        size_t expected = 0;
        put(host->root, CONFIG, cases[i].text);
        struct audit *audit = start_audit(host);
        assert_int_equal(sshd_facts_find(audit, &facts), 0);
        assert_true((facts.failure.text[0] == '\0') == cases[i].starts);
        assert_true(facts.answers.complete == cases[i].answers);
        assert_true((facts.answers.failure.text[0] == '\0') == cases[i].answers);
        for (; expected < COUNT_OF(cases[i].bad) && cases[i].bad[expected] != 0; expected++) {
            assert_true(facts.bad.bad_count > expected);
            assert_int_equal(facts.bad.bad[expected].line, cases[i].bad[expected]);
            assert_string_equal(facts.bad.bad[expected].file, CONFIG);
        }
        assert_int_equal(facts.bad.bad_count, expected);
        assert_int_equal(facts.without_bad.count, expected);
        assert_true(facts.has_version);
        sshd_facts_free(&facts);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {WITH_HOST(options_that_keep_it_from_starting)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
