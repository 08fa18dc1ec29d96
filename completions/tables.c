/*
 * Prints the part of a shell's completions that follows from tmoutctl's own tables, so
 * that they always agree: tables bash, tables zsh, or tables fish. A new kind of operand
 * or value needs a row in kinds[], or this fails.
 */
#include "tools/tmoutctl/audit/findings.h"
#include "tools/tmoutctl/verbs/verbs.h"

#include <stdlib.h>
#include <string.h>

/* How operands and values are called in help, and how the templates call what completes
 * them. The same word may mean another thing to one command. */
static const struct {
    const char *command, *word, *kind;
} kinds[] = {
    {"edit", "NAME", "drop_in"}, {NULL, "NAME", "preset"},     {NULL, "USER", "user"},
    {NULL, "GROUP", "group"},    {NULL, "COMMAND", "command"}, {NULL, "ID", "check"},
    {NULL, "FILE", "file"},      {NULL, "PATH", "file"},       {NULL, "DIR", "directory"},
    {NULL, "ADDR", "none"},      {NULL, "X.Y", "none"},
};

static const char *kind_of(const char *command, const char *word)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].word, word) == 0 &&
            (kinds[i].command == NULL || strcmp(kinds[i].command, command) == 0))
            return kinds[i].kind;
    fprintf(stderr, "completions/tables.c: no row for the %s of %s\n", word, command);
    exit(1);
}

/* Is this one in help? */
static bool is_shown(const struct verb_option *option)
{
    return option->help != NULL;
}

/* Prints text, with a backslash before each of these characters. */
static void print_escaped(const char *text, const char *special)
{
    for (; *text != '\0'; text++) {
        if (strchr(special, *text) != NULL)
            putchar('\\');
        putchar(*text);
    }
}

static void print_names(const char *variable)
{
    printf("%s='", variable);
    for (size_t i = 0; verbs[i] != NULL; i++)
        printf("%s%s", i > 0 ? " " : "", verbs[i]->name);
    puts("'");
}

static void print_checks(const char *before, const char *after)
{
    fputs(before, stdout);
    for (int i = 0; i < AUDIT_CHECKS; i++)
        printf("%s%s", i > 0 ? " " : "", audit_checks[i].id);
    puts(after);
}

/* --- bash ----------------------------------------------------------------- */

static void bash_kinds(const struct verb *verb)
{
    for (const struct verb_option *o = verb->options; o != NULL && o->name != NULL; o++)
        if (is_shown(o) && o->value != NULL)
            printf("        '%s --%s') kind='%s' ;;\n", verb->name, o->name,
                   kind_of(verb->name, o->value));
    if (verb->operand != NULL)
        printf("        '%s operand') kind='%s' ;;\n", verb->name,
               kind_of(verb->name, verb->operand));
}

static void print_bash(void)
{
    print_names("_tmoutctl_commands");
    print_checks("_tmoutctl_checks='", "'");
    fputs("_tmoutctl_common='", stdout);
    for (const struct common_option *o = cli_common_options(); o->name != NULL; o++)
        printf("--%s ", o->name);
    puts("'\n\n# The options of command $1.\n_tmoutctl_own() {\n    own=\n    case $1 in");
    for (size_t i = 0; verbs[i] != NULL; i++) {
        printf("        %s) own='", verbs[i]->name);
        for (const struct verb_option *o = verbs[i]->options; o != NULL && o->name != NULL; o++)
            if (is_shown(o))
                printf("--%s ", o->name);
        puts("' ;;");
    }
    puts("    esac\n}\n\n# What completes option or operand $2 of command $1; empty: it takes no "
         "value.\n_tmoutctl_kind() {\n    kind=\n    case \"$1 $2\" in");
    for (size_t i = 0; verbs[i] != NULL; i++)
        bash_kinds(verbs[i]);
    for (const struct common_option *o = cli_common_options(); o->name != NULL; o++)
        if (o->value != NULL)
            printf("        *' --%s') kind='%s' ;;\n", o->name, kind_of("", o->value));
    puts("    esac\n}");
}

/* --- zsh ------------------------------------------------------------------ */

static void zsh_option(const char *exclude, const char *command, const char *name,
                       const char *value, const char *help)
{
    printf("'%s--%s[", exclude, name);
    for (const char *text = help; *text != '\0'; text++)
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            print_escaped((const char[]){*text, '\0'}, "[]:\\");
    putchar(']');
    if (value != NULL)
        printf(":%s:_tmoutctl_%s", value, kind_of(command, value));
    fputs("' ", stdout);
}

