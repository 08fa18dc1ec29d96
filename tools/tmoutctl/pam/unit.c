#include "tools/tmoutctl/pam/unit.h"

#include "tools/tmoutctl/host/edit.h"
#include "tools/tmoutctl/host/text_file.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where systemd looks; the first directory with the file wins. */
static const char *const unit_directories[] = {"/etc/systemd/system", "/run/systemd/system",
                                               "/usr/local/lib/systemd/system",
                                               "/usr/lib/systemd/system", "/lib/systemd/system"};

enum { UNIT_DIRECTORIES = sizeof unit_directories / sizeof *unit_directories };

/* What the settings of [Service] say so far. For each list of paths: how long the
 * longest one is that covers the directory; -1 for none. systemd lets the more
 * specific path win. */
struct unit_settings {
    const char *directory;
    bool is_strict, hides_boot_id, in_service, checks_nothing;
    int read_only, writable;
};

/* Is the directory at or below this path[length]? */
static bool path_covers(const char *path, size_t length, const char *directory)
{
    while (length > 1 && path[length - 1] == '/')
        length--;
    if (length == 1 && path[0] == '/')
        return true;
    return strncmp(path, directory, length) == 0 &&
           (directory[length] == '\0' || directory[length] == '/');
}

/* The paths of a list, separated by blanks; "-" and "+" before them do not matter.
 * An empty list resets what came before. */
static void take_paths(const char *value, size_t size, const char *directory, int *longest)
{
    const char *at = value, *end = value + size;

    if (size == 0)
        *longest = -1;
    while (at < end) {
        size_t length = strcspn(at, " \t\"\n");
        if (length > (size_t)(end - at))
            length = (size_t)(end - at);
        const char *path = at;
        const size_t marks = strspn(path, "-+");
        if (length > marks && path_covers(path + marks, length - marks, directory) &&
            (int)(length - marks) > *longest)
            *longest = (int)(length - marks);
        at += length + 1;
    }
}

static bool is_named(const char *line, size_t length, const char *name)
{
    return length == strlen(name) && strncmp(line, name, length) == 0;
}

/* StateDirectory=NAME is writable below /var/lib. */
static void take_state_directory(const char *value, size_t size, struct unit_settings *settings)
{
    char path[PATH_MAX];

    const int length = snprintf(path, sizeof path, "/var/lib/%.*s", (int)size, value);
    if (size > 0 && length > 0 && (size_t)length < sizeof path)
        take_paths(path, (size_t)length, settings->directory, &settings->writable);
}

/* Does the path of a command's program end like this? */
static bool runs_program(const char *command, size_t size, const char *ending)
{
    size_t length = strcspn(command, " \t\r\n");
    const size_t end = strlen(ending);

    if (length > size)
        length = size;
    return length >= end && strncmp(command + length - end, ending, end) == 0;
}

static void take_setting(const char *line, const char *end, struct unit_settings *settings)
{
    const char *equals = memchr(line, '=', (size_t)(end - line));

    if (equals == NULL)
        return;
    size_t name = (size_t)(equals - line);
    while (name > 0 && (line[name - 1] == ' ' || line[name - 1] == '\t'))
        name--;
    const char *value = equals + 1 + strspn(equals + 1, " \t");
    if (value > end)
        value = end;
    const size_t size = (size_t)(end - value);
    if (is_named(line, name, "ProtectSystem"))
        settings->is_strict = is_named(value, size, "strict");
    else if (is_named(line, name, "ProcSubset"))
        settings->hides_boot_id = is_named(value, size, "pid");
    else if (is_named(line, name, "ExecStart"))
        settings->checks_nothing = runs_program(value, size, "/cockpit-tls");
    else if (is_named(line, name, "ReadWritePaths"))
        take_paths(value, size, settings->directory, &settings->writable);
    else if (is_named(line, name, "ReadOnlyPaths") || is_named(line, name, "InaccessiblePaths"))
        take_paths(value, size, settings->directory, &settings->read_only);
    else if (is_named(line, name, "StateDirectory"))
        take_state_directory(value, size, settings);
}

static void take_text(const struct text_file *file, struct unit_settings *settings)
{
    struct text_line line = {.number = 0};

    settings->in_service = false;
    while (next_text_line(file, &line)) {
        const char *start = line.start, *end = line.end;
        while (start < end && (*start == ' ' || *start == '\t'))
            start++;
        while (end > start && strchr(" \t\r", end[-1]) != NULL)
            end--;
        if (start < end && *start == '[')
            settings->in_service = is_named(start, (size_t)(end - start), "[Service]");
        else if (settings->in_service && start < end && *start != '#' && *start != ';')
            take_setting(start, end, settings);
    }
}

