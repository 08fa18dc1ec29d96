/* Reading policy files: permissions, changes, and files that must not harm the
 * process that reads them. */
#include "tests/unit/policy_text.h"
#include "tests/unit/temporary.h"

#include "lib/host/secure_path.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

struct reading {
    char *config, *directory;
    struct source_set set;
    struct problems problems;
};

static void begin(struct reading *r, const char *directory)
{
    *r = (struct reading){.config = path_in(directory, "tmout.conf"),
                          .directory = path_in(directory, "tmout.conf.d")};
}

/* Reads again; returns the number of problems. */
static size_t read_again(struct reading *r)
{
    sources_free(&r->set);
    problems_free(&r->problems);
    assert_int_equal(sources_read(r->config, geteuid(), &r->set, &r->problems), 0);
    return r->problems.errors + r->problems.failures;
}

static void end(struct reading *r)
{
    sources_free(&r->set);
    problems_free(&r->problems);
    free(r->config);
    free(r->directory);
}

/* The file is rejected with an error that contains a text; its identity is there
 * to be recorded. */
static void assert_rejected(struct reading *r, const char *says)
{
    char text[1024];

    assert_int_equal(read_again(r), 1);
    assert_int_equal(r->problems.errors, 1);
    problem_format(problems_first_bad(&r->problems), text, sizeof text);
    assert_int_equal(strncmp(text, r->config, strlen(r->config)), 0);
    if (strstr(text, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, says);
    assert_true(r->set.count >= 2);
    assert_true(sources_unchanged(&r->set));
}

static void a_file_and_its_drop_ins(void **state)
{
    static const char *const names[] = {
        "b.conf", "a.conf", "10-x.conf", "B.conf",   "\xc3\xa4.conf", "a.conf.bak", ".hidden.conf",
        "conf",   ".conf",  "x.conf~",   "a b.conf", "README",        "x.CONF"};
    static const char *const order[] = {"10-x.conf", "B.conf", "a b.conf",
                                        "a.conf",    "b.conf", "\xc3\xa4.conf"};
    struct reading r;

    begin(&r, *state);
    write_text(r.config, "main");
    assert_int_equal(read_again(&r), 0);
    assert_int_equal(r.set.count, 2);
    assert_string_equal(r.set.item[0].path, r.config);
    assert_string_equal(r.set.item[0].text, "main");
    assert_int_equal(r.set.item[0].size, 4);
    assert_string_equal(r.set.item[1].path, r.directory);
    assert_int_equal(r.set.item[1].identity.kind, SOURCE_ABSENT);

    assert_int_equal(mkdir(r.directory, 0755), 0);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *path = path_in(r.directory, names[i]);
        write_text(path, names[i]);
        free(path);
    }
    assert_int_equal(read_again(&r), 0);
    assert_int_equal(r.set.item[1].identity.kind, SOURCE_DIRECTORY);
    assert_null(r.set.item[1].text);
    assert_int_equal(r.set.count, 2 + COUNT_OF(order));
    for (size_t i = 0; i < COUNT_OF(order); i++)
        assert_string_equal(r.set.item[2 + i].text, order[i]);
    assert_true(sources_unchanged(&r.set));
    end(&r);
}

static void every_byte_is_read(void **state)
{
    const size_t size = 300000;
    unsigned char *bytes = malloc(size);
    struct reading r;

    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 256);
    begin(&r, *state);
    for (size_t length = 0; length <= size; length = length * 4 + 1) {
        write_bytes(r.config, bytes, length);
        assert_int_equal(read_again(&r), 0);
        assert_int_equal(r.set.item[0].size, length);
        assert_memory_equal(r.set.item[0].text, bytes, length);
        assert_int_equal(r.set.item[0].text[length], 0);
    }
    end(&r);
    free(bytes);
}

static void too_large(void **state)
{
    struct reading r;

    begin(&r, *state);
    write_text(r.config, "x");
    assert_int_equal(truncate(r.config, 10 * 1024 * 1024), 0);
    assert_rejected(&r, "too large");
    assert_null(r.set.item[0].text);
    assert_int_equal(truncate(r.config, INT64_C(1) << 40), 0); /* 1 TiB, sparse */
    assert_rejected(&r, "too large");
    end(&r);
}

