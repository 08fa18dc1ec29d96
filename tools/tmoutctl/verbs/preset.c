/*
 * tmoutctl preset [NAME]: prints a preset, or the list of them. A preset's
 * title is its first line.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "tools/tmoutctl/host/preset_file.h"
#include "tools/tmoutctl/print.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first line of a preset without its number sign, as a string that the
 * caller frees; NULL without memory. */
static char *title_of(const char *text)
{
    const char *start = text + strspn(text, "# \t");

    return strndup(start, strcspn(start, "\r\n"));
}

/* {"name", "title"}, and "text" where wanted; NULL without memory. */
static json_t *preset_json(const char *name, const char *text, bool with_text)
{
    char *title = title_of(text);
    json_t *preset = NULL;

    if (title != NULL)
        preset = json_pack("{s:o, s:o}", "name", json_text(name), "title", json_text(title));
    if (preset != NULL && with_text)
        json_object_set_new(preset, "text", json_text(text));
    free(title);
    return preset;
}

/* All presets of the list as an array, or NULL with the reason. */
static json_t *presets_json(const char *directory, const struct preset_list *list,
                            struct failure *failure)
{
    json_t *presets = json_array();

    for (size_t i = 0; i < list->count; i++) {
        char *text = preset_read(directory, list->name[i], failure);
        json_t *preset = text == NULL ? NULL : preset_json(list->name[i], text, false);
        if (text != NULL && preset == NULL)
            failure_set(failure, "out of memory");
        free(text);
        if (preset == NULL) {
            json_decref(presets);
            return NULL;
        }
        presets = json_add_row(presets, preset);
    }
    return presets;
}

static int list_presets(const struct tmoutctl_context *context, const char *directory)
{
    struct preset_list list;
    struct failure failure = {""};

    if (preset_list_read(directory, &list, &failure) != 0) {
        report("%s", failure.text);
        return TMOUTCTL_FAILURE;
    }
    json_t *presets = presets_json(directory, &list, &failure);
    preset_list_free(&list);
    if (presets == NULL) {
        report("%s", failure.text);
        return TMOUTCTL_FAILURE;
    }
    if (context->json)
        return print_json(json_pack("{s:o}", "presets", presets), TMOUTCTL_FINE);
    size_t i;
    const json_t *preset;
    json_array_foreach (presets, i, preset) {
        printf("%-16s %s\n", json_string_value(json_object_get(preset, "name")),
               json_string_value(json_object_get(preset, "title")));
    }
    json_decref(presets);
    return finish(TMOUTCTL_FINE);
}

static int print_preset(const struct tmoutctl_context *context, const char *directory,
                        const char *name)
{
    struct failure failure = {""};
    char *text = preset_read(directory, name, &failure);
    int status;

    if (text == NULL) {
        report("%s", failure.text);
        return TMOUTCTL_FAILURE;
    }
    if (context->json) {
        status = print_json(preset_json(name, text, true), TMOUTCTL_FINE);
    } else {
        fputs(text, stdout);
        status = finish(TMOUTCTL_FINE);
    }
    free(text);
    return status;
}

static int run_preset(const struct tmoutctl_context *context,
                      const struct verb_arguments *arguments)
{
    char directory[PATH_MAX];

    if (host_path(&context->host, PRESET_DIR, directory, sizeof directory) != 0) {
        report("%s%s: path too long", context->host.root, PRESET_DIR);
        return TMOUTCTL_FAILURE;
    }
    return arguments->operand == NULL ? list_presets(context, directory)
                                      : print_preset(context, directory, arguments->operand);
}

const struct verb verb_preset = {
    .name = "preset",
    .usage = "[NAME]",
    .summary = "print a baseline's policy, or list the baselines",
    .help = "Prints the policy that a compliance baseline asks for, with the control's\n"
            "number at each value. Without NAME, lists the baselines with their titles.",
    .operand = "NAME",
    .json_version = 1,
    .run = run_preset,
};
