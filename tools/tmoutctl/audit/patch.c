#include "tools/tmoutctl/audit/patch.h"

#include "tools/tmoutctl/host/diff.h"
#include "tools/tmoutctl/host/generated.h"
#include "tools/tmoutctl/print.h"

#include <errno.h>
#include <limits.h>
#include <search.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Two findings' edits cannot be made together. */
#define LATER "Apply the patch of the other findings first, and run the audit again."

void patch_withdraw(struct finding *finding, const char *format, ...)
{
    va_list arguments;
    char *reason = NULL, *text = NULL;
    const char *before = finding->remediation;

    va_start(arguments, format);
    if (vasprintf(&reason, format, arguments) < 0)
        reason = NULL;
    va_end(arguments);
    /* Not before: the reason may name a file of the edits. */
    edits_free(&finding->edits);
    free(finding->diff);
    finding->diff = NULL;
    if (reason == NULL || asprintf(&text, "%s%s%s", before != NULL ? before : "",
                                   before != NULL ? " " : "", reason) < 0)
        finding->list->out_of_memory = true;
    else
        finding_set_remediation(finding, "%s", text);
    free(text);
    free(reason);
}

/* A file that edits name. */
struct target {
    char *path;          /* as they name it */
    char real[PATH_MAX]; /* where it is */
    const char *by;      /* who writes it; NULL: the site */
    const char *why;     /* why it cannot be changed; NULL: it can */
};

/* Start with {audit}. */
struct settling {
    struct audit *audit;
    void *targets;        /* a tree of tsearch(3), by path */
    struct edits earlier; /* those of the findings before */
};

static int compare_targets(const void *left, const void *right)
{
    return strcmp(((const struct target *)left)->path, ((const struct target *)right)->path);
}

static void target_free(void *freed)
{
    struct target *target = freed;

    free(target->path);
    free(target);
}

/* Why a file that cannot be read cannot be changed. */
static const char *unreadable_because(int error)
{
    switch (error) {
    case EFBIG:
        return "it is larger than a megabyte";
    case EINVAL:
        return "it is not a regular file";
    default:
        return "it cannot be read";
    }
}

/* Was the file changed since the audit began? Then its lines may not be those that were judged. */
static bool has_changed(const struct audit *audit, const struct stat *status)
{
    const struct timespec *changed = &status->st_ctim, *started = &audit->started;

    return started->tv_sec > 0 &&
           (changed->tv_sec > started->tv_sec ||
            (changed->tv_sec == started->tv_sec && changed->tv_nsec > started->tv_nsec));
}

/* Finds out what there is to know about a file, whose path is set. Returns 0, or -1: out of
 * memory. */
static int target_look(struct audit *audit, struct target *target)
{
    static const struct text_file none;

    target->why = diff_target(audit->host, target->path, target->real);
    if (target->why == NULL && !is_clean_text(target->real))
        target->why = "its name has characters that a terminal does not show";
    if (target->why != NULL)
        return 0;
    const struct text_file *file = diff_files_read(&audit->files, audit->host, target->real);
    if (file == NULL && errno == ENOMEM)
        return -1;
    target->why = file == NULL ? unreadable_because(errno) : NULL;
    target->by = generated_by(target->real, file != NULL ? file : &none);
    if (file != NULL && file->text != NULL && strlen(file->text) != file->size)
        target->why = "it is not a text file";
    if (file != NULL && has_changed(audit, &file->status))
        target->why = "it was changed during the audit, so audit again";
    return 0;
}

/* The file at a path. NULL: out of memory. */
static const struct target *target_of(struct settling *settling, const char *path)
{
    const struct target wanted = {.path = (char *)(uintptr_t)path};
    struct target *const *found = tfind(&wanted, &settling->targets, compare_targets);
    struct target *target = found == NULL ? calloc(1, sizeof *target) : *found;

    if (target == NULL || found != NULL)
        return target;
    target->path = strdup(path);
    if (target->path != NULL && target_look(settling->audit, target) == 0 &&
        tsearch(target, &settling->targets, compare_targets) != NULL)
        return target;
    target_free(target);
    return NULL;
}

/* Gives a finding's edits the paths of the files themselves. False: one may not be changed, and
 * the finding has lost its edits. */
