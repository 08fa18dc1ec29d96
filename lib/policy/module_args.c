#include "lib/policy/module_args.h"

#include "lib/paths.h"

#include <string.h>

/* Those whose name ends in = take an absolute path. */
static const char *const names[MODULE_ARGS] = {
    [MODULE_ARG_DEBUG] = "debug",    [MODULE_ARG_NOPROMPT] = "noprompt", [MODULE_ARG_TELL] = "tell",
    [MODULE_ARG_CONFIG] = "config=", [MODULE_ARG_STATE] = "state=",
};

static bool takes_path(const char *name)
{
    return name[strlen(name) - 1] == '=';
}

int module_arg_find(const char *word, size_t length, const char **value, struct failure *failure)
{
    *value = NULL;
    for (int id = 0; id < MODULE_ARGS; id++) {
        const size_t name_length = strlen(names[id]);
        if (length < name_length || strncmp(word, names[id], name_length) != 0)
            continue;
        if (!takes_path(names[id])) {
            if (length == name_length)
                return id;
        } else if (length == name_length || word[name_length] != '/') {
            failure_set(failure, "needs an absolute path");
            return -1;
        } else if (id == MODULE_ARG_STATE && length - name_length > MODULE_STATE_MAX) {
            failure_set(failure, "the path is too long");
            return -1;
        } else {
            *value = word + name_length;
            return id;
        }
    }
    failure_set(failure, "unknown argument; valid arguments: debug, noprompt, tell, config=/PATH, "
                         "state=/DIR");
    return -1;
}

int module_args_parse(int argc, const char *const *argv, struct module_args *args,
                      struct failure *failure)
{
    *args = (struct module_args){.config_path = TMOUT_CONFIG_PATH, .state_dir = TMOUT_STATE_DIR};
    for (int i = 0; i < argc; i++) {
        const char *value;
        switch (module_arg_find(argv[i], strlen(argv[i]), &value, failure)) {
        case MODULE_ARG_DEBUG:
            args->debug = true;
            break;
        case MODULE_ARG_NOPROMPT:
            args->noprompt = true;
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
        default:
            return i;
        }
    }
    return argc;
}
