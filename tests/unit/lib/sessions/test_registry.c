/* The registry of logins: a record is complete and owned by root, or it does not
 * count; and which process finds which login. */
#include "tests/unit/child.h"
#include "tests/unit/temporary.h"

#include "lib/host/checksum.h"
#include "lib/sessions/registry_format.h"
#include "lib/host/failure.h"

#include <errno.h>
#include <signal.h>

static struct session_record record_of(pid_t pid, const char *user)
{
    struct session_record record;
    struct process process;

    assert_int_equal(process_read(pid, &process), 0);
    memset(&record, 0, sizeof record);
    record.uid = NO_UID;
    record.pid = process.pid;
    record.start_ticks = process.start_ticks;
    record.audit_session = NO_AUDIT_SESSION;
    record.is_ssh = true;
    record.since = (struct timestamp){.boot_ms = 12345, .wall_ms = 67890};
    snprintf(record.user, sizeof record.user, "%s", user);
    snprintf(record.service, sizeof record.service, "sshd");
    snprintf(record.address, sizeof record.address, "192.0.2.1");
    return record;
}

static void put(const char *directory, const struct session_record *record)
{
    struct failure failure = {""};

    if (registry_put(directory, geteuid(), record, &failure) != 0)
        fail_msg("%s", failure.text);
}

static void put_process(const char *directory, pid_t pid, const char *user)
{
    const struct session_record record = record_of(pid, user);

    put(directory, &record);
}

static enum registry_status get(const char *directory, pid_t pid)
{
    struct session_record record;

    return registry_get(directory, geteuid(), pid, &record);
}

static char *path_of(const char *directory, pid_t pid)
{
    char name[32];

    snprintf(name, sizeof name, "%d", (int)pid);
    return path_in(directory, name);
}

/* In place, keeping its mode. */
static void damage(const char *directory, pid_t pid)
{
    char *path = path_of(directory, pid);

    write_text(path, "damaged");
    free(path);
}

static void put_file(const char *directory, pid_t pid, const void *bytes, size_t size)
{
    char *path = path_of(directory, pid);

    write_bytes(path, bytes, size);
    free(path);
}

/* --- records ----------------------------------------------------------------- */

static void put_and_get(void **state)
{
    char *directory = path_in(*state, "sessions");
    struct session_record record = record_of(0, "kim"), found;

    assert_int_equal(get(directory, record.pid), REGISTRY_ABSENT);
    put(directory, &record);
    assert_int_equal(registry_get(directory, geteuid(), record.pid, &found), REGISTRY_OK);
    assert_memory_equal(&found, &record, sizeof record);
    /* again */
    memset(record.user, 'u', sizeof record.user - 1);
    memset(record.service, 's', sizeof record.service - 1);
    memset(record.address, 'a', sizeof record.address - 1);
    memset(record.terminal, 't', sizeof record.terminal - 1);
    memset(record.limits.rule, 'r', sizeof record.limits.rule);
    for (size_t i = 0; i < COUNT_OF(record.limits.rule); i++)
        record.limits.rule[i][sizeof record.limits.rule[i] - 1] = '\0';
    record.limits.terminal = (struct watch_limits){1, 2, 3};
    record.limits.notty = (struct watch_limits){4, NEVER_MS, 6};
    record.limits.any_activity = true;
    record.limits.only_client = true;
    record.limits.leftovers = LEFTOVERS_WATCH;
    record.policy = UINT64_MAX;
    record.uid = 1000;
    record.source = LOGIN_FROM_LOGIND;
    record.is_ssh = false;
    put(directory, &record);
    assert_int_equal(registry_get(directory, geteuid(), record.pid, &found), REGISTRY_OK);
    assert_memory_equal(&found, &record, sizeof record);

    assert_int_equal(get(directory, record.pid + 1), REGISTRY_ABSENT);
    registry_remove(directory, geteuid(), record.pid + 1);
    assert_int_equal(get(directory, record.pid), REGISTRY_OK);
    registry_remove(directory, geteuid(), record.pid);
    assert_int_equal(get(directory, record.pid), REGISTRY_ABSENT);
    registry_remove(directory, geteuid(), record.pid);
    assert_int_equal(rmdir(directory), 0); /* no other file was left */
    free(directory);
}

