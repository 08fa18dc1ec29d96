/* Shell files are read and changed when memory is short: what fails says so,
 * and a file is the old one or the new one. */
#include "tests/unit/out_of_memory.h"
#include "tests/unit/tools/tmoutctl/shells/shells_tree.h"

#include "tools/tmoutctl/shells/findings.h"
#include "tools/tmoutctl/shells/hooks.h"
#include "tools/tmoutctl/shells/lines.h"
#include "tools/tmoutctl/shells/list.h"
#include "tools/tmoutctl/shells/literal.h"

static int find_shells(void *root)
{
    const struct host host = {.root = root};
    struct shell_list list = {0};
    const int result = shell_list_find(&host, &list);

    for (size_t i = 0; i < list.count; i++)
        assert_non_null(list.shell[i].path);
    shell_list_free(&list);
    return result;
}

static int find_findings(void *root)
{
    const struct host host = {.root = root};
    struct shell_findings findings = {0};
    const int result = shell_findings_find(&host, &findings);

    for (size_t i = 0; i < findings.count; i++)
        assert_true(findings.item[i].file != NULL && findings.item[i].text != NULL);
    shell_findings_free(&findings);
    return result;
}

static int find_literals(void *root)
{
    const struct host host = {.root = root};
    struct shell_findings findings = {0};
    const int result = shell_literals_find(&host, 300, &findings);

    shell_findings_free(&findings);
    return result;
}

static int write_lines_out(void *root)
{
    const struct host host = {.root = root};
    struct edits edits = {0};
    const int read = shell_lines_out(&host, "/etc/profile.d/site.sh", false, &edits);
    const int result = read == 0 && edits.count > 0 ? 0 : -1;

    edits_free(&edits);
    return result;
}

static int add_and_remove(void *root)
{
    const struct host host = {.root = root};
    struct failure failure = {""};
    const bool added = shell_hook_add(&host, &rc_files[0], &failure) == SHELL_HOOK_ADDED;
    const bool removed =
        added && shell_hook_remove(&host, &rc_files[0], &failure) == SHELL_HOOK_REMOVED;

    allocations.before_failure = -1;
    put(root, rc_files[0].path, "PS1='$ '\n");
    return removed ? 0 : -1;
}

static int write_literals(void *root)
{
    const struct host host = {.root = root};
    struct shell_literal literals[SHELL_SCRIPTS];
    const int result = shell_literals_write(&host, 300, literals);

    for (size_t i = 0; i < SHELL_SCRIPTS; i++)
        assert_true(result == 0 || literals[i].result != SHELL_LITERAL_CHANGED || i == 0);
    allocations.before_failure = -1;
    put_installed(root, PROFILE_SH, "tmout.sh");
    put_installed(root, PROFILE_CSH, "tmout.csh");
    return result;
}

static void every_allocation_fails_once(void **state)
{
    static out_of_memory_act *const acts[] = {find_shells,     find_findings,  find_literals,
                                              write_lines_out, add_and_remove, write_literals};

    put(*state, "/etc/profile.d/site.sh", "TMOUT=1\nTMOUT=2\nTMOUT=3\nTMOUT=4\nTMOUT=5\n");
    for (size_t i = 0; i < COUNT_OF(acts); i++)
        assert_true(with_each_allocation_failing(acts[i], *state) > 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_SHELLS(every_allocation_fails_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
