/* What login programs may do under SELinux, Smack and AppArmor. */
#include "tests/unit/check.h"
#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/host/mac.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The kernel of the test: its answers, and the labels of files. */
struct answer {
    const char *file, *question, *answer;
};

static const struct answer *answers, *labels;
static size_t answer_count, label_count;

static int look_up(const struct answer *table, size_t count, const char *file, const char *question,
                   char *answer, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].file, file) == 0 &&
            (question == NULL ||
             strncmp(table[i].question, question, strlen(table[i].question)) == 0)) {
            snprintf(answer, size, "%s", table[i].answer);
            return 0;
        }
    }
    errno = ENOENT;
    return -1;
}

static int answer_it(const struct host *host, const char *file, const char *question, char *answer,
                     size_t size)
{
    (void)host;
    return look_up(answers, answer_count, file, question, answer, size);
}

static int label_it(const struct host *host, const char *path, const char *attribute, char *label,
                    size_t size)
{
    (void)host;
    return look_up(labels, label_count, path, attribute, label, size);
}

static const struct mac_kernel kernel = {answer_it, label_it};
static const struct mac_places places = {"/var/lib/tmout", "/run/tmout/sessions"};

/* "sshd(sshd_t) reads /path(label); ..." */
static char found[2048];

static void take(void *context, const struct mac_denial *denial)
{
    static const char *const words[] = {"snapshot", "ledgers", "registry"};
    const size_t used = strlen(found);

    (void)context;
    snprintf(found + used, sizeof found - used, "%s(%s) %s %s(%s);", denial->program,
             denial->domain, words[denial->need], denial->path, denial->label);
}

static enum mac_kind find(const struct host *host, bool *is_enforced)
{
    found[0] = '\0';
    return mac_find_denials(host, &kernel, &places, is_enforced, take, NULL);
}

#define ANSWER_WITH(list) (answers = (list), answer_count = COUNT_OF(list))
#define LABEL_WITH(list)  (labels = (list), label_count = COUNT_OF(list))

#define CLASSES                                                                                    \
    {"/sys/fs/selinux/class/process/index", "", "2"},                                              \
        {"/sys/fs/selinux/class/dir/index", "", "3"},                                              \
        {"/sys/fs/selinux/class/file/index", "", "4"},                                             \
        {"/sys/fs/selinux/class/dir/perms/search", "", "1"},                                       \
        {"/sys/fs/selinux/class/dir/perms/write", "", "2"},                                        \
        {"/sys/fs/selinux/class/file/perms/read", "", "1"},                                        \
        {"/sys/fs/selinux/class/file/perms/write", "", "2"}, {"/proc/1/attr/current", "", "init"}, \
        {"/sys/fs/selinux/create", "init sshd_exec 2", "sshd_t"},                                  \
        {"/sys/fs/selinux/create", "init getty_exec 2", "getty_t"},                                \
        {"/sys/fs/selinux/create", "getty_t login_exec 2", "login_t"},                             \
        {"/sys/fs/selinux/create", "staff_u:staff_r:staff_t:s0 su_exec 2", "staff_su_t"},          \
        {"/sys/fs/selinux/context", "staff_u", "staff_u:staff_r:staff_t:s0"},                      \
    {                                                                                              \
        "/sys/fs/selinux/create", "", "state"                                                      \
    } /* a new file */

static const struct answer selinux_labels[] = {
    {"/usr/sbin/sshd", "", "sshd_exec"},      {"/sbin/agetty", "", "getty_exec"},
    {"/usr/bin/login", "", "login_exec"},     {"/usr/bin/su", "", "su_exec"},
    {"/var/lib/tmout", "", "state"},          {"/var/lib/tmout/policy.v1", "", "state"},
    {"/var/lib/tmout/attempts", "", "state"}, {"/run/tmout/sessions", "", "run"},
};

static const struct host running = {.root = ""};

/* Asks a host with these labels. */
static void assert_selinux(bool *is_enforced)
{
    LABEL_WITH(selinux_labels);
    assert_int_equal(find(&running, is_enforced), MAC_SELINUX);
}

static void nothing_is_in_force(void **state)
{
    bool is_enforced = true;

    (void)state;
    answer_count = label_count = 0;
    assert_int_equal(find(&(struct host){.root = "/nonexistent"}, &is_enforced), MAC_NONE);
    assert_string_equal(found, "");
}

static void selinux_allows_all(void **state)
{
    static const struct answer list[] = {
        {"/sys/fs/selinux/enforce", "", "1"},
        {"/sys/fs/selinux/access", "", "ffffffff ffffffff 0 ffffffff 1 0"},
        CLASSES};
    bool is_enforced = false;

    (void)state;
    ANSWER_WITH(list);
    assert_selinux(&is_enforced);
    assert_true(is_enforced);
    assert_string_equal(found, "");
}

/* Each domain may do something else: sshd nothing with the state, login not write,
 * and su all of it but to write to the registry. */
