/* Replacing a state file: it has the old content or the new one, whatever
 * happens. */
#include "tests/unit/child.h"
#include "tests/unit/temporary.h"

#include "lib/host/atomic_file.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

static int open_directory(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static void assert_content(const char *path, const char *expected)
{
    size_t size;
    char *bytes = read_bytes(path, &size);

    assert_int_equal(size, strlen(expected));
    assert_string_equal(bytes, expected);
    free(bytes);
}

static void creates_and_replaces(void **state)
{
    char *path = path_in(*state, "state"), *new = path_in(*state, "state.new");
    const int fd = open_directory(*state);
    struct stat st;

    assert_int_equal(atomic_replace(fd, "state", 0644, "first", 5), 0);
    assert_content(path, "first");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);

    /* exactly this mode, whatever the umask */
    const mode_t mask = umask(0777);
    assert_int_equal(atomic_replace(fd, "state", 0640, "second, longer", 14), 0);
    umask(0);
    assert_int_equal(atomic_replace(fd, "other", 0600, "", 0), 0);
    umask(mask);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_content(path, "second, longer");
    assert_int_equal(atomic_replace(fd, "state", 0644, "3", 1), 0);
    assert_content(path, "3");
    assert_int_equal(access(new, F_OK), -1);
    close(fd);
    free(new);
    free(path);
}

/* A process that has the old file open keeps reading it. */
static void old_file_stays_intact(void **state)
{
    char *path = path_in(*state, "state");
    const int fd = open_directory(*state);
    char text[8] = "";

    assert_int_equal(atomic_replace(fd, "state", 0644, "old", 3), 0);
    const int reader = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(reader >= 0);
    assert_int_equal(atomic_replace(fd, "state", 0644, "newer", 5), 0);
    assert_int_equal(read(reader, text, sizeof text), 3);
    assert_string_equal(text, "old");
    close(reader);
    close(fd);
    free(path);
}

/* A temporary file that a killed process, or someone else, left behind. */
static void replaces_a_leftover_temporary_file(void **state)
{
    char *path = path_in(*state, "state"), *new = path_in(*state, "state.new");
    char *victim = path_in(*state, "victim");
    const int fd = open_directory(*state);
    struct stat st;

    write_text(victim, "untouched");
    write_text(new, "half of something");
    assert_int_equal(chmod(new, 0777), 0);
    assert_int_equal(atomic_replace(fd, "state", 0644, "whole", 5), 0);
    assert_content(path, "whole");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);

    assert_int_equal(symlink("victim", new), 0);
    assert_int_equal(atomic_replace(fd, "state", 0644, "again", 5), 0);
    assert_content(path, "again");
    assert_content(victim, "untouched");

    assert_int_equal(link(victim, new), 0);
    assert_int_equal(atomic_replace(fd, "state", 0644, "more", 4), 0);
    assert_content(path, "more");
    assert_content(victim, "untouched");

    assert_int_equal(mkfifo(new, 0600), 0);
    assert_int_equal(atomic_replace(fd, "state", 0644, "fifo", 4), 0);
    assert_content(path, "fifo");

    assert_int_equal(mkdir(new, 0755), 0);
    assert_int_equal(atomic_replace(fd, "state", 0644, "x", 1), -1);
    assert_content(path, "fifo");
    close(fd);
    free(victim);
    free(new);
    free(path);
}