/* Returns false if there is no such file. */
static bool take_file(const struct host *host, const char *path, struct unit_settings *settings)
{
    struct text_file file;

    if (host_read_text(host, path, 0, TEXT_FILE_SIZE_MAX, &file) != 0)
        return false;
    take_text(&file, settings);
    free(file.text);
    return true;
}

static int is_drop_in(const struct dirent *entry)
{
    const size_t length = strlen(entry->d_name);

    return length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0;
}

/* The drop-ins of one directory, in their order. */
static void take_drop_ins(const struct host *host, const char *directory, const char *unit,
                          struct unit_settings *settings)
{
    char path[UNIT_PATH_MAX], full[PATH_MAX], file[UNIT_PATH_MAX + 300];
    struct dirent **entry = NULL;

    snprintf(path, sizeof path, "%s/%s.d", directory, unit);
    if (host_path(host, path, full, sizeof full) != 0)
        return;
    const int count = scandir(full, &entry, is_drop_in, alphasort);
    for (int i = 0; i < count; i++) {
        snprintf(file, sizeof file, "%s/%s", path, entry[i]->d_name);
        take_file(host, file, settings);
        free(entry[i]);
    }
    free(entry);
}

int unit_sandbox_read(const struct host *host, const char *unit, const char *directory,
                      struct unit_sandbox *sandbox)
{
    struct unit_settings settings = {.directory = directory, .read_only = -1, .writable = -1};
    bool found = false;

    *sandbox = (struct unit_sandbox){.is_read_only = false};
    for (size_t i = 0; i < UNIT_DIRECTORIES && !found; i++) {
        snprintf(sandbox->path, sizeof sandbox->path, "%s/%s", unit_directories[i], unit);
        found = take_file(host, sandbox->path, &settings);
    }
    if (!found)
        return 0;
    /* The site's come last, as their names sort in the usual case. */
    for (size_t i = UNIT_DIRECTORIES; i-- > 0;)
        take_drop_ins(host, unit_directories[i], unit, &settings);
    if (settings.checks_nothing)
        return 0;
    if (settings.is_strict && settings.read_only < 0)
        settings.read_only = 0;
    sandbox->is_read_only = settings.read_only > settings.writable;
    sandbox->hides_boot_id = settings.hides_boot_id;
    return 1;
}

bool unit_sandbox_blocks(const struct unit_sandbox *sandbox)
{
    return sandbox->is_read_only || sandbox->hides_boot_id;
}

/* The units of services that are called otherwise. */
static const struct {
    const char *service, *unit;
} units[] = {
    {"polkit-1", "polkit-agent-helper@.service"},
    {"sshd", "ssh.service"},
    {"sshd", "ssh@.service"},
    {"cockpit", "cockpit-session@.service"},
    {"cockpit", "cockpit-wsinstance-http.service"},
    {"gdm-password", "gdm.service"},
    {"gdm-password", "gdm3.service"},
    {"login", "getty@.service"},
    {"login", "serial-getty@.service"},
    {"login", "console-getty.service"},
    {"imap", "saslauthd.service"},
    {"smtp", "saslauthd.service"},
    {"pop", "saslauthd.service"},
    {"imap", "dovecot.service"},
    {"smtpd", "postfix@.service"},
    {"ftp", "vsftpd.service"},
};

bool unit_of_service(const char *service, size_t number, char *unit, size_t size)
{
    if (number < 2) {
        snprintf(unit, size, "%s%s.service", service, number == 1 ? "@" : "");
        return true;
    }
    for (size_t i = 0, found = 2; i < sizeof units / sizeof *units; i++)
        if (strcmp(units[i].service, service) == 0 && found++ == number) {
            snprintf(unit, size, "%s", units[i].unit);
            return true;
        }
    return false;
}

bool unit_find_blocking(const struct host *host, const char *service, const char *directory,
                        char *unit, size_t size)
{
    struct unit_sandbox sandbox;

    for (size_t i = 0; unit_of_service(service, i, unit, size); i++)
        if (unit_sandbox_read(host, unit, directory, &sandbox) == 1 &&
            unit_sandbox_blocks(&sandbox))
            return true;
    return false;
}
