#include "tools/tmoutctl/pam/services.h"

#include "lib/host/array.h"
#include "tools/tmoutctl/host/vendor.h"

#include <dirent.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *pam_type_word(enum pam_type type)
{
    static const char *const words[] = {[PAM_TYPE_AUTH] = "auth",
                                        [PAM_TYPE_SESSION] = "session",
                                        [PAM_TYPE_ACCOUNT] = "account",
                                        [PAM_TYPE_PASSWORD] = "password"};

    return words[type];
}

/* Services that other services' files include. */
static bool is_program(const char *name)
{
    static const char *const names[] = {"sshd",    "login",  "remote", "su",   "sudo",
                                        "runuser", "passwd", "vsftpd", "other"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* What distributions call the files that their services share, whether or not a
 * service is installed that includes them. */
static bool is_shared_name(const char *name)
{
    static const char *const patterns[] = {
        "common-*",         "system-auth*", "password-auth*", "fingerprint-auth*",
        "smartcard-auth*",  "postlogin*",   "system-login",   "system-local-login",
        "system-services",  "base-*",       "config-util",    "system-remote-login",
        "switchable-auth*", "*-ac"};

    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (fnmatch(patterns[i], name, 0) == 0)
            return true;
    return false;
}

/* Left behind by editors and packages; no program names them. */
static bool is_backup(const char *name)
{
    static const char *const ends[] = {"~",         ".bak",      ".orig",      ".old",
                                       ".dpkg-old", ".dpkg-new", ".dpkg-dist", ".rpmsave",
                                       ".rpmnew",   ".swp"};
    const size_t length = strlen(name);

    if (name[0] == '.' || name[0] == '#')
        return true;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (length > strlen(ends[i]) && strcmp(name + length - strlen(ends[i]), ends[i]) == 0)
            return true;
    return strstr(name, ".pam-old") != NULL;
}

static int add_service(struct pam_services *services, const char *name)
{
    if (pam_services_find(services, name) != NULL)
        return 0;
    struct pam_service *grown = array_grow(services->item, services->count, sizeof *grown);
    if (grown == NULL)
        return -1;
    services->item = grown;
    struct pam_service *added = &services->item[services->count];
    *added = (struct pam_service){.name = strdup(name)};
    if (added->name == NULL)
        return -1;
    services->count++;
    return 0;
}

static int list_directory(struct pam_services *services, const char *path)
{
    char full[PATH_MAX];
    const struct dirent *entry;
    int result = 0;

    if (host_path(&services->host, path, full, sizeof full) != 0)
        return 0;
    DIR *directory = opendir(full);
    while (directory != NULL && result == 0 && (entry = readdir(directory)) != NULL) {
        struct stat status;
        /* libpam opens whatever has the service's name. */
        if (!is_backup(entry->d_name) &&
            fstatat(dirfd(directory), entry->d_name, &status, 0) == 0 && !S_ISDIR(status.st_mode))
            result = add_service(services, entry->d_name);
    }
    if (directory != NULL)
        closedir(directory);
    return result;
}

static int compare_names(const void *one, const void *other)
{
    return strcmp(((const struct pam_service *)one)->name,
                  ((const struct pam_service *)other)->name);
}

/* Adds the files that a stack includes; the first that it reads is its own. */
static int add_included(const struct pam_stack *stack, struct host_paths *included)
{
    for (size_t i = 1; i < stack->files && !stack->is_other; i++)
        if (strcmp(stack->file[i], stack->file[0]) != 0 &&
            host_paths_add(included, stack->file[i]) != 0)
            return -1;
    return 0;
}

static bool is_included(const struct pam_service *service, const struct host_paths *included)
{
    for (enum pam_type type = 0; type < PAM_TYPES; type++)
        for (size_t i = 0; i < included->count && service->stack[type].files > 0; i++)
            if (strcmp(included->item[i], service->stack[type].file[0]) == 0)
                return true;
    return false;
}

/* Returns 0, or -1: out of memory. */
static int find_fragments(struct pam_services *services)
{
    struct host_paths included = {0};
    int result = 0;

    for (size_t i = 0; i < services->count; i++)
        for (enum pam_type type = 0; result == 0 && type < PAM_TYPES; type++)
            result = add_included(&services->item[i].stack[type], &included);
    for (size_t i = 0; i < services->count; i++) {
        struct pam_service *service = &services->item[i];
        service->is_fragment = is_shared_name(service->name) ||
                               (!is_program(service->name) && is_included(service, &included));
    }
    host_paths_free(&included);
    return result;
}

static void free_stacks(struct pam_service *service)
{
    for (enum pam_type type = 0; type < PAM_TYPES; type++)
        pam_stack_free(&service->stack[type]);
}

static int read_stacks(struct pam_services *services, const struct pam_changed *changed)
{
    for (size_t i = 0; i < services->count; i++) {
        struct pam_service *service = &services->item[i];
        for (enum pam_type type = 0; type < PAM_TYPES; type++) {
            if (!pam_changed_affect(changed, &service->stack[type]))
                continue;
            pam_stack_free(&service->stack[type]);
            if (pam_stack_read(&services->host, service->name, pam_type_word(type),
                               &service->stack[type]) == PAM_STACK_FAILED)
                return -1;
        }
    }
    return 0;
}

int pam_changed_find(const struct host *host, const struct edits *edits, size_t first,
                     struct pam_changed *changed)
{
    char full[PATH_MAX], real[PATH_MAX];
    int result = 0;

    *changed = (struct pam_changed){.is_any = false};
    for (size_t i = first; result == 0 && i < edits->count; i++) {
        if (host_path(host, edits->item[i].file, full, sizeof full) != 0 ||
            realpath(full, real) == NULL) {
            changed->is_any = true;
            continue;
        }
        changed->file_bits |= pam_file_bit(real);
        result = host_paths_add(&changed->file, real);
    }
    return result;
}

bool pam_changed_affect(const struct pam_changed *changed, const struct pam_stack *stack)
{
    if (changed->is_any)
        return true;
    if ((changed->file_bits & stack->file_bits) == 0)
        return false;
    for (size_t i = 0; i < changed->file.count; i++)
        for (size_t k = 0; k < stack->files; k++)
            if (strcmp(stack->file[k], changed->file.item[i]) == 0)
                return true;
    return false;
}

int pam_services_read_again(struct pam_services *services, size_t first)
{
    struct pam_changed changed;
    int result = pam_changed_find(&services->host, &services->edits, first, &changed);

    if (result == 0)
        result = read_stacks(services, &changed);
    host_paths_free(&changed.file);
    return result;
}

int pam_services_drop_edits(struct pam_services *services)
{
    struct pam_changed changed;
    int result = pam_changed_find(&services->host, &services->edits, 0, &changed);

    edits_free(&services->edits);
    if (result == 0)
        result = read_stacks(services, &changed);
    host_paths_free(&changed.file);
    return result;
}

int pam_services_read(const struct host *host, struct pam_services *services)
{
    *services = (struct pam_services){.host = {.root = host->root}};
    services->host.edits = &services->edits;
    for (const char *const *directory = pam_directories; *directory != NULL; directory++)
        if (list_directory(services, *directory) != 0)
            return -1;
    if (services->count > 0)
        qsort(services->item, services->count, sizeof *services->item, compare_names);
    if (read_stacks(services, &(struct pam_changed){.is_any = true}) != 0)
        return -1;
    return find_fragments(services);
}

const struct pam_service *pam_services_find(const struct pam_services *services, const char *name)
{
    for (size_t i = 0; i < services->count; i++)
        if (strcmp(services->item[i].name, name) == 0)
            return &services->item[i];
    return NULL;
}

void pam_services_free(struct pam_services *services)
{
    for (size_t i = 0; i < services->count; i++) {
        free_stacks(&services->item[i]);
        free(services->item[i].name);
    }
    free(services->item);
    edits_free(&services->edits);
    *services = (struct pam_services){0};
}
