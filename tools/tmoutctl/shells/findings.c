#include "tools/tmoutctl/shells/findings.h"

#include "lib/host/array.h"
#include "tools/tmoutctl/host/vendor.h"
#include "tools/tmoutctl/shells/files.h"
#include "tools/tmoutctl/shells/lines.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * A readonly limit stays whatever the policy says. Up to this it is called
 * harmless: it is the limit that shells get without a policy, and the strictest
 * that the baselines require.
 */
enum { READONLY_MAX_SEC = 600 };

/* Are a file's lines read before our script or after it? */
enum place { BEFORE, AFTER, BY_NAME, BY_LINE };

/* Other files that may set a limit. */
static const struct other_file {
    const char *pattern;
    enum place place;
    bool csh;
} other_files[] = {
    {PROFILE, BY_LINE, false},
    {PROFILE_DIR "/*.sh", BY_NAME, false},
    {"/etc/bash.bashrc", BY_LINE, false},
    {"/etc/bashrc", BY_LINE, false},
    {"/etc/bash/bashrc", BY_LINE, false},
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

/* --- one line ------------------------------------------------------------ */

/* Is the word before a name one that makes it readonly? before is the line up
 * to the name. */
static bool makes_readonly(const char *before, bool csh)
{
    static const char *const declarations[] = {"declare", "typeset", NULL};
    static const char *const csh_declarations[] = {"set", NULL};

    if (!csh && strstr(before, "readonly") != NULL)
        return true;
    for (const char *const *name = csh ? csh_declarations : declarations; *name != NULL; name++) {
        const char *declaration = strstr(before, *name);
        const char *option = declaration != NULL ? strstr(declaration, " -") : NULL;
        if (option != NULL && strchr(option, 'r') != NULL)
            return true;
    }
    return false;
}

/* What a line does with the limit's variable. */
struct line_effect {
    bool assigns;  /* gives it a value, or unsets it */
    bool readonly; /* makes it readonly */
    long value;    /* -1: the line does not tell it as a number */
};

/* The number at the start of text, quoted or not, if it is a whole word; else -1. */
static long number_value(const char *text)
{
    char *end;

    text += strspn(text, " \t(\"'");
    if (*text < '0' || *text > '9')
        return -1;
    errno = 0;
    const long value = strtol(text, &end, 10);
    return errno == 0 && (*end == '\0' || strchr(" \t;\"')}&|", *end) != NULL) ? value : -1;
}

/* commands is cut for a moment, and is then what it was. */
static struct line_effect line_effect(char *commands, bool csh)
{
    const char *variable = shell_variable(csh);
    struct line_effect effect = {.value = -1};

    for (const char *at = commands; (at = shell_next_use(commands, at, variable)) != NULL; at++) {
        const char *after = at + strlen(variable);
        commands[at - commands] = '\0';
        effect.readonly |= makes_readonly(commands, csh);
        effect.assigns |= strstr(commands, "unset") != NULL;
        commands[at - commands] = *variable;
        if (csh)
            after += strspn(after, " \t");
        else if (*after == ':')
            after++; /* ${TMOUT:=60} */
        if (*after == '=' && after[1] != '=' && after[1] != '~') {
            effect.assigns = true;
            effect.value = number_value(after + 1);
        }
    }
    return effect;
}

static enum shell_finding_kind finding_kind(const struct shell_finding *finding, bool after)
{
    const long readonly_max = finding->csh ? READONLY_MAX_SEC / 60 : READONLY_MAX_SEC;

    if (after)
        return SHELL_FINDING_AFTER;
    if (!finding->readonly)
        return SHELL_FINDING_BEFORE;
    return finding->value <= 0 || finding->value > readonly_max ? SHELL_FINDING_READONLY_LARGER
                                                                : SHELL_FINDING_READONLY;
}

/* --- a file -------------------------------------------------------------- */

int shell_findings_add(struct shell_findings *findings, const struct shell_finding *finding)
{
    struct shell_finding copy = *finding;
    struct shell_finding *grown = array_grow(findings->item, findings->count, sizeof *grown);

    if (grown == NULL)
        return -1;
    findings->item = grown;
    copy.file = strdup(finding->file);
    copy.text = strdup(finding->text);
    if (copy.file == NULL || copy.text == NULL) {
        free(copy.file);
        free(copy.text);
        return -1;
    }
    findings->item[findings->count++] = copy;
    return 0;
}

/* Adds what the file sets. From the line number `first_after` on it is read
 * after our script. */
static int findings_of_file(const struct host *host, struct shell_findings *findings,
                            const char *path, unsigned first_after, bool csh)
{
    const size_t first = findings->count;
    struct text_file file;
    bool readonly = false;
    int result = 0;

    if (shell_file_read(host, path, 0, &file) != 0)
        return errno == ENOMEM ? -1 : 0;
    for (struct text_line line = {0}; result == 0 && next_text_line(&file, &line);) {
        char *commands = shell_line_commands(&file, &line);
        const struct line_effect effect = line_effect(commands, csh);
        const struct shell_finding finding = {
            .file = (char *)(uintptr_t)path,
            .line = line.number,
            .text = commands + strspn(commands, " \t"),
            .csh = csh,
            .value = effect.value,
        };
        readonly |= effect.readonly;
        if (effect.assigns)
            result = shell_findings_add(findings, &finding);
    }
    free(file.text);
    /* `TMOUT=900` and `readonly TMOUT` may be lines of their own. */
    for (size_t i = first; i < findings->count; i++) {
        findings->item[i].readonly = readonly;
        findings->item[i].kind =
            finding_kind(&findings->item[i], findings->item[i].line >= first_after);
    }
    return result;
}

/* The first line of the file that is read after our script; UINT_MAX: none is.
 * Returns 0, or -1: out of memory. */
static int find_first_line_after(const struct host *host, const struct other_file *other,
                                 const char *path, unsigned *first)
{
    const char *site = vendor_site_path(path);
    struct vendor_path place;
    int line = 0;

    *first = UINT_MAX;
    switch (other->place) {
    case AFTER:
        *first = 0;
        return 0;
    case BEFORE:
        return 0;
    case BY_NAME:
        if (strcmp(site, other->csh ? PROFILE_CSH : PROFILE_SH) > 0)
            *first = 0;
        return 0;
    case BY_LINE:
    default:
        break;
    }
    /* A file in /etc that reads the vendor's comes to our script after it. */
    if (site != path && vendor_file(host, site, &place) == site)
        return 0;
    if (strcmp(site, PROFILE) == 0)
        line = shell_profile_hook_line(host);
    for (const struct rc_file *rc = rc_files; rc->path != NULL; rc++)
        if (strcmp(rc->path, site) == 0)
            line = shell_rc_hook_line(host, rc);
    if (line > 0)
        *first = (unsigned)line;
    return line < 0 ? -1 : 0;
}

/* --- all of them --------------------------------------------------------- */

/* Adds what the file at path sets, unless it is our own script. */
static int findings_of_other(const struct host *host, struct shell_findings *findings,
                             const struct other_file *other, const char *path)
{
    const bool has_our_name = strcmp(path, other->csh ? PROFILE_CSH : PROFILE_SH) == 0;
    const int is_ours = has_our_name ? shell_script_is_ours(host, path) : 0;
    unsigned first_after;

    if (is_ours != 0)
        return is_ours > 0 ? 0 : -1;
    if (find_first_line_after(host, other, path, &first_after) != 0)
        return -1;
    return findings_of_file(host, findings, path, first_after, other->csh);
}

/* Do shells read the file? They read a vendor's unless /etc has one of its name; and
 * then, if that one reads it, as ours do. */
static bool is_read(const struct host *host, const char *file)
{
    const char *site = vendor_site_path(file);
    struct vendor_path place;

    return vendor_file(host, site, &place) != site || site == file ||
           shell_last_line_with(host, site, file) > 0;
}

/* The files of a pattern below prefix that shells read. */
static int findings_of_pattern(const struct host *host, struct shell_findings *findings,
                               const struct other_file *other, const char *prefix)
{
    char path[PATH_MAX], pattern[PATH_MAX];
    glob_t paths;
    int result = 0;

    snprintf(path, sizeof path, "%s%s", prefix, other->pattern);
    if (host_path(host, path, pattern, sizeof pattern) != 0)
        return 0;
    const int globbed = glob(pattern, 0, NULL, &paths);
    if (globbed != 0)
        return globbed == GLOB_NOSPACE ? -1 : 0;
    for (size_t i = 0; result == 0 && i < paths.gl_pathc; i++) {
        const char *found = paths.gl_pathv[i] + strlen(host->root);
        if (is_read(host, found))
            result = findings_of_other(host, findings, other, found);
    }
    globfree(&paths);
    return result;
}

int shell_findings_find(const struct host *host, struct shell_findings *findings)
{
    for (size_t i = 0; i < sizeof other_files / sizeof *other_files; i++)
        if (findings_of_pattern(host, findings, &other_files[i], VENDOR_PREFIX) != 0 ||
            findings_of_pattern(host, findings, &other_files[i], "") != 0)
            return -1;
    return 0;
}

bool shell_finding_is_conflict(const struct shell_finding *finding)
{
    return finding->kind == SHELL_FINDING_AFTER || finding->kind == SHELL_FINDING_READONLY_LARGER ||
           finding->kind == SHELL_FINDING_CHANGED;
}

const char *shell_finding_advice(const struct shell_finding *finding)
{
    switch (finding->kind) {
    case SHELL_FINDING_AFTER:
        return finding->csh
                   ? "read after tmout.csh: replaces a limit that is not enforced; where it is "
                     "enforced, tcsh skips the remaining rc files at this point. Remove the line; "
                     "the policy covers it"
                   : "read after tmout.sh: replaces a limit that is not enforced; where it is "
                     "enforced, bash prints an error and ksh, mksh and zsh skip the rest of this "
                     "file. Remove the line; the policy covers it";
    case SHELL_FINDING_READONLY_LARGER:
        return "readonly before the policy's limit is set, and larger: cannot be lowered. Remove "
               "the line; the policy covers it";
    case SHELL_FINDING_READONLY:
        return "readonly before the policy's limit is set: takes precedence over the policy. "
               "Remove the line; the policy covers it";
    case SHELL_FINDING_LITERAL:
        return "larger than the policy's default: it is the limit of logins that the policy did "
               "not reach, and what compliance scanners read. Run \"tmoutctl shells --literal\"";
    case SHELL_FINDING_CHANGED:
        return "not as packaged: the policy's limit may be lost here. Copy the script back "
               "from " PACKAGED_SCRIPTS;
    case SHELL_FINDING_UNREAD:
        return "not as packaged, but shells read no further than the line before: it has no "
               "effect. Copy the script back from " PACKAGED_SCRIPTS;
    case SHELL_FINDING_BEFORE:
    default:
        return "applies only where the policy sets no limit";
    }
}

void shell_findings_free(struct shell_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        free(findings->item[i].file);
        free(findings->item[i].text);
    }
    free(findings->item);
    *findings = (struct shell_findings){0};
}