/* Whether the record is still there after the login has ended in order. */
static bool stays_after_log_out(const char *directory, const struct session_record *record,
                                uint64_t ticks_since)
{
    const struct process process = {.pid = record->pid,
                                    .start_ticks = record->start_ticks + ticks_since};

    registry_log_out(directory, geteuid(), &process);
    return get(directory, record->pid) != REGISTRY_ABSENT;
}

static void log_out(void **state)
{
    char *directory = path_in(*state, "sessions");
    struct session_record record = record_of(0, "kim");

    assert_false(stays_after_log_out(directory, &record, 0)); /* no directory yet */
    record.policy = 1;
    record.limits.leftovers = LEFTOVERS_WATCH;
    put(directory, &record);
    assert_true(stays_after_log_out(directory, &record, 0));
    record.limits.leftovers = LEFTOVERS_KEEP;
    put(directory, &record);
    assert_true(stays_after_log_out(directory, &record, 1)); /* another process's */
    assert_false(stays_after_log_out(directory, &record, 0));
    assert_false(stays_after_log_out(directory, &record, 0));
    put(directory, &record);
    damage(directory, record.pid);
    assert_true(stays_after_log_out(directory, &record, 0)); /* for tmoutd to rebuild */
    free(directory);
}

static void modes(void **state)
{
    static const mode_t masks[] = {0, 022, 077, 0137, 0777};

    for (size_t i = 0; i < COUNT_OF(masks); i++) {
        const struct session_record record = record_of(0, "kim");
        char name[32];
        struct failure failure = {""};
        struct stat st;

        snprintf(name, sizeof name, "run%zu", i);
        char *above = path_in(*state, name), *directory = path_in(above, "sessions");
        char *path = path_of(directory, record.pid);
        umask(masks[i]);
        const int result = registry_put(directory, geteuid(), &record, &failure);
        assert_int_equal(umask(022), masks[i]);
        if (result != 0)
            fail_msg("umask %o: %s", (unsigned)masks[i], failure.text);
        assert_int_equal(stat(above, &st), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 0755);
        assert_int_equal(stat(directory, &st), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 0755);
        assert_int_equal(lstat(path, &st), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0600);
        assert_int_equal(st.st_uid, geteuid());
        free(path);
        free(directory);
        free(above);
    }
}

