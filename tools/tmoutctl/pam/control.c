#include "tools/tmoutctl/pam/control.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The action of `[result=action ...]` for a result, or its default; "" if it
 * has neither. */
static void pam_control_action(const char *control, const char *result, char *action, size_t size)
{
    const size_t length = strlen(result);

    action[0] = '\0';
    for (const char *c = control + 1; *c != '\0' && *c != ']'; c += strcspn(c, " \t]")) {
        c += strspn(c, " \t");
        if (strncmp(c, result, length) == 0 && c[length] == '=') {
            snprintf(action, size, "%.*s", (int)strcspn(c + length + 1, " \t]"), c + length + 1);
            return;
        }
    }
    if (strcmp(result, "default") != 0)
        pam_control_action(control, "default", action, size);
}

bool pam_control_never_blocks(const char *control)
{
    bool ignores_rest = false;

    if (control[0] != '[')
        return strcasecmp(control, "optional") == 0;
    for (const char *c = control + 1; *(c += strspn(c, " \t")) != '\0' && *c != ']';
         c += strcspn(c, " \t]")) {
        const int length = (int)strcspn(c, " \t]");
        char pair[64];
        snprintf(pair, sizeof pair, "%.*s", length, c);
        const char *equals = strchr(pair, '=');
        if (strcmp(pair, "success=ok") == 0 || strcmp(pair, "new_authtok_reqd=ok") == 0)
            continue;
        if (equals == NULL || strcmp(equals, "=ignore") != 0)
            return false;
        ignores_rest = ignores_rest || strcmp(pair, "default=ignore") == 0;
    }
    return ignores_rest;
}

bool pam_control_rejects_at_once(const char *control)
{
    char rejected[16], broken[16], ignored[16];

    if (control[0] != '[')
        return strcasecmp(control, "requisite") == 0;
    pam_control_action(control, "auth_err", rejected, sizeof rejected);
    pam_control_action(control, "service_err", broken, sizeof broken);
    pam_control_action(control, "ignore", ignored, sizeof ignored);
    return strcmp(rejected, "die") == 0 && strcmp(broken, "die") == 0 &&
           strcmp(ignored, "ignore") == 0;
}

bool pam_control_ends_on_success(const char *control)
{
    static const char *const results[] = {"success", "ignore"};
    char action[16];

    if (control[0] != '[')
        return strcasecmp(control, "sufficient") == 0;
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        pam_control_action(control, results[i], action, sizeof action);
        if (strcmp(action, "done") == 0)
            return true;
    }
    return false;
}

unsigned long pam_control_jump(const char *control)
{
    unsigned long longest = 0;

    if (control[0] != '[')
        return 0;
    for (const char *equals = control; (equals = strchr(equals, '=')) != NULL; equals++) {
        const unsigned long jump =
            isdigit((unsigned char)equals[1]) ? strtoul(equals + 1, NULL, 10) : 0;
        longest = jump > longest ? jump : longest;
    }
    return longest;
}
