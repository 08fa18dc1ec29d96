/* An sshd in a temporary tree: a script that prints what the test has written
 * into files next to it. */
#ifndef TMOUT_TESTS_UNIT_TOOLS_TMOUTCTL_SSHD_FAKE_SSHD_H
#define TMOUT_TESTS_UNIT_TOOLS_TMOUTCTL_SSHD_FAKE_SSHD_H

#include "tests/unit/host_tree.h"

#define FAKE_SSHD "/usr/sbin/sshd"

static inline void put_program(const char *root, const char *path, const char *script)
{
    char *full = NULL;

    put(root, path, script);
    assert_true(asprintf(&full, "%s%s", root, path) > 0);
    assert_int_equal(chmod(full, 0755), 0);
    free(full);
}

/* An sshd 9.2 that prints /global for connections without a user, /builtin
 * without its files, and /user for everyone. Each query is recorded in /asked.
 * */
static inline void put_fake_sshd(const char *root)
{
    put_program(root, FAKE_SSHD,
                "#!/bin/sh\n"
                "root=${0%/usr/sbin/sshd}\n"
                "echo \"$*\" >>\"$root/asked\"\n"
                "case $*:$3 in\n"
                "-V:*) echo 'OpenSSH_9.2p1 Debian-2, OpenSSL 3' >&2 ;;\n"
                "*:/dev/null) cat \"$root/builtin\" ;;\n"
                "*:user=*) cat \"$root/user\" ;;\n"
                "*) cat \"$root/global\" ;;\n"
                "esac\n");
}

/* An sshd that fails with this on standard error. */
static inline void put_failing_sshd(const char *root, const char *message)
{
    put(root, "/message", message);
    put_program(root, FAKE_SSHD, "#!/bin/sh\ncat \"${0%/usr/sbin/sshd}/message\" >&2\nexit 255\n");
}

#endif
