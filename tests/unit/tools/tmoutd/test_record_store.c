/* Records that cannot be saved now are saved later. */
#include "tests/unit/tools/tmoutd/log_capture.h"

#include "tests/unit/full_disk.h"
#include "tests/unit/temporary.h"

#include "lib/sessions/registry_spare.h"
#include "tools/tmoutd/record_store.h"

#include <dirent.h>

static struct loop loop;

static struct record_store *store_in(const char *sessions)
{
    struct failure failure = {""};

    log_clear();
    assert_int_equal(loop_init(&loop, NULL, &failure), 0);
    struct record_store *store = record_store_new(&loop, sessions);
    assert_non_null(store);
    return store;
}

static void store_end(struct record_store *store)
{
    record_store_free(store);
    loop_free(&loop);
}

static struct session_record record_for(pid_t pid)
{
    struct session_record record = {.pid = pid, .uid = 1000, .start_ticks = 7};

    snprintf(record.user, sizeof record.user, "user%d", (int)pid);
    return record;
}

static void assert_stored(const char *sessions, pid_t pid, enum registry_status status)
{
    struct session_record record;

    assert_int_equal(registry_get(sessions, geteuid(), pid, &record), status);
}

static void ring_next(void)
{
    loop.now.boot_ms = loop_next_ms(&loop);
    assert_true(loop.now.boot_ms != NEVER_MS);
    loop_ring(&loop);
}

/* On a busy host, the module may be so late that its login was found without a record: what it
 * writes in the end stays. */
static void one_of_the_modules(void **state)
{
    char *sessions = path_in(*state, "sessions");
    struct record_store *store = store_in(sessions);
    struct session_record record = record_for(1), there;
    struct failure failure = {""};

    snprintf(record.address, sizeof record.address, "192.0.2.1");
    record.source = LOGIN_FROM_PAM;
    assert_int_equal(registry_put(sessions, geteuid(), &record, &failure), 0);
    snprintf(record.address, sizeof record.address, "unknown");
    record.source = LOGIN_FROM_SCAN;
    record_store_save(store, &record);
    assert_int_equal(registry_get(sessions, geteuid(), 1, &there), REGISTRY_OK);
    assert_string_equal(there.address, "192.0.2.1");
    assert_false(record_store_keeps(store, 1));
    /* one of an earlier process does not, and neither does one that tmoutd knows as well */
    record.start_ticks++;
    record_store_save(store, &record);
    assert_int_equal(registry_get(sessions, geteuid(), 1, &there), REGISTRY_OK);
    assert_string_equal(there.address, "unknown");
    record.source = LOGIN_FROM_PAM;
    record.policy = 3;
    record_store_save(store, &record);
    record.policy = 4;
    record_store_save(store, &record);
    assert_int_equal(registry_get(sessions, geteuid(), 1, &there), REGISTRY_OK);
    assert_true(there.policy == 4);
    store_end(store);
    free(sessions);
}

static void saved_and_removed(void **state)
{
    char *sessions = path_in(*state, "sessions");
    struct record_store *store = store_in(sessions);
    struct session_record record = record_for(1);

    /* there is room, and so there is nothing to wait for */
    assert_int_equal(loop_next_ms(&loop), NEVER_MS);
    record_store_save(store, &record);
    assert_stored(sessions, 1, REGISTRY_OK);
    record.policy = 1;
    assert_false(record_store_add(store, &record));
    assert_true(record.policy == 0); /* that which is there */
    record.start_ticks++;            /* but not that of an earlier process */
    record.policy = 2;
    assert_true(record_store_add(store, &record));
    assert_true(record.policy == 2);
    record_store_remove(store, 1);
    assert_stored(sessions, 1, REGISTRY_ABSENT);
    assert_true(record_store_add(store, &record));
    assert_stored(sessions, 1, REGISTRY_OK);
    assert_false(record_store_keeps(store, 1));
    assert_int_equal(loop_next_ms(&loop), NEVER_MS);
    assert_string_equal(logged, "");
    store_end(store);
    free(sessions);
}

static void take_all_spares(const char *sessions)
{
    struct failure failure = {""};

    for (pid_t pid = 1000; pid < 1000 + REGISTRY_SPARES; pid++) {
        const struct session_record record = record_for(pid);
        assert_int_equal(registry_put(sessions, geteuid(), &record, &failure), 0);
    }
}

static void remove_fillers(const char *directory)
{
    DIR *open_directory = opendir(directory);

    for (struct dirent *entry; (entry = readdir(open_directory)) != NULL;)
        if (strncmp(entry->d_name, "filler.", 7) == 0)
            unlinkat(dirfd(open_directory), entry->d_name, 0);
    closedir(open_directory);
}

static void saved_when_there_is_room(void *directory)
{
    struct session_record one = record_for(1), two = record_for(2), three = record_for(3);

    mount_small(directory, "size=2m");
    char *sessions = path_in(directory, "sessions");
    struct record_store *store = store_in(sessions);
    fill_up(directory);
    take_all_spares(sessions);
    record_store_save(store, &one);
    record_store_save(store, &one);
    assert_true(record_store_add(store, &two));
    record_store_save(store, &three);
    assert_true(record_store_keeps(store, 1));
    assert_true(record_store_keeps(store, 3));
    assert_logged("No space left on device; the login is watched, and its record is kept in memory "
                  "until there is room; see tmout-recovery(7) user=user1\n",
                  1);
    record_store_remove(store, 3); /* it has ended */
    for (int i = 0; i < 3; i++)
        ring_next();
    assert_true(record_store_keeps(store, 2));
    assert_false(record_store_keeps(store, 3));
    assert_logged("user=user", 3); /* once each */
    record_store_refill(store);
    assert_logged("; logins that begin now may have to be kept in memory; see tmout-recovery(7)\n",
                  1);
    remove_fillers(directory);
    const int64_t room_ms = loop.now.boot_ms;
    ring_next();
    assert_true(loop.now.boot_ms - room_ms < 30 * 1000);
    assert_false(record_store_keeps(store, 1));
    assert_stored(sessions, 1, REGISTRY_OK);
    assert_stored(sessions, 2, REGISTRY_OK);
    assert_stored(sessions, 3, REGISTRY_ABSENT);
    /* with spares for the next time, and then at rest */
    assert_int_equal(loop_next_ms(&loop), NEVER_MS);
    fill_up(directory);
    record_store_save(store, &three);
    assert_stored(sessions, 3, REGISTRY_OK);
    store_end(store);
    free(sessions);
}

static void in_a_full_file_system(void **state)
{
    if (!in_child(saved_when_there_is_room, *state))
        LEFT_OUT("no mount namespace possible");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(saved_and_removed),
        WITH_DIRECTORY(one_of_the_modules),
        WITH_DIRECTORY(in_a_full_file_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