static void no_such_file(void **state)
{
    struct reading r;
    char *elsewhere = path_in(*state, "elsewhere");

    begin(&r, *state);
    assert_rejected(&r, ""); /* nothing */
    assert_int_equal(r.set.item[0].identity.kind, SOURCE_ABSENT);

    write_text(elsewhere, "default { }");
    assert_int_equal(symlink(elsewhere, r.config), 0);
    assert_rejected(&r, "symbolic link");
    assert_int_equal(unlink(r.config), 0);
    assert_int_equal(symlink("nowhere", r.config), 0);
    assert_rejected(&r, "symbolic link");
    assert_int_equal(unlink(r.config), 0);
    assert_int_equal(symlink("tmout.conf", r.config), 0);
    assert_rejected(&r, "symbolic link");
    assert_int_equal(unlink(r.config), 0);

    assert_int_equal(mkfifo(r.config, 0644), 0); /* nobody writes: must not block */
    assert_rejected(&r, "regular file");
    assert_int_equal(unlink(r.config), 0);
    assert_int_equal(mkdir(r.config, 0755), 0);
    assert_rejected(&r, "regular file");
    assert_int_equal(rmdir(r.config), 0);
    free(elsewhere);
    end(&r);
}

/* Like a FIFO, a socket is an error in the policy: it must be possible to record
 * the rejection. */
static void a_socket_in_its_place(void **state)
{
    struct reading r;
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    begin(&r, *state);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", r.config);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(chmod(r.config, 0644), 0);
    assert_rejected(&r, "");
    close(fd);
    end(&r);
}

static void drop_in_directory_is_a_file(void **state)
{
    struct reading r;
    char *elsewhere = path_in(*state, "elsewhere");

    begin(&r, *state);
    write_text(r.config, "");
    write_text(r.directory, "a file");
    assert_rejected(&r, "");
    assert_int_equal(unlink(r.directory), 0);
    assert_int_equal(mkdir(elsewhere, 0755), 0);
    assert_int_equal(symlink(elsewhere, r.directory), 0);
    assert_rejected(&r, "");
    assert_int_equal(unlink(r.directory), 0);
    assert_int_equal(mkfifo(r.directory, 0644), 0);
    assert_rejected(&r, "");
    free(elsewhere);
    end(&r);
}

static void drop_ins_must_be_files(void **state)
{
    struct reading r;

    begin(&r, *state);
    write_text(r.config, "");
    assert_int_equal(mkdir(r.directory, 0755), 0);
    char *path = path_in(r.directory, "x.conf");
    assert_int_equal(mkdir(path, 0755), 0);
    assert_rejected(&r, "x.conf: ");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0644), 0);
    assert_rejected(&r, "x.conf: ");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_rejected(&r, "x.conf: ");
    assert_int_equal(unlink(path), 0);
    write_text(path, "");
    assert_int_equal(chmod(path, 0664), 0);
    assert_rejected(&r, "chmod go-w");
    free(path);
    end(&r);
}

static void others_can_write(void **state)
{
    static const mode_t modes[] = {0664, 0646, 0666, 0777, 0620, 0602};
    struct reading r;

    begin(&r, *state);
    write_text(r.config, "");
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        assert_int_equal(chmod(r.config, modes[i]), 0);
        assert_rejected(&r, "chmod go-w");
        assert_null(r.set.item[0].text);
    }
    assert_int_equal(chmod(r.config, 0600), 0);
    assert_int_equal(read_again(&r), 0);

    assert_int_equal(mkdir(r.directory, 0755), 0);
    assert_int_equal(chmod(r.directory, 0775), 0);
    assert_rejected(&r, "chmod go-w");
    assert_int_equal(chmod(r.directory, 01777), 0); /* its own sticky bit does not help */
    assert_rejected(&r, "chmod go-w");
    assert_int_equal(rmdir(r.directory), 0);
    end(&r);
}

static void owned_by_others(void **state)
{
    struct reading r;

    if (geteuid() != 0)
        LEFT_OUT("needs root, for chown");
    begin(&r, *state);
    write_text(r.config, "");
    assert_int_equal(chown(r.config, 1000, 0), 0);
    assert_rejected(&r, "is not owned by root");
    assert_int_equal(chown(r.config, 0, 1000), 0); /* the group may not write */
    assert_int_equal(read_again(&r), 0);
    assert_int_equal(mkdir(r.directory, 0755), 0);
    assert_int_equal(chown(r.directory, 1000, 0), 0);
    assert_rejected(&r, "is not owned by root");
    assert_int_equal(chown(r.directory, 0, 0), 0);
    char *path = path_in(r.directory, "x.conf");
    write_text(path, "");
    assert_int_equal(chown(path, 1000, 0), 0);
    assert_rejected(&r, "x.conf: ");
    free(path);
    end(&r);
}

