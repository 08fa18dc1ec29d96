#include "lib/host/mounts.h"

#include "lib/host/descriptor.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file of /proc as a string, which the caller frees; NULL on errors. */
static char *read_whole(const char *path)
{
    const int fd = fd_open_at(AT_FDCWD, path, O_RDONLY);
    char *text = NULL;
    size_t size = 0, used = 0;
    ssize_t n = 1;

    while (fd >= 0 && n > 0) {
        if (used + 1 >= size) {
            size = size == 0 ? 4096 : 2 * size;
            char *grown = realloc(text, size);
            if (grown == NULL)
                n = -1;
            text = grown != NULL ? grown : text;
        }
        if (n > 0)
            n = read(fd, text + used, size - used - 1);
        used += n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0)
        close(fd);
    if (n == 0) {
        text[used] = '\0';
        return text;
    }
    free(text);
    return NULL;
}

/* The number that /proc/self/mountinfo has for the mount, or -1. */
static int64_t mount_number(const char *path)
{
    static const char field[] = "\nmnt_id:";
    char name[64];
    int64_t number = -1;
    const int fd = fd_open_at(AT_FDCWD, path, O_PATH);

    if (fd < 0)
        return -1;
    snprintf(name, sizeof name, "/proc/self/fdinfo/%d", fd);
    char *text = read_whole(name);
    const char *line = text != NULL ? strstr(text, field) : NULL;
    if (line != NULL)
        number = (int64_t)strtoull(line + sizeof field - 1, NULL, 10);
    free(text);
    close(fd);
    return number;
}

/* Does the word behind so many blanks start like this? */
static bool word_starts(const char *text, int blanks, const char *start)
{
    for (; text != NULL && blanks > 0; blanks--) {
        text = strchr(text, ' ');
        if (text != NULL)
            text++;
    }
    return text != NULL && strncmp(text, start, strlen(start)) == 0;
}

/* The mount's own options are the sixth word; behind " - " are the type, the source,
 * and the options of the file system. Blanks in names are escaped. See
 * proc_pid_mountinfo(5). */
static bool is_only_mount_read_only(const char *line)
{
    return word_starts(line, 5, "ro") && word_starts(strstr(line, " - "), 4, "rw");
}

bool is_mount_read_only(const char *path)
{
    const int64_t number = mount_number(path);
    char *text = number >= 0 ? read_whole("/proc/self/mountinfo") : NULL;
    bool result = false;

    for (char *line = text, *end; line != NULL; line = end) {
        end = strchr(line, '\n');
        if (end != NULL)
            *end++ = '\0';
        if (strtoull(line, NULL, 10) == (unsigned long long)number)
            result = is_only_mount_read_only(line);
    }
    free(text);
    return result;
}
