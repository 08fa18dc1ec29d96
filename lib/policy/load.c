#include "lib/policy/load.h"

#include "lib/policy/scan.h"

#include <confuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the callbacks need to know. libconfuse hands no pointer through, and
 * is not reentrant anyway. */
static struct {
    const struct source *source;
    uint32_t file_index;
    unsigned base_line; /* in the file, of the piece's first line */
    struct rule rule;   /* of the section that is being read */
    unsigned said;      /* mistakes found in this piece */
    bool no_memory;
    struct problems *problems;
} loading;

#define SAY(at_line, ...)                                                                          \
    do {                                                                                           \
        loading.said++;                                                                            \
        problem_add(loading.problems, PROBLEM_ERROR, loading.source->path, (at_line),              \
                    __VA_ARGS__);                                                                  \
    } while (0)

static unsigned file_line(const cfg_t *cfg)
{
    return loading.base_line + (unsigned)cfg->line - 1;
}

/* libconfuse calls this for each `name = value`. Mistakes are noted and
 * reading goes on, so that one run finds them all. */
static int take_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
    const struct setting *setting = setting_find(opt->name);
    struct rule_setting *slot = &loading.rule.setting[setting - settings];
    const unsigned line = file_line(cfg);
    int64_t value = 0;
    const char *wrong = setting_parse(setting, text, &value);

    *(const char **)result = text;
    if (setting->default_only != NULL && strcmp(cfg->name, rule_kind_word(RULE_DEFAULT)) != 0)
        SAY(line, "%s can stand in the default section alone: %s", setting->name,
            setting->default_only);
    else if (wrong != NULL)
        SAY(line, "%s = \"%.64s\" %s (it takes: %s)", setting->name, text, wrong, setting->values);
    else if (slot->set)
        SAY(line, "%s stands a second time in this section; the first is in line %u", setting->name,
            slot->line);
    else
        *slot = (struct rule_setting){
            .set = true, .value = value, .file = loading.file_index, .line = line};
    if (slot->set && setting->type == SETTING_TEXT && loading.rule.text == NULL) {
        loading.rule.text = strdup(text);
        loading.no_memory = loading.no_memory || loading.rule.text == NULL;
    }
    return 0;
}

/* Explains a word that is no setting and no section. */
static void say_unknown(unsigned line, const char *word, bool in_section)
{
    const char *known[SETTING_COUNT + 3];
    size_t count = 0;
    const char *kind = in_section ? "setting" : "section";

    if (strcmp(word, "include") == 0) {
        SAY(line,
            "include is not supported; put the other file into %s.d/ with a name that ends "
            "in .conf",
            loading.source->path);
        return;
    }
    if (in_section) {
        for (size_t i = 0; i < SETTING_COUNT; i++)
            known[count++] = settings[i].name;
    } else {
        for (int kind_number = RULE_DEFAULT; kind_number <= RULE_USER; kind_number++)
            known[count++] = rule_kind_word((enum rule_kind)kind_number);
    }
    const char *meant = nearest_word(word, known, count);
    if (meant != NULL)
        SAY(line, "unknown %s \"%.64s\"; did you mean \"%s\"?", kind, word, meant);
    else if (in_section)
        SAY(line, "unknown setting \"%.64s\"; tmout.conf(5) lists them all", word);
    else
        SAY(line, "unknown section \"%.64s\"; there are default, group \"NAME\" and user \"NAME\"",
            word);
}

/* libconfuse's own complaints arrive here. */
static void take_complaint(cfg_t *cfg, const char *format, va_list arguments)
{
    static const char unknown[] = "no such option '";
    char text[2048]; /* more than the longest word that passes the scan */
    size_t length;

    vsnprintf(text, sizeof text, format, arguments);
    length = strlen(text);
    if (strncmp(text, unknown, sizeof unknown - 1) == 0 && text[length - 1] == '\'') {
        text[length - 1] = '\0';
        say_unknown(file_line(cfg), text + sizeof unknown - 1,
                    cfg->name != NULL && strcmp(cfg->name, "root") != 0);
    } else {
        SAY(file_line(cfg), "%s", text);
    }
}