/* DIRECTORY/a/b/c/tmout.conf, and each directory above in turn made writable. */
static void parents(void **state)
{
    static const char *const below[] = {"", "/a", "/a/b", "/a/b/c"};
    char *path[COUNT_OF(below)];
    struct reading r;

    for (size_t i = 0; i < COUNT_OF(below); i++) {
        assert_true(asprintf(&path[i], "%s%s", (const char *)*state, below[i]) > 0);
        if (i > 0)
            assert_int_equal(mkdir(path[i], 0755), 0);
    }
    begin(&r, path[3]);
    write_text(r.config, "");
    assert_int_equal(read_again(&r), 0);
    for (size_t i = 0; i < COUNT_OF(below); i++) {
        assert_int_equal(chmod(path[i], 0775), 0);
        assert_rejected(&r, "chmod go-w");
        assert_int_equal(chmod(path[i], 0755), 0);
        assert_false(sources_unchanged(&r.set)); /* the repair is noticed */
        assert_int_equal(chmod(path[i], 0757), 0);
        assert_rejected(&r, "chmod go-w");
        /* In a sticky directory owned by root others cannot replace our files. */
        assert_int_equal(chmod(path[i], 01777), 0);
        if (geteuid() != 0)
            assert_rejected(&r, "chmod go-w");
        else
            assert_int_equal(read_again(&r), 0);
        assert_int_equal(chmod(path[i], 0755), 0);
        if (geteuid() == 0) {
            assert_int_equal(chown(path[i], 1000, 0), 0);
            assert_rejected(&r, "is not owned by root");
            assert_int_equal(chmod(path[i], 01755), 0); /* its owner is above its sticky bit */
            assert_rejected(&r, "is not owned by root");
            assert_int_equal(chown(path[i], 0, 0), 0);
            assert_int_equal(chmod(path[i], 0755), 0);
        }
    }
    assert_int_equal(read_again(&r), 0);
    end(&r);
    for (size_t i = 0; i < COUNT_OF(below); i++)
        free(path[i]);
}

/* A symbolic link in the path is followed, and its target is checked. */
static void links_in_the_path(void **state)
{
    struct reading r;
    char *open_to_all = path_in(*state, "open"), *inner = path_in(*state, "open/inner");
    char *link = path_in(*state, "link");

    assert_int_equal(mkdir(open_to_all, 0755), 0);
    assert_int_equal(mkdir(inner, 0755), 0);
    assert_int_equal(symlink(inner, link), 0);
    begin(&r, link);
    write_text(r.config, "");
    assert_int_equal(read_again(&r), 0);
    assert_int_equal(chmod(open_to_all, 0777), 0);
    assert_rejected(&r, "chmod go-w");
    end(&r);
    free(link);
    free(inner);
    free(open_to_all);
}

static void changed_since(void **state)
{
    struct reading r;
    struct stat st;
    char *other = path_in(*state, "other");

    begin(&r, *state);
    write_text(r.config, "one");
    assert_int_equal(read_again(&r), 0);
    assert_true(sources_unchanged(&r.set));

    /* Same size, same inode, the old mtime restored. The clock that stamps files
     * must advance first, so wait for its next tick. */
    assert_int_equal(stat(r.config, &st), 0);
    struct stat now = st;
    while (now.st_ctim.tv_nsec == st.st_ctim.tv_nsec && now.st_ctim.tv_sec == st.st_ctim.tv_sec) {
        const struct timespec times[] = {st.st_atim, st.st_mtim};
        write_text(r.config, "two");
        assert_int_equal(utimensat(AT_FDCWD, r.config, times, 0), 0);
        assert_int_equal(stat(r.config, &now), 0);
    }
    assert_int_equal(now.st_size, st.st_size);
    assert_int_equal(now.st_ino, st.st_ino);
    assert_int_equal(now.st_mtim.tv_nsec, st.st_mtim.tv_nsec);
    assert_false(sources_unchanged(&r.set));

    /* replaced by an identical file */
    assert_int_equal(read_again(&r), 0);
    write_text(other, "two");
    assert_int_equal(rename(other, r.config), 0);
    assert_false(sources_unchanged(&r.set));

    /* removed, and created again */
    assert_int_equal(read_again(&r), 0);
    assert_int_equal(unlink(r.config), 0);
    assert_false(sources_unchanged(&r.set));
    assert_int_equal(read_again(&r), 1);
    assert_true(sources_unchanged(&r.set));
    write_text(r.config, "two");
    assert_false(sources_unchanged(&r.set));

    /* the directory is created, and a file in it */
    assert_int_equal(read_again(&r), 0);
    assert_int_equal(mkdir(r.directory, 0755), 0);
    assert_false(sources_unchanged(&r.set));
    free(other);
    end(&r);
}

