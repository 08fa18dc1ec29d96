#include "lib/policy/section.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void section_begin(struct section *section, const char *file, uint32_t file_index, unsigned line,
                   struct problems *problems)
{
    *section = (struct section){
        .file = file, .problems = problems, .rule = {.file = file_index, .line = line}};
}

void section_free(struct section *section)
{
    free(section->rule.name);
    free(section->rule.text);
    section->rule.name = section->rule.text = NULL;
}

void section_error(struct section *section, unsigned line, const char *format, ...)
{
    char text[1024]; /* longer than the longest message */
    va_list arguments;

    section->errors++;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    problem_add(section->problems, PROBLEM_ERROR, section->file, line, "%s", text);
}

bool section_find_kind(const char *word, enum rule_kind *kind)
{
    for (int i = RULE_DEFAULT; i <= RULE_USER; i++) {
        if (strcmp(word, rule_kind_word((enum rule_kind)i)) == 0) {
            *kind = (enum rule_kind)i;
            return true;
        }
    }
    return false;
}

static void add_include_error(struct section *section, unsigned line)
{
    section_error(section, line,
                  "include is not supported: put the other file into %s.d/, with a name that ends "
                  "in .conf",
                  section->file);
}

static void add_unknown_kind(struct section *section, unsigned line, const char *word)
{
    const char *known[RULE_USER + 1];

    for (int i = RULE_DEFAULT; i <= RULE_USER; i++)
        known[i] = rule_kind_word((enum rule_kind)i);
    const char *meant = nearest_word(word, known, RULE_USER + 1);
    if (meant != NULL)
        section_error(section, line, "unknown section \"%.64s\"; did you mean \"%s\"?", word,
                      meant);
    else
        section_error(section, line,
                      "unknown section \"%.64s\"; use default, group \"NAME\" or user \"NAME\"",
                      word);
}

void section_set_kind(struct section *section, unsigned line, const char *word)
{
    if (strcmp(word, "include") == 0) {
        add_include_error(section, line);
        return;
    }
    section->has_kind = section_find_kind(word, &section->rule.kind);
    if (!section->has_kind)
        add_unknown_kind(section, line, word);
}

void section_set_name(struct section *section, unsigned line, const char *name)
{
    const bool named = section->rule.kind != RULE_DEFAULT;

    if (named && name[0] == '\0')
        section_error(section, line, "the name is empty");
    if (strlen(name) > RULE_NAME_MAX)
        section_error(section, line, "the name is longer than %d bytes", RULE_NAME_MAX);
    section->has_name = true;
    section->rule.name = strdup(name);
    section->no_memory = section->no_memory || section->rule.name == NULL;
}

const struct setting *section_find_setting(struct section *section, unsigned line, const char *name,
                                           const struct setting **meant)
{
    const char *known[SETTING_COUNT];

    *meant = setting_find(name);
    if (*meant != NULL)
        return *meant;
    if (strcmp(name, "include") == 0) {
        add_include_error(section, line);
        return NULL;
    }
    for (size_t i = 0; i < SETTING_COUNT; i++)
        known[i] = settings[i].name;
    const char *nearest = nearest_word(name, known, SETTING_COUNT);
    if (nearest != NULL) {
        *meant = setting_find(nearest);
        section_error(section, line, "unknown setting \"%.64s\"; did you mean \"%s\"?", name,
                      nearest);
        return NULL;
    }
    section_error(section, line, "unknown setting \"%.64s\"; tmout.conf(5) lists all settings",
                  name);
    return NULL;
}

bool section_note_setting(struct section *section, unsigned line, const struct setting *setting)
{
    unsigned *first_line = &section->first_line[setting - settings];

    if (setting->default_only != NULL && section->has_kind && section->rule.kind != RULE_DEFAULT)
        section_error(section, line, "%s is only allowed in the default section: %s", setting->name,
                      setting->default_only);
    if (*first_line != 0) {
        section_error(section, line, "%s is already set in this section, on line %u", setting->name,
                      *first_line);
        return false;
    }
    *first_line = line;
    return true;
}

void section_set_value(struct section *section, unsigned line, const struct setting *setting,
                       const char *text)
{
    struct rule *rule = &section->rule;
    int64_t value = 0;
    const char *wrong = setting_parse(setting, text, &value);
    const bool first = section_note_setting(section, line, setting);

    if (wrong != NULL)
        section_error(section, line, "%s = \"%.64s\" %s (allowed: %s)", setting->name, text, wrong,
                      setting->values);
    if (!first || wrong != NULL)
        return;
    rule->setting[setting - settings] =
        (struct rule_setting){.set = true, .value = value, .file = rule->file, .line = line};
    if (setting->type == SETTING_TEXT) {
        rule->text = strdup(text);
        section->no_memory = section->no_memory || rule->text == NULL;
    }
}
