#include "lib/policy/source.h"

#include "lib/host/array.h"
#include "lib/host/descriptor.h"
#include "lib/host/secure_path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often to start over if files change while they are read. */
enum { READ_TRIES = 5 };

static int64_t timespec_ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct source_identity identity_of(const struct stat *st)
{
    struct source_identity identity = {.inode = st->st_ino,
                                       .mtime_ns = timespec_ns(st->st_mtim),
                                       .ctime_ns = timespec_ns(st->st_ctim)};

    if (S_ISREG(st->st_mode)) {
        identity.kind = SOURCE_FILE;
        identity.size = (uint64_t)st->st_size;
    } else {
        identity.kind = S_ISDIR(st->st_mode) ? SOURCE_DIRECTORY : SOURCE_OTHER;
    }
    return identity;
}

/* Files are created and removed in a parent: its times mean nothing. */
static struct source_identity identity_of_parent(const struct stat *st)
{
    return (struct source_identity){.kind = SOURCE_PARENT,
                                    .inode = st->st_ino,
                                    .size = (uint64_t)st->st_uid << 32 | st->st_mode};
}

struct source_identity source_identity_now(const char *path, bool as_parent)
{
    struct stat st;

    if (as_parent && fstatat(AT_FDCWD, path, &st, 0) == 0)
        return identity_of_parent(&st);
    if (!as_parent && fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return identity_of(&st);
    return (struct source_identity){.kind = errno == ENOENT ? SOURCE_ABSENT : SOURCE_OTHER};
}

bool source_identity_equal(const struct source_identity *a, const struct source_identity *b)
{
    return a->kind == b->kind && a->inode == b->inode && a->size == b->size &&
           a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

/* Takes ownership of path, even if it fails. */
static struct source *add_source(struct source_set *set, char *path)
{
    struct source *grown = NULL;

    if (path != NULL)
        grown = array_grow(set->item, set->count, sizeof *grown);
    if (grown == NULL) {
        free(path);
        return NULL;
    }
    set->item = grown;
    struct source *source = &set->item[set->count++];
    *source = (struct source){.path = path, .identity = source_identity_now(path, false)};
    return source;
}

/* Reads exactly source->identity.size bytes, and tries to read one more. */
static int read_all(int fd, struct source *source, struct problems *problems)
{
    const size_t size = (size_t)source->identity.size;
    size_t used = 0;

    source->text = malloc(size + 1);
    if (source->text == NULL)
        return -1;
    while (used < size + 1) {
        char beyond;
        const ssize_t n =
            used < size ? read(fd, source->text + used, size - used) : read(fd, &beyond, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            problem_add(problems, PROBLEM_FAILURE, source->path, 0, "cannot read: %s",
                        strerror(errno));
            break;
        }
        if (n == 0)
            break;
        used += (size_t)n;
    }
    source->size = used < size ? used : size;
    source->text[source->size] = '\0';
    return 0;
}

/* Reads the text of a source from its open file, unless it is too large. */
static int read_open(int fd, const struct stat *st, struct source *source,
                     struct problems *problems)
{
    source->identity = identity_of(st);
    if (st->st_size <= SOURCE_MAX_BYTES)
        return read_all(fd, source, problems);
    problem_add(problems, PROBLEM_ERROR, source->path, 0,
                "is too large for a policy (%lld bytes, the maximum is %d)", (long long)st->st_size,
                SOURCE_MAX_BYTES);
    return 0;
}

/* Is the draft to be the file at path? */
static bool is_drafted(const struct source_draft *draft, const char *path)
{
    return draft != NULL && strcmp(draft->path, path) == 0;
}

static int take_draft(const struct source_draft *draft, struct source *source)
{
    source->text = malloc(draft->size + 1);
    if (source->text == NULL)
        return -1;
    memcpy(source->text, draft->text, draft->size);
    source->text[draft->size] = '\0';
    source->size = draft->size;
    return 0;
}

/* Reads the text of a source that add_source() made. */
static int read_source(int directory_fd, uid_t owner, const struct source_draft *draft,
                       struct source *source, struct problems *problems)
{
    struct failure failure = {""};
    struct stat st;

    if (is_drafted(draft, source->path))
        return take_draft(draft, source);
    const char *name = strrchr(source->path, '/');
    name = name != NULL ? name + 1 : source->path;
    const int fd = secure_open_file(directory_fd, name, owner, &st, &failure);

    if (fd < 0) {
        const enum problem_severity severity =
            errno == EPERM || errno == ENOENT ? PROBLEM_ERROR : PROBLEM_FAILURE;
        problem_add(problems, severity, source->path, 0, "%s",
                    errno == ENOENT ? "is missing; for a policy without limits, write default { }"
                                    : failure.text);
        return 0;
    }
    const int result = read_open(fd, &st, source, problems);
    close(fd);
    return result;
}

/* dirname() without touching path. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

int source_read_one(const char *path, uid_t owner, const struct source_draft *draft,
                    struct source_set *set, struct problems *problems)
{
    struct failure failure = {""};
    int directory_fd = -1, result = -1;
    char *directory = directory_of(path);

    if (directory == NULL || add_source(set, strdup(path)) == NULL)
        goto out;
    directory_fd = secure_open_directory(directory, owner, O_PATH, &failure);
    if (directory_fd < 0) {
        problem_add(problems, errno == EPERM || errno == ENOENT ? PROBLEM_ERROR : PROBLEM_FAILURE,
                    path, 0, "%s", failure.text);
        result = 0;
        goto out;
    }
    result = read_source(directory_fd, owner, draft, &set->item[set->count - 1], problems);

out:
    if (directory_fd >= 0)
        close(directory_fd);
    free(directory);
    return result;
}

int source_read_draft(const char *path, uid_t owner, struct source_set *set,
                      struct problems *problems)
{
    struct stat st;
    const char *wrong;
    int result = 0;
    struct source *source = add_source(set, strdup(path));

    if (source == NULL)
        return -1;
    const int fd = fd_above_stdio(open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (fd < 0 || fstat(fd, &st) != 0) {
        problem_add(problems, PROBLEM_FAILURE, path, 0, "%s", strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        problem_add(problems, PROBLEM_ERROR, path, 0, "is not a regular file");
    } else {
        wrong = insecure_because(&st, owner);
        if (wrong != NULL)
            problem_add(problems, PROBLEM_NOTE, path, 0, "would be rejected as the policy: it %s",
                        wrong);
        result = read_open(fd, &st, source, problems);
    }
    if (fd >= 0)
        close(fd);
    return result;
}

static bool is_drop_in(const char *name)
{
    const size_t length = strlen(name);

    return name[0] != '.' && length > 5 && strcmp(name + length - 5, ".conf") == 0;
}

/* By bytes, not as the locale sorts. */
static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **name, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(name[i]);
    free(name);
}

/* Reads the names of the drop-ins of an open directory into an array that the
 * caller frees with free_names(). Returns 0, or -1 with errno. */
static int list_drop_ins(DIR *directory, char ***names, size_t *count)
{
    const struct dirent *entry;

    while (errno = 0, (entry = readdir(directory)) != NULL) {
        if (!is_drop_in(entry->d_name))
            continue;
        char **grown = array_grow(*names, *count, sizeof *grown);
        if (grown == NULL)
            return -1;
        *names = grown;
        grown[*count] = strdup(entry->d_name);
        if (grown[*count] == NULL)
            return -1;
        ++*count;
    }
    if (errno != 0)
        return -1;
    if (*count > 0)
        qsort(*names, *count, sizeof **names, compare_names);
    return 0;
}

/* Returns 0, or -1 with errno. */
static int list_directory(int directory_fd, char ***names, size_t *count)
{
    const int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);

