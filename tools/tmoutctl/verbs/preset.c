/*
 * tmoutctl preset [NAME]: prints a preset, or the list of them. A preset's
 * title is its first line.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "tools/tmoutctl/host/preset_file.h"
#include "tools/tmoutctl/print.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A preset is a page of text; a file beyond this is none. */
enum { PRESET_SIZE_MAX = 64 * 1024 };

/* Returns the preset's text, which the caller frees, or NULL after a message. */
static char *read_preset(const char *path)
{
    struct stat status;
    char *text = NULL;
    size_t size = 0;

    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) != 0)
        goto out;
    errno = S_ISREG(status.st_mode) ? EFBIG : EINVAL;
    if (errno == EINVAL || status.st_size > PRESET_SIZE_MAX)
        goto out;
    text = malloc((size_t)status.st_size + 1);
    while (text != NULL && size < (size_t)status.st_size) {
        const ssize_t n = read(fd, text + size, (size_t)status.st_size - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            free(text);
            text = NULL;
        }
        if (n <= 0)
            break;
        size += (size_t)n;
    }
    if (text != NULL)
        text[size] = '\0';

out:
    if (text == NULL)
        report("%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return text;
}

/* What the first line of a preset says, without its number sign, as a string
 * that the caller frees; NULL: no memory. */
static char *title_of(const char *text)
{
    const char *start = text + strspn(text, "# \t");

    return strndup(start, strcspn(start, "\r\n"));
}

/* {"name", "title"} of a preset; with its text where that is asked for. NULL
 * after a message. */
static json_t *preset_json(const char *name, const char *path, bool with_text)
{
    char *text = read_preset(path);
    char *title = text == NULL ? NULL : title_of(text);
    json_t *preset = NULL;

    if (title != NULL)
        preset = json_pack("{s:o, s:o}", "name", json_text(name), "title", json_text(title));
    if (text != NULL && preset == NULL)
        report("out of memory");
    if (preset != NULL && with_text)
        json_object_set_new(preset, "text", json_text(text));
    free(title);
    free(text);
    return preset;
}

/* The verb without a name. */
static int list_presets(const struct tmoutctl_context *context)
{
    struct preset_list list = {0};
    struct failure failure = {""};
    json_t *presets = json_array();
    int status = TMOUTCTL_FAILURE;

    if (preset_list_read(PRESET_DIR, &list, &failure) != 0) {
        report("%s", failure.text);
        goto out;
    }
    for (size_t i = 0; i < list.count; i++) {
        char *path = preset_path(PRESET_DIR, list.name[i], &failure);
        json_t *preset = path == NULL ? NULL : preset_json(list.name[i], path, false);
        if (path == NULL)
            report("%s", failure.text);
        free(path);
        if (preset == NULL)
            goto out;
        json_array_append_new(presets, preset);
    }
    if (context->json) {
        status = print_json(json_pack("{s:O*}", "presets", presets), TMOUTCTL_FINE);
        goto out;
    }
    size_t i;
    const json_t *preset;
    json_array_foreach (presets, i, preset) {
        printf("%-16s %s\n", json_string_value(json_object_get(preset, "name")),
               json_string_value(json_object_get(preset, "title")));
    }
    status = finish(TMOUTCTL_FINE);

out:
    json_decref(presets);
    preset_list_free(&list);
    return status;
}

static int print_preset(const struct tmoutctl_context *context, const char *name)
{
    struct failure failure = {""};
    char *path = preset_path(PRESET_DIR, name, &failure);
    int status = TMOUTCTL_FAILURE;

    if (path == NULL) {
        report("%s", failure.text);
    } else if (context->json) {
        json_t *preset = preset_json(name, path, true);
        if (preset != NULL)
            status = print_json(preset, TMOUTCTL_FINE);
    } else {
        char *text = read_preset(path);
        if (text != NULL) {
            fputs(text, stdout);
            status = finish(TMOUTCTL_FINE);
        }
        free(text);
    }
    free(path);
    return status;
}

static int run_preset(const struct tmoutctl_context *context,
                      const struct verb_arguments *arguments)
{
    return arguments->operand == NULL ? list_presets(context)
                                      : print_preset(context, arguments->operand);
}

const struct verb verb_preset = {
    .name = "preset",
    .usage = "[NAME]",
    .summary = "print a baseline's policy, or list the baselines",
    .help = "Prints the policy that a compliance baseline asks for, with the control's number\n"
            "at each value. Without NAME, lists the baselines with their titles.",
    .operand = "NAME",
    .run = run_preset,
};
