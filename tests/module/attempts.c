#include "tests/module/attempts.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- users ------------------------------------------------------------------- */

#define INTERPOSED __attribute__((visibility("default")))

enum { GROUPLESS_UID = 70003, BROKEN_GID = 70003, CROWDED_UID = 70004 };

unsigned name_service_calls, group_file_reads;

INTERPOSED int getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size,
                          struct passwd **result);
INTERPOSED int getgrgid_r(gid_t gid, struct group *entry, char *buffer, size_t size,
                          struct group **result);
INTERPOSED int openat64(int directory_fd, const char *path, int flags, ...);

static uid_t invented_uid(const char *name)
{
    unsigned number;
    char end;

    if (strcmp(name, "alice") == 0)
        return ALICE_UID;
    if (strcmp(name, "bob") == 0)
        return BOB_UID;
    if (strcmp(name, "groupless") == 0)
        return GROUPLESS_UID;
    if (strcmp(name, "crowded") == 0)
        return CROWDED_UID;
    return sscanf(name, "user%u%c", &number, &end) == 1 ? NUMBERED_UID + number : 0;
}

int getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size,
               struct passwd **result)
{
    static int (*real)(const char *, struct passwd *, char *, size_t, struct passwd **);
    const uid_t uid = invented_uid(name);

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "getpwnam_r");
    name_service_calls++;
    *result = NULL;
    if (strncmp(name, "broken", 6) == 0)
        return EIO;
    if (uid == 0)
        return real(name, entry, buffer, size, result);
    if (strlen(name) >= size)
        return ERANGE;
    strcpy(buffer, name);
    *entry = (struct passwd){.pw_name = buffer,
                             .pw_uid = uid,
                             .pw_gid = uid,
                             .pw_passwd = buffer + strlen(name),
                             .pw_gecos = buffer + strlen(name),
                             .pw_dir = buffer + strlen(name),
                             .pw_shell = buffer + strlen(name)};
    *result = entry;
    return 0;
}

/* A file with this text. */
static int file_of(const char *text)
{
    const int fd = memfd_create("tmout", MFD_CLOEXEC);
    const ssize_t length = (ssize_t)strlen(text);

    if (fd >= 0 && (write(fd, text, (size_t)length) != length || lseek(fd, 0, SEEK_SET) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* /etc/group, with the groups of "crowded". */
static int open_group_file(void)
{
    char text[(CROWDED_GROUPS + 1) * 32];
    size_t length = (size_t)snprintf(text, sizeof text, "crowded:x:%u:\n", CROWDED_UID);

    for (unsigned i = 0; i < CROWDED_GROUPS; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "crowd%u:x:%u:crowded\n", i,
                                   CROWD_GID + i);
    group_file_reads++;
    return file_of(text);
}

/* The module's openat(2). The C library has another one for what it reads itself. */
int openat64(int directory_fd, const char *path, int flags, ...)
{
    static int (*real)(int, const char *, int, ...);
    va_list arguments;
    unsigned mode = 0;

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "openat64");
    if (strcmp(path, "/etc/nsswitch.conf") == 0)
        return file_of("group: files\n");
    if (strcmp(path, "/etc/group") == 0)
        return open_group_file();
    va_start(arguments, flags);
    if ((flags & (O_CREAT | O_TMPFILE)) != 0)
        mode = va_arg(arguments, unsigned);
    va_end(arguments);
    return real(directory_fd, path, flags, mode);
}

int getgrgid_r(gid_t gid, struct group *entry, char *buffer, size_t size, struct group **result)
{
    static int (*real)(gid_t, struct group *, char *, size_t, struct group **);
    static char *nobody[] = {NULL};
    static char name[] = "staffers";

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "getgrgid_r");
    name_service_calls++;
    *result = NULL;
    if (gid == BROKEN_GID)
        return EIO;
    if (gid != ALICE_UID)
        return real(gid, entry, buffer, size, result);
    *entry = (struct group){.gr_name = name, .gr_gid = gid, .gr_mem = nobody, .gr_passwd = name};
    *result = entry;
    return 0;
}

/* --- root -------------------------------------------------------------------- */

static bool in_namespace;

static bool write_text(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return done;
}

/* Copies the host's top-level directories into a root of our own: in the user
 * namespace the host's root directory has no mapped owner, so the module trusts
 * nothing below it. */
static bool copy_root(const char *root)
{
    DIR *directory = opendir("/");
    struct dirent *entry;
    char from[PATH_MAX], to[PATH_MAX], link[PATH_MAX];
    struct stat st;

    if (directory == NULL)
        return false;
    while ((entry = readdir(directory)) != NULL) {
        snprintf(from, sizeof from, "/%s", entry->d_name);
        snprintf(to, sizeof to, "%s/%s", root, entry->d_name);
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            lstat(from, &st) != 0)
            continue;
        const ssize_t length = S_ISLNK(st.st_mode) ? readlink(from, link, sizeof link - 1) : -1;
        if (length >= 0) {
            link[length] = '\0';
            if (symlink(link, to) != 0)
                break;
        } else if (S_ISDIR(st.st_mode) &&
                   (mkdir(to, 0755) != 0 || mount(from, to, "", MS_BIND | MS_REC, "") != 0)) {
            break;
        }
    }
    closedir(directory);
    return entry == NULL;
}