    const int result = directory == NULL ? -1 : list_drop_ins(directory, names, count);
    const int error = errno;
    if (directory != NULL)
        closedir(directory);
    else if (fd >= 0)
        close(fd);
    errno = error;
    return result;
}

/* Adds the name of a new drop-in that a draft is to be. Returns 0, or -1 with errno. */
static int list_draft(const struct source_draft *draft, const char *directory, char ***names,
                      size_t *count)
{
    const size_t length = strlen(directory);

    if (draft == NULL || strncmp(draft->path, directory, length) != 0 || draft->path[length] != '/')
        return 0;
    const char *name = draft->path + length + 1;
    for (size_t i = 0; i < *count; i++)
        if (strcmp((*names)[i], name) == 0)
            return 0;
    char **grown = array_grow(*names, *count, sizeof *grown);
    if (grown == NULL)
        return -1;
    *names = grown;
    grown[*count] = strdup(name);
    if (grown[*count] == NULL)
        return -1;
    ++*count;
    qsort(grown, *count, sizeof *grown, compare_names);
    return 0;
}

/* The drop-ins of an open directory, in order; directory_fd is -1 where it does not
 * exist. */
static int read_drop_ins(int directory_fd, uid_t owner, const struct source_draft *draft,
                         struct source_set *set, struct problems *problems)
{
    char **name = NULL;
    size_t count = 0;
    int result = 0;

