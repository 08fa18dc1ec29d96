/* Files that a program writes. */
#include "tests/unit/check.h"

#include "tools/tmoutctl/host/generated.h"

#include <string.h>

static void who_writes_a_file(void **state)
{
    static const struct {
        const char *path, *text, *by;
    } cases[] = {
        {"/etc/ssh/sshd_config.d/00-tmout.conf", "", "tmoutctl sshd-config"},
        {"/etc/profile.d/tmout.sh", "", "the package pam_tmout"},
        {"/usr/lib/systemd/x.conf", "", "its package"},
        {"/etc/x", "# Ansible managed\nx\n", "Ansible"},
        {"/etc/x", "x\n# This file is managed by Puppet.\n", "Puppet"},
        {"/etc/x", "# x\n\n# DO NOT EDIT\n", "a program, as its first lines say"},
        {"/etc/x", "do not edit\n", NULL},
        {"/etc/x", "\n\n\n\n\n\n\n\n\n\n\n\n\n# Ansible managed\n", NULL},
        {"/etc/x", "# mine\n", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *text = strdup(cases[i].text);
        const struct text_file file = {.text = text, .size = strlen(text)};
        const char *by = generated_by(cases[i].path, &file);
        assert_int_equal(by != NULL, cases[i].by != NULL);
        if (by != NULL)
            assert_string_equal(by, cases[i].by);
        free(text);
    }
    assert_null(generated_by("/etc/new", &(struct text_file){0}));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(who_writes_a_file)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