/* Any empty directory that every host has; it is covered by a mount in our
 * namespace only. */
static const char *place_for_root(void)
{
    static const char *const places[] = {"/mnt", "/srv", "/media"};

    for (size_t i = 0; i < COUNT_OF(places); i++)
        if (access(places[i], F_OK) == 0 && strncmp(TEST_BUILD, places[i], strlen(places[i])) != 0)
            return places[i];
    return NULL;
}

void become_root(void)
{
    const char *root = place_for_root();
    char map[64], directory[PATH_MAX];
    const unsigned uid = geteuid(), gid = getegid();

    if (uid == 0 || root == NULL || getcwd(directory, sizeof directory) == NULL ||
        unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return;
    snprintf(map, sizeof map, "0 %u 1", uid);
    if (!write_text("/proc/self/uid_map", map) || !write_text("/proc/self/setgroups", "deny"))
        return;
    snprintf(map, sizeof map, "0 %u 1", gid);
    if (!write_text("/proc/self/gid_map", map) ||
        mount("tmout", root, "tmpfs", 0, "mode=0755") != 0 || !copy_root(root) ||
        chroot(root) != 0 || chdir(directory) != 0 || mkdir("/tmout-tests", 0755) != 0 ||
        setenv("TMOUT_TEST_DIRECTORY", "/tmout-tests", 1) != 0) {
        fprintf(stderr, "a user namespace came to nothing: %s\n", strerror(errno));
        exit(1);
    }
    in_namespace = true;
}

bool is_in_namespace(void)
{
    return in_namespace;
}

/* --- the check --------------------------------------------------------------- */

struct check_counts *counts;

static const char *counter_of(const struct stack *stack)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/counter", stack->directory);
    return path;
}

int attempts_make(void **state)
{
    if (stack_make(state) != 0)
        return -1;
    const int fd = open(counter_of(*state), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof *counts) != 0)
        return -1;
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (counts == MAP_FAILED)
        return -1;
    stack_service(*state, "sshd", NULL);
    stack_service(*state, "su", NULL);
    return 0;
}

int attempts_remove(void **state)
{
    munmap(counts, sizeof *counts);
    counts = NULL;
    return stack_remove(state);
}

void counts_clear(void)
{
    *counts = (struct check_counts){0};
}

void await_inside(uint32_t how_many)
{
    uint32_t now;

    while ((now = __atomic_load_n(&counts->inside, __ATOMIC_SEQ_CST)) < how_many)
        syscall(SYS_futex, &counts->inside, FUTEX_WAIT, now, NULL, NULL, 0);
}

