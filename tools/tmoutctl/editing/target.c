#include "tools/tmoutctl/editing/target.h"

#include "lib/fleet/conf.h"
#include "tools/tmoutctl/print.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char suffix[] = ".conf";

static bool ends_with_suffix(const char *name)
{
    const size_t length = strlen(name), end = sizeof suffix - 1;

    return length >= end && strcmp(name + length - end, suffix) == 0;
}

/* Why a drop-in cannot have this name, or NULL. What the policy ignores is none. */
static const char *name_problem(const char *name)
{
    if (name[0] == '\0' || name[0] == '.' || strcmp(name, suffix) == 0)
        return "is hidden or has no name, so the policy would ignore it";
    if (strchr(name, '/') != NULL)
        return "is in another directory than the policy's drop-ins";
    /* It is replaced by a file with a name that is seven bytes longer. */
    if (strlen(name) + (ends_with_suffix(name) ? 0 : strlen(suffix)) + strlen(".XXXXXX") > NAME_MAX)
        return "is too long a name";
    if (!is_clean_text(name))
        return "has characters that a terminal does not show as they are";
    return NULL;
}

/* The part of a path behind "DIRECTORY/", or NULL. */
static const char *name_in(const char *directory, const char *path)
{
    const size_t length = strlen(directory);

    return strncmp(path, directory, length) == 0 && path[length] == '/' ? path + length + 1 : NULL;
}

static int find_drop_in(const char *name, struct edit_file *file, struct failure *failure)
{
    const bool is_path = name[0] == '/';
    const char *short_name = is_path ? name_in(file->directory, name) : name;
    const char *problem = short_name != NULL ? name_problem(short_name)
                                             : "is in another directory than the policy's drop-ins";

    if (problem == NULL && is_path && !ends_with_suffix(short_name))
        problem = "does not end in .conf, so the policy would ignore it";
    if (problem != NULL) {
        failure_set(failure, "%s %s (%s/NAME.conf)", is_clean_text(name) ? name : "the file",
                    problem, file->directory);
        return -1;
    }
    if (snprintf(file->path, sizeof file->path, "%s/%s%s", file->directory, short_name,
                 ends_with_suffix(short_name) ? "" : suffix) >= (int)sizeof file->path) {
        failure_set(failure, "%s: path too long", name);
        return -1;
    }
    file->is_drop_in = true;
    return 0;
}

static int find_main_file(const char *config_path, struct edit_file *file, struct failure *failure)
{
    if (snprintf(file->path, sizeof file->path, "%s", config_path) >= (int)sizeof file->path) {
        failure_set(failure, "%s: path too long", config_path);
        return -1;
    }
    const char *slash = strrchr(file->path, '/');
    snprintf(file->directory, sizeof file->directory, "%.*s",
             slash == file->path ? 1 : (int)(slash - file->path), file->path);
    return 0;
}

/* The name of the main file could be a drop-in's, too: it is taken for that only where
 * there is one. */
static bool means_main_file(const char *config_path, const char *name)
{
    const char *slash = strrchr(config_path, '/');
    char drop_in[PATH_MAX];

    if (name == NULL || strcmp(name, config_path) == 0)
        return true;
    snprintf(drop_in, sizeof drop_in, "%s.d/%s", config_path, name);
    return strcmp(name, slash + 1) == 0 && access(drop_in, F_OK) != 0;
}

/* Beside the main file. A drop-in of this name is one, where there is one. */
static bool means_fleet_file(const char *config_path, const char *name, char *path, size_t size)
{
    char drop_in[PATH_MAX];

    if (name == NULL || !fleet_conf_path(config_path, path, size))
        return false;
    snprintf(drop_in, sizeof drop_in, "%s.d/" FLEET_CONF_NAME, config_path);
    return strcmp(name, path) == 0 ||
           (strcmp(name, FLEET_CONF_NAME) == 0 && access(drop_in, F_OK) != 0);
}

int edit_file_find(const char *config_path, const char *name, struct edit_file *file,
                   struct failure *failure)
{
    char fleet_path[PATH_MAX];
    int result;

    *file = (struct edit_file){.name = NULL};
    if (means_fleet_file(config_path, name, fleet_path, sizeof fleet_path)) {
        result = find_main_file(fleet_path, file, failure);
        file->is_fleet = true;
    } else if (means_main_file(config_path, name)) {
        result = find_main_file(config_path, file, failure);
    } else {
        snprintf(file->directory, sizeof file->directory, "%s.d", config_path);
        result = find_drop_in(name, file, failure);
    }
    if (result == 0)
        file->name = strrchr(file->path, '/') + 1;
    return result;
}