static void cannot_be_put(void **state)
{
    const struct session_record record = record_of(0, "kim");
    struct failure failure = {""};
    char *directory = path_in(*state, "sessions"), *path = path_of(directory, record.pid);
    pid_t *pids;

    /* a file in place of the directory */
    write_text(directory, "");
    failure.text[0] = '\0';
    assert_int_equal(registry_put(directory, geteuid(), &record, &failure), -1);
    assert_true(strlen(failure.text) > 0);
    assert_int_equal(get(directory, record.pid), REGISTRY_FAILED);
    assert_int_equal(unlink(directory), 0);
    /* writable by others */
    for (mode_t mode = 0775; mode <= 0777; mode += 2) {
        assert_int_equal(mkdir(directory, 0755), 0);
        assert_int_equal(chmod(directory, mode), 0);
        failure.text[0] = '\0';
        assert_int_equal(registry_put(directory, geteuid(), &record, &failure), -1);
        assert_true(strlen(failure.text) > 0);
        assert_int_equal(get(directory, record.pid), REGISTRY_FAILED);
        assert_int_equal(rmdir(directory), 0);
    }
    /* a directory in place of the record */
    assert_int_equal(mkdir(directory, 0755), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    failure.text[0] = '\0';
    assert_int_equal(registry_put(directory, geteuid(), &record, &failure), -1);
    assert_true(strlen(failure.text) > 0);
    assert_int_equal(get(directory, record.pid), REGISTRY_DAMAGED);
    assert_int_equal(rmdir(path), 0);
    /* and no incomplete file is left */
    assert_int_equal(registry_list(directory, geteuid(), &pids), 0);
    free(pids);
    assert_int_equal(rmdir(directory), 0);
    free(path);
    free(directory);
}

/* A leftover file under the temporary name. */
static void a_link_in_the_way(void **state)
{
    const struct session_record record = record_of(0, "kim");
    char *victim = path_in(*state, "victim"), *directory = path_in(*state, "sessions"), *link_path;
    char name[32];
    size_t size;

    write_text(victim, "as it was");
    assert_int_equal(mkdir(directory, 0755), 0);
    snprintf(name, sizeof name, "%d.new", (int)record.pid);
    link_path = path_in(directory, name);
    assert_int_equal(symlink(victim, link_path), 0);
    put(directory, &record);
    assert_int_equal(get(directory, record.pid), REGISTRY_OK);
    char *text = read_bytes(victim, &size);
    assert_string_equal(text, "as it was");
    free(text);
    free(link_path);
    free(directory);
    free(victim);
}

/* A larger number there is what a newer version would have written. */
static bool is_in_version(size_t byte)
{
    const size_t start = offsetof(struct stored_record, version);

    return byte >= start && byte < start + sizeof(uint32_t);
}

static void every_byte_flipped(void **state)
{
    const struct session_record record = record_of(0, "kim");
    char *path = path_of(*state, record.pid);
    size_t size;

    put(*state, &record);
    char *bytes = read_bytes(path, &size);
    assert_int_equal(size, sizeof(struct stored_record));
    for (size_t i = 0; i < size; i++) {
        for (unsigned bit = 0; bit < 8; bit += is_slow() ? 7 : 1) {
            bytes[i] = (char)(bytes[i] ^ 1 << bit);
            write_bytes(path, bytes, size);
            const enum registry_status status = get(*state, record.pid);
            if (status != REGISTRY_DAMAGED && !(status == REGISTRY_NEWER && is_in_version(i)))
                fail_msg("bit %u of byte %zu", bit, i);
            bytes[i] = (char)(bytes[i] ^ 1 << bit);
        }
    }
    for (size_t length = 0; length < size; length++) {
        write_bytes(path, bytes, length);
        assert_int_equal(get(*state, record.pid), REGISTRY_DAMAGED);
    }
    bytes = realloc(bytes, size + 1);
    assert_non_null(bytes);
    bytes[size] = 0;
    write_bytes(path, bytes, size + 1);
    assert_int_equal(get(*state, record.pid), REGISTRY_DAMAGED);
    write_bytes(path, bytes, size);
    assert_int_equal(get(*state, record.pid), REGISTRY_OK);
    free(bytes);
    free(path);
}

static void put_signed(const char *directory, pid_t pid, struct stored_record *file)
{
    file->checksum = CHECKSUM_WORDS_OF(CHECKSUM_START, *file);
    put_file(directory, pid, file, sizeof *file);
}

/* The checksum is right, but the content cannot be trusted. */
static void untrusted_contents(void **state)
{
    static const struct {
        size_t offset, size;
        char byte;
    } wrong[] = {
#define FIELD(field, byte)                                                                         \
    {offsetof(struct stored_record, field), sizeof((struct stored_record *)NULL)->field, byte}
        FIELD(session.user, 'x'),
        FIELD(session.service, 'x'),
        FIELD(session.address, 'x'),
        FIELD(session.terminal, 'x'),
        FIELD(session.source, 'x'),
        FIELD(limits.rule, 'x'),
        FIELD(limits.terminal_ms, '\x80'),
        FIELD(limits.notty_ms[2], '\x80'),
        FIELD(limits.leftovers, 'x'),
        FIELD(session.pid, 'x'),
        FIELD(size, 'x'),
#undef FIELD
    };
    struct session_record record = record_of(0, "kim");
    struct stored_record good, file;
    const pid_t pid = record.pid;

    record.policy = 1;
    record_encode(&record, &good);
    file = good;
    put_signed(*state, pid, &file);
    assert_int_equal(get(*state, pid), REGISTRY_OK);
    /* the record of another pid under this name */
    put_signed(*state, pid + 1, &file);
    assert_int_equal(get(*state, pid + 1), REGISTRY_DAMAGED);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        file = good;
        memset((char *)&file + wrong[i].offset, wrong[i].byte, wrong[i].size);
        put_signed(*state, pid, &file);
        if (get(*state, pid) != REGISTRY_DAMAGED)
            fail_msg("row %zu", i);
    }
    /* another format */
    file = good;
    memcpy(file.magic, "tmoutpol", sizeof file.magic);
    put_signed(*state, pid, &file);
    assert_int_equal(get(*state, pid), REGISTRY_DAMAGED);
}