static void check_name(const char *name, unsigned line)
{
    if (name[0] == '\0')
        SAY(line, "the name between the quotes is empty");
    if (strlen(name) > RULE_NAME_MAX)
        SAY(line, "the name is longer than %d bytes", RULE_NAME_MAX);
}

/* Adds the section of this kind that the piece holds, if it does. */
static int take_section(cfg_t *cfg, enum rule_kind kind, struct policy *policy)
{
    const char *word = rule_kind_word(kind);

    if (cfg_size(cfg, word) == 0)
        return 0;
    cfg_t *section = cfg_getnsec(cfg, word, 0);
    const char *name = kind == RULE_DEFAULT ? "" : cfg_title(section);

    if (kind != RULE_DEFAULT)
        check_name(name, loading.base_line);
    if (loading.said > 0)
        return 0;
    loading.rule.kind = kind;
    loading.rule.file = loading.file_index;
    loading.rule.line = loading.base_line;
    loading.rule.name = strdup(name);
    if (loading.rule.name == NULL)
        return -1;
    if (policy_append(policy, &loading.rule) != 0) {
        free(loading.rule.name);
        return -1;
    }
    loading.rule.text = NULL; /* the policy's now */
    return 0;
}

/* Reads one piece: NUL-terminated text that holds one section. */
static int load_piece(const char *text, cfg_opt_t *sections, struct policy *policy)
{
    int result = -1;
    cfg_t *cfg = cfg_init(sections, CFGF_NONE);

    if (cfg == NULL)
        return -1;
    cfg_set_error_function(cfg, take_complaint);
    loading.rule = (struct rule){0};
    loading.said = 0;
    loading.no_memory = false;
    const int parsed = cfg_parse_buf(cfg, text);
    if (loading.no_memory)
        goto out;
    if (parsed != CFG_SUCCESS && loading.said == 0)
        SAY(file_line(cfg), "cannot be understood");
    if (parsed == CFG_SUCCESS &&
        (take_section(cfg, RULE_DEFAULT, policy) != 0 ||
         take_section(cfg, RULE_GROUP, policy) != 0 || take_section(cfg, RULE_USER, policy) != 0))
        goto out;
    result = 0;

out:
    free(loading.rule.text);
    cfg_free(cfg);
    return result;
}

/* The piece by itself: a section a time keeps libconfuse linear (it looks
 * for each title among all earlier ones) and its line numbers right. */
static int load_pieces(char *text, const struct scan_pieces *pieces, struct policy *policy)
{
    cfg_opt_t options[SETTING_COUNT + 1];
    cfg_opt_t sections[] = {CFG_SEC("default", options, CFGF_MULTI),
                            CFG_SEC("group", options, CFGF_MULTI | CFGF_TITLE),
                            CFG_SEC("user", options, CFGF_MULTI | CFGF_TITLE), CFG_END()};

    for (size_t i = 0; i < SETTING_COUNT; i++)
        options[i] = (cfg_opt_t)CFG_STR_CB(settings[i].name, NULL, CFGF_NONE, take_value);
    options[SETTING_COUNT] = (cfg_opt_t)CFG_END();

    for (size_t i = 0; i < pieces->count; i++) {
        const struct scan_piece *piece = &pieces->item[i];
        const char after = text[piece->end];

        loading.base_line = piece->line;
        text[piece->end] = '\0';
        const int result = load_piece(text + piece->start, sections, policy);
        text[piece->end] = after;
        if (result != 0)
            return -1;
    }
    return 0;
}

int load(const struct source *source, uint32_t file_index, struct policy *policy,
         struct problems *problems)
{
    struct scan_pieces pieces;
    const size_t errors_before = problems->errors;
    int result = 0;

    loading.source = source;
    loading.file_index = file_index;
    loading.problems = problems;
    if (scan(source->text, source->size, source->path, &pieces, problems) != 0)
        return -1;
    /* What did not pass the scan, libconfuse may not see. */
    if (problems->errors == errors_before)
        result = load_pieces(source->text, &pieces, policy);
    free(pieces.item);
    return result;
}