    if ((directory_fd >= 0 && list_directory(directory_fd, &name, &count) != 0) ||
        list_draft(draft, set->item[1].path, &name, &count) != 0) {
        const int error = errno;
        problem_add(problems, PROBLEM_FAILURE, set->item[1].path, 0, "cannot list: %s",
                    strerror(error));
        free_names(name, count);
        return error == ENOMEM ? -1 : 0;
    }
    for (size_t i = 0; i < count && result == 0; i++) {
        char *path = NULL;
        if (asprintf(&path, "%s/%s", set->item[1].path, name[i]) < 0 ||
            add_source(set, path) == NULL)
            result = -1;
        else
            result = read_source(directory_fd, owner, draft, &set->item[set->count - 1], problems);
    }
    free_names(name, count);
    return result;
}

static int read_drop_in_directory(const char *config_path, uid_t owner,
                                  const struct source_draft *draft, struct source_set *set,
                                  struct problems *problems)
{
    struct failure failure = {""};
    char *path = NULL;
    int fd, result;

    if (asprintf(&path, "%s.d", config_path) < 0 || add_source(set, path) == NULL)
        return -1;
    if (set->item[1].identity.kind == SOURCE_ABSENT)
        return read_drop_ins(-1, owner, draft, set, problems);
    fd = secure_open_directory(path, owner, O_RDONLY | O_NOFOLLOW, &failure);
    if (fd < 0) {
        problem_add(problems,
                    errno == EPERM || errno == ELOOP || errno == ENOTDIR ? PROBLEM_ERROR
                                                                         : PROBLEM_FAILURE,
                    path, 0, "%s", failure.text);
        return 0;
    }
    result = read_drop_ins(fd, owner, draft, set, problems);
    close(fd);
    return result;
}

/* If a directory is the cause of an error, its repair must be noticed: then the
 * directories above the policy belong to the sources. */
static int add_parents(const char *config_path, struct source_set *set)
{
    for (const char *slash = strchr(config_path + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        struct source *parent =
            add_source(set, strndup(config_path, (size_t)(slash - config_path)));
        if (parent == NULL)
            return -1;
        parent->identity = source_identity_now(parent->path, true);
    }
    return 0;
}

int sources_read(const char *config_path, uid_t owner, struct source_set *set,
                 struct problems *problems)
{
    return sources_read_with(config_path, owner, NULL, set, problems);
}

int sources_read_with(const char *config_path, uid_t owner, const struct source_draft *draft,
                      struct source_set *set, struct problems *problems)
{
    for (int tries = 0; tries < READ_TRIES; tries++) {
        sources_free(set);
        problems_free(problems);
        if (source_read_one(config_path, owner, draft, set, problems) != 0 ||
            read_drop_in_directory(config_path, owner, draft, set, problems) != 0 ||
            (problems->errors > 0 && add_parents(config_path, set) != 0))
            return -1;
        if (sources_unchanged(set))
            return 0;
    }
    problem_add(problems, PROBLEM_FAILURE, config_path, 0,
                "keeps changing while it is read: try again after editing");
    return 0;
}

bool sources_unchanged(const struct source_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct source_identity now =
            source_identity_now(set->item[i].path, set->item[i].identity.kind == SOURCE_PARENT);
        if (!source_identity_equal(&now, &set->item[i].identity))
            return false;
    }
    return true;
}

int64_t sources_newest_change_ns(const struct source_set *set)
{
    int64_t newest = 0;

    for (size_t i = 0; i < set->count; i++)
        if (set->item[i].identity.ctime_ns > newest)
            newest = set->item[i].identity.ctime_ns;
    return newest;
}

void sources_free(struct source_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        free(set->item[i].path);
        free(set->item[i].text);
    }
    free(set->item);
    *set = (struct source_set){0};
}
