#include "tools/tmoutctl/shells/literal.h"

#include "lib/policy/duration.h"
#include "tools/tmoutctl/host/policy_view.h"
#include "tools/tmoutctl/print.h"
#include "tools/tmoutctl/shells/files.h"
#include "tools/tmoutctl/shells/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As the scripts are installed. */
enum { INSTALLED_SEC = 600 };

enum { LITERALS_MAX = 3 };

/*
 * The scripts, and what stands before the number on those lines that have
 * nothing else behind it. Each such line must be there once: else the script
 * is not the one that we know how to change.
 */
static const struct literal_script {
    const char *path;
    int unit_sec; /* of its numbers, of which 1 is the least */
    const char *before[LITERALS_MAX];
} scripts[] = {
    {PROFILE_SH, 1, {"tmout_limit=", "declare -xr TMOUT=", "TMOUT="}},
    {PROFILE_CSH, 60, {"set tmout_minutes = "}},
};

enum { SCRIPTS = sizeof scripts / sizeof scripts[0] };

/* The numbers of one script, where they stand in its text, in that order. */
struct literals {
    struct text_file file; /* text NULL: there is no such script */
    struct literal {
        const char *start, *end; /* of its digits */
        const char *before;
        unsigned line;
        long value;
    } found[LITERALS_MAX];
    size_t count;
};

/* What follows before on a line that is just that and a number; NULL: it is
 * another line. */
static const char *number_behind(const struct text_line *line, const char *before)
{
    const char *at = line->start;

    while (at < line->end && (*at == ' ' || *at == '\t'))
        at++;
    const size_t length = strlen(before);
    if ((size_t)(line->end - at) <= length || memcmp(at, before, length) != 0)
        return NULL;
    at += length;
    for (const char *digit = at; digit < line->end; digit++)
        if (*digit < '0' || *digit > '9')
            return NULL;
    return line->end - at <= 9 ? at : NULL; /* more digits than any limit has */
}

/* Finds the numbers in a script's text. False: it has not the form of ours. */
static bool find_literals(const struct literal_script *script, struct literals *literals)
{
    unsigned seen[LITERALS_MAX] = {0};

    for (struct text_line line = {0}; next_text_line(&literals->file, &line);) {
        for (size_t i = 0; i < LITERALS_MAX && script->before[i] != NULL; i++) {
            const char *start = number_behind(&line, script->before[i]);
            if (start == NULL)
                continue;
            if (seen[i]++ > 0)
                return false;
            literals->found[literals->count++] = (struct literal){.start = start,
                                                                  .end = line.end,
                                                                  .before = script->before[i],
                                                                  .line = line.number,
                                                                  .value = strtol(start, NULL, 10)};
        }
    }
    for (size_t i = 0; i < LITERALS_MAX && script->before[i] != NULL; i++)
        if (seen[i] == 0)
            return false;
    return true;
}

/* Reads a script and finds its numbers. Returns 0, and the caller frees
 * literals->file.text, or -1 with what is wrong in *reason. */
static int read_literals(const struct literal_script *script, struct literals *literals,
                         const char **reason)
{
    *literals = (struct literals){0};
    if (read_text_file(script->path, O_NOFOLLOW, &literals->file) < 0) {
        if (errno == ENOENT && strcmp(script->path, PROFILE_SH) != 0)
            return 0; /* a site without tcsh may have taken it away */
        *reason = strerror(errno);
        return -1;
    }
    if (!profile_script_is_ours(script->path))
        *reason = "is not the script of pam_tmout, for it does not speak of PAM_TMOUT: left alone";
    else if (literals->file.status.st_nlink > 1)
        *reason = "has a second name, which would keep the old number: left alone";
    else if (!find_literals(script, literals))
        *reason = "is not as it was installed, so its numbers cannot be told from others: left "
                  "alone; install it again";
    else
        return 0;
    free(literals->file.text);
    literals->file.text = NULL;
    return -1;
}

/* The limit that the policy's default section gives, SETTING_NONE where it
 * gives none. Returns 0, or -1 after a message. */
static int find_default(const struct tmoutctl_context *context, int64_t *limit_sec)
{
    struct policy_view view = {0};
    struct snapshot_rule rule;
    struct failure failure = {""};

    if (policy_view_find(context, &view, &failure) != 0) {
        report("%s", failure.text);
        return -1;
    }
    const int found = snapshot_find(&view.snapshot, RULE_DEFAULT, "", &rule);
    snapshot_close(&view.snapshot);
    if (found < 0) {
        report("%s/%s is damaged; run tmoutctl apply", context->state_dir, SNAPSHOT_POLICY_NAME);
        return -1;
    }
    *limit_sec = found > 0 && rule.setting[SETTING_TMOUT].set ? rule.setting[SETTING_TMOUT].value
                                                              : SETTING_NONE;
    return 0;
}