/* "(--a --b)": those that exclude the option; "" without any. */
static void zsh_excluded(const struct verb *verb, const struct verb_option *option, char *text,
                         size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (const struct verb_option *o = verb->options; option->group != 0 && o->name != NULL; o++)
        if (o->group == option->group && is_shown(o))
            used += (size_t)snprintf(text + used, size - used, "%s--%s", used == 0 ? "(" : " ",
                                     o->name);
    if (used > 0)
        snprintf(text + used, size - used, ")");
}

static void print_zsh(void)
{
    print_checks("_tmoutctl_checks=(", ")");
    puts("_tmoutctl_commands=(");
    for (size_t i = 0; verbs[i] != NULL; i++) {
        printf("    '%s:", verbs[i]->name);
        for (const char *text = verbs[i]->summary; *text != '\0'; text++)
            printf(*text == '\'' ? "'\\''" : *text == ':' ? "\\:" : "%c", *text);
        puts("'");
    }
    fputs(")\n_tmoutctl_common=(", stdout);
    for (const struct common_option *o = cli_common_options(); o->name != NULL; o++)
        zsh_option("", "", o->name, o->value, o->help);
    puts(")\n\n# The options and the operand of command $1.\n_tmoutctl_own() {\n    own=()\n"
         "    case $1 in");
    for (size_t i = 0; verbs[i] != NULL; i++) {
        const struct verb *verb = verbs[i];
        printf("        %s) own=(", verb->name);
        for (const struct verb_option *o = verb->options; o != NULL && o->name != NULL; o++) {
            char excluded[128];
            zsh_excluded(verb, o, excluded, sizeof excluded);
            if (is_shown(o))
                zsh_option(excluded, verb->name, o->name, o->value, o->help);
        }
        if (verb->operand != NULL)
            printf("'1:%s:_tmoutctl_%s'", verb->operand, kind_of(verb->name, verb->operand));
        puts(") ;;");
    }
    puts("    esac\n}");
}

/* --- fish ----------------------------------------------------------------- */

static void fish_option(const char *condition, const char *command, char letter, const char *name,
                        const char *value, const char *help)
{
    printf("complete -c tmoutctl%s", condition);
    if (letter != '\0')
        printf(" -s %c", letter);
    printf(" -l %s", name);
    if (value != NULL) {
        const char *kind = kind_of(command, value);
        if (strcmp(kind, "file") == 0)
            fputs(" -r -F", stdout);
        else
            printf(" -x -a '(__tmoutctl_%s)'", kind);
    }
    fputs(" -d '", stdout);
    print_escaped(help, "'\\");
    puts("'");
}

static void fish_command(const struct verb *verb)
{
    char condition[64];

    snprintf(condition, sizeof condition, " -n '__tmoutctl_is %s'", verb->name);
    for (const struct verb_option *o = verb->options; o != NULL && o->name != NULL; o++)
        if (is_shown(o))
            fish_option(condition, verb->name, '\0', o->name, o->value, o->help);
    if (verb->operand == NULL)
        return;
    const char *kind = kind_of(verb->name, verb->operand);
    if (strcmp(kind, "file") == 0)
        printf("complete -c tmoutctl -n '__tmoutctl_wants %s' -F\n", verb->name);
    else
        printf("complete -c tmoutctl -n '__tmoutctl_wants %s' -a '(__tmoutctl_%s)'\n", verb->name,
               kind);
}

static void print_fish(void)
{
    fputs("set -g __tmoutctl_with_value", stdout);
    for (const struct common_option *o = cli_common_options(); o->name != NULL; o++)
        if (o->value != NULL)
            printf(" --%s", o->name);
    for (size_t i = 0; verbs[i] != NULL; i++)
        for (const struct verb_option *o = verbs[i]->options; o != NULL && o->name != NULL; o++)
            if (is_shown(o) && o->value != NULL)
                printf(" --%s", o->name);
    putchar('\n');
    print_checks("set -g __tmoutctl_checks ", "");
    for (const struct common_option *o = cli_common_options(); o->name != NULL; o++)
        fish_option("", "", o->letter, o->name, o->value, o->help);
    for (size_t i = 0; verbs[i] != NULL; i++) {
        printf("complete -c tmoutctl -n '__tmoutctl_is \"\"' -a %s -d '", verbs[i]->name);
        print_escaped(verbs[i]->summary, "'\\");
        puts("'");
    }
    fputs("function __tmoutctl_command\n    printf '%s\\n'", stdout);
    for (size_t i = 0; verbs[i] != NULL; i++)
        printf(" %s", verbs[i]->name);
    puts("\nend");
    for (size_t i = 0; verbs[i] != NULL; i++)
        fish_command(verbs[i]);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

    for (size_t i = 0; argc == 2 && i < sizeof shells / sizeof *shells; i++)
        if (strcmp(argv[1], shells[i].name) == 0) {
            shells[i].print();
            return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
        }
    fputs("usage: tables bash | zsh | fish\n", stderr);
    return 1;
}
