/*
 * What tmoutctl says that pam_localuser, pam_usertype and pam_succeed_if answer for
 * each kind of user, against the modules themselves: random lines and random users of
 * the kind. SEED=N picks others.
 */
#include "tests/module/no_conversation.h"
#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/pam/users.h"

#include <errno.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <stdlib.h>

enum { LINES = 600, LINE_MAX_SIZE = 512 };

/* The user who logs in. */
static struct {
    const char *name;
    uid_t uid;
} the_user;

/* libpam asks this one instead of libc's: the test has no name service of its own. */
__attribute__((visibility("default"))) int getpwnam_r(const char *name, struct passwd *entry,
                                                      char *buffer, size_t size,
                                                      struct passwd **result)
{
    static char empty[] = "", home[] = "/home/x", shell[] = "/bin/sh";

    *result = NULL;
    if (strcmp(name, the_user.name) != 0)
        return 0;
    if (strlen(name) >= size)
        return ERANGE;
    strcpy(buffer, name);
    *entry = (struct passwd){buffer, empty, the_user.uid, the_user.uid, empty, home, shell};
    *result = entry;
    return 0;
}

struct generator {
    unsigned seed;
    const char *root; /* of the evaluator's host */
    char *directory;  /* the one with sshd's stack */
    char *passwd;     /* in place of /etc/passwd */
    struct pam_user user;
};

static unsigned any(struct generator *generator, unsigned below)
{
    return (unsigned)rand_r(&generator->seed) / 7 % below;
}

static void choose_user(struct generator *generator)
{
    static const char *const services[] = {"root", "daemon", "sshd"};
    static const char *const people[] = {"anna", "rooty", "bert"};
    struct pam_user *user = &generator->user;
    const long long first = user->uids.people_min;

    user->kind = (enum pam_user_kind)any(generator, PAM_USER_KINDS);
    if (user->kind == PAM_USERS_SYSTEM) {
        the_user.name = services[any(generator, 3)];
        the_user.uid = strcmp(the_user.name, "root") == 0
                           ? 0
                           : 1 + any(generator, (unsigned)user->uids.system_max);
    } else {
        the_user.name = people[any(generator, 3)];
        the_user.uid =
            (uid_t)first + (any(generator, 2) ? any(generator, 3) : any(generator, 50000));
    }
    FILE *out = fopen(generator->passwd, "we");
    assert_non_null(out);
    fprintf(out, "nobody:x:65534:65534::/:/bin/sh\n");
    if (user->kind != PAM_USERS_DIRECTORY)
        fprintf(out, "%s:x:%u:1::/:/bin/sh\n", the_user.name, the_user.uid);
    assert_int_equal(fclose(out), 0);
}

static void write_condition(struct generator *generator, FILE *out)
{
    static const char *const left[] = {"uid",     "uid", "uid",  "user",
                                       "service", "gid", "name", "odd"};
    static const char *const numbers[] = {"<", "<=", ">", ">=", "=", "eq", "!=", "ne", "lt", "ge"};
    static const char *const texts[] = {"=", "!=", "in", "notin", "=~", "!~", "ingroup", "UID"};
    static const char *const limits[] = {"0",   "1",    "500",  "999", "1000", "1001",
                                         "010", "5000", "many", "-1",  "60000"};
    static const char *const names[] = {"root",       "anna",   "root:anna", "sshd",
                                        "login:sshd", "ss*",    "crond",     "root:root",
                                        "r",          "daemon", "su:sudo",   "wheel:x"};
    const char *what = left[any(generator, 8)];

    if (any(generator, 15) == 0)
        fputs("use_uid ", out);
    if (strcmp(what, "uid") == 0 || strcmp(what, "gid") == 0)
        fprintf(out, "%s %s %s ", what, numbers[any(generator, 10)], limits[any(generator, 11)]);
    else
        fprintf(out, "%s %s %s ", what, texts[any(generator, 8)], names[any(generator, 12)]);
    if (any(generator, 4) == 0)
        fputs("quiet ", out);
}

static void write_line(struct generator *generator, FILE *out)
{
    static const char *const types[] = {"issystem",        "isregular", "issystem use_uid",
                                        "isregular audit", "",          "issystem isregular"};

    switch (any(generator, 8)) {
    case 0:
        fprintf(out, "auth required pam_localuser.so file=%s\n", generator->passwd);
        return;
    case 1:
        fprintf(out, "auth required pam_usertype.so %s\n", types[any(generator, 6)]);
        return;
    default:
        fputs("auth required pam_succeed_if.so ", out);
        for (unsigned i = 1 + any(generator, 2) * any(generator, 3); i > 0; i--)
            write_condition(generator, out);
        fputs(any(generator, 30) == 0 ? "uid\n" : "\n", out);
    }
}

static int ask_module(const struct generator *generator)
{
    const struct pam_conv conversation = {.conv = no_conversation};
    pam_handle_t *pamh = NULL;

    assert_int_equal(
        pam_start_confdir("sshd", the_user.name, &conversation, generator->directory, &pamh),
        PAM_SUCCESS);
    const int result = pam_authenticate(pamh, PAM_SILENT);
    pam_end(pamh, result);
    return result;
}

/* Compares one line; says whether anything is excluded. */
static bool try_line(struct generator *generator)
{
    char *path = path_in(generator->directory, "sshd"), *text;
    const struct host host = {.root = generator->root};
    struct pam_stack stack;
    bool is_exact = false;
    size_t size;

    choose_user(generator);
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    write_line(generator, out);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(pam_stack_read(&host, "sshd", "auth", &stack), PAM_STACK_OK);
    assert_int_equal(stack.count, 1);
    const int result = ask_module(generator);
    if (!pam_user_may_get(&generator->user, &stack.line[0], result)) {
        text = read_bytes(path, &size);
        fail_msg("%s returns %d for %s, uid %u", text, result, the_user.name, the_user.uid);
    }
    for (int other = 0; other < PAM_RESULTS; other++)
        is_exact |= !pam_user_may_get(&generator->user, &stack.line[0], other);
    pam_stack_free(&stack);
    free(path);
    return is_exact;
}

static void as_the_modules_answer(void **state)
{
    const char *seed = getenv("SEED");
    struct generator generator = {.seed = seed != NULL ? (unsigned)atoi(seed) : 20261126,
                                  .root = *state};
    unsigned exact = 0;

    put_directory(*state, "/etc/pam.d");
    generator.directory = path_in(*state, "etc/pam.d");
    generator.passwd = path_in(*state, "passwd");
    generator.user.service = "sshd";
    pam_uids_read(&(struct host){.root = ""}, &generator.user.uids);
    for (unsigned i = 0; i < LINES; i++)
        exact += try_line(&generator);
    /* Many lines are about what is known. */
    assert_in_range(exact, LINES / 4, LINES - 1);
    free(generator.passwd);
    free(generator.directory);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {WITH_DIRECTORY(as_the_modules_answer)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
