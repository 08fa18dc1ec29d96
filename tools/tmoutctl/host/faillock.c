#include "tools/tmoutctl/host/faillock.h"

#include "tools/tmoutctl/host/edit.h"
#include "tools/tmoutctl/host/vendor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char blanks[] = " \t\r";

/* Reads a number as the module does: what follows the digits is ignored. */
static int64_t faillock_number(const char *text)
{
    return strtoll(text, NULL, 10);
}

/* Where an option is set. */
struct option_place {
    const char *file;
    unsigned line;
    bool on_pam_line;
};

/* Stores an option if it is one that we compare; name ends with =, blanks or a bracket. */
static void set_option(struct faillock *faillock, const char *name, const char *value,
                       const struct option_place *place)
{
    const size_t length = strcspn(name, "= \t\r]");
    struct faillock_option *option;

    if (length == 4 && strncmp(name, "deny", length) == 0)
        option = &faillock->deny;
    else if (length == 13 && strncmp(name, "fail_interval", length) == 0)
        option = &faillock->fail_interval;
    else if (length == 11 && strncmp(name, "unlock_time", length) == 0)
        option = &faillock->unlock_time;
    else if (length == 14 && strncmp(name, "even_deny_root", length) == 0)
        option = &faillock->even_deny_root;
    else
        return;
    option->value = option == &faillock->even_deny_root ? 1 : faillock_number(value);
    /* As the module, which takes -1 for 65535. */
    if (option == &faillock->deny && option->value <= 0)
        option->value = INT64_MAX;
    if (option == &faillock->unlock_time && (option->value == 0 || strncmp(value, "never", 5) == 0))
        option->value = INT64_MAX;
    snprintf(option->file, sizeof option->file, "%s", place->file);
    option->line = place->line;
    option->on_pam_line = place->on_pam_line;
}

static void read_faillock_conf(const struct host *host, struct faillock *faillock)
{
    struct text_file file;

    if (host_read_text(host, faillock->config, 0, TEXT_FILE_SIZE_MAX, &file) != 0)
        return; /* its defaults apply */
    for (struct text_line line = {0}; next_text_line(&file, &line);) {
        char text[512];
        snprintf(text, sizeof text, "%.*s", (int)(line.end - line.start), line.start);
        text[strcspn(text, "#")] = '\0';
        const char *name = text + strspn(text, blanks);
        const char *value = name + strcspn(name, "=");
        value += *value == '=';
        set_option(faillock, name, value + strspn(value, blanks),
                   &(struct option_place){faillock->config, line.number, false});
    }
    free(file.text);
}

void faillock_read(const struct host *host, const struct pam_stack *auth, struct faillock *faillock)
{
    /* Defaults from pam_faillock(8). */
    *faillock = (struct faillock){.deny.value = 3,
                                  .fail_interval.value = 900,
                                  .unlock_time.value = 600,
                                  .config = "/etc/security/faillock.conf"};
    for (size_t i = 0; i < auth->count; i++) {
        size_t length = 0;
        const char *config = pam_line_value(&auth->line[i], "conf=", &length);
        if (!pam_line_is(&auth->line[i], "pam_faillock.so"))
            continue;
        faillock->used = true;
        if (config != NULL)
            snprintf(faillock->config, sizeof faillock->config, "%.*s", (int)length, config);
    }
    if (!faillock->used)
        return;
    struct vendor_path place;
    const char *config = vendor_file(host, faillock->config, &place);
    if (config == place.text)
        snprintf(faillock->config, sizeof faillock->config, "%s", config);
    read_faillock_conf(host, faillock);
    for (size_t i = 0; i < auth->count; i++) {
        const struct pam_line *line = &auth->line[i];
        if (!pam_line_is(line, "pam_faillock.so"))
            continue;
        struct pam_argument argument;
        for (const char *at = line->arguments; pam_next_argument(&at, &argument);) {
            const char *value = argument.text + strcspn(argument.text, "= \t\r]");
            set_option(faillock, argument.text, value + (*value == '='),
                       &(struct option_place){line->file, line->line, true});
        }
    }
}
