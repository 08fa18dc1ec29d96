/* Files that are reserved for records: a login is registered, changed and removed
 * in a file system without room. */
#include "tests/unit/full_disk.h"
#include "tests/unit/temporary.h"

#include "lib/sessions/registry_format.h"
#include "lib/sessions/registry_spare.h"

#include <dirent.h>

static int number_of_files(const char *directory)
{
    int count = 0;
    DIR *open_directory = opendir(directory);

    assert_non_null(open_directory);
    for (struct dirent *entry; (entry = readdir(open_directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(open_directory);
    return count;
}

static int spares_in(const char *registry)
{
    char path[4096];

    snprintf(path, sizeof path, "%s.spare", registry);
    return number_of_files(path);
}

static struct session_record record_for(pid_t pid)
{
    struct session_record record = {.pid = pid, .uid = 1000, .start_ticks = 7};

    snprintf(record.user, sizeof record.user, "user%d", (int)pid);
    return record;
}

static int put_record_of(const char *registry, pid_t pid)
{
    const struct session_record record = record_for(pid);
    struct failure failure = {""};

    return registry_put(registry, geteuid(), &record, &failure);
}

static void assert_registered(const char *registry, pid_t pid)
{
    const struct session_record expected = record_for(pid);
    struct session_record found;

    assert_int_equal(registry_get(registry, geteuid(), pid, &found), REGISTRY_OK);
    assert_string_equal(found.user, expected.user);
    assert_true(found.has_spare);
}

static char *registry_with_spares(const char *above)
{
    char *registry = path_in(above, "sessions");
    struct failure failure = {""};

    assert_int_equal(registry_make(registry), 0);
    if (spares_fill(registry, geteuid(), &failure) != 0)
        fail_msg("%s", failure.text);
    return registry;
}

/* --- without room ------------------------------------------------------------ */

static void as_many_logins_as_spares(const char *directory, const char *options)
{
    struct failure failure = {""};

    mount_small(directory, options);
    char *registry = registry_with_spares(directory);
    fill_up(directory);
    for (pid_t pid = 1; pid <= REGISTRY_SPARES; pid++) {
        assert_int_equal(put_record_of(registry, pid), 0);
        assert_registered(registry, pid);
    }
    assert_int_equal(spares_in(registry), 0);
    assert_int_equal(put_record_of(registry, REGISTRY_SPARES + 1), -1);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(spares_fill(registry, geteuid(), &failure), -1);
    assert_int_equal(errno, ENOSPC);
    /* nothing half-written is left */
    assert_int_equal(number_of_files(registry), REGISTRY_SPARES);
    /* what a login has used can be used again, and only by a login */
    registry_remove(registry, geteuid(), 5);
    assert_int_equal(spares_in(registry), 1);
    fill_up(directory);
    assert_int_equal(put_record_of(registry, 4711), 0);
    assert_registered(registry, 4711);
    free(registry);
}

static void no_blocks(void *directory)
{
    as_many_logins_as_spares(directory, "size=1m");
}

static void no_inodes(void *directory)
{
    as_many_logins_as_spares(directory, "nr_inodes=200");
}

/* One spare is enough to change a record any number of times. */
static void a_record_changes(void *directory)
{
    struct session_record record = record_for(1), found;
    struct failure failure = {""};

    mount_small(directory, "size=1m");
    char *registry = registry_with_spares(directory);
    fill_up(directory);
    for (pid_t pid = 1; pid < REGISTRY_SPARES; pid++)
        assert_int_equal(put_record_of(registry, pid), 0);
    for (unsigned i = 0; i < 300; i++) {
        record.policy = i;
        assert_int_equal(registry_put(registry, geteuid(), &record, &failure), 0);
        fill_up(directory);
        assert_int_equal(spares_in(registry), 1);
        assert_int_equal(registry_get(registry, geteuid(), 1, &found), REGISTRY_OK);
        assert_int_equal(found.policy, i);
    }
    free(registry);
}

/* A record that was there before has room of its own. */
static void a_record_without_a_spare_changes(void *directory)
{
    mount_small(directory, "size=1m");
    char *registry = registry_with_spares(directory);
    assert_int_equal(put_record_of(registry, 1), 0);
    fill_up(directory);
    assert_int_equal(put_record_of(registry, 1), 0);
    assert_registered(registry, 1);
    assert_int_equal(spares_in(registry), REGISTRY_SPARES);
    registry_remove(registry, geteuid(), 1);
    assert_int_equal(spares_in(registry), REGISTRY_SPARES);
    free(registry);
}

static void room_comes_back(void *directory)
{
    struct failure failure = {""};

    mount_small(directory, "size=1m");
    char *registry = path_in(directory, "sessions");
    assert_int_equal(registry_make(registry), 0);
    fill_up(directory);
    /* not even the first: the directory may not exist either */
    assert_int_equal(spares_fill(registry, geteuid(), &failure), -1);
    assert_int_equal(errno, ENOSPC);
    assert_true(failure.text[0] != '\0');
    assert_int_equal(put_record_of(registry, 1), -1);
    assert_int_equal(errno, ENOSPC);
    for (unsigned i = 0;; i++) {
        char name[64];
        snprintf(name, sizeof name, "filler.%u", i);
        char *path = path_in(directory, name);
        const int result = unlink(path);
        free(path);
        if (result != 0)
            break;
    }
    assert_int_equal(spares_fill(registry, geteuid(), &failure), 0);
    assert_int_equal(spares_in(registry), REGISTRY_SPARES);
    assert_int_equal(put_record_of(registry, 1), 0);
    free(registry);
}

static void in_namespaces(void (*body)(void *), void *directory)
{
    if (!in_child(body, directory))
        LEFT_OUT("no mount namespace possible");
}

static void without_blocks(void **state)
{
    in_namespaces(no_blocks, *state);
}

static void without_inodes(void **state)
{
    in_namespaces(no_inodes, *state);
}

static void changes(void **state)
{
    in_namespaces(a_record_changes, *state);
    in_namespaces(a_record_without_a_spare_changes, *state);
}

static void filled_when_there_is_room(void **state)
{
    in_namespaces(room_comes_back, *state);
}

/* --- the files ------------------------------------------------------------------ */

/* Of many processes that come at once, each gets one of its own. */
static void taken_by_many(void **state)
{
    enum { PROCESSES = 8, EACH = REGISTRY_SPARES / PROCESSES };
    char *registry = registry_with_spares(*state);
    pid_t pid[PROCESSES];

    for (int i = 0; i < PROCESSES; i++) {
        pid[i] = child_begin();
        if (pid[i] != 0)
            continue;
        const int registry_fd = open(registry, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (int k = 0; k < EACH; k++) {
            char name[32];
            snprintf(name, sizeof name, "%d.%d", i, k);
            assert_true(spare_take(registry, geteuid(), registry_fd, name) >= 0);
        }
        _exit(0);
    }
    for (int i = 0; i < PROCESSES; i++)
        assert_true(child_end(pid[i]));
    assert_int_equal(number_of_files(registry), REGISTRY_SPARES);
    assert_int_equal(spares_in(registry), 0);
    free(registry);
}

static void what_is_no_spare_is_replaced(void **state)
{
    char *registry = registry_with_spares(*state), *spares = path_in(*state, "sessions.spare");
    char *small = path_in(spares, "0"), *open_to_all = path_in(spares, "1");
    char *link_to = path_in(spares, "2"), *directory = path_in(spares, "3");
    struct failure failure = {""};
    struct stat st;

    write_text(small, "of another version");
    assert_int_equal(chmod(open_to_all, 0666), 0);
    assert_int_equal(unlink(link_to), 0);
    assert_int_equal(symlink("/etc/passwd", link_to), 0);
    assert_int_equal(unlink(directory), 0);
    assert_int_equal(mkdir(directory, 0755), 0);
    /* none of these is used */
    const int registry_fd = open(registry, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < REGISTRY_SPARES - 4; i++) {
        const int fd = spare_take(registry, geteuid(), registry_fd, "taken");
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_size, sizeof(struct stored_record));
        assert_int_equal(st.st_mode, S_IFREG | 0600);
        close(fd);
    }
    assert_int_equal(spares_fill(registry, geteuid(), &failure), 0);
    assert_int_equal(spares_in(registry), REGISTRY_SPARES);
    for (int i = 0; i < REGISTRY_SPARES; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        char *path = path_in(spares, name);
        assert_int_equal(lstat(path, &st), 0);
        assert_int_equal(st.st_size, sizeof(struct stored_record));
        assert_int_equal(st.st_mode, S_IFREG | 0600);
        free(path);
    }
    close(registry_fd);
    free(directory);
    free(link_to);
    free(open_to_all);
    free(small);
    free(spares);
    free(registry);
}

/* Left under its temporary name by a login that was killed. */
static void a_stray_becomes_a_spare(void **state)
{
    char *registry = registry_with_spares(*state);
    const int registry_fd = open(registry, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    pid_t *pids;
    const int fd = spare_take(registry, geteuid(), registry_fd, "12.new2147483647");

    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(spares_in(registry), REGISTRY_SPARES - 1);
    assert_int_equal(registry_list(registry, geteuid(), &pids), 0);
    free(pids);
    assert_int_equal(number_of_files(registry), 0);
    assert_int_equal(spares_in(registry), REGISTRY_SPARES);
    close(registry_fd);
    free(registry);
}

static void a_directory_of_others(void **state)
{
    char *registry = registry_with_spares(*state), *spares = path_in(*state, "sessions.spare");
    const int registry_fd = open(registry, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct failure failure = {""};

    assert_int_equal(chmod(spares, 0777), 0);
    assert_int_equal(spare_take(registry, geteuid(), registry_fd, "taken"), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(spares_fill(registry, geteuid(), &failure), -1);
    assert_non_null(strstr(failure.text, "is writable by group or others"));
    /* and without a directory */
    char *elsewhere = path_in(*state, "elsewhere");
    assert_int_equal(rename(spares, elsewhere), 0);
    assert_int_equal(spare_take(registry, geteuid(), registry_fd, "taken"), -1);
    assert_int_equal(errno, ENOENT);
    close(registry_fd);
    free(elsewhere);
    free(spares);
    free(registry);
}

/* --- adding ---------------------------------------------------------------------- */

static void adding_replaces_nothing(void **state)
{
    char *registry = path_in(*state, "sessions");
    struct session_record first = record_for(1), second = record_for(1), found;
    struct failure failure = {""};

    second.policy = 2;
    assert_int_equal(registry_add(registry, geteuid(), &first, &failure), 0);
    assert_int_equal(registry_add(registry, geteuid(), &second, &failure), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(registry_get(registry, geteuid(), 1, &found), REGISTRY_OK);
    assert_int_equal(found.policy, 0);
    free(registry);
}

static void added_without_room(void *directory)
{
    const struct session_record record = record_for(1);
    struct failure failure = {""};

    mount_small(directory, "size=1m");
    char *registry = registry_with_spares(directory);
    fill_up(directory);
    assert_int_equal(registry_add(registry, geteuid(), &record, &failure), 0);
    assert_registered(registry, 1);
    assert_int_equal(spares_in(registry), REGISTRY_SPARES - 1);
    assert_int_equal(registry_add(registry, geteuid(), &record, &failure), -1);
    assert_int_equal(number_of_files(registry), 1);
    assert_int_equal(spares_in(registry), REGISTRY_SPARES - 1);
    free(registry);
}

static void adding_without_room(void **state)
{
    in_namespaces(added_without_room, *state);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(without_blocks),
        WITH_DIRECTORY(without_inodes),
        WITH_DIRECTORY(changes),
        WITH_DIRECTORY(filled_when_there_is_room),
        WITH_DIRECTORY(taken_by_many),
        WITH_DIRECTORY(what_is_no_spare_is_replaced),
        WITH_DIRECTORY(a_stray_becomes_a_spare),
        WITH_DIRECTORY(a_directory_of_others),
        WITH_DIRECTORY(adding_replaces_nothing),
        WITH_DIRECTORY(adding_without_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
