/* What else sets a limit in the system's shell files, and what that means. */
#include "tests/unit/tools/tmoutctl/shells/shells_tree.h"

#include "tools/tmoutctl/shells/findings.h"

static void find(const char *root, struct shell_findings *findings)
{
    const struct host host = {.root = root};

    *findings = (struct shell_findings){0};
    assert_int_equal(shell_findings_find(&host, findings), 0);
}

/* The file with this text has just this finding. */
static void assert_finding(const char *root, const char *file, const char *text,
                           const struct shell_finding *expected)
{
    struct shell_findings findings;

    put(root, file, text);
    find(root, &findings);
    if (findings.count != 1)
        fail_msg("%s: %s: %zu findings", file, text, findings.count);
    const struct shell_finding *finding = findings.item;
    if (finding->kind != expected->kind || finding->value != expected->value ||
        finding->readonly != expected->readonly || finding->csh != expected->csh ||
        strcmp(finding->file, file) != 0)
        fail_msg("%s: %s: kind %d, value %ld, readonly %d", file, text, (int)finding->kind,
                 finding->value, finding->readonly);
    assert_int_equal(shell_finding_is_conflict(finding),
                     finding->kind == SHELL_FINDING_AFTER ||
                         finding->kind == SHELL_FINDING_READONLY_LARGER);
    shell_findings_free(&findings);
    remove_in(root, file);
}

static void what_a_line_means(void **state)
{
    static const char before[] = "/etc/profile.d/aaa.sh", after[] = "/etc/profile.d/zzz.sh";
    static const struct {
        const char *text;
        long value;
        bool readonly;
        enum shell_finding_kind kind; /* in a file that is read before our script */
    } cases[] = {
        {"TMOUT=900; readonly TMOUT", 900, true, SHELL_FINDING_READONLY_LARGER},
        {"readonly TMOUT=300", 300, true, SHELL_FINDING_READONLY},
        {"TMOUT=0 ; readonly TMOUT", 0, true, SHELL_FINDING_READONLY_LARGER},
        {"declare -xr TMOUT=600", 600, true, SHELL_FINDING_READONLY},
        {"typeset -xr TMOUT=\"601\"", 601, true, SHELL_FINDING_READONLY_LARGER},
        {"declare -x TMOUT=601", 601, false, SHELL_FINDING_BEFORE},
        {"TMOUT=$(cat /etc/limit)\nreadonly TMOUT", -1, true, SHELL_FINDING_READONLY_LARGER},
        {"readonly TMOUT\nTMOUT=5", 5, true, SHELL_FINDING_READONLY},
        {"export TMOUT=900", 900, false, SHELL_FINDING_BEFORE},
        {"unset TMOUT", -1, false, SHELL_FINDING_BEFORE},
        {": ${TMOUT:=900}", 900, false, SHELL_FINDING_BEFORE},
        {"if true; then\n    TMOUT=77 # mine\nfi", 77, false, SHELL_FINDING_BEFORE},
        {"TMOUT=99999999999999999999", -1, false, SHELL_FINDING_BEFORE},
        {"TMOUT=5m", -1, false, SHELL_FINDING_BEFORE},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct shell_finding expected = {
            .kind = cases[i].kind, .value = cases[i].value, .readonly = cases[i].readonly};
        assert_finding(*state, before, cases[i].text, &expected);
        expected.kind = SHELL_FINDING_AFTER;
        assert_finding(*state, after, cases[i].text, &expected);
    }
}