void open_gate(void)
{
    __atomic_store_n(&counts->open, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &counts->open, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void stack_service(const struct stack *stack, const char *service, const char *text)
{
    char path[512], modules[3][1024], *written = NULL, *grown;
    static const char *const words[3] = {"TMOUT", "CHECK", "HERE"};

    snprintf(path, sizeof path, "%s/%s", stack->directory, service);
    snprintf(modules[0], sizeof modules[0], TEST_BUILD "/pam_tmout.so config=%s state=%s",
             stack->config, stack->state);
    snprintf(modules[1], sizeof modules[1], TEST_BUILD "/pam_check.so counter=%s",
             counter_of(stack));
    snprintf(modules[2], sizeof modules[2], "%s", stack->directory);
    if (text == NULL)
        text = "auth requisite TMOUT\nauth required CHECK\naccount required CHECK\n";
    written = strdup("");
    for (; *text != '\0'; text++) {
        const char *more = NULL;
        int length = 1;
        for (int i = 0; i < 3; i++) {
            if (strncmp(text, words[i], strlen(words[i])) != 0)
                continue;
            more = modules[i];
            length = (int)strlen(words[i]);
        }
        assert_true(asprintf(&grown, "%s%.*s%s", written, more == NULL, text,
                             more != NULL ? more : "") >= 0);
        free(written);
        written = grown;
        text += length - 1;
    }
    write_file(path, written);
    free(written);
}

/* --- hosts ------------------------------------------------------------------- */

static void append(char *text, size_t size, const char *more)
{
    const size_t used = strlen(text);

    snprintf(text + used, size - used, "%s\n", more);
}

static int converse(int count, const struct pam_message **message, struct pam_response **response,
                    void *data)
{
    struct host *host = data;

    *response = calloc((size_t)count, sizeof **response);
    for (int i = 0; i < count; i++) {
        const int style = message[i]->msg_style;
        if (style != PAM_PROMPT_ECHO_OFF && style != PAM_PROMPT_ECHO_ON) {
            append(host->messages, sizeof host->messages, message[i]->msg);
            continue;
        }
        host->prompts++;
        if (host->password == NULL || host->prompt_status != 0) {
            free(*response);
            *response = NULL;
            return host->prompt_status != 0 ? host->prompt_status : PAM_CONV_ERR;
        }
        (*response)[i].resp =
            strdup(host->answers++ > 0 && host->then != NULL ? host->then : host->password);
    }
    return PAM_SUCCESS;
}

void own_delay(int status, unsigned delay_us, void *appdata)
{
    struct host *host = appdata;

    host->delays++;
    host->delay_us = delay_us;
    host->delay_status = status;
}

/* libpam is not thread-safe there; only the module's own work runs in parallel. */
static pthread_mutex_t pam_lock = PTHREAD_MUTEX_INITIALIZER;

void host_start(const struct stack *stack, struct host *host, const struct visitor *visitor)
{
    const struct pam_conv conversation = {.conv = converse, .appdata_ptr = host};
    char connection[256];

    *host = (struct host){0};
    pthread_mutex_lock(&pam_lock);
    assert_int_equal(pam_start_confdir(visitor->service != NULL ? visitor->service : "sshd",
                                       visitor->user != NULL ? visitor->user : "alice",
                                       &conversation, stack->directory, &host->handle),
                     PAM_SUCCESS);
    pthread_mutex_unlock(&pam_lock);
    if (visitor->address != NULL) {
        snprintf(connection, sizeof connection, "SSH_CONNECTION=%s 50000 192.0.2.2 22",
                 visitor->address);
        assert_int_equal(pam_putenv(host->handle, connection), PAM_SUCCESS);
    }
    if (visitor->rhost != NULL)
        assert_int_equal(pam_set_item(host->handle, PAM_RHOST, visitor->rhost), PAM_SUCCESS);
    if (visitor->tty != NULL)
        assert_int_equal(pam_set_item(host->handle, PAM_TTY, visitor->tty), PAM_SUCCESS);
    if (visitor->display != NULL)
        assert_int_equal(pam_set_item(host->handle, PAM_XDISPLAY, visitor->display), PAM_SUCCESS);
    if (!visitor->without_delay_function)
        assert_int_equal(pam_set_item(host->handle, PAM_FAIL_DELAY, (const void *)own_delay),
                         PAM_SUCCESS);
}

int host_try(struct host *host, const char *password, int flags)
{
    host->password = password;
    host->messages[0] = '\0';
    host->answers = 0;
    return pam_authenticate(host->handle, flags);
}

int host_change(struct host *host, const char *password, int flags)
{
    host->password = password;
    host->messages[0] = '\0';
    host->answers = 0;
    return pam_chauthtok(host->handle, flags);
}

void host_end(struct host *host, int status)
{
    pthread_mutex_lock(&pam_lock);
    pam_end(host->handle, status);
    pthread_mutex_unlock(&pam_lock);
    host->handle = NULL;
}

int try_once(const struct stack *stack, const struct visitor *visitor, const char *password)
{
    struct host host;

    host_start(stack, &host, visitor);
    const int status = host_try(&host, password, 0);
    host_end(&host, status);
    return status;
}

unsigned probe_failures(const struct stack *stack, const struct visitor *visitor)
{
    char *text, *line;
    unsigned failures = 0;

    log_clear();
    assert_int_equal(try_once(stack, visitor, "wrong"), PAM_AUTH_ERR);
    text = log_text();
    line = strstr(text, ":auth): failed login user=");
    if (line == NULL)
        fail_msg("the attempt was not counted: %s", text);
    line = strstr(line, " failures=");
    assert_non_null(line);
    assert_int_equal(sscanf(line, " failures=%u", &failures), 1);
    free(text);
    return failures - 1;
}

size_t log_count_of(const char *text)
{
    char *all = log_text();
    size_t count = 0;

    for (const char *line = strtok(all, "\n"); line != NULL; line = strtok(NULL, "\n"))
        count += strstr(line, text) != NULL;
    free(all);
    return count;
}

const char *ledger_of(const struct stack *stack, unsigned uid)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/attempts/%u", stack->state, uid);
    return path;
}

int hold_ledger(const struct stack *stack, unsigned uid, int64_t byte)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    const int fd = open(ledger_of(stack, uid), O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_OFD_SETLKW, &lock), 0);
    return fd;
}
