/* Compiled policies in memory, as logins read them. */
#ifndef TMOUT_TESTS_UNIT_POLICY_SNAPSHOT_H
#define TMOUT_TESTS_UNIT_POLICY_SNAPSHOT_H

#include "tests/unit/policy_text.h"

#include "lib/policy/snapshot_read.h"
#include "lib/policy/snapshot_write.h"

#include <sys/mman.h>
#include <unistd.h>

/* Opens the snapshot of a valid policy, which is freed; the caller closes the
 * snapshot. */
static inline void open_compiled(struct compiled *c, struct snapshot *snapshot)
{
    unsigned char *bytes = NULL;
    size_t size = 0;
    struct failure failure = {""};

    if (c->outcome != 0)
        print_all_problems(&c->problems);
    assert_int_equal(c->outcome, 0);
    assert_int_equal(
        snapshot_encode(&(struct snapshot_content){SNAPSHOT_POLICY, &c->sources, &c->policy, "", 1},
                        &bytes, &size),
        0);
    const int fd = memfd_create("policy", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    if (snapshot_open_fd(fd, SNAPSHOT_POLICY, snapshot, &failure) != SNAPSHOT_OK)
        fail_msg("%s", failure.text);
    free(bytes);
    compiled_free(c);
}

/* Compiles a policy whose main file is /p; the caller closes the snapshot. */
static inline void open_policy(struct snapshot *snapshot, const char *text)
{
    struct compiled c = {0};

    add_text(&c.sources, "/p", text, strlen(text));
    add_text(&c.sources, "/d/line\nbreak.conf", "", 0);
    compile_sources(&c);
    open_compiled(&c, snapshot);
}

#endif
