/*
 * tmoutctl preset [NAME]: the policies that compliance baselines ask for, as
 * they are installed in PRESETS. The list is what the directory holds, and a
 * preset's title its first line. NAME is looked for in that list and never
 * becomes a part of a path.
 */
#include "tools/tmoutctl/cli.h"

#include "lib/policy/settings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef DATADIR
#define DATADIR "/usr/share"
#endif
#define PRESETS DATADIR "/tmout/presets"
#define SUFFIX  ".conf"

/* A preset is a page of text; a file beyond this is none. */
enum { PRESET_SIZE_MAX = 64 * 1024 };

static bool is_preset(const struct dirent *entry)
{
    const size_t length = strlen(entry->d_name), tail = strlen(SUFFIX);

    return entry->d_name[0] != '.' && length > tail &&
           strcmp(entry->d_name + length - tail, SUFFIX) == 0;
}

static int select_preset(const struct dirent *entry)
{
    return is_preset(entry);
}

static void free_list(char **name, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(name[i]);
    free(name);
}

/*
 * The names of all presets, sorted, in *name, which the caller gives to
 * free_list(). Returns 0, or -1 after a message.
 */
static int list_names(char ***name, size_t *count)
{
    struct dirent **entry = NULL;
    const int found = scandir(PRESETS, &entry, select_preset, alphasort);
    int result = 0;

    *name = NULL;
    *count = 0;
    if (found < 0) {
        report("%s: %s", PRESETS, strerror(errno));
        return -1;
    }
    *name = calloc((size_t)found + 1, sizeof **name);
    for (int i = 0; i < found; i++) {
        const size_t length = strlen(entry[i]->d_name) - strlen(SUFFIX);
        char *one = *name == NULL ? NULL : strndup(entry[i]->d_name, length);
        if (one == NULL)
            result = -1;
        else
            (*name)[(*count)++] = one;
        free(entry[i]);
    }
    free(entry);
    if (result == 0 && *name != NULL)
        return 0;
    report("out of memory");
    free_list(*name, *count);
    return -1;
}

/*
 * Reads the preset of a name that list_names() gave. Returns its text, which
 * the caller frees, or NULL after a message.
 */
static char *read_preset(const char *name)
{
    char path[PATH_MAX];
    struct stat status;
    char *text = NULL;
    size_t size = 0;

    snprintf(path, sizeof path, "%s/%s%s", PRESETS, name, SUFFIX);
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
static json_t *preset_json(const char *name, bool with_text)
{
    char *text = read_preset(name);
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
static int list(const struct tmoutctl_context *context, char *const *name, size_t count)
{
    json_t *presets = json_array();

    for (size_t i = 0; i < count; i++) {
        json_t *preset = preset_json(name[i], false);
        if (preset == NULL) {
            json_decref(presets);
            return TMOUTCTL_FAILURE;
        }
        json_array_append_new(presets, preset);
    }
    if (context->json)
        return print_json(json_pack("{s:o*}", "presets", presets), TMOUTCTL_FINE);
    size_t i;
    const json_t *preset;
    json_array_foreach (presets, i, preset) {
        printf("%-16s %s\n", json_string_value(json_object_get(preset, "name")),
               json_string_value(json_object_get(preset, "title")));
    }
    json_decref(presets);
    return finish(TMOUTCTL_FINE);
}

static int print(const struct tmoutctl_context *context, const char *name)
{
    if (context->json) {
        json_t *preset = preset_json(name, true);
        return preset == NULL ? TMOUTCTL_FAILURE : print_json(preset, TMOUTCTL_FINE);
    }
    char *text = read_preset(name);
    if (text == NULL)
        return TMOUTCTL_FAILURE;
    fputs(text, stdout);
    free(text);
    return finish(TMOUTCTL_FINE);
}

static void report_unknown(const char *wanted, char *const *name, size_t count)
{
    const char *meant = nearest_word(wanted, (const char *const *)name, count);

    if (meant != NULL)
        report("there is no preset \"%s\"; did you mean \"%s\"?", wanted, meant);
    else
        report("there is no preset \"%s\"", wanted);
    fputs("tmoutctl: the presets are", stderr);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "%s %s", i == 0 ? "" : ",", name[i]);
    fputc('\n', stderr);
}

int verb_preset(const struct tmoutctl_context *context, int argc, char **argv)
{
    char **name;
    size_t count;
    int status = TMOUTCTL_FAILURE;

    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
        report("the call is: tmoutctl preset [NAME]");
        return TMOUTCTL_FAILURE;
    }
    if (list_names(&name, &count) != 0)
        return TMOUTCTL_FAILURE;
    if (argc == 1) {
        status = list(context, name, count);
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name[i], argv[1]) == 0) {
            status = print(context, name[i]);
            goto out;
        }
    }
    report_unknown(argv[1], name, count);

out:
    free_list(name, count);
    return status;
}