static void identities(void **state)
{
    const struct source_identity a = {SOURCE_FILE, 1, 2, 3, 4};
    const struct source_identity different[] = {
        {SOURCE_OTHER, 1, 2, 3, 4}, {SOURCE_FILE, 2, 2, 3, 4}, {SOURCE_FILE, 1, 3, 3, 4},
        {SOURCE_FILE, 1, 2, 4, 4},  {SOURCE_FILE, 1, 2, 3, 5},
    };

    assert_true(source_identity_equal(&a, &a));
    for (size_t i = 0; i < COUNT_OF(different); i++)
        assert_false(source_identity_equal(&a, &different[i]));
    char *under_a_file = path_in("/etc/passwd", "x");
    assert_int_equal(source_identity_now(*state, false).kind, SOURCE_DIRECTORY);
    assert_int_equal(source_identity_now("/etc/passwd", false).kind, SOURCE_FILE);
    assert_int_equal(source_identity_now("/dev/null", false).kind, SOURCE_OTHER);
    assert_int_equal(source_identity_now("/nonexistent/x", false).kind, SOURCE_ABSENT);
    assert_int_not_equal(source_identity_now(under_a_file, false).kind, SOURCE_FILE);
    free(under_a_file);
}

/* Files that are created and removed while they are read: what was read is
 * complete, or reading is reported as failed. */