/* A record of version 1, as pam_tmout 0.1 wrote it. */
static void of_an_older_version(void **state)
{
    struct {
        char magic[8];
        uint64_t checksum;
        int32_t pid;
        uint32_t is_ssh;
        uint64_t start_ticks;
        uint32_t audit_session, unused;
        unsigned char boot_id[16];
        int64_t boot_ms, wall_ms;
        char user[256], service[32], address[64], terminal[32];
    } old = {.magic = {'t', 'm', 'o', 'u', 't', 's', 'e', '1'},
             .pid = 4711,
             .is_ssh = 1,
             .start_ticks = 99,
             .audit_session = 5,
             .boot_ms = 6,
             .wall_ms = 7,
             .user = "kim",
             .service = "sshd",
             .address = "192.0.2.1",
             .terminal = "tty1"};
    struct session_record found;

    old.checksum = CHECKSUM_OF(CHECKSUM_START, old);
    put_file(*state, 4711, &old, sizeof old);
    assert_int_equal(registry_get(*state, geteuid(), 4711, &found), REGISTRY_OK);
    assert_int_equal(found.pid, 4711);
    assert_true(found.is_ssh);
    assert_int_equal(found.start_ticks, 99);
    assert_int_equal(found.audit_session, 5);
    assert_int_equal(found.since.boot_ms, 6);
    assert_int_equal(found.since.wall_ms, 7);
    assert_string_equal(found.user, "kim");
    assert_string_equal(found.service, "sshd");
    assert_string_equal(found.address, "192.0.2.1");
    assert_string_equal(found.terminal, "tty1");
    /* what it did not store: tmoutd asks */
    assert_int_equal(found.source, LOGIN_FROM_PAM);
    assert_true(found.uid == NO_UID);
    assert_true(found.policy == 0);
    assert_false(found.has_spare);
    /* only whole */
    old.user[0] = 'K';
    put_file(*state, 4711, &old, sizeof old);
    assert_int_equal(get(*state, 4711), REGISTRY_DAMAGED);
    put_file(*state, 4711, &old, sizeof old - 1);
    assert_int_equal(get(*state, 4711), REGISTRY_DAMAGED);
}

/* Whatever a later version makes of the rest. */
static void of_a_newer_version(void **state)
{
    const struct session_record record = record_of(0, "kim");
    const pid_t pid = record.pid;
    struct stored_record file;

    record_encode(&record, &file);
    file.version++;
    put_file(*state, pid, &file, sizeof file);
    assert_int_equal(get(*state, pid), REGISTRY_NEWER);
    memset(&file.size, 'x', sizeof file - offsetof(struct stored_record, size));
    for (size_t size = offsetof(struct stored_record, size); size < sizeof file; size += 100) {
        put_file(*state, pid, &file, size);
        assert_int_equal(get(*state, pid), REGISTRY_NEWER);
    }
    put_file(*state, pid, &file, offsetof(struct stored_record, size) - 1);
    assert_int_equal(get(*state, pid), REGISTRY_DAMAGED);
    file.version = RECORD_VERSION - 1; /* whose magic was another */
    put_file(*state, pid, &file, sizeof file);
    assert_int_equal(get(*state, pid), REGISTRY_DAMAGED);
}