static void selinux_denies(void **state)
{
    static const struct answer list[] = {
        {"/sys/fs/selinux/enforce", "", "1"},
        {"/sys/fs/selinux/access", "sshd_t state", "0 ffffffff 0 ffffffff 1 0"},
        {"/sys/fs/selinux/access", "sshd_t run", "3 ffffffff 0 ffffffff 1 0"},
        {"/sys/fs/selinux/access", "login_t state", "1 ffffffff 0 ffffffff 1 0"},
        {"/sys/fs/selinux/access", "login_t run", "0 ffffffff 0 ffffffff 1 1"}, /* permissive */
        {"/sys/fs/selinux/access", "staff_su_t run 3", "3 ffffffff 0 ffffffff 1 0"},
        {"/sys/fs/selinux/access", "staff_su_t state", "3 ffffffff 0 ffffffff 1 0"},
        {"/sys/fs/selinux/create", "sshd_t run 4", "run"},
        {"/sys/fs/selinux/create", "login_t run 4", "run"},
        {"/sys/fs/selinux/create", "staff_su_t run 4", "new"},
        {"/sys/fs/selinux/access", "staff_su_t new", "1 ffffffff 0 ffffffff 1 0"},
        CLASSES};
    bool is_enforced = false;

    (void)state;
    ANSWER_WITH(list);
    assert_selinux(&is_enforced);
    assert_string_equal(found, "sshd(sshd_t) snapshot /var/lib/tmout(state);"
                               "sshd(sshd_t) ledgers /var/lib/tmout/attempts(state);"
                               "login(login_t) ledgers /var/lib/tmout/attempts(state);"
                               "su(staff_su_t) registry /run/tmout/sessions(new);");
}

static void selinux_is_permissive(void **state)
{
    static const struct answer list[] = {
        {"/sys/fs/selinux/enforce", "", "0"},
        {"/sys/fs/selinux/access", "", "0 ffffffff 0 ffffffff 1 0"},
        CLASSES};
    bool is_enforced = true;

    (void)state;
    ANSWER_WITH(list);
    assert_selinux(&is_enforced);
    assert_false(is_enforced);
    assert_non_null(strstr(found, "sshd(sshd_t) snapshot"));
}

/* With a mistaken answer nobody is told that they are locked out. */
static void selinux_cannot_be_asked(void **state)
{
    static const struct answer list[] = {
        {"/sys/fs/selinux/enforce", "", "1"}, {"/sys/fs/selinux/access", "", "what"}, CLASSES};
    bool is_enforced = false;

    (void)state;
    ANSWER_WITH(list);
    assert_selinux(&is_enforced);
    assert_string_equal(found, "");
}

static void smack_denies(void **state)
{
    static const struct answer list[] = {{"/sys/fs/smackfs/onlycap", "", "admin"},
                                         {"/proc/1/attr/current", "", "System"},
                                         {"/sys/fs/smackfs/access2", "System state rwx", "0"},
                                         {"/sys/fs/smackfs/access2", "System state r", "1"},
                                         {"/sys/fs/smackfs/access2", "", "0"}};
    static const struct answer for_root[] = {{"/sys/fs/smackfs/onlycap", "", ""},
                                             {"/proc/1/attr/current", "", "System"},
                                             {"/sys/fs/smackfs/access2", "", "0"}};
    bool is_enforced = false;

    (void)state;
    ANSWER_WITH(list);
    LABEL_WITH(selinux_labels);
    assert_int_equal(find(&running, &is_enforced), MAC_SMACK);
    assert_string_equal(found, "sshd(System) ledgers /var/lib/tmout/attempts(state);"
                               "sshd(System) registry /run/tmout/sessions(run);");
    ANSWER_WITH(for_root);
    assert_int_equal(find(&running, &is_enforced), MAC_SMACK);
    assert_string_equal(found, "");
}

