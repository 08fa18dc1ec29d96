/* Whether a descriptor is the one that systemd has connected to the journal. */
#include "tests/unit/check.h"

#include "tools/tmoutctl/host/journal_stream.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void only_the_descriptor_that_is_named(void **state)
{
    struct stat status;
    char stream[64];
    int end[2], other[2];

    (void)state;
    assert_int_equal(pipe(end), 0);
    assert_int_equal(pipe(other), 0);
    unsetenv("JOURNAL_STREAM");
    assert_false(is_journal_stream(end[1]));
    assert_int_equal(fstat(end[1], &status), 0);
    snprintf(stream, sizeof stream, "%" PRIuMAX ":%" PRIuMAX, (uintmax_t)status.st_dev,
             (uintmax_t)status.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    assert_true(is_journal_stream(end[1]));
    /* inherited, but redirected since */
    assert_false(is_journal_stream(other[1]));
    setenv("JOURNAL_STREAM", "", 1);
    assert_false(is_journal_stream(end[1]));
    unsetenv("JOURNAL_STREAM");
    for (int i = 0; i < 2; i++) {
        close(end[i]);
        close(other[i]);
    }
    setenv("JOURNAL_STREAM", stream, 1);
    assert_false(is_journal_stream(end[1]));
    unsetenv("JOURNAL_STREAM");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_descriptor_that_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
