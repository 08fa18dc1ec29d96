#include "tools/tmoutctl/audit/patch.h"

#include "tools/tmoutctl/host/diff.h"
#include "tools/tmoutctl/host/generated.h"
#include "tools/tmoutctl/print.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

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

/* A file that was asked for last: thousands of findings may be about one. Start with {0}. */
struct settled {
    char path[PATH_MAX], real[PATH_MAX]; /* as an edit names it, and where it is */
    const char *by;                      /* who writes it; NULL: the site */
    const char *why;                     /* why it cannot be changed; NULL: it can */
};

/* Finds the file that an edit would change. Returns 0, or -1: out of memory. */
static int settle_file(const struct audit *audit, const char *path, struct settled *settled)
{
    struct text_file file;

    if (strcmp(settled->path, path) == 0)
        return 0;
    snprintf(settled->path, sizeof settled->path, "%s", path);
    settled->by = NULL;
    settled->why = diff_target(audit->host, path, settled->real);
    if (settled->why == NULL && !is_clean_text(settled->real))
        settled->why = "its name has characters that a terminal does not show";
    if (settled->why != NULL)
        return 0;
    if (host_read_text(audit->host, settled->real, O_NOFOLLOW, TEXT_FILE_SIZE_MAX, &file) != 0 &&
        errno == ENOMEM)
        return -1;
    settled->by = generated_by(settled->real, &file);
    if (file.text != NULL && strlen(file.text) != file.size)
        settled->why = "it is not a text file";
    free(file.text);
    return 0;
}

/* Gives an edit the path of the file itself. False: it may not be changed, and the finding has
 * lost its edits. */
static bool settle_edit(const struct audit *audit, struct finding *finding, size_t number,
                        struct settled *settled)
{
    const struct edit *edit = &finding->edits.item[number];

    if (settle_file(audit, edit->file, settled) != 0) {
        finding->list->out_of_memory = true;
        settled->path[0] = '\0';
        return false;
    }
    if (settled->by != NULL || settled->why != NULL) {
        patch_withdraw(finding,
                       settled->by != NULL ? "%s is written by %s: make the change there."
                                           : "The patch leaves %s alone: %s.",
                       edit->file, settled->by != NULL ? settled->by : settled->why);
        return false;
    }
    finding->list->out_of_memory |= edits_set_file(&finding->edits, number, settled->real) != 0;
    return true;
}

/* Would the edits of a finding contradict those of earlier ones? */
static bool contradicts(const struct finding *finding, const struct finding *earlier)
{
    for (size_t i = 0; i < finding->edits.count; i++)
        for (size_t k = 0; k < earlier->edits.count; k++)
            if (edit_conflicts(&finding->edits.item[i], &earlier->edits.item[k]))
                return true;
    return false;
}

/* The diff of settled edits, which the caller frees. NULL with errno as of
 * diff_print(). */
static char *diff_text(const struct audit *audit, const struct edits *edits)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    if (to == NULL)
        return NULL;
    const int result = diff_print(to, audit->host, edits);
    const int saved = errno;
    if (fclose(to) == 0 && result == 0)
        return text;
    free(text);
    errno = result != 0 ? saved : ENOMEM;
    return NULL;
}

/* Gives a finding the diff of its edits. False: they have no place in the files,
 * or change nothing. */
static bool find_diff(const struct audit *audit, struct finding *finding)
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

static void settle_finding(const struct audit *audit, size_t number, struct settled *settled)
{
    struct finding *finding = audit->findings.item[number];

    if (finding->diff != NULL) /* it is settled */
        return;
    for (size_t i = 0; i < finding->edits.count; i++)
        if (!settle_edit(audit, finding, i, settled))
            return;
    for (size_t i = 0; i < number; i++) {
        if (contradicts(finding, audit->findings.item[i])) {
            patch_withdraw(finding, "Apply the patch of the other findings first, and run the "
                                    "audit again.");
            return;
        }
    }
    if (finding->edits.count > 0 && !find_diff(audit, finding))
        patch_withdraw(finding, "The patch leaves the file alone: a hunk would fit in more than "
                                "one place.");
}

void patch_settle(struct audit *audit, size_t first)
{
    struct settled settled = {.path = ""};

    for (size_t i = first; i < audit->findings.count; i++)
        settle_finding(audit, i, &settled);
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
        patch_withdraw(findings->item[i - 1], "Apply the patch of the other findings first, and "
                                              "run the audit again.");
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