/* Of "state", like its directory: new ones have that label, too. */
static void wrong_labels_of_ledgers(void **state)
{
    static const struct answer list[] = {
        {"/sys/fs/selinux/enforce", "", "1"},
        {"/sys/fs/selinux/class/file/perms/lock", "", "3"},
        {"/sys/fs/selinux/access", "sshd_t state 4", "7 ffffffff 0 ffffffff 1 0"},
        {"/sys/fs/selinux/access", "sshd_t home 4", "7 ffffffff 0 ffffffff 1 0"},
        {"/sys/fs/selinux/access", "sshd_t etc 4", "7 ffffffff 0 ffffffff 1 0"},
        {"/sys/fs/selinux/access", "login_t state 4", "7 ffffffff 0 ffffffff 1 0"},
        {"/sys/fs/selinux/access", "login_t home 4", "1 ffffffff 0 ffffffff 1 0"},
        {"/sys/fs/selinux/access", "login_t etc 4", "1 ffffffff 0 ffffffff 1 1"}, /* permissive */
        /* may use no ledger at all, which is the audit's to say */
        {"/sys/fs/selinux/access", "staff_su_t", "0 ffffffff 0 ffffffff 1 0"},
        CLASSES};
    static const struct answer ledgers[] = {
        {"/usr/sbin/sshd", "", "sshd_exec"},
        {"/sbin/agetty", "", "getty_exec"},
        {"/usr/bin/login", "", "login_exec"},
        {"/usr/bin/su", "", "su_exec"},
        {"/var/lib/tmout/attempts", "", "state"},
        {"/1", "", "state"},
        {"/2", "", "home"},
        {"/3", "", "etc"},
    };
    static struct mac_ledgers known;

    (void)state;
    ANSWER_WITH(list);
    LABEL_WITH(ledgers);
    mac_ledgers_begin(&known, &running, &kernel, "/var/lib/tmout");
    for (int again = 0; again < 2; again++) {
        assert_null(mac_ledger_denial(&known, "/1"));
        const struct mac_denial *denial = mac_ledger_denial(&known, "/2");
        assert_non_null(denial);
        assert_string_equal(denial->program, "login");
        assert_string_equal(denial->domain, "login_t");
        assert_string_equal(denial->label, "home");
        assert_null(mac_ledger_denial(&known, "/3"));
        assert_null(mac_ledger_denial(&known, "/no label"));
    }
    assert_int_equal(known.count, 3);
}

/* More labels than are kept. */
static void many_labels_of_ledgers(void **state)
{
    static const struct answer list[] = {
        {"/sys/fs/selinux/enforce", "", "1"},
        {"/sys/fs/selinux/class/file/perms/lock", "", "3"},
        {"/sys/fs/selinux/access", "sshd_t state 4", "7 ffffffff 0 ffffffff 1 0"},
        {"/sys/fs/selinux/access", "sshd_t", "0 ffffffff 0 ffffffff 1 0"},
        CLASSES};
    char path[2], label[2];
    struct answer ledgers[3] = {{"/usr/sbin/sshd", "", "sshd_exec"},
                                {"/var/lib/tmout/attempts", "", "state"},
                                {path, "", label}};
    static struct mac_ledgers known;

    (void)state;
    ANSWER_WITH(list);
    LABEL_WITH(ledgers);
    mac_ledgers_begin(&known, &running, &kernel, "/var/lib/tmout");
    for (char c = 'a'; c <= 'z'; c++) {
        snprintf(path, sizeof path, "%c", c);
        snprintf(label, sizeof label, "%c", c);
        const struct mac_denial *denial = mac_ledger_denial(&known, path);
        assert_non_null(denial);
        assert_string_equal(denial->label, label);
    }
}

/* It does not matter where nothing is enforced. */
static void labels_without_selinux(void **state)
{
    static const struct answer permissive[] = {
        {"/sys/fs/selinux/enforce", "", "0"},
        {"/sys/fs/selinux/access", "", "0 ffffffff 0 ffffffff 1 0"},
        CLASSES};
    static struct mac_ledgers known;

    (void)state;
    LABEL_WITH(selinux_labels);
    ANSWER_WITH(permissive);
    mac_ledgers_begin(&known, &running, &kernel, "/var/lib/tmout");
    assert_null(mac_ledger_denial(&known, "/run/tmout/sessions"));
    answer_count = 0;
    mac_ledgers_begin(&known, &running, &kernel, "/var/lib/tmout");
    assert_null(mac_ledger_denial(&known, "/run/tmout/sessions"));
}

static void apparmor_has_a_profile(void **state)
{
    const char *root = *state;
    const struct host host = {.root = root};
    bool is_enforced = false;

    answer_count = label_count = 0;
    put(root, "/sys/kernel/security/apparmor/profiles",
        "/usr/bin/man (enforce)\n/usr/sbin/cron (complain)\n/usr/sbin/sshd (enforce)\n");
    put(root, "/etc/apparmor.d/usr.sbin.sshd", "profile /usr/sbin/sshd { /etc/** r, }\n");
    assert_int_equal(find(&host, &is_enforced), MAC_APPARMOR);
    assert_string_equal(found, "sshd(/usr/sbin/sshd) snapshot /etc/apparmor.d/usr.sbin.sshd();");
    put(root, "/etc/apparmor.d/local/usr.sbin.sshd", "/var/lib/tmout/** rwk,\n");
    assert_int_equal(find(&host, &is_enforced), MAC_APPARMOR);
    assert_string_equal(found, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_in_force),     cmocka_unit_test(selinux_allows_all),
        cmocka_unit_test(selinux_denies),          cmocka_unit_test(selinux_is_permissive),
        cmocka_unit_test(selinux_cannot_be_asked), cmocka_unit_test(smack_denies),
        cmocka_unit_test(wrong_labels_of_ledgers), cmocka_unit_test(many_labels_of_ledgers),
        cmocka_unit_test(labels_without_selinux),  WITH_DIRECTORY(apparmor_has_a_profile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
