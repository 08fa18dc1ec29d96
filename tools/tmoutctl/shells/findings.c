#include "tools/tmoutctl/shells/findings.h"

#include "tools/tmoutctl/shells/files.h"
#include "tools/tmoutctl/shells/lines.h"
#include "tools/tmoutctl/cli.h"
#include "tools/tmoutctl/print.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/*
 * What a limit that stays whatever the policy says may be without being
 * called larger: the one that shells get without a policy, which is also the
 * strictest that the baselines ask for.
 */
#define LARGEST_SEC 600

/* Where a file's lines stand in relation to ours. */
enum place { BEFORE, AFTER, BY_NAME, BY_LINE };

/* Files that may set a limit too. */
static const struct other_file {
    const char *pattern;
    enum place place;
    bool csh;
} other_files[] = {
    {PROFILE, BY_LINE, false},
    {PROFILE_DIR "/*.sh", BY_NAME, false},
    {"/etc/bash.bashrc", BY_LINE, false},
    {"/etc/bashrc", BY_LINE, false},
    {"/etc/zsh/zshenv", BY_LINE, false},
    {"/etc/zshenv", BY_LINE, false},
    {"/etc/zsh/zprofile", AFTER, false},
    {"/etc/zsh/zshrc", AFTER, false},
    {"/etc/zsh/zlogin", AFTER, false},
    {"/etc/zprofile", AFTER, false},
    {"/etc/zshrc", AFTER, false},
    {"/etc/zlogin", AFTER, false},
    {"/etc/ksh.kshrc", BY_LINE, false},
    {"/etc/mkshrc", BY_LINE, false},
    {PROFILE_DIR "/*.csh", BY_NAME, true},
    {"/etc/csh/cshrc.d/*", BEFORE, true},
    {"/etc/csh.cshrc", BY_LINE, true},
    {"/etc/csh.login", AFTER, true},
    {"/etc/csh/login.d/*", AFTER, true},
};

/*
 * Is the word before a name, on the same line, one that makes it readonly?
 * before is the line up to the name.
 */
static bool makes_readonly(const char *before, bool csh)
{
    if (!csh && strstr(before, "readonly"))
        return true;
    static const char *const words[] = {"declare", "typeset", "set"};
    for (size_t i = csh ? 2 : 0; i < (csh ? 3u : 2u); i++) {
        const char *word = strstr(before, words[i]);
        const char *option = word ? strstr(word, " -") : NULL;
        if (option && strchr(option, 'r'))
            return true;
    }
    return false;
}

/* What a line does with the limit's variable. */
struct setting {
    bool assigns;  /* gives it a value, or takes it away */
    bool readonly; /* makes it readonly */
    long value;    /* -1: not a number that can be read off the line */
};

/* The number at the start of text, quoted or not, if it is all of a word; else -1. */
static long literal(const char *text)
{
    text += strspn(text, " \t(\"'");
    char *end;
    errno = 0;
    long value = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : -1;
    return value >= 0 && errno == 0 && (!*end || strchr(" \t;\"')}&|", *end)) ? value : -1;
}

/* Reads the settings off a line's commands. */
static struct setting read_setting(const char *commands, bool csh)
{
    const char *name = shell_variable(csh);
    struct setting setting = {.value = -1};
    char *before = strdup(commands);
    if (!before)
        return setting;
    for (const char *at = commands; (at = shell_next_use(commands, at, name)); at++) {
        const char *after = at + strlen(name);
        before[at - commands] = '\0';
        setting.readonly |= makes_readonly(before, csh);
        setting.assigns |= strstr(before, "unset") != NULL;
        before[at - commands] = *name;
        if (csh)
            after += strspn(after, " \t");
        else if (*after == ':')
            after++; /* ${TMOUT:=60} */
        if (*after == '=' && after[1] != '=' && after[1] != '~') {
            setting.assigns = true;
            setting.value = literal(after + 1);
        }
    }
    free(before);
    return setting;
}

