#include "lib/host/group_sources.h"

#include "lib/host/group_file.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GIDS_INITIAL = 32, ENTRY_BYTES_INITIAL = 4096, ENTRY_BYTES_MAX = 64 * 1024 * 1024 };

void group_list_free(struct group_list *list)
{
    for (long i = 0; list->name != NULL && i < list->count; i++)
        free(list->name[i]);
    free(list->name);
    free(list->gid);
    *list = (struct group_list){0};
}

static bool is_listed(const struct group_list *list, gid_t gid)
{
    for (long i = 0; i < list->count; i++)
        if (list->gid[i] == gid)
            return true;
    return false;
}

static int list_gid(struct group_list *list, gid_t gid)
{
    if (is_listed(list, gid))
        return 0;
    if (list->count == list->room) {
        const long room = list->room == 0 ? GIDS_INITIAL : 2 * list->room;
        gid_t *grown = reallocarray(list->gid, (size_t)room, sizeof *grown);
        if (grown == NULL)
            return -1;
        list->gid = grown;
        list->room = room;
    }
    list->gid[list->count++] = gid;
    return 0;
}

/* --- the source "files" ---------------------------------------------------------- */

static int add_from_file(struct group_file *file, const char *user, struct group_list *list)
{
    struct group_line line;
    int found = 0, listed = 0;

    group_file_rewind(file);
    file->skips_empty = true;
    while (listed == 0 && (found = group_file_next(file, &line)) > 0)
        if (line.members_length > 0 && group_line_has(&line, user))
            listed = list_gid(list, line.gid);
    file->skips_empty = false;
    return listed == 0 ? found : -1;
}

/* The first line with a number has its name. */
static int name_from_file(struct group_file *file, struct group_list *list)
{
    struct group_line line;
    long missing = list->count;
    int found = 0;

    list->name = calloc((size_t)list->count, sizeof *list->name);
    if (list->name == NULL)
        return -1;
    group_file_rewind(file);
    while (missing > 0 && (found = group_file_next(file, &line)) > 0) {
        for (long i = 0; i < list->count; i++) {
            if (list->gid[i] != line.gid || list->name[i] != NULL)
                continue;
            list->name[i] = strndup(line.name, line.name_length);
            if (list->name[i] == NULL)
                return -1;
            missing--;
            break;
        }
    }
    return found < 0 ? -1 : 0;
}

/* --- all other sources ------------------------------------------------------------ */

#ifdef __GLIBC__

#include <nss.h>

typedef enum nss_status initgroups_function(const char *user, gid_t skipped, long *start,
                                            long *size, gid_t **gid, long limit, int *error);
typedef enum nss_status setgrent_function(int stay_open);
typedef enum nss_status getgrent_function(struct group *entry, char *buffer, size_t size,
                                          int *error);
typedef enum nss_status endgrent_function(void);

/* Code and data pointers are of one size where NSS is. */
static void *function_of(void *library, const char *source, const char *function)
{
    char symbol[NSS_NAME_MAX + 32];

    snprintf(symbol, sizeof symbol, "_nss_%s_%s", source, function);
    return dlsym(library, symbol);
}

/* What a source without a question of its own for this is asked: for all groups. */
static enum nss_status ask_for_all(void *library, const char *source, const char *user,
                                   struct group_list *list, int *error)
{
    setgrent_function *begin = (setgrent_function *)function_of(library, source, "setgrent");
    getgrent_function *next = (getgrent_function *)function_of(library, source, "getgrent_r");
    endgrent_function *end = (endgrent_function *)function_of(library, source, "endgrent");
    enum nss_status status = begin != NULL ? begin(0) : NSS_STATUS_SUCCESS;
    size_t size = ENTRY_BYTES_INITIAL;
    char *buffer = next != NULL ? malloc(size) : NULL;
    struct group entry;

    if (next == NULL)
        return NSS_STATUS_NOTFOUND;
    while (status == NSS_STATUS_SUCCESS && buffer != NULL) {
        *error = 0;
        status = next(&entry, buffer, size, error);
        if (status == NSS_STATUS_TRYAGAIN && *error == ERANGE && size < ENTRY_BYTES_MAX) {
            free(buffer);
            buffer = malloc(size *= 2);
            status = NSS_STATUS_SUCCESS;
            continue;
        }
        for (char **member = status == NSS_STATUS_SUCCESS ? entry.gr_mem : NULL;
             member != NULL && *member != NULL; member++)
            if (strcmp(*member, user) == 0 && list_gid(list, entry.gr_gid) != 0)
                status = NSS_STATUS_TRYAGAIN;
    }
    if (status == NSS_STATUS_SUCCESS)
        status = NSS_STATUS_TRYAGAIN; /* out of memory */
    free(buffer);
    if (end != NULL)
        end();
    return status;
}