static void not_ours(void **state)
{
    static const mode_t modes_of_others[] = {0620, 0602, 0660, 0666, 0777};
    const struct session_record record = record_of(0, "kim");
    char *directory = path_in(*state, "sessions"), *path = path_of(directory, record.pid);
    char *elsewhere = path_in(*state, "elsewhere");

    put(directory, &record);
    for (size_t i = 0; i < COUNT_OF(modes_of_others); i++) {
        assert_int_equal(chmod(path, modes_of_others[i]), 0);
        assert_int_equal(get(directory, record.pid), REGISTRY_DAMAGED);
    }
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(get(directory, record.pid), REGISTRY_OK);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 1000, 1000), 0);
        assert_int_equal(get(directory, record.pid), REGISTRY_DAMAGED);
        assert_int_equal(chown(path, 0, 0), 0);
        assert_int_equal(chown(directory, 1000, 1000), 0);
        assert_int_equal(get(directory, record.pid), REGISTRY_FAILED);
        assert_int_equal(chown(directory, 0, 0), 0);
    }
    /* a symbolic link to a valid record */
    assert_int_equal(rename(path, elsewhere), 0);
    assert_int_equal(symlink(elsewhere, path), 0);
    assert_int_equal(get(directory, record.pid), REGISTRY_DAMAGED);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(get(directory, record.pid), REGISTRY_DAMAGED);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(get(directory, record.pid), REGISTRY_DAMAGED);
    /* a new record replaces it */
    put(directory, &record);
    assert_int_equal(get(directory, record.pid), REGISTRY_OK);
    free(elsewhere);
    free(path);
    free(directory);
}

/* Two very different records, in turn. */
static void write_in_turn(void *argument)
{
    const char *directory = argument;
    struct session_record record = record_of(getppid(), "a");

    for (int round = 0; round < (is_slow() ? 50 : 400); round++) {
        memset(record.user, round % 2 != 0 ? 'a' : 'b', sizeof record.user - 1);
        memset(record.address, round % 2 != 0 ? 'a' : 'b', sizeof record.address - 1);
        put(directory, &record);
    }
}

