#include "pam_module/module_args.h"

#include "lib/sessions/registry.h"
#include "lib/paths.h"

#include <security/pam_ext.h>
#include <string.h>
#include <syslog.h>

/* The value of NAME=value with an absolute path, or NULL. */
static const char *path_value(const char *word, const char *name)
{
    const size_t length = strlen(name);

    return strncmp(word, name, length) == 0 && word[length] == '/' ? word + length : NULL;
}

static int complain(pam_handle_t *pamh, const char *argument, const char *wrong)
{
    if (pamh != NULL)
        pam_syslog(pamh, LOG_ERR, "%s argument=\"%s\"", wrong, argument);
    return -1;
}

int module_args_parse(pam_handle_t *pamh, int argc, const char **argv, struct module_args *args)
{
    *args = (struct module_args){.config_path = TMOUT_CONFIG_PATH,
                                 .state_dir = TMOUT_STATE_DIR,
                                 .sessions_dir = TMOUT_SESSIONS_DIR};
    for (int i = 0; i < argc; i++) {
        const char *value;
        if (strcmp(argv[i], "debug") == 0) {
            args->debug = true;
        } else if (strcmp(argv[i], "noprompt") == 0) {
            args->noprompt = true;
        } else if (strcmp(argv[i], "tell") == 0) {
            args->tell = true;
        } else if ((value = path_value(argv[i], "config=")) != NULL) {
            args->config_path = value;
        } else if ((value = path_value(argv[i], "state=")) != NULL) {
            args->state_dir = value;
            if (!registry_directory(value, args->sessions_dir, sizeof args->sessions_dir))
                return complain(pamh, argv[i], "the path is too long");
        } else {
            return complain(pamh, argv[i],
                            "unknown argument on the PAM line; there are debug, noprompt, tell, "
                            "config=/PATH and state=/DIR");
        }
    }
    return 0;
}
