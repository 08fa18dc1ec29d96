#include "lib/policy/module_args.h"

#include "lib/paths.h"

#include <string.h>

/* Those whose name ends in = take a value. */
static const char *const names[MODULE_ARGS] = {
    [MODULE_ARG_DEBUG] = "debug",
    [MODULE_ARG_NOPROMPT] = "noprompt",
    [MODULE_ARG_TELL] = "tell",
    [MODULE_ARG_CONFIG] = "config=",
    [MODULE_ARG_STATE] = "state=",
    [MODULE_ARG_ORIGIN] = "origin=",
    [MODULE_ARG_NEW_PASSWORD] = "new_password",
    [MODULE_ARG_SECOND_FACTOR] = "second_factor=",
};

static bool takes_value(const char *name)
{
    return name[strlen(name) - 1] == '=';
}

static bool is_word(const char *value, size_t length, const char *word)
{
    return length == strlen(word) && strncmp(value, word, length) == 0;
}

/* Words with commas between them. */
static bool is_list(const char *value, size_t length)
{
    size_t word = 0;

    for (size_t i = 0; i <= length; i++) {
        if (i < length && value[i] != ',')
            word++;
        else if (word == 0 || word > MODULE_WORD_MAX)
            return false;
        else
            word = 0;
    }
    return true;
}

/* NULL, or what is wrong with the value. */
static const char *wrong_value(enum module_arg_id id, const char *value, size_t length)
{
    if (id == MODULE_ARG_ORIGIN)
        return is_word(value, length, "local") || is_word(value, length, "network")
                   ? NULL
                   : "must be local or network";
    if (id == MODULE_ARG_SECOND_FACTOR)
        return is_list(value, length) ? NULL : "must be words of prompts, with commas between them";
    if (length == 0 || value[0] != '/')
        return "needs an absolute path";
    return id == MODULE_ARG_STATE && length > MODULE_STATE_MAX ? "the path is too long" : NULL;
}

int module_arg_find(const char *word, size_t length, const char **value, struct failure *failure)
{
    *value = NULL;
    for (int id = 0; id < MODULE_ARGS; id++) {
        const size_t name_length = strlen(names[id]);
        if (length < name_length || strncmp(word, names[id], name_length) != 0)
            continue;
        if (takes_value(names[id])) {
            const char *wrong =
                wrong_value((enum module_arg_id)id, word + name_length, length - name_length);
            if (wrong == NULL) {
                *value = word + name_length;
                return id;
            }
            failure_set(failure, "%s", wrong);
            return -1;
        }
        if (length == name_length)
            return id;
    }
    failure_set(failure, "unknown argument; valid arguments: debug, noprompt, new_password, tell, "
                         "config=/PATH, state=/DIR, origin=local|network, second_factor=WORD,...");
    return -1;
}

int module_args_parse(int argc, const char *const *argv, struct module_args *args,
                      struct failure *failure)
{
    *args = (struct module_args){
        .phase = "", .config_path = TMOUT_CONFIG_PATH, .state_dir = TMOUT_STATE_DIR};
    for (int i = 0; i < argc; i++) {
        const char *value;
        switch (module_arg_find(argv[i], strlen(argv[i]), &value, failure)) {
        case MODULE_ARG_DEBUG:
            args->debug = true;
            break;
        case MODULE_ARG_NOPROMPT:
            args->noprompt = true;
            break;
        case MODULE_ARG_NEW_PASSWORD:
            args->new_password = true;
            break;
        case MODULE_ARG_TELL:
            args->tell = true;
            break;
        case MODULE_ARG_CONFIG:
            args->config_path = value;
            break;
        case MODULE_ARG_STATE:
            args->state_dir = value;
            break;
        case MODULE_ARG_SECOND_FACTOR:
            args->second_factor = value;
            break;
        case MODULE_ARG_ORIGIN:
            args->origin =
                strcmp(argv[i], "origin=local") == 0 ? ORIGIN_SAID_LOCAL : ORIGIN_SAID_NETWORK;
            break;
        default:
            return i;
        }
    }
    return argc;
}