/* What a setting means for the policy; sets *conflict if it should go. */
static const char *advice(struct setting setting, bool after, bool csh, bool *conflict)
{
    long largest = csh ? LARGEST_SEC / 60 : LARGEST_SEC;
    *conflict = true;
    if (after && csh)
        return "comes after ours: replaces a limit that is not enforced; where it is, tcsh gives "
               "up the rest of the rc files here. Remove the line, the policy covers it";
    if (after)
        return "comes after ours: replaces a limit that is not enforced; where it is, bash "
               "complains and ksh, mksh and zsh drop the rest of this file. Remove the line, "
               "the policy covers it";
    if (setting.readonly && (setting.value <= 0 || setting.value > largest))
        return "readonly before ours and larger: not lowered by us. Remove the line, the policy "
               "covers it";
    *conflict = false;
    if (setting.readonly)
        return "readonly before ours: stays, whatever the policy says. Remove the line, the "
               "policy covers it";
    return "before ours: holds only where the policy sets no limit";
}

/*
 * Adds what file sets to findings. split is the number of the line from which
 * on it comes after ours.
 */
static void add_findings(json_t *findings, const char *path, unsigned split, bool csh)
{
    struct text_file file;
    if (read_text_file(path, 0, &file) < 0)
        return;
    /* `TMOUT=900` and `readonly TMOUT` may stand on lines of their own. */
    bool readonly = false;
    for (struct text_line line = {0}; next_text_line(&file, &line);) {
        char *commands = shell_commands_of(&line);
        readonly |= commands && read_setting(commands, csh).readonly;
        free(commands);
    }
    for (struct text_line line = {0}; next_text_line(&file, &line);) {
        char *commands = shell_commands_of(&line);
        struct setting setting = commands ? read_setting(commands, csh) : (struct setting){0};
        if (setting.assigns) {
            bool conflict;
            setting.readonly = readonly;
            const char *meaning = advice(setting, line.number >= split, csh, &conflict);
            json_t *finding = json_object();
            json_object_set_new(finding, "file", json_text(path));
            json_object_set_new(finding, "line", json_integer(line.number));
            json_object_set_new(finding, "text", json_text(commands + strspn(commands, " \t")));
            json_object_set_new(finding, "unit", json_string(csh ? "minutes" : "seconds"));
            json_object_set_new(finding, "value",
                                setting.value < 0 ? json_null() : json_integer(setting.value));
            json_object_set_new(finding, "readonly", json_boolean(readonly));
            json_object_set_new(finding, "conflict", json_boolean(conflict));
            json_object_set_new(finding, "meaning", json_text(meaning));
            json_array_append_new(findings, finding);
        }
        free(commands);
    }
    free(file.text);
}

/* The line of path from which on it comes after ours; UINT_MAX: none does. */
static unsigned split_of(const struct other_file *other, const char *path)
{
    const char *ours = other->csh ? PROFILE_CSH : PROFILE_SH;
    unsigned split = 0;
    switch (other->place) {
    case AFTER:
        return 0;
    case BEFORE:
        return UINT_MAX;
    case BY_NAME:
        return strcmp(path, ours) > 0 ? 0 : UINT_MAX;
    case BY_LINE:
        if (strcmp(path, PROFILE) == 0)
            split = last_line_with(PROFILE, PROFILE_DIR);
        for (const struct rc_file *rc = rc_files; rc->path; rc++) {
            if (strcmp(rc->path, path) == 0)
                split = rc_hook_line(rc);
        }
    }
    return split ? split : UINT_MAX;
}

json_t *list_shell_findings(void)
{
    json_t *findings = json_array();
    for (size_t i = 0; i < sizeof other_files / sizeof *other_files; i++) {
        const struct other_file *other = &other_files[i];
        glob_t paths;
        if (glob(other->pattern, 0, NULL, &paths) != 0)
            continue;
        for (size_t p = 0; p < paths.gl_pathc; p++) {
            const char *path = paths.gl_pathv[p];
            bool ours = strcmp(path, other->csh ? PROFILE_CSH : PROFILE_SH) == 0;
            if (!ours || !profile_script_is_ours(path))
                add_findings(findings, path, split_of(other, path), other->csh);
        }
        globfree(&paths);
    }
    return findings;
}