static bool settle_paths(struct settling *settling, struct finding *finding)
{
    struct edits settled = {0};

    for (size_t i = 0; i < finding->edits.count; i++) {
        struct edit edit = finding->edits.item[i];
        const struct target *target = target_of(settling, edit.file);
        if (target != NULL && (target->by != NULL || target->why != NULL)) {
            edits_free(&settled);
            patch_withdraw(finding,
                           target->by != NULL ? "%s is written by %s: make the change there."
                                              : "The patch leaves %s alone: %s.",
                           edit.file, target->by != NULL ? target->by : target->why);
            return false;
        }
        edit.file = target != NULL ? (char *)(uintptr_t)target->real : edit.file;
        finding->list->out_of_memory |= target == NULL || edits_add(&settled, &edit) != 0;
    }
    edits_free(&finding->edits);
    finding->edits = settled;
    return true;
}

/* Would the edits of a finding contradict those of earlier ones? */
static bool contradicts(const struct settling *settling, const struct finding *finding)
{
    for (size_t i = 0; i < finding->edits.count; i++)
        if (edits_conflict(&settling->earlier, &finding->edits.item[i]))
            return true;
    return false;
}

/* The diff of settled edits, which the caller frees. NULL with errno as of
 * diff_print(). */
static char *diff_text(struct audit *audit, const struct edits *edits)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    if (to == NULL)
        return NULL;
    const int result = diff_print(to, audit->host, edits, &audit->files);
    const int saved = errno;
    if (fclose(to) == 0 && result == 0)
        return text;
    free(text);
    errno = result != 0 ? saved : ENOMEM;
    return NULL;
}

/* Gives a finding the diff of its edits. False: they have no place in the files,
 * or change nothing. */
static bool find_diff(struct audit *audit, struct finding *finding)
{
    free(finding->diff);
    finding->diff = diff_text(audit, &finding->edits);
    if (finding->diff != NULL && finding->diff[0] != '\0')
        return true;
    finding->list->out_of_memory |= finding->diff == NULL && errno == ENOMEM;
    free(finding->diff);
    finding->diff = NULL;
    return false;
}

static void settle_finding(struct settling *settling, struct finding *finding)
{
    if (finding->diff != NULL || finding->edits.count == 0) /* it is settled */
        return;
    if (!settle_paths(settling, finding))
        return;
    if (contradicts(settling, finding))
        patch_withdraw(finding, LATER);
    else if (!find_diff(settling->audit, finding))
        patch_withdraw(finding, "The patch leaves the file alone: a hunk would fit in more than "
                                "one place.");
}

void patch_settle(struct audit *audit, size_t first)
{
    struct settling settling = {.audit = audit};

    for (size_t i = 0; i < audit->findings.count; i++) {
        struct finding *finding = audit->findings.item[i];
        if (i >= first)
            settle_finding(&settling, finding);
        audit->findings.out_of_memory |= edits_add_all(&settling.earlier, &finding->edits) != 0;
    }
    edits_free(&settling.earlier);
    tdestroy(settling.targets, target_free);
}

int patch_collect(const struct findings *findings, size_t first, struct edits *edits)
{
    for (size_t i = first; i < findings->count; i++)
        if (edits_add_all(edits, &findings->item[i]->edits) != 0)
            return -1;
    return 0;
}

/* Takes the edits of the last finding that has any. False: none has. */
static bool withdraw_last(struct findings *findings)
{
    size_t i = findings->count;

    while (i > 0 && findings->item[i - 1]->edits.count == 0)
        i--;
    if (i > 0)
        patch_withdraw(findings->item[i - 1], LATER);
    return i > 0;
}

char *patch_make(struct audit *audit)
{
    char *text;

    patch_settle(audit, 0);
    do {
        struct edits edits = {0};
        text = NULL;
        if (patch_collect(&audit->findings, 0, &edits) == 0)
            text = diff_text(audit, &edits);
        const int saved = errno;
        edits_free(&edits);
        errno = saved;
        /* Each by itself has its place in the file, but together they have none. */
    } while (text == NULL && errno == ENOTUNIQ && withdraw_last(&audit->findings));
    return text;
}