static void drop_ins_that_vanish(void **state)
{
    struct reading r;
    int stop[2], status;
    char byte = 0;

    begin(&r, *state);
    write_text(r.config, "default { }");
    assert_int_equal(mkdir(r.directory, 0755), 0);
    assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char *path = path_in(r.directory, "x.conf"), *other = path_in(r.directory, "y.conf");
        close(stop[1]);
        fcntl(stop[0], F_SETFL, O_NONBLOCK);
        while (read(stop[0], &byte, 1) != 0) {
            write_text(path, "whole text");
            rename(path, other);
            unlink(other);
        }
        free(path);
        free(other);
        _exit(0);
    }
    close(stop[0]);
    for (int round = 0; round < (is_slow() ? 20 : 500); round++) {
        const bool read = read_again(&r) == 0;
        for (size_t i = 2; read && i < r.set.count; i++) {
            assert_non_null(r.set.item[i].text);
            if (r.set.item[i].size > 0) /* not just made */
                assert_string_equal(r.set.item[i].text, "whole text");
        }
    }
    close(stop[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(read_again(&r), 0);
    end(&r);
}

static void one_file_alone(void **state)
{
    struct reading r;

    begin(&r, *state);
    write_text(r.config, "draft");
    assert_int_equal(mkdir(r.directory, 0755), 0);
    char *path = path_in(r.directory, "x.conf");
    write_text(path, "not asked for");
    assert_int_equal(source_read_draft(r.config, geteuid(), &r.set, &r.problems), 0);
    assert_int_equal(r.problems.count, 0);
    assert_int_equal(r.set.count, 1);
    assert_string_equal(r.set.item[0].text, "draft");
    sources_free(&r.set);
    assert_int_equal(chdir(*state), 0);
    assert_int_equal(source_read_draft("tmout.conf", geteuid(), &r.set, &r.problems), 0);
    assert_int_equal(r.problems.count, 0);
    assert_string_equal(r.set.item[0].text, "draft");
    sources_free(&r.set);
    /* its permissions say nothing about its text */
    assert_int_equal(chmod(r.config, 0666), 0);
    assert_int_equal(source_read_draft("tmout.conf", geteuid(), &r.set, &r.problems), 0);
    assert_int_equal(r.problems.errors, 0);
    assert_int_equal(r.problems.notes, 1);
    assert_string_equal(r.set.item[0].text, "draft");
    assert_int_equal(chdir("/"), 0);
    free(path);
    end(&r);
}

static void leaves_no_descriptor_open(void **state)
{
    struct reading r;

    begin(&r, *state);
    write_text(r.config, "");
    const int before = dup(0);
    close(before);
    for (mode_t mode = 0600; mode <= 0666; mode++) {
        assert_int_equal(chmod(r.config, mode), 0);
        read_again(&r);
    }
    assert_int_equal(chmod(*state, 0777), 0);
    read_again(&r);
    assert_int_equal(chmod(*state, 0755), 0);
    assert_int_equal(mkdir(r.directory, 0777), 0);
    assert_int_equal(chmod(r.directory, 0777), 0);
    read_again(&r);
    const int after = dup(0);
    close(after);
    assert_int_equal(after, before);
    end(&r);
}

/* From files to rules, end to end. */
static void from_files_to_rules(void **state)
{
    struct reading r;
    struct compiled c = {0};
    char expected[256];

    begin(&r, *state);
    write_text(r.config, "default { tmout = 15m }\n");
    assert_int_equal(mkdir(r.directory, 0755), 0);
    char *path = path_in(r.directory, "50-site.conf");
    write_text(path, "\ndefault { tmout = 5m }\n");
    assert_int_equal(policy_compile(r.config, geteuid(), &c.policy, &c.sources, &c.problems), 0);
    assert_int_equal(c.policy.rule[0].setting[SETTING_TMOUT].value, 300);
    snprintf(expected, sizeof expected, "%s:2: tmout of default overrides %s:1", path, r.config);
    assert_problem(&c.problems, PROBLEM_NOTE, expected);
    compiled_free(&c);

    write_text(path, "default { tmout = 5x }\n");
    assert_int_equal(policy_compile(r.config, geteuid(), &c.policy, &c.sources, &c.problems), 1);
    compiled_free(&c);
    /* an insecure drop-in makes the whole policy invalid; it is not ignored */
    write_text(path, "default { tmout = 5m }\n");
    assert_int_equal(chmod(path, 0666), 0);
    assert_int_equal(policy_compile(r.config, geteuid(), &c.policy, &c.sources, &c.problems), 1);
    compiled_free(&c);
    free(path);
    end(&r);
}

/* What the sources would be with a draft. */
static size_t read_with(struct reading *r, const char *path, const char *text)
{
    const struct source_draft draft = {path, text, strlen(text)};

    sources_free(&r->set);
    problems_free(&r->problems);
    assert_int_equal(sources_read_with(r->config, geteuid(), &draft, &r->set, &r->problems), 0);
    return r->problems.errors + r->problems.failures;
}

static void a_draft_in_the_place_of_a_file(void **state)
{
    struct reading r;

    begin(&r, *state);
    char *first = path_in(r.directory, "a.conf"), *second = path_in(r.directory, "b.conf");
    /* Neither the file nor the directory need exist. */
    assert_int_equal(read_with(&r, r.config, "draft"), 0);
    assert_string_equal(r.set.item[0].text, "draft");
    write_text(r.config, "main");
    assert_int_equal(read_with(&r, first, "draft"), 0);
    assert_int_equal(r.set.count, 3);
    assert_string_equal(r.set.item[0].text, "main");
    assert_string_equal(r.set.item[2].path, first);
    assert_string_equal(r.set.item[2].text, "draft");
    assert_int_equal(mkdir(r.directory, 0755), 0);
    write_text(second, "b");
    assert_int_equal(read_with(&r, first, "draft"), 0);
    assert_int_equal(r.set.count, 4);
    assert_string_equal(r.set.item[2].path, first);
    assert_string_equal(r.set.item[3].text, "b");
    /* What is wrong with the file that it replaces does not matter, and nothing else is
     * overlooked. */
    assert_int_equal(chmod(second, 0666), 0);
    assert_int_equal(read_with(&r, second, "draft"), 0);
    assert_int_equal(r.set.count, 3);
    assert_string_equal(r.set.item[2].text, "draft");
    assert_int_equal(read_with(&r, r.config, "draft"), 1);
    assert_string_equal(r.set.item[0].text, "draft");
    free(first);
    free(second);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(a_file_and_its_drop_ins),
        WITH_DIRECTORY(every_byte_is_read),
        WITH_DIRECTORY(too_large),
        WITH_DIRECTORY(no_such_file),
        WITH_DIRECTORY(a_socket_in_its_place),
        WITH_DIRECTORY(drop_in_directory_is_a_file),
        WITH_DIRECTORY(drop_ins_must_be_files),
        WITH_DIRECTORY(others_can_write),
        WITH_DIRECTORY(owned_by_others),
        WITH_DIRECTORY(parents),
        WITH_DIRECTORY(links_in_the_path),
        WITH_DIRECTORY(changed_since),
        WITH_DIRECTORY(identities),
        WITH_DIRECTORY(drop_ins_that_vanish),
        WITH_DIRECTORY(one_file_alone),
        WITH_DIRECTORY(leaves_no_descriptor_open),
        WITH_DIRECTORY(from_files_to_rules),
        WITH_DIRECTORY(a_draft_in_the_place_of_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