static void reports_errors_of_replacing(void **state)
{
    char name[300];
    const int fd = open_directory(*state);

    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(atomic_replace(fd, name, 0644, "x", 1), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    assert_int_equal(atomic_replace(-1, "state", 0644, "x", 1), -1);
    assert_int_equal(errno, EBADF);
    char *directory = path_in(*state, "state");
    assert_int_equal(mkdir(directory, 0755), 0);
    assert_int_equal(atomic_replace(fd, "state", 0644, "x", 1), -1);
    char *new = path_in(*state, "state.new");
    assert_int_equal(access(new, F_OK), -1); /* nothing is left behind */
    free(new);
    free(directory);
    close(fd);
}

/* Exceeding the file size limit is an error here and does not kill the process
 * (the caller ignores SIGXFSZ). */
static void reports_a_file_size_limit(void **state)
{
    char *path = path_in(*state, "state"), *new = path_in(*state, "state.new");
    const int fd = open_directory(*state);
    struct rlimit before, small;
    static const char large[8192];

    assert_int_equal(atomic_replace(fd, "state", 0644, "old", 3), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (rlim_t most = 0; most < sizeof large; most += 4096) {
        small = before;
        small.rlim_cur = most;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        const int result = atomic_replace(fd, "state", 0644, large, sizeof large);
        const int error = errno;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(result, -1);
        assert_int_equal(error, EFBIG);
        assert_content(path, "old");
        assert_int_equal(access(new, F_OK), -1);
    }
    signal(SIGXFSZ, SIG_DFL);
    close(fd);
    free(new);
    free(path);
}

static unsigned files_in(const char *directory)
{
    DIR *listing = opendir(directory);
    unsigned files = 0;

    assert_non_null(listing);
    for (const struct dirent *d; (d = readdir(listing)) != NULL;)
        files += d->d_name[0] != '.';
    closedir(listing);
    return files;
}

/* Runs in a child with its own mount namespace. */
static void on_a_full_disk(const char *directory)
{
    char *path = path_in(directory, "state"), *new = path_in(directory, "state.new");
    static char large[256 * 1024];

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", directory, "tmpfs", 0, "size=64k,mode=0755") != 0) {
        free(new);
        free(path);
        _exit(77);
    }
    memset(large, 'x', sizeof large);
    const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool kept = atomic_replace(fd, "state", 0644, "old", 3) == 0 &&
                      atomic_replace(fd, "state", 0644, large, sizeof large) == -1 &&
                      errno == ENOSPC && access(new, F_OK) == -1;
    char text[8] = "";
    const int reader = open(path, O_RDONLY | O_CLOEXEC);
    const bool whole = read(reader, text, sizeof text) == 3 && strcmp(text, "old") == 0;
    const bool not_made = atomic_create(fd, "made", 0600, large, sizeof large) == -1 &&
                          errno == ENOSPC && files_in(directory) == 1;
    /* once there is room it works */
    const bool again = atomic_replace(fd, "state", 0644, "new", 3) == 0 &&
                       atomic_create(fd, "made", 0600, "made", 4) == 0;
    free(new);
    free(path);
    _exit(kept && whole && not_made && again ? 0 : 1);
}

static void keeps_the_old_content_on_a_full_disk(void **state)
{
    int status;

    if (geteuid() != 0)
        LEFT_OUT("needs root to mount a small file system");
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        on_a_full_disk(*state);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        LEFT_OUT("no file system can be mounted here");
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* While a file is replaced over and over, readers see the old or the new
 * content, and a writer that is killed leaves one of them. */
static void survives_kills_at_any_moment(void **state)
{
    enum { SIZE = 60000 };
    char *path = path_in(*state, "state"), *new = path_in(*state, "state.new");
    const int fd = open_directory(*state);
    char *content = malloc(SIZE);
    int status;

    assert_non_null(content);
    memset(content, 'a', SIZE);
    assert_int_equal(atomic_replace(fd, "state", 0644, content, SIZE), 0);
    for (int round = 0; round < (is_slow() ? 5 : 60); round++) {
        const pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            for (unsigned i = 0;; i++) {
                memset(content, (int)('a' + i % 26), SIZE);
                if (atomic_replace(fd, "state", 0644, content, SIZE) != 0)
                    _exit(1);
            }
        }
        for (int look = 0; look <= round % 7; look++) {
            size_t size;
            char *bytes = read_bytes(path, &size);
            assert_int_equal(size, SIZE);
            assert_int_equal(memcmp(bytes, bytes + 1, SIZE - 1), 0);
            free(bytes);
        }
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        size_t size;
        char *bytes = read_bytes(path, &size);
        assert_int_equal(size, SIZE);
        assert_int_equal(memcmp(bytes, bytes + 1, SIZE - 1), 0);
        free(bytes);
    }
    assert_int_equal(atomic_replace(fd, "state", 0644, "end", 3), 0);
    assert_content(path, "end");
    assert_int_equal(access(new, F_OK), -1);
    free(content);
    close(fd);
    free(new);
    free(path);
}

/* --- creating new files -------------------------------------------------- */

static void creates_once(void **state)
{
    char *path = path_in(*state, "state");
    const int fd = open_directory(*state);
    struct stat st;

    const mode_t mask = umask(0777);
    assert_int_equal(atomic_create(fd, "state", 0640, "first", 5), 0);
    umask(0);
    assert_int_equal(atomic_create(fd, "other", 0600, "", 0), 0);
    umask(mask);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(st.st_uid, geteuid());
    assert_int_equal(st.st_nlink, 1);
    assert_content(path, "first");

    assert_int_equal(atomic_create(fd, "state", 0600, "second", 6), -1);
    assert_int_equal(errno, EEXIST);
    assert_content(path, "first");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(files_in(*state), 2); /* and nothing is left behind */
    close(fd);
    free(path);
}

/* An existing file is neither followed nor written to. */
static void does_not_overwrite_existing_files(void **state)
{
    char *path = path_in(*state, "state"), *victim = path_in(*state, "victim");
    const int fd = open_directory(*state);

    assert_int_equal(symlink("victim", path), 0);
    assert_int_equal(atomic_create(fd, "state", 0600, "x", 1), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(access(victim, F_OK), -1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(atomic_create(fd, "state", 0600, "x", 1), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(atomic_create(fd, "state", 0600, "x", 1), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(files_in(*state), 1);
    close(fd);
    free(victim);
    free(path);
}

/* Files that a killed process with the same thread id, or someone else, left
 * behind. */
static void creates_despite_leftovers(void **state)
{
    enum { TEXT, LINK, FIFO, WAYS };
    char name[64];

    snprintf(name, sizeof name, "state.new%d", (int)gettid());
    char *path = path_in(*state, "state"), *new = path_in(*state, name);
    char *victim = path_in(*state, "victim");
    const int fd = open_directory(*state);

    write_text(victim, "untouched");
    for (int way = 0; way < WAYS; way++) {
        if (way == TEXT)
            write_text(new, "half of something");
        else if (way == LINK)
            assert_int_equal(symlink("victim", new), 0);
        else
            assert_int_equal(mkfifo(new, 0600), 0);
        assert_int_equal(atomic_create(fd, "state", 0600, "whole", 5), 0);
        assert_content(path, "whole");
        assert_content(victim, "untouched");
        assert_int_equal(access(new, F_OK), -1);
        assert_int_equal(unlink(path), 0);
    }
    /* a file with another thread id is left alone */
    char *other = path_in(*state, "state.new1");
    write_text(other, "of somebody who may be at work");
    assert_int_equal(atomic_create(fd, "state", 0600, "whole", 5), 0);
    assert_content(other, "of somebody who may be at work");
    close(fd);
    free(other);
    free(victim);
    free(new);
    free(path);
}

static void reports_errors_of_creating(void **state)
{
    char name[300];
    const int fd = open_directory(*state);
    struct rlimit before, none;

    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(atomic_create(fd, name, 0600, "x", 1), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    assert_int_equal(atomic_create(-1, "state", 0600, "x", 1), -1);
    assert_int_equal(errno, EBADF);

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    const int result = atomic_create(fd, "state", 0600, "x", 1), error = errno;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(result, -1);
    assert_int_equal(error, EFBIG);
    assert_int_equal(files_in(*state), 0);
    close(fd);
}

/* One of several threads that create the same file at the same time. */
struct maker {
    pthread_t thread;
    pthread_barrier_t *start;
    int directory_fd, result, error;
    char content[16];
};

static void *make_one(void *argument)
{
    struct maker *maker = argument;

    pthread_barrier_wait(maker->start);
    maker->result =
        atomic_create(maker->directory_fd, "state", 0600, maker->content, strlen(maker->content));
    maker->error = errno;
    return NULL;
}

/* One of several concurrent threads creates the complete file, and the others
 * get EEXIST. */
static void only_one_of_several_threads_creates(void **state)
{
    enum { MAKERS = 16 };
    struct maker maker[MAKERS];
    pthread_barrier_t start;
    char *path = path_in(*state, "state");
    const int fd = open_directory(*state);

    for (int round = 0; round < (is_slow() ? 3 : 60); round++) {
        const struct maker *winner = NULL;

        assert_int_equal(pthread_barrier_init(&start, NULL, MAKERS), 0);
        for (int i = 0; i < MAKERS; i++) {
            maker[i] = (struct maker){.start = &start, .directory_fd = fd};
            snprintf(maker[i].content, sizeof maker[i].content, "made by %d", i);
            assert_int_equal(pthread_create(&maker[i].thread, NULL, make_one, &maker[i]), 0);
        }
        for (int i = 0; i < MAKERS; i++)
            assert_int_equal(pthread_join(maker[i].thread, NULL), 0);
        for (int i = 0; i < MAKERS; i++) {
            if (maker[i].result != 0) {
                assert_int_equal(maker[i].error, EEXIST);
                continue;
            }
            assert_null(winner);
            winner = &maker[i];
        }
        assert_non_null(winner);
        assert_content(path, winner->content);
        assert_int_equal(files_in(*state), 1);
        assert_int_equal(unlink(path), 0);
        pthread_barrier_destroy(&start);
    }
    close(fd);
    free(path);
}

/* A thread id that no process has. */
#define NO_PROCESS "2147483647"

/* Left behind by processes that were killed, or whose unlink() failed. */
static void removes_strays_of_dead_processes(void **state)
{
    char own[64], child[64];
    static const char *const kept[] = {"state",
                                       "state.new",
                                       "state.new0",
                                       "state.new-5",
                                       "state.new" NO_PROCESS "x",
                                       "state.newer",
                                       ".new",
                                       "new" NO_PROCESS,
                                       "state.new 7",
                                       "state.new99999999999",
                                       "state.new+" NO_PROCESS};
    static const char *const removed[] = {"state.new" NO_PROCESS,
                                          "4711.new" NO_PROCESS ".new" NO_PROCESS,
                                          ".new" NO_PROCESS, "a.new1.new" NO_PROCESS};
    const int fd = open_directory(*state);
    const pid_t pid = fork();

    if (pid == 0)
        pause();
    snprintf(own, sizeof own, "state.new%d", (int)gettid());
    snprintf(child, sizeof child, "state.new%d", (int)pid);
    const char *const alive[] = {own, child};
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        assert_int_equal(mknodat(fd, kept[i], S_IFREG | 0600, 0), 0);
    for (size_t i = 0; i < COUNT_OF(removed); i++)
        assert_int_equal(mknodat(fd, removed[i], S_IFREG | 0600, 0), 0);
    for (size_t i = 0; i < COUNT_OF(alive); i++)
        assert_int_equal(mknodat(fd, alive[i], S_IFREG | 0600, 0), 0);
    atomic_remove_strays(fd);
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        if (faccessat(fd, kept[i], F_OK, 0) != 0)
            fail_msg("%s is gone", kept[i]);
    for (size_t i = 0; i < COUNT_OF(removed); i++)
        if (faccessat(fd, removed[i], F_OK, 0) == 0)
            fail_msg("%s is still there", removed[i]);
    for (size_t i = 0; i < COUNT_OF(alive); i++)
        assert_int_equal(faccessat(fd, alive[i], F_OK, 0), 0);
    /* once the process is gone, its file is removed as well */
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    atomic_remove_strays(fd);
    assert_int_equal(faccessat(fd, own, F_OK, 0), 0);
    assert_int_equal(faccessat(fd, child, F_OK, 0), -1);
    close(fd);
    atomic_remove_strays(-1); /* no directory: does nothing */
}

static void *stray_of_a_thread(void *argument)
{
    char name[64];

    assert_int_equal(atomic_temporary_name(name, sizeof name, "state"), 0);
    assert_int_equal(mknodat(*(int *)argument, name, S_IFREG | 0600, 0), 0);
    assert_false(atomic_is_stray(name)); /* the thread is alive, although no process has this id */
    return strdup(name);
}

static void keeps_strays_of_living_threads(void **state)
{
    int fd = open_directory(*state);
    void *name = NULL;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, stray_of_a_thread, &fd), 0);
    assert_int_equal(pthread_join(thread, &name), 0);
    assert_non_null(name);
    /* after the join the kernel may take a moment to remove the thread */
    while (!atomic_is_stray(name))
        sched_yield();
    atomic_remove_strays(fd);
    assert_int_equal(faccessat(fd, name, F_OK, 0), -1);
    free(name);
    close(fd);
}

/* With hidepid=2 (proc(5)), access(2) in a program such as su, whose real uid is
 * the user's, finds no process of root's in /proc. A file
 * that such a process is writing is not a stray. */
static void in_a_hidden_proc(void *argument)
{
    const char *const *name = argument;

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("proc", "/proc", "proc", 0, "hidepid=2") != 0 || setgroups(0, NULL) != 0 ||
        setresgid(1000, 1000, 1000) != 0 || setresuid(1000, 0, 0) != 0)
        _exit(CHILD_CANNOT);
    assert_false(atomic_is_stray(name[0]));
    assert_true(atomic_is_stray(name[1]));
}

static void does_not_take_hidden_threads_for_dead(void **state)
{
    char own[64];
    const char *const name[] = {own, "state.new" NO_PROCESS};

    (void)state;
    snprintf(own, sizeof own, "state.new%d", (int)gettid());
    if (!in_child(in_a_hidden_proc, (void *)name))
        LEFT_OUT("this user cannot mount /proc here");
}

/* Without a lock, each caller's content is complete, and the last one wins. */
static void replaces_without_a_lock(void **state)
{
    char *path = path_in(*state, "state");
    char name[300];
    const int fd = open_directory(*state);

    assert_int_equal(atomic_replace_unlocked(fd, "state", 0600, "first", 5), 0);
    assert_content(path, "first");
    assert_int_equal(atomic_replace_unlocked(fd, "state", 0640, "second", 6), 0);
    assert_content(path, "second");
    memset(name, 'n', sizeof name);
    name[250] = '\0';
    assert_int_equal(atomic_replace_unlocked(fd, name, 0600, "x", 1), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    assert_int_equal(atomic_replace_unlocked(fd, "absent/state", 0600, "x", 1), -1);
    assert_content(path, "second");
    close(fd);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(creates_and_replaces),
        WITH_DIRECTORY(old_file_stays_intact),
        WITH_DIRECTORY(replaces_a_leftover_temporary_file),
        WITH_DIRECTORY(reports_errors_of_replacing),
        WITH_DIRECTORY(reports_a_file_size_limit),
        WITH_DIRECTORY(keeps_the_old_content_on_a_full_disk),
        WITH_DIRECTORY(survives_kills_at_any_moment),
        WITH_DIRECTORY(creates_once),
        WITH_DIRECTORY(does_not_overwrite_existing_files),
        WITH_DIRECTORY(creates_despite_leftovers),
        WITH_DIRECTORY(reports_errors_of_creating),
        WITH_DIRECTORY(only_one_of_several_threads_creates),
        WITH_DIRECTORY(removes_strays_of_dead_processes),
        WITH_DIRECTORY(keeps_strays_of_living_threads),
        cmocka_unit_test(does_not_take_hidden_threads_for_dead),
        WITH_DIRECTORY(replaces_without_a_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
