#include "lib/host/proc_children.h"

#include "lib/host/array.h"
#include "lib/host/proc_directory.h"
#include "lib/host/procfs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct children {
    pid_t *pid;
    size_t count;
};

static int add_child(struct children *children, pid_t pid)
{
    pid_t *grown = array_grow(children->pid, children->count, sizeof *grown);

    if (grown == NULL)
        return -1;
    children->pid = grown;
    children->pid[children->count++] = pid;
    return 0;
}

/* Adds the children that this thread has forked. */
static int add_children_of_thread(struct children *children, pid_t parent, const char *thread)
{
    char path[64 + NAME_MAX], *text = NULL;
    size_t size = 0;
    int result = 0;

    snprintf(path, sizeof path, "/proc/%d/task/%s/children", (int)parent, thread);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return process_has_ended(errno) ? 0 : -1;
    if (getline(&text, &size, file) > 0) {
        char *rest = text;
        pid_t child;
        while (result == 0 && (child = proc_text_next_child(&rest)) != 0)
            result = add_child(children, child);
    } else if (!feof(file) && !process_has_ended(errno)) {
        result = -1;
    }
    free(text);
    fclose(file);
    return result;
}

ssize_t process_children(pid_t pid, pid_t **child)
{
    struct children children = {0};
    const char *thread;
    int result = 0;
    DIR *directory = proc_directory_open(pid, "task");

    *child = NULL;
    if (directory == NULL)
        return process_has_ended(errno) ? 0 : -1;
    while (result == 0 && (thread = proc_directory_next(directory)) != NULL)
        result = add_children_of_thread(&children, pid, thread);
    if (result == 0 && errno != 0 && !process_has_ended(errno))
        result = -1;
    proc_directory_close(directory);
    if (result != 0) {
        free(children.pid);
        return -1;
    }
    *child = children.pid;
    return (ssize_t)children.count;
}

pid_t process_parent(pid_t pid)
{
    char text[1024];
    pid_t parent;

    if (process_file(pid, "status", text, sizeof text) < 0)
        return -1;
    if (proc_text_parent(text, &parent))
        return parent;
    errno = EINVAL;
    return -1;
}