/* A source adds behind what is there, and may add what is there already. */
static void drop_doubles(struct group_list *list, long from)
{
    const long end = list->count;

    list->count = from;
    for (long i = from; i < end; i++)
        if (!is_listed(list, list->gid[i]))
            list->gid[list->count++] = list->gid[i];
}

static enum nss_status ask_library(void *library, const char *source, const char *user,
                                   gid_t primary, struct group_list *list, int *error)
{
    initgroups_function *list_groups =
        (initgroups_function *)function_of(library, source, "initgroups_dyn");
    const long before = list->count;

    if (list_groups == NULL)
        return ask_for_all(library, source, user, list, error);
    const enum nss_status status =
        list_groups(user, primary, &list->count, &list->room, &list->gid, -1, error);
    drop_doubles(list, before);
    return status;
}

/* Returns the library, or NULL; with *missing where there is none. */
static void *open_library(const char *source, bool *missing)
{
    char name[NSS_NAME_MAX + sizeof "libnss_.so.2"];

    snprintf(name, sizeof name, "libnss_%s.so.2", source);
    /* It stays, as the C library has it: it may have threads. */
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL) {
        const char *why = dlerror();
        /* and not one that it needs */
        *missing = why != NULL && strncmp(why, name, strlen(name)) == 0 &&
                   strstr(why, strerror(ENOENT)) != NULL;
    }
    return library;
}

static unsigned answer_of(enum nss_status status)
{
    return status == NSS_STATUS_SUCCESS    ? NSS_SUCCESS
           : status == NSS_STATUS_NOTFOUND ? NSS_NOTFOUND
           : status == NSS_STATUS_TRYAGAIN ? NSS_TRYAGAIN
                                           : NSS_UNAVAIL;
}

/* Sets errno where it is one. */
static bool is_failure(unsigned answer, int error)
{
    if (answer != NSS_TRYAGAIN && (answer != NSS_UNAVAIL || error == ESRCH))
        return false;
    errno = error != 0 ? error : EIO;
    return true;
}

/* Returns the answer, 0 where the library is missing, or -1 with errno. */
static int ask_source(const char *source, const char *user, gid_t primary, struct group_list *list)
{
    bool missing = false;
    void *library = open_library(source, &missing);
    int error = 0;

    if (library == NULL) {
        errno = ELIBACC;
        return missing ? 0 : -1;
    }
    const unsigned answer = answer_of(ask_library(library, source, user, primary, list, &error));

    return is_failure(answer, error) ? -1 : (int)answer;
}

typedef enum nss_status getgrnam_function(const char *name, struct group *entry, char *buffer,
                                          size_t size, int *error);

static int name_members(const struct group *entry, group_member_function *member, void *context)
{
    for (char **name = entry->gr_mem; *name != NULL; name++)
        if (member(context, *name, entry->gr_gid) != 0)
            return -1;
    return 0;
}

static int ask_members(void *library, const char *source, const char *group,
                       group_member_function *member, void *context)
{
    getgrnam_function *look_up = (getgrnam_function *)function_of(library, source, "getgrnam_r");
    enum nss_status status = look_up != NULL ? NSS_STATUS_TRYAGAIN : NSS_STATUS_NOTFOUND;
    struct group entry;
    char *buffer = NULL;
    int error = ERANGE, result = 0;

    for (size_t size = ENTRY_BYTES_INITIAL;
         status == NSS_STATUS_TRYAGAIN && error == ERANGE && size <= ENTRY_BYTES_MAX; size *= 2) {
        free(buffer);
        buffer = malloc(size);
        error = buffer != NULL ? 0 : ENOMEM;
        if (buffer != NULL)
            status = look_up(group, &entry, buffer, size, &error);
    }
    if (status == NSS_STATUS_SUCCESS)
        result = name_members(&entry, member, context);
    else if (is_failure(answer_of(status), error))
        result = -1;
    free(buffer);
    return result;
}

static int ask_source_for_members(const char *source, const char *group,
                                  group_member_function *member, void *context)
{
    bool missing = false;
    void *library = open_library(source, &missing);

    if (library == NULL) {
        errno = ELIBACC;
        return missing ? 0 : -1;
    }
    return ask_members(library, source, group, member, context);
}

