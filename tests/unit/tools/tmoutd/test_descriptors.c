/* Which descriptors are kept, and how many stay free for others. */
#include "tests/unit/check.h"
#include "tests/unit/tools/tmoutd/few_descriptors.h"
#include "tests/unit/tools/tmoutd/log_capture.h"

#include "tools/tmoutd/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { OPEN_MAX_HERE = 1024 };

static int copy_descriptor(void)
{
    return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
}

/* Opens what is let, into fd[*count]. */
static void fill(struct loop *loop, int *fds, unsigned *count)
{
    int fd;

    while ((fd = loop != NULL ? descriptor_for_login(loop, copy_descriptor())
                              : descriptor_for_end(copy_descriptor())) >= 0) {
        assert_true(*count < OPEN_MAX_HERE);
        fds[(*count)++] = fd;
    }
    assert_int_equal(errno, EMFILE);
}

static unsigned count_free(void)
{
    int fds[OPEN_MAX_HERE];
    unsigned count = 0;

    while (count < OPEN_MAX_HERE && (fds[count] = copy_descriptor()) >= 0)
        count++;
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
    return count;
}

static void the_last_ones_stay_free(void **state)
{
    struct loop loop = {.now = {.boot_ms = 1000}};
    struct rlimit before;
    int fds[OPEN_MAX_HERE];
    unsigned count = 0;

    (void)state;
    log_clear();
    for (int fd = STDERR_FILENO + 1; fd < OPEN_MAX_HERE; fd++)
        close(fd); /* what was inherited may be among the last */
    few_descriptors_begin(100, &before);
    fill(&loop, fds, &count);
    assert_true(count > 0);
    assert_int_equal(count_free(), DESCRIPTORS_FOR_HELPERS + DESCRIPTORS_FOR_ENDS);
    fill(NULL, fds, &count);
    assert_int_equal(count_free(), DESCRIPTORS_FOR_HELPERS);
    /* Logged once, however many find none. */
    fill(&loop, fds, &count);
    assert_logged("too many logins for a limit of 484 descriptors: the ends of more logins are "
                  "noticed up to 30 s late; raise LimitNOFILE= of tmoutd.service",
                  1);
    /* There is one again as soon as one is given back. */
    close(fds[0]);
    fds[0] = descriptor_for_login(&loop, copy_descriptor());
    assert_true(fds[0] >= 0);
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
    few_descriptors_end(&before);
}

/* What could not be opened for another reason is no lack of descriptors. */
static void other_errors_stay_as_they_are(void **state)
{
    struct loop loop = {.now = {.boot_ms = 1000}};

    (void)state;
    log_clear();
    errno = ESRCH;
    assert_int_equal(descriptor_for_login(&loop, -1), -1);
    assert_int_equal(errno, ESRCH);
    assert_string_equal(logged, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_ones_stay_free),
        cmocka_unit_test(other_errors_stay_as_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