/* The number that a script should have under this default. */
static long wanted_value(const struct literal_script *script, int64_t default_sec)
{
    const long wanted_sec = default_sec < INSTALLED_SEC ? (long)default_sec : INSTALLED_SEC;

    return wanted_sec < script->unit_sec ? 1 : wanted_sec / script->unit_sec;
}

void add_literal_findings(const struct tmoutctl_context *context, json_t *findings)
{
    int64_t default_sec;

    if (find_default(context, &default_sec) != 0)
        return;
    for (size_t i = 0; i < SCRIPTS; i++) {
        struct literals literals;
        const char *reason;
        if (read_literals(&scripts[i], &literals, &reason) != 0)
            continue; /* the table of shells says where the script is missing */
        const struct literal *largest = NULL;
        for (size_t n = 0; n < literals.count; n++)
            if (largest == NULL || literals.found[n].value >= largest->value)
                largest = &literals.found[n];
        if (largest != NULL && largest->value > wanted_value(&scripts[i], default_sec)) {
            char text[64];
            snprintf(text, sizeof text, "%s%ld", largest->before, largest->value);
            json_array_append_new(
                findings,
                json_pack("{s:s, s:i, s:s, s:I, s:b, s:b, s:s}", "file", scripts[i].path, "line",
                          (int)largest->line, "text", text, "value", (json_int_t)largest->value,
                          "readonly", 0, "conflict", 0, "meaning",
                          "larger than the policy's default: the limit of a login that no "
                          "decision reached, and what scanners read. Run tmoutctl shells "
                          "--literal"));
        }
        free(literals.file.text);
    }
}

/* Writes value over all the numbers. Returns 1 if that changed the file, 0 if
 * they were there already, -1 with errno. */
static int put_literals(const struct literal_script *script, const struct literals *literals,
                        long value)
{
    char digits[16], *text = NULL;
    size_t size = 0;
    bool same = true;

    snprintf(digits, sizeof digits, "%ld", value);
    for (size_t i = 0; i < literals->count; i++)
        same = same && literals->found[i].value == value;
    if (same)
        return 0;
    text = malloc(literals->file.size + LITERALS_MAX * sizeof digits);
    if (text == NULL)
        return -1;
    const char *from = literals->file.text;
    for (size_t i = 0; i < literals->count; i++) {
        const struct literal *found = &literals->found[i];
        memcpy(text + size, from, (size_t)(found->start - from));
        size += (size_t)(found->start - from);
        memcpy(text + size, digits, strlen(digits));
        size += strlen(digits);
        from = found->end;
    }
    const size_t rest = literals->file.size - (size_t)(from - literals->file.text);
    memcpy(text + size, from, rest);
    size += rest;
    const int result = replace_shell_file(script->path, &literals->file.status, text, size);
    const int why = errno;
    free(text);
    errno = why;
    return result == 0 ? 1 : -1;
}

/* Changes one script, says so, and adds it to files. */
static int change_one(const struct tmoutctl_context *context, const struct literal_script *script,
                      const struct literals *literals, int64_t default_sec, json_t *files)
{
    const long value = wanted_value(script, default_sec);
    const int changed = put_literals(script, literals, value);

    if (changed < 0) {
        report("%s: %s", script->path, strerror(errno));
    } else if (!context->quiet && !context->json) {
        char limit[SETTING_TEXT_MAX];
        duration_format(value * script->unit_sec, limit, sizeof limit);
        printf("%s: %s, %s\n", script->path, limit, changed ? "changed" : "unchanged");
    }
    json_array_append_new(files,
                          json_pack("{s:s, s:s, s:I}", "file", script->path, "result",
                                    changed < 0 ? "failed" : (changed ? "changed" : "unchanged"),
                                    "seconds", (json_int_t)value * script->unit_sec));
    return changed < 0 ? TMOUTCTL_FAILURE : TMOUTCTL_FINE;
}

int change_literals(const struct tmoutctl_context *context)
{
    struct literals literals[SCRIPTS] = {0};
    int64_t default_sec;
    int status = TMOUTCTL_FINE;

    if (geteuid() != 0) {
        report("must be run as root");
        return TMOUTCTL_FAILURE;
    }
    if (find_default(context, &default_sec) != 0)
        return TMOUTCTL_FAILURE;
    /* All are looked at before the first is changed. */
    for (size_t i = 0; i < SCRIPTS; i++) {
        const char *reason;
        if (read_literals(&scripts[i], &literals[i], &reason) != 0) {
            report("%s: %s", scripts[i].path, reason);
            status = TMOUTCTL_FAILURE;
        }
    }
    json_t *files = json_array();
    for (size_t i = 0; status == TMOUTCTL_FINE && i < SCRIPTS; i++)
        if (literals[i].file.text != NULL)
            status = change_one(context, &scripts[i], &literals[i], default_sec, files);
    for (size_t i = 0; i < SCRIPTS; i++)
        free(literals[i].file.text);
    if (context->json)
        return print_json(json_pack("{s:o}", "files", files), status);
    json_decref(files);
    return finish(status);
}
