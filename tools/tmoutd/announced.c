#include "tools/tmoutd/announced.h"

#include <stdlib.h>

struct announced_process *announced_find(struct announced_list *list, pid_t pid)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->process[i].pid == pid)
            return &list->process[i];
    return NULL;
}

bool announced_add(struct announced_list *list, pid_t pid, enum login_source source)
{
    struct announced_process *process = announced_find(list, pid);

    if (process != NULL) {
        process->is_kept = true;
        process->looks = 0;
        return true;
    }
    if (list->count == ANNOUNCED_MAX)
        return false;
    list->process[list->count++] = (struct announced_process){.pid = pid, .source = source};
    return true;
}

static int compare_announced(const void *left, const void *right)
{
    const struct announced_process *a = left, *b = right;

    return (a->pid > b->pid) - (a->pid < b->pid);
}

size_t announced_ask(struct announced_list *list, pid_t pids[ANNOUNCED_MAX])
{
    qsort(list->process, list->count, sizeof list->process[0], compare_announced);
    for (size_t i = 0; i < list->count; i++) {
        list->process[i].is_asked = true;
        list->process[i].is_kept = false;
        pids[i] = list->process[i].pid;
    }
    return list->count;
}

void announced_unsettled(struct announced_list *list, const struct unsettled_process *unsettled)
{
    struct announced_process *process = announced_find(list, unsettled->pid);

    if (process == NULL)
        return;
    process->looks = unsettled->verdict == LOGIN_NONE ? process->looks + 1 : 0;
    if (process->looks < ANNOUNCED_LOOKS)
        process->is_kept = true;
}

void announced_end(struct announced_list *list, bool has_failed)
{
    for (size_t i = list->count; i-- > 0;) {
        struct announced_process *process = &list->process[i];
        if (process->is_asked && !process->is_kept && !has_failed)
            *process = list->process[--list->count];
        else
            process->is_asked = false;
    }
}
