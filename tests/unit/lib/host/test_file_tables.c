/* Which tables of open files the threads of this process have. */
#include "tests/unit/check.h"

#include "lib/host/file_tables.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_barrier_t ready, over;
static pid_t own_table;

static void *stay(void *context)
{
    if (context != NULL) {
        assert_int_equal(unshare(CLONE_FILES), 0);
        own_table = (pid_t)syscall(SYS_gettid);
    }
    pthread_barrier_wait(&ready);
    pthread_barrier_wait(&over);
    return NULL;
}

static bool has_own_table(unsigned *count)
{
    struct file_tables tables;
    pid_t thread;
    bool found = false;

    *count = 0;
    assert_int_equal(file_tables_begin(&tables, getpid()), 0);
    while ((thread = file_tables_next(&tables)) > 0) {
        (*count)++;
        found = found || thread == own_table;
    }
    file_tables_end(&tables);
    return found;
}

static void each_table_is_found(void **state)
{
    enum { THREADS = 4 };
    pthread_t thread[THREADS];
    unsigned count;

    (void)state;
    assert_false(has_own_table(&count));
    assert_int_equal(count, 1);
    pthread_barrier_init(&ready, NULL, THREADS + 1);
    pthread_barrier_init(&over, NULL, THREADS + 1);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, stay, i == 1 ? &own_table : NULL), 0);
    pthread_barrier_wait(&ready);
    assert_true(has_own_table(&count));
    /* Not one for each thread, unless the kernel does not tell. */
    if (syscall(SYS_kcmp, getpid(), getpid(), 2, 0UL, 0UL) == 0)
        assert_in_range(count, 2, 3);
    pthread_barrier_wait(&over);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

static void no_such_process(void **state)
{
    struct file_tables tables;

    (void)state;
    assert_int_equal(file_tables_begin(&tables, 0x7ffffffe), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_table_is_found),
        cmocka_unit_test(no_such_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