static void what_a_line_of_tcsh_means(void **state)
{
    static const struct {
        const char *file, *text;
        long value;
        bool readonly;
        enum shell_finding_kind kind;
    } cases[] = {
        {"/etc/csh/cshrc.d/x", "set -r autologout=99", 99, true, SHELL_FINDING_READONLY_LARGER},
        {"/etc/csh/cshrc.d/x", "set -r autologout=10", 10, true, SHELL_FINDING_READONLY},
        {"/etc/csh/cshrc.d/x", "set autologout = 5", 5, false, SHELL_FINDING_BEFORE},
        {"/etc/csh/login.d/x", "set autologout = 5", 5, false, SHELL_FINDING_AFTER},
        {"/etc/csh.login", "unset autologout", -1, false, SHELL_FINDING_AFTER},
        {"/etc/profile.d/z.csh", "set autologout=(5)", 5, false, SHELL_FINDING_AFTER},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_finding(*state, cases[i].file, cases[i].text,
                       &(struct shell_finding){.kind = cases[i].kind,
                                               .csh = true,
                                               .value = cases[i].value,
                                               .readonly = cases[i].readonly});
}

static void lines_that_assign_nothing(void **state)
{
    struct shell_findings findings;

    put(*state, "/etc/profile.d/aaa.sh",
        "# TMOUT=9\necho \"$TMOUT\" MYTMOUT=3 #TMOUT=1\n[ \"$TMOUT\" = 5 ] || PAM_TMOUT=none\n"
        "[[ TMOUT == 5 ]] && [[ TMOUT=~x ]]\n[[ TMOUT==5 ]]\n");
    put(*state, "/etc/profile.d/aaa.txt", "TMOUT=9\n");
    find(*state, &findings);
    assert_int_equal(findings.count, 0);
    shell_findings_free(&findings);
}

/* In a file that reads our script, the position of the line decides. */
static void before_and_after_our_line(void **state)
{
    static const char *const files[] = {PROFILE, "/etc/bash.bashrc"};
    static const char *const readers[] = {"for i in /etc/profile.d/*.sh; do . $i; done",
                                          ". " SHELL_FRAGMENTS "/bashrc"};
    struct shell_findings findings;
    char text[256];

    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char *old = text_in(*state, files[i]);
        snprintf(text, sizeof text, "TMOUT=300\n%s\n\texport TMOUT=400\n", readers[i]);
        put(*state, files[i], text);
        find(*state, &findings);
        assert_int_equal(findings.count, 2);
        assert_int_equal(findings.item[0].kind, SHELL_FINDING_BEFORE);
        assert_int_equal(findings.item[0].line, 1);
        assert_int_equal(findings.item[1].kind, SHELL_FINDING_AFTER);
        assert_int_equal(findings.item[1].line, 3);
        assert_string_equal(findings.item[1].text, "export TMOUT=400");
        shell_findings_free(&findings);
        put(*state, files[i], "TMOUT=300\n"); /* nothing of ours is read */
        find(*state, &findings);
        assert_int_equal(findings.count, 1);
        assert_int_equal(findings.item[0].kind, SHELL_FINDING_BEFORE);
        shell_findings_free(&findings);
        put(*state, files[i], old);
        free(old);
    }
}

static void a_script_of_the_site_in_place_of_ours(void **state)
{
    struct shell_findings findings;

    put(*state, PROFILE_SH, "TMOUT=900\nreadonly TMOUT\nexport TMOUT\n");
    find(*state, &findings);
    assert_int_equal(findings.count, 1);
    assert_string_equal(findings.item[0].file, PROFILE_SH);
    assert_int_equal(findings.item[0].kind, SHELL_FINDING_READONLY_LARGER);
    shell_findings_free(&findings);
}

static void every_kind_has_its_advice(void **state)
{
    (void)state;
    for (int kind = SHELL_FINDING_BEFORE; kind <= SHELL_FINDING_LITERAL; kind++) {
        const struct shell_finding finding = {.kind = (enum shell_finding_kind)kind};
        assert_true(strlen(shell_finding_advice(&finding)) > 20);
        for (int other = SHELL_FINDING_BEFORE; other < kind; other++) {
            const struct shell_finding another = {.kind = (enum shell_finding_kind)other};
            assert_string_not_equal(shell_finding_advice(&finding), shell_finding_advice(&another));
        }
    }
    const struct shell_finding csh = {.kind = SHELL_FINDING_AFTER, .csh = true};
    assert_non_null(strstr(shell_finding_advice(&csh), "tmout.csh"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_SHELLS(what_a_line_means),
        WITH_SHELLS(what_a_line_of_tcsh_means),
        WITH_SHELLS(lines_that_assign_nothing),
        WITH_SHELLS(before_and_after_our_line),
        WITH_SHELLS(a_script_of_the_site_in_place_of_ours),
        cmocka_unit_test(every_kind_has_its_advice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