/* A reader finds one or the other at any time. */
static void put_is_atomic(void **state)
{
    struct session_record record = record_of(0, "a"), found;
    siginfo_t ended = {0};

    memset(record.user, 'a', sizeof record.user - 1);
    memset(record.address, 'a', sizeof record.address - 1);
    put(*state, &record);
    const pid_t writer = child_begin();
    if (writer == 0) {
        write_in_turn(*state);
        _exit(0);
    }
    while (ended.si_pid == 0) {
        pid_t *pids;
        assert_int_equal(registry_get(*state, geteuid(), record.pid, &found), REGISTRY_OK);
        assert_int_equal(strlen(found.user), sizeof found.user - 1);
        assert_int_equal(found.user[0], found.address[0]);
        assert_null(strchr(found.user, found.user[0] == 'a' ? 'b' : 'a'));
        assert_int_equal(registry_list(*state, geteuid(), &pids), 1);
        assert_int_equal(pids[0], record.pid);
        free(pids);
        assert_int_equal(waitid(P_PID, (id_t)writer, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
    }
    assert_true(child_end(writer));
}

/* --- the list ------------------------------------------------------------------ */

static int by_number(const void *a, const void *b)
{
    const pid_t left = *(const pid_t *)a, right = *(const pid_t *)b;

    return (left > right) - (left < right);
}

static void list(void **state)
{
    static const char *const foreign[] = {
        "0",
        "00",
        "-1",
        "+1",
        "007",
        "12a",
        " 12",
        "12 ",
        "12.new",
        "1e3",
        "0x12",
        "99999999999",
        "readme",
        ".hidden",
        "2147483648",
        "4294967297",
        "12\n",
        "\xd9\xa1",
        "18446744073709551617",
    };
    static const pid_t expected[] = {1, 7, 4000, 4194304, INT32_MAX};
    char *directory = path_in(*state, "sessions");
    pid_t *pids = NULL;

    assert_int_equal(registry_list(directory, geteuid(), &pids), 0);
    free(pids);
    assert_int_equal(mkdir(directory, 0755), 0);
    assert_int_equal(registry_list(directory, geteuid(), &pids), 0);
    free(pids);
    for (size_t i = 0; i < COUNT_OF(foreign); i++) {
        char *path = path_in(directory, foreign[i]);
        write_text(path, "");
        free(path);
    }
    assert_int_equal(registry_list(directory, geteuid(), &pids), 0);
    free(pids);
    /* whatever they contain */
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        put_file(directory, expected[i], "", 0);
    assert_int_equal(registry_list(directory, geteuid(), &pids), COUNT_OF(expected));
    qsort(pids, COUNT_OF(expected), sizeof *pids, by_number);
    assert_memory_equal(pids, expected, sizeof expected);
    free(pids);
    free(directory);
}

/* Left by logins that were killed while they wrote their record. */
static void strays_are_removed(void **state)
{
    char *directory = path_in(*state, "sessions"), *kept = path_in(directory, "12.new1");
    char *stray = path_in(directory, "12.new2147483647");
    pid_t *pids = NULL;

    assert_int_equal(mkdir(directory, 0755), 0);
    put_file(directory, 7, "", 0);
    write_text(kept, ""); /* process 1 is alive */
    write_text(stray, "");
    assert_int_equal(registry_list(directory, geteuid(), &pids), 1);
    assert_int_equal(pids[0], 7);
    assert_int_equal(access(stray, F_OK), -1);
    assert_int_equal(access(kept, F_OK), 0);
    free(pids);
    free(stray);
    free(kept);
    free(directory);
}

static void a_long_list(void **state)
{
    enum { COUNT = 1000 };
    pid_t *pids = NULL;

    for (pid_t pid = 1; pid <= COUNT; pid++)
        put_file(*state, pid, "", 0);
    assert_int_equal(registry_list(*state, geteuid(), &pids), COUNT);
    qsort(pids, COUNT, sizeof *pids, by_number);
    for (pid_t pid = 1; pid <= COUNT; pid++)
        assert_int_equal(pids[pid - 1], pid);
    free(pids);
    char *file = path_of(*state, 1);
    errno = 0;
    assert_int_equal(registry_list(file, geteuid(), &pids), -1);
    assert_int_equal(errno, ENOTDIR);
    assert_null(pids);
    free(file);
}

/* --- stale ---------------------------------------------------------------------- */

static void live_and_stale(void **state)
{
    struct session_record record = record_of(0, "kim");

    (void)state;
    assert_int_equal(session_check_live(&record), 0);
    record.start_ticks++;
    assert_int_equal(session_check_live(&record), -1);
    record.start_ticks -= 2;
    assert_int_equal(session_check_live(&record), -1);

    const pid_t pid = child_begin();
    if (pid == 0) {
        pause();
        _exit(1);
    }
    record = record_of(pid, "kim");
    assert_int_equal(session_check_live(&record), 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(session_check_live(&record), -1); /* a zombie by now */
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(session_check_live(&record), -1);
    errno = 0;
    assert_int_equal(session_check_live(&record), -1);
    assert_true(process_has_ended(errno));
}

/* --- the own login -------------------------------------------------------------------- */

static const char *registry;      /* for the children */
static const char *expected_user; /* NULL: none; "": -1 */

static void find_own(void *argument)
{
    struct session_record record;

    (void)argument;
    const int found = registry_find_own(registry, geteuid(), &record);
    if (expected_user == NULL) {
        assert_int_equal(found, 0);
    } else if (expected_user[0] == '\0') {
        assert_int_equal(found, -1);
    } else {
        assert_int_equal(found, 1);
        assert_string_equal(record.user, expected_user);
    }
}

static void find_own_in_child(void *argument)
{
    assert_true(in_child(find_own, argument));
}

static void find_own_in_session(void *argument)
{
    assert_true(setsid() > 0);
    assert_true(in_child(find_own, argument));
}

/* Here, in a child, in a grandchild, and in one that has called setsid(). */
static void assert_own(const char *user)
{
    expected_user = user;
    find_own(NULL);
    assert_true(in_child(find_own, NULL));
    assert_true(in_child(find_own_in_child, NULL));
    assert_true(in_child(find_own_in_session, NULL));
}

/* In a child, with a sibling as the login. */
static void by_ancestry(void *argument)
{
    struct session_record record;
    int hold[2];

    registry = argument;
    if (process_audit_session(0) != NO_AUDIT_SESSION)
        _exit(CHILD_CANNOT); /* the audit session would come first */
    assert_own(NULL);
    assert_int_equal(pipe(hold), 0);
    const pid_t other = child_begin();
    if (other == 0) {
        char end;
        close(hold[1]);
        _exit(read(hold[0], &end, 1) != 0);
    }
    close(hold[0]);
    put_process(registry, other, "somebody else");
    assert_own(NULL);
    /* a file of another owner does not count, whatever it contains */
    damage(registry, other);
    assert_own(NULL);

    put_process(registry, 0, "kim");
    assert_own("kim");
    put_process(registry, getppid(), "farther away");
    assert_own("kim");
    damage(registry, getpid());
    assert_own("");
    registry_remove(registry, geteuid(), getpid());
    assert_own("farther away");
    /* our pid was that of a login before */
    record = record_of(0, "stale");
    record.start_ticks--;
    put(registry, &record);
    assert_own("farther away");
    damage(registry, getppid());
    assert_own("");
    registry_remove(registry, geteuid(), getppid());
    assert_own(NULL);
    close(hold[1]);
    assert_true(child_end(other));
}

static void own_by_ancestry(void **state)
{
    NEEDS_OWN_ARCHITECTURE();
    if (!in_child(by_ancestry, *state))
        LEFT_OUT("the tests run in an audit session, which comes before ancestry");
}

static void not_by_the_environment(void *argument)
{
    char number[32];

    registry = argument;
    put_process(registry, getppid(), "kim");
    snprintf(number, sizeof number, "%d", (int)getppid());
    setenv("XDG_SESSION_ID", number, 1);
    setenv("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22", 1);
    setenv("PPID", "1", 1);
    assert_own("kim");
    registry_remove(registry, geteuid(), getppid());
    if (process_audit_session(0) == NO_AUDIT_SESSION)
        assert_own(NULL);
}

static void own_by_nothing_else(void **state)
{
    assert_true(in_child(not_by_the_environment, *state));
}

static void no_registry(void **state)
{
    struct session_record record;
    char *absent = path_in(*state, "absent"), *file = path_in(*state, "file");

    assert_int_equal(registry_find_own(absent, geteuid(), &record), 0);
    write_text(file, "");
    assert_int_equal(registry_find_own(file, geteuid(), &record), -1);
    assert_int_equal(chmod(*state, 0777), 0);
    assert_int_equal(registry_find_own(*state, geteuid(), &record), -1);
    assert_int_equal(chmod(*state, 0755), 0);
    free(file);
    free(absent);
}

/* A new audit session for this process, as pam_loginuid starts one. */
static bool enter_audit_session(void)
{
    const int fd = open("/proc/self/loginuid", O_WRONLY | O_CLOEXEC);
    const bool done = fd >= 0 && write(fd, "0", 1) == 1;

    if (fd >= 0)
        close(fd);
    return done && process_audit_session(0) != NO_AUDIT_SESSION;
}

/* Runs find_own() in a process that is no longer our descendant: its parent has
 * ended. */
static void find_own_as_orphan(const char *user)
{
    int go[2], answer[2];

    expected_user = user;
    assert_int_equal(pipe(go), 0);
    assert_int_equal(pipe(answer), 0);
    const pid_t between = child_begin();
    if (between == 0) {
        assert_true(setsid() > 0);
        const pid_t orphan = fork();
        if (orphan == 0) {
            await_byte(go[0]);
            assert_int_not_equal(getppid(), between);
            find_own(NULL);
            send_byte(answer[1], 'y');
        }
        _exit(orphan < 0);
    }
    assert_true(child_end(between));
    close(answer[1]);
    send_byte(go[1], 'g');
    assert_int_equal(await_byte(answer[0]), 'y');
    close(answer[0]);
    close(go[0]);
    close(go[1]);
}

static void end_of_input(void *argument)
{
    char byte;

    assert_int_equal(read(*(int *)argument, &byte, 1), 0);
}

static void by_audit_session(void *argument)
{
    struct session_record record;
    int hold[2];

    registry = argument;
    assert_int_equal(pipe(hold), 0);
    const pid_t other = child_begin(); /* in the session that we leave */
    if (other == 0) {
        close(hold[1]);
        end_of_input(&hold[0]);
        _exit(0);
    }
    close(hold[0]);
    if (!enter_audit_session())
        _exit(CHILD_CANNOT);
    find_own_as_orphan(NULL);
    record = record_of(0, "kim");
    record.audit_session = process_audit_session(0);
    put(registry, &record);
    find_own_as_orphan("kim");
    assert_own("kim");
    /* the record of another login, and a damaged one */
    record = record_of(other, "somebody else");
    record.audit_session = process_audit_session(0) + 1;
    put(registry, &record);
    find_own_as_orphan("kim");
    damage(registry, other);
    find_own_as_orphan("kim");
    /* ours is damaged: it might be the one */
    damage(registry, getpid());
    find_own_as_orphan("");
    assert_own("");
    registry_remove(registry, geteuid(), getpid());
    find_own_as_orphan(NULL);
    /* of a process that had our pid before */
    record = record_of(0, "stale");
    record.start_ticks--;
    record.audit_session = process_audit_session(0);
    put(registry, &record);
    find_own_as_orphan(NULL);
    /* a login without an audit session is not that of every process without one */
    record = record_of(0, "kim");
    put(registry, &record);
    find_own_as_orphan(NULL);
    close(hold[1]);
    assert_true(child_end(other));
}

static void own_by_audit_session(void **state)
{
    NEEDS_OWN_ARCHITECTURE();
    if (!in_child(by_audit_session, *state))
        LEFT_OUT("this process cannot start an audit session");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(put_and_get),
        WITH_DIRECTORY(log_out),
        WITH_DIRECTORY(modes),
        WITH_DIRECTORY(cannot_be_put),
        WITH_DIRECTORY(a_link_in_the_way),
        WITH_DIRECTORY(every_byte_flipped),
        WITH_DIRECTORY(untrusted_contents),
        WITH_DIRECTORY(not_ours),
        WITH_DIRECTORY(put_is_atomic),
        WITH_DIRECTORY(list),
        WITH_DIRECTORY(strays_are_removed),
        WITH_DIRECTORY(a_long_list),
        WITH_DIRECTORY(of_an_older_version),
        WITH_DIRECTORY(of_a_newer_version),
        cmocka_unit_test(live_and_stale),
        WITH_DIRECTORY(own_by_ancestry),
        WITH_DIRECTORY(own_by_nothing_else),
        WITH_DIRECTORY(no_registry),
        WITH_DIRECTORY(own_by_audit_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
