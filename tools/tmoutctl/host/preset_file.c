#include "tools/tmoutctl/host/preset_file.h"

#include "lib/policy/settings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".conf"

/* A preset is a page of text; a larger file is something else. */
enum { PRESET_SIZE_MAX = 64 * 1024 };

static int is_preset(const struct dirent *entry)
{
    const size_t length = strlen(entry->d_name), tail = strlen(SUFFIX);

    return entry->d_name[0] != '.' && length > tail &&
           strcmp(entry->d_name + length - tail, SUFFIX) == 0;
}

int preset_list_read(const char *directory, struct preset_list *list, struct failure *failure)
{
    struct dirent **entry = NULL;
    const int found = scandir(directory, &entry, is_preset, alphasort);
    int result = 0;

    *list = (struct preset_list){0};
    if (found < 0) {
        failure_set(failure, "%s: %s", directory, strerror(errno));
        return -1;
    }
    list->name = calloc((size_t)found + 1, sizeof *list->name);
    for (int i = 0; i < found; i++) {
        const size_t length = strlen(entry[i]->d_name) - strlen(SUFFIX);
        char *name = list->name == NULL ? NULL : strndup(entry[i]->d_name, length);
        if (name == NULL)
            result = -1;
        else
            list->name[list->count++] = name;
        free(entry[i]);
    }
    free(entry);
    if (result == 0 && list->name != NULL)
        return 0;
    failure_set(failure, "out of memory");
    preset_list_free(list);
    return -1;
}

void preset_list_free(struct preset_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->name[i]);
    free(list->name);
    *list = (struct preset_list){0};
}

static void set_unknown(struct failure *failure, const char *directory, const char *name,
                        const struct preset_list *list)
{
    const char *meant = nearest_word(name, (const char *const *)list->name, list->count);

    failure_set(failure, "unknown preset \"%.64s\"", name);
    if (meant != NULL)
        failure_append(failure, "; did you mean \"%s\"?", meant);
    if (list->count == 0)
        failure_append(failure, "; %s has no presets", directory);
    for (size_t i = 0; i < list->count; i++)
        failure_append(failure, "%s%s", i == 0 ? " (available: " : ", ", list->name[i]);
    if (list->count > 0)
        failure_append(failure, ")");
}

char *preset_path(const char *directory, const char *name, struct failure *failure)
{
    struct preset_list list;
    char *path = NULL;
    size_t i = 0;

    if (preset_list_read(directory, &list, failure) != 0)
        return NULL;
    while (i < list.count && strcmp(list.name[i], name) != 0)
        i++;
    if (i == list.count) {
        set_unknown(failure, directory, name, &list);
    } else if (asprintf(&path, "%s/%s" SUFFIX, directory, name) < 0) {
        failure_set(failure, "out of memory");
        path = NULL;
    }
    preset_list_free(&list);
    return path;
}

/* All of a regular file, or NULL with errno. */
static char *read_text(int fd)
{
    struct stat status;
    char *text = NULL;
    size_t size = 0;
    ssize_t n = 1;

    if (fstat(fd, &status) != 0)
        return NULL;
    if (!S_ISREG(status.st_mode) || status.st_size > PRESET_SIZE_MAX) {
        errno = S_ISREG(status.st_mode) ? EFBIG : EINVAL;
        return NULL;
    }
    text = malloc((size_t)status.st_size + 1);
    while (text != NULL && n > 0 && size < (size_t)status.st_size) {
        do
            n = read(fd, text + size, (size_t)status.st_size - size);
        while (n < 0 && errno == EINTR);
        if (n > 0)
            size += (size_t)n;
    }
    if (text != NULL && n < 0) {
        free(text);
        return NULL;
    }
    if (text != NULL)
        text[size] = '\0';
    return text;
}

char *preset_read(const char *directory, const char *name, struct failure *failure)
{
    char *path = preset_path(directory, name, failure);

    if (path == NULL)
        return NULL;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char *text = fd < 0 ? NULL : read_text(fd);
    if (text == NULL)
        failure_set(failure, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(path);
    return text;
}