#else

static int ask_source_for_members(const char *source, const char *group,
                                  group_member_function *member, void *context)
{
    (void)source;
    (void)group;
    (void)member;
    (void)context;
    return 0;
}

static int ask_source(const char *source, const char *user, gid_t primary, struct group_list *list)
{
    (void)source;
    (void)user;
    (void)primary;
    (void)list;
    return 0;
}

#endif

enum group_sources_status group_source_add(const char *source, const char *user, gid_t primary,
                                           struct group_list *list)
{
    /* a source's function makes more room by doubling it */
    if (list_gid(list, primary) == 0 && ask_source(source, user, primary, list) >= 0)
        return GROUPS_LISTED;
    snprintf(list->failed, sizeof list->failed, "%s", source);
    return GROUPS_FAILED;
}

enum group_sources_status group_source_members(const char *source, const char *group,
                                               group_member_function *member, void *context)
{
    return ask_source_for_members(source, group, member, context) == 0 ? GROUPS_LISTED
                                                                       : GROUPS_FAILED;
}

/* --- all sources of a host ---------------------------------------------------------- */

static const struct nss_sources files_alone = {.source = {{.name = "files"}}, .count = 1};

/* One walk through the sources. */
struct group_walk {
    const char *user;
    gid_t primary;
    struct nss_sources sources;
    bool is_own_line; /* "initgroups:", where success ends the search, as it says */
    bool is_named_by_file;
    struct group_file file;
    struct group_list *list;
};

static bool is_files(const struct nss_source *source)
{
    return strcmp(source->name, "files") == 0;
}

static bool read_sources(struct group_walk *walk)
{
    char text[NSSWITCH_BYTES_MAX];
    struct nss_sources names;

    if (nsswitch_read(text) != 0)
        return false;
    int found = nsswitch_parse(text, "group", &names);
    if (found == 0)
        names = files_alone;
    const int own = found >= 0 ? nsswitch_parse(text, "initgroups", &walk->sources) : -1;
    walk->is_own_line = own > 0;
    if (own == 0)
        walk->sources = names;
    walk->is_named_by_file = own >= 0 && names.count > 0 && is_files(&names.source[0]) &&
                             (names.source[0].ends & NSS_SUCCESS) != 0;
    return own >= 0;
}

/* With a daemon for NSS, it alone may have the libraries. */
static bool has_nscd(void)
{
    return faccessat(AT_FDCWD, "/run/nscd/socket", F_OK, 0) == 0 ||
           faccessat(AT_FDCWD, "/var/run/nscd/socket", F_OK, 0) == 0;
}

static int walk_source(struct group_walk *walk, const struct nss_source *source)
{
    const long before = walk->list->count;

    if (!is_files(source))
        return ask_source(source->name, walk->user, walk->primary, walk->list);
    if (add_from_file(&walk->file, walk->user, walk->list) != 0)
        return -1;
    return walk->list->count > before ? NSS_SUCCESS : NSS_NOTFOUND;
}

static enum group_sources_status walk_sources(struct group_walk *walk)
{
    for (size_t i = 0; i < walk->sources.count; i++) {
        const struct nss_source *source = &walk->sources.source[i];
        int answer = walk_source(walk, source);
        if (answer < 0) {
            snprintf(walk->list->failed, sizeof walk->list->failed, "%s", source->name);
            return GROUPS_FAILED;
        }
        if (answer == 0 && has_nscd())
            return GROUPS_HIDDEN;
        answer = answer == 0 ? NSS_UNAVAIL : answer; /* so it is for NSS */
        /* Where the line is the one of "group", all sources add to the list. */
        if ((source->ends & (unsigned)answer) != 0 && (walk->is_own_line || answer != NSS_SUCCESS))
            break;
    }
    return GROUPS_LISTED;
}

enum group_sources_status group_sources_list(const char *user, gid_t primary,
                                             struct group_list *list)
{
    struct group_walk walk = {.user = user, .primary = primary, .list = list};
    enum group_sources_status status = GROUPS_FAILED;

    if (!read_sources(&walk))
        return GROUPS_HIDDEN;
    if (list_gid(list, primary) != 0 || group_file_open(&walk.file, "/etc/group") != 0)
        return GROUPS_FAILED;
    status = walk_sources(&walk);
    if (status == GROUPS_LISTED && walk.is_named_by_file && name_from_file(&walk.file, list) != 0)
        status = GROUPS_FAILED;
    const int error = errno;
    group_file_close(&walk.file);
    errno = error;
    return status;
}
