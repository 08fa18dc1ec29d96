/* The number in our scripts follows a policy that is stricter. */
#include "tests/unit/tools/tmoutctl/shells/shells_tree.h"

#include "lib/policy/settings.h"
#include "tools/tmoutctl/shells/literal.h"

/* How often a script has a line that ends with this. */
static size_t count_lines(const char *root, const char *path, const char *end)
{
    char *text = text_in(root, path), line[128];
    size_t count = 0;

    snprintf(line, sizeof line, "%s\n", end);
    for (const char *at = text; (at = strstr(at, line)) != NULL; at++)
        count++;
    free(text);
    return count;
}

static void assert_written(const char *root, int64_t default_sec, long seconds, long minutes,
                           enum shell_literal_result result)
{
    const struct host host = {.root = root};
    struct shell_literal literals[SHELL_SCRIPTS];
    char number[32];

    assert_int_equal(shell_literals_write(&host, default_sec, literals), 0);
    assert_string_equal(literals[0].path, PROFILE_SH);
    assert_int_equal(literals[0].limit_sec, seconds);
    assert_int_equal(literals[0].result, result);
    assert_string_equal(literals[1].path, PROFILE_CSH);
    assert_int_equal(literals[1].limit_sec, minutes * 60);
    snprintf(number, sizeof number, "declare -xr TMOUT=%ld", seconds);
    assert_int_equal(count_lines(root, PROFILE_SH, number), 1);
    snprintf(number, sizeof number, "tmout_limit=%ld", seconds);
    assert_int_equal(count_lines(root, PROFILE_SH, number), 1);
    snprintf(number, sizeof number, "\n    TMOUT=%ld", seconds);
    assert_int_equal(count_lines(root, PROFILE_SH, number), 1);
    snprintf(number, sizeof number, "\n    set tmout_minutes = %ld", minutes);
    assert_int_equal(count_lines(root, PROFILE_CSH, number), 1);
}

static void numbers_follow_the_policy(void **state)
{
    char *sh = text_in(*state, PROFILE_SH), *csh = text_in(*state, PROFILE_CSH);

    assert_written(*state, 600, 600, 10, SHELL_LITERAL_UNCHANGED);
    assert_written(*state, 300, 300, 5, SHELL_LITERAL_CHANGED);
    assert_written(*state, 300, 300, 5, SHELL_LITERAL_UNCHANGED);
    assert_written(*state, 90, 90, 1, SHELL_LITERAL_CHANGED);
    assert_written(*state, 7, 7, 1, SHELL_LITERAL_CHANGED);
    assert_written(*state, 599, 599, 9, SHELL_LITERAL_CHANGED);
    assert_written(*state, 3600, 600, 10, SHELL_LITERAL_CHANGED);
    assert_written(*state, 60, 60, 1, SHELL_LITERAL_CHANGED);
    assert_written(*state, SETTING_NONE, 600, 10, SHELL_LITERAL_CHANGED);
    assert_text_in(*state, PROFILE_SH, sh);
    assert_text_in(*state, PROFILE_CSH, csh);
    free(sh);
    free(csh);
}

static void numbers_that_are_larger(void **state)
{
    const struct host host = {.root = *state};
    struct shell_findings findings = {0};

    assert_int_equal(shell_literals_find(&host, 600, &findings), 0);
    assert_int_equal(findings.count, 0);
    assert_int_equal(shell_literals_find(&host, 300, &findings), 0);
    assert_int_equal(findings.count, 2);
    assert_int_equal(findings.item[0].kind, SHELL_FINDING_LITERAL);
    assert_string_equal(findings.item[0].file, PROFILE_SH);
    assert_string_equal(findings.item[0].text, "TMOUT=600");
    assert_int_equal(findings.item[0].value, 600);
    assert_false(findings.item[0].csh);
    assert_false(shell_finding_is_conflict(&findings.item[0]));
    assert_string_equal(findings.item[1].text, "set tmout_minutes = 10");
    assert_true(findings.item[1].csh);
    shell_findings_free(&findings);
}

/* None is changed if one of them cannot be. */
static void assert_rejected(const char *root, const char *text, const char *reason)
{
    const struct host host = {.root = root};
    struct shell_literal literals[SHELL_SCRIPTS];
    struct shell_findings findings = {0};
    char *csh = text_in(root, PROFILE_CSH);

    if (text != NULL)
        put(root, PROFILE_SH, text);
    assert_int_equal(shell_literals_write(&host, 300, literals), -1);
    if (strncmp(literals[0].failure.text, PROFILE_SH ": ", strlen(PROFILE_SH ": ")) != 0 ||
        strstr(literals[0].failure.text, reason) == NULL)
        fail_msg("\"%s\", not \"%s\"", literals[0].failure.text, reason);
    assert_int_equal(literals[0].result, SHELL_LITERAL_SKIPPED);
    assert_int_equal(literals[1].result, SHELL_LITERAL_SKIPPED);
    assert_string_equal(literals[1].failure.text, "");
    if (text != NULL)
        assert_text_in(root, PROFILE_SH, text);
    assert_text_in(root, PROFILE_CSH, csh);
    assert_int_equal(shell_literals_find(&host, 300, &findings), 0);
    assert_int_equal(findings.count, 1); /* the other script */
    shell_findings_free(&findings);
    free(csh);
}

static void scripts_that_are_not_ours(void **state)
{
    char *good = text_in(*state, PROFILE_SH), *path = path_in(*state, &PROFILE_SH[1]), *twice, *cut;
    char *other = path_in(*state, "etc/other");

    assert_rejected(*state, "TMOUT=900\nreadonly TMOUT\n", "does not mention PAM_TMOUT");
    assert_rejected(*state, "# PAM_TMOUT\nTMOUT=900\n", "does not mention PAM_TMOUT");
    assert_rejected(*state, "x=$PAM_TMOUT\nTMOUT=900\n", "has been edited");
    assert_rejected(*state, "x=$PAM_TMOUT\ntmout_limit=1\ndeclare -xr TMOUT=1\nTMOUT=1234567890\n",
                    "has been edited");
    assert_true(asprintf(&twice, "%sTMOUT=300\n", good) > 0);
    assert_rejected(*state, twice, "has been edited");
    cut = strstr(twice, "TMOUT=600");
    memcpy(cut, "TMOUT=6a0", strlen("TMOUT=6a0"));
    assert_rejected(*state, twice, "has been edited");
    put(*state, PROFILE_SH, good);
    assert_int_equal(link(path, other), 0);
    assert_rejected(*state, NULL, "has more than one hard link; not changed");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("../other", path), 0);
    assert_rejected(*state, NULL, strerror(ELOOP));
    assert_int_equal(unlink(path), 0);
    assert_rejected(*state, NULL, "No such file");
    free(twice);
    free(good);
    free(path);
    free(other);
}

static void without_the_script_for_tcsh(void **state)
{
    const struct host host = {.root = *state};
    struct shell_literal literals[SHELL_SCRIPTS];

    remove_in(*state, PROFILE_CSH);
    assert_int_equal(shell_literals_write(&host, 300, literals), 0);
    assert_int_equal(literals[0].result, SHELL_LITERAL_CHANGED);
    assert_int_equal(literals[1].result, SHELL_LITERAL_SKIPPED);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_SHELLS(numbers_follow_the_policy),
        WITH_SHELLS(numbers_that_are_larger),
        WITH_SHELLS(scripts_that_are_not_ours),
        WITH_SHELLS(without_the_script_for_tcsh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
