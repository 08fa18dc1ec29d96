/* Which edits of findings become the patch, and what the others say instead. */
#include "tests/unit/tools/tmoutctl/audit/audited_host.h"

#include <time.h>
#include <unistd.h>

#define FILE_NAME "/etc/ssh/sshd_config.d/50-x.conf"
#define OTHER     "/etc/ssh/sshd_config.d/60-y.conf"

/* Adds a finding with one edit. */
static struct finding *add_edit_of(struct audit *audit, enum edit_kind kind, const char *file,
                                   unsigned line, const char *text)
{
    struct finding *finding =
        findings_add(&audit->findings, CHECK_SSHD_CONFIG, AUDIT_FAIL, "wrong");

    finding_set_remediation(finding, "Set it right.");
    finding_add_edit(finding,
                     &(struct edit){kind, (char *)(uintptr_t)file, line, (char *)(uintptr_t)text});
    return finding;
}

struct patch_case {
    const char *text;   /* of the file */
    const char *edited; /* its second line, by the one finding */
    const char *says;   /* part of the remediation, or NULL: it is in the patch */
};

static void what_may_be_edited(void **state)
{
    static const struct patch_case cases[] = {
        {"A 1\nB 2\nC 3\n", "B 3", NULL},
        {"A 1\r\nB 2\r\n", "B 3", NULL},
        {"A 1\nB 2", "B 3", NULL},
        {"A 1\nB 2\n", "B 2", "a hunk would fit in more than one place"},
        {"A 1\n", "B 3", "a hunk would fit in more than one place"},
    };
    struct audited_host *host = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct audit *audit = start_audit(host);
        put(host->root, FILE_NAME, cases[i].text);
        struct finding *finding = add_edit_of(audit, EDIT_REPLACE, FILE_NAME, 2, cases[i].edited);
        char *patch = patch_make(audit);
        assert_non_null(patch);
        assert_true((finding->diff != NULL) == (cases[i].says == NULL));
        assert_true((strstr(patch, "+B 3") != NULL) == (cases[i].says == NULL));
        assert_non_null(strstr(finding->remediation, "Set it right."));
        if (cases[i].says != NULL)
            assert_non_null(strstr(finding->remediation, cases[i].says));
        free(patch);
    }
}

static void what_contradicts_comes_later(void **state)
{
    struct audited_host *host = *state;
    struct audit *audit = start_audit(host);

    put(host->root, FILE_NAME, "A 1\nB 2\nC 3\n");
    put(host->root, OTHER, "D 4\n");
    add_edit_of(audit, EDIT_REPLACE, FILE_NAME, 2, "B 5");
    struct finding *same = add_edit_of(audit, EDIT_REPLACE, FILE_NAME, 2, "B 5");
    struct finding *late = add_edit_of(audit, EDIT_DELETE, FILE_NAME, 2, NULL);
    struct finding *other = add_edit_of(audit, EDIT_REPLACE, OTHER, 1, "D 6");
    char *patch = patch_make(audit);
    assert_non_null(patch);
    assert_non_null(strstr(patch, "-B 2\n+B 5\n"));
    assert_non_null(strstr(patch, "-D 4\n+D 6\n"));
    assert_non_null(same->diff);
    assert_non_null(other->diff);
    assert_null(late->diff);
    assert_non_null(strstr(late->remediation, "Apply the patch of the other findings first"));
    free(patch);
}

/* A hunk is computed once, and again for an edit that comes later. */
static void an_edit_after_settling(void **state)
{
    struct audited_host *host = *state;
    struct audit *audit = start_audit(host);

    put(host->root, FILE_NAME, "A 1\nB 2\nC 3\n");
    struct finding *finding = add_edit_of(audit, EDIT_REPLACE, FILE_NAME, 1, "A 7");
    patch_settle(audit, 0);
    assert_null(strstr(finding->diff, "+C 8"));
    finding_add_edit(finding, &(struct edit){EDIT_REPLACE, FILE_NAME, 3, "C 8"});
    char *patch = patch_make(audit);
    assert_non_null(strstr(patch, "+A 7"));
    assert_non_null(strstr(patch, "+C 8"));
    assert_non_null(strstr(finding->diff, "+C 8"));
    patch_withdraw(finding, "No: %s.", "x");
    assert_null(finding->diff);
    assert_int_equal(finding->edits.count, 0);
    assert_string_equal(finding->remediation, "Set it right. No: x.");
    free(patch);
}

/* A file that has changed since the audit began may have other lines by now. */
static void a_file_that_changes_meanwhile(void **state)
{
    struct audited_host *host = *state;
    struct audit *audit = start_audit(host);

    put(host->root, FILE_NAME, "A 1\nB 2\nC 3\n");
    audit->started.tv_sec = time(NULL) + 60;
    struct finding *before = add_edit_of(audit, EDIT_REPLACE, FILE_NAME, 1, "A 4");
    patch_settle(audit, 0);
    assert_non_null(before->diff);
    audit->started.tv_sec = time(NULL) - 60;
    struct finding *later = add_edit_of(audit, EDIT_REPLACE, FILE_NAME, 3, "C 6");
    patch_settle(audit, 0);
    assert_null(later->diff);
    assert_non_null(strstr(later->remediation, "changed during the audit"));
}

/* One file by two names is one file. */
static void a_file_by_two_names(void **state)
{
    struct audited_host *host = *state;
    struct audit *audit = start_audit(host);
    char *link = real_path(host, OTHER);

    put(host->root, FILE_NAME, "A 1\nB 2\nC 3\n");
    assert_int_equal(symlink("50-x.conf", link), 0);
    struct finding *first = add_edit_of(audit, EDIT_REPLACE, FILE_NAME, 2, "B 5");
    struct finding *same = add_edit_of(audit, EDIT_REPLACE, OTHER, 2, "B 5");
    struct finding *other = add_edit_of(audit, EDIT_REPLACE, OTHER, 2, "B 6");
    char *patch = patch_make(audit);
    assert_string_equal(patch, first->diff);
    assert_string_equal(patch, same->diff);
    assert_null(other->diff);
    free(patch);
    free(link);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_HOST(what_may_be_edited),     WITH_HOST(what_contradicts_comes_later),
        WITH_HOST(an_edit_after_settling), WITH_HOST(a_file_that_changes_meanwhile),
        WITH_HOST(a_file_by_two_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
