#include "lib/host/mounts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number that /proc/self/mountinfo has for the mount, or -1. */
static long mount_number(const char *path)
{
    char name[64], line[128];
    long number = -1;
    const int fd = open(path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return -1;
    snprintf(name, sizeof name, "/proc/self/fdinfo/%d", fd);
    FILE *file = fopen(name, "re");
    while (file != NULL && number < 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "mnt_id:", 7) == 0)
            number = strtol(line + 7, NULL, 10);
    if (file != NULL)
        fclose(file);
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
    const long number = mount_number(path);
    bool result = false;
    char *line = NULL;
    size_t size = 0;
    FILE *file = number >= 0 ? fopen("/proc/self/mountinfo", "re") : NULL;

    while (file != NULL && getline(&line, &size, file) > 0)
        if (strtol(line, NULL, 10) == number)
            result = is_only_mount_read_only(line);
    free(line);
    if (file != NULL)
        fclose(file);
    return result;
}
