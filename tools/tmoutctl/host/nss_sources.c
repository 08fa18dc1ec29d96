#include "tools/tmoutctl/host/nss_sources.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __GLIBC__
#include <nss.h>
#endif

/* What follows "database:" in its line, or NULL. */
static const char *line_of(const char *text, const char *database)
{
    const size_t length = strlen(database);

    while (*text != '\0') {
        text += strspn(text, " \t");
        if (strncmp(text, database, length) == 0) {
            const char *colon = text + length + strspn(text + length, " \t");
            if (*colon == ':')
                return colon + 1;
        }
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return NULL;
}

static bool add_source(struct nss_sources *sources, const char *name, size_t length)
{
    if (sources->count == NSS_SOURCES_MAX || length >= NSS_NAME_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_')
            return false;
    memcpy(sources->name[sources->count], name, length);
    sources->name[sources->count++][length] = '\0';
    return true;
}

int nss_sources_parse(const char *text, const char *database, struct nss_sources *sources)
{
    const char *line = line_of(text, database);

    *sources = (struct nss_sources){0};
    if (line == NULL)
        return 0;
    const size_t length = strcspn(line, "#\n");
    if (length >= sizeof sources->line)
        return -1;
    memcpy(sources->line, line, length);
    if (strcasestr(sources->line, "return") != NULL)
        return -1;
    for (const char *at = sources->line + strspn(sources->line, " \t"); *at != '\0';) {
        const bool is_action = *at == '[';
        const size_t word = is_action ? strcspn(at, "]") : strcspn(at, " \t[");
        if (!is_action && !add_source(sources, at, word))
            return -1;
        at += word + (is_action && at[word] == ']');
        at += strspn(at, " \t");
    }
    return 1;
}

int nss_sources_read(const char *database, struct nss_sources *sources)
{
    char text[16 * 1024];
    size_t size = 0;

#ifndef __GLIBC__
    return -1;
#endif
    FILE *file = fopen("/etc/nsswitch.conf", "re");
    if (file != NULL) {
        size = fread(text, 1, sizeof text - 1, file);
        fclose(file);
    }
    text[size] = '\0';
    return size < sizeof text - 1 ? nss_sources_parse(text, database, sources) : -1;
}

bool nss_source_installed(const char *name)
{
    char library[NSS_NAME_MAX + sizeof "libnss_.so.2"];

    if (strcmp(name, "files") == 0)
        return true;
    snprintf(library, sizeof library, "libnss_%s.so.2", name);
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (handle != NULL)
        dlclose(handle);
    return handle != NULL;
}

void nss_sources_select(const char *database, const char *sources)
{
#ifdef __GLIBC__
    __nss_configure_lookup(database, sources);
#else
    (void)database;
    (void)sources;
#endif
}
